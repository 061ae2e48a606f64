"""Rewards for every token of a text, by Monte Carlo search (SeqGAN, Yu et al. 2017, 1609.05473, section 3.1).

The generator completes each prefix of a text several times; the reward of a token is the mean output of the critic on
the completions of the prefix that it ends. Each completion carries the indices of its text and of its token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ganworks.kinds.text.data.vocabulary import END


def completions(
    G: Any, x: Tensor, y: Tensor | None, u: Tensor, pick: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Completions by G of every proper prefix of texts x [B, L]: (texts [R, L], text [R], last token [R]).

    y: labels [B] or None. u: uniform numbers [B, times, L, L] by text, repetition, last token of the prefix, place.
    pick: probabilities and uniform numbers -> tokens. The whole text is not completed: its last token has the reward of
    the text itself.
    """
    rows, (times, length) = len(x), (u.shape[1], x.shape[1])
    texts, state, tokens = x.clone(), None, G.begins(rows)
    owner, last = torch.arange(rows, device=x.device), torch.full((rows,), -1, device=x.device)
    numbers, labels = u[:, 0, 0], y
    ended = torch.zeros(rows, dtype=torch.bool, device=x.device)
    for place in range(length):
        logits, state = G.advance(tokens, labels, state)
        tokens = pick(G.chances(logits, place), numbers[:, place]).masked_fill(ended, END)
        tokens[:rows] = x[:, place]  # the first rows are the given texts themselves
        texts[:, place] = tokens
        ended = ended | (tokens == END)
        going = torch.nonzero(x[:, place] != END)[:, 0] if place < length - 1 else owner[:0]
        if len(going):
            going = going.repeat_interleave(times)
            begun = texts[going].clone()
            begun[:, place + 1 :] = END
            which = torch.arange(len(going), device=x.device) % times
            texts, owner = torch.cat([texts, begun]), torch.cat([owner, going])
            last = torch.cat([last, torch.full_like(going, place)])
            numbers = torch.cat([numbers, u[going, which, place]])
            labels = None if labels is None or y is None else torch.cat([labels, y[going]])
            state = G.core.joined([state, G.core.chosen(state, going)])
            tokens, ended = torch.cat([tokens, x[going, place]]), torch.cat([ended, ended[going]])
        if ended.all():
            break
    return texts[rows:], owner[rows:], last[rows:]


def rewards(whole: Tensor, found: Tensor, owner: Tensor, last: Tensor, x: Tensor) -> Tensor:
    """Rewards [B, L] of the tokens of x [B, L]: the means over the completions of the prefixes that they end.

    whole: rewards of the texts themselves [B], for their last token, END or not. found: rewards of completions [R],
    with the indices of text and token, owner [R] and last [R]. Rewards after the end are 0.
    """
    sums, counts = torch.zeros(x.shape, device=x.device), torch.zeros(x.shape, device=x.device)
    sums.index_put_((owner, last), found, accumulate=True)
    counts.index_put_((owner, last), torch.ones_like(found), accumulate=True)
    out = sums / counts.clamp_min(1)
    final = (x != END).sum(1).clamp_max(x.shape[1] - 1)
    return out.scatter(1, final[:, None], whole[:, None])
