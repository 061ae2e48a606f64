"""Rewards for every token of a text: the critic's output on texts that begin with it.

SeqGAN, Yu et al. 2017 (1609.05473), section 3.1. A prefix is completed several times by the generator
itself. Every completion carries the number of the text and of the token that it belongs to, so that no reward can
reach another sentence.
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
    """Every proper prefix of texts x [B, L], completed by G: (texts [R, L], whose [R], which token is its last [R]).

    u: uniform numbers [B, times, L, L]: of text, repetition, last token of the prefix, place. pick: chances and uniform
    numbers to tokens. The full text of a prefix is not among them: its reward is that of the text itself.
    """
    rows, (times, length) = len(x), (u.shape[1], x.shape[1])
    texts, state, tokens = x.clone(), None, G.begins(rows)
    owner, last = torch.arange(rows, device=x.device), torch.full((rows,), -1, device=x.device)
    numbers, labels = u[:, 0, 0], y
    ended = torch.zeros(rows, dtype=torch.bool, device=x.device)
    for place in range(length):
        logits, state = G.advance(tokens, labels, state)
        tokens = pick(G.chances(logits, place), numbers[:, place]).masked_fill(ended, END)
        tokens[:rows] = x[:, place]  # the given texts themselves go first
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
    """Rewards [B, L] of every token of x [B, L]: the mean over the completions of the prefix that it ends.

    whole: of the texts themselves [B], for their last token, END or not. found: of completions [R], with the text and
    token that each belongs to. 0 behind the end.
    """
    sums, counts = torch.zeros(x.shape, device=x.device), torch.zeros(x.shape, device=x.device)
    sums.index_put_((owner, last), found, accumulate=True)
    counts.index_put_((owner, last), torch.ones_like(found), accumulate=True)
    out = sums / counts.clamp_min(1)
    final = (x != END).sum(1).clamp_max(x.shape[1] - 1)
    return out.scatter(1, final[:, None], whole[:, None])
