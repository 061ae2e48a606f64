"""Critics of texts: convolutions over embedded tokens, max-pooling over the text, one logit.

The architecture is that of Kim 2014 (1408.5882), as in SeqGAN (1609.05473) and RelGAN (ICLR 2019). A text is token
numbers [B, L], or soft tokens [B, L, V] with a gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganworks.core.spec import Spec

SPREAD = 0.3  # standard deviation of embedded tokens


class Highway(nn.Module):
    """x [..., n] -> gate * relu(linear(x)) + (1 - gate) * x (Srivastava et al. 2015, 1505.00387)."""

    def __init__(self, size: int):
        super().__init__()
        self.change, self.gate = nn.Linear(size, size), nn.Linear(size, size)
        nn.init.constant_(self.gate.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate(x).sigmoid()
        return gate * self.change(x).relu() + (1 - gate) * x


def soft(x: Tensor, weight: Tensor) -> Tensor:
    """Token numbers [B, L] or soft tokens [B, L, V] -> embeddings [B, L, n] by the table [V, n]."""
    return x @ weight.to(x.dtype) if x.dim() == 3 else functional.embedding(x.long(), weight)


def token_embedding(tokens: int, size: int) -> nn.Embedding:
    """An embedding of tokens with standard deviation SPREAD."""
    made = nn.Embedding(tokens, size)
    nn.init.normal_(made.weight, std=SPREAD)
    return made


class TextCritic(nn.Module):
    """Token numbers [B, L] or soft tokens [B, L, V], labels [B] or None -> logits [B] float32, high for real texts.

    Convolutions of several widths, max-pooling over the text, a highway layer, dropout. Labels enter by projection
    (Miyato and Koyama 2018, 1802.05637).
    """

    def __init__(self, spec: Spec, embed: int, widths: tuple[int, ...], maps: int, dropout: float):
        super().__init__()
        tokens, length = len(spec.facts["vocabulary"]["tokens"]) + 2, spec.shape[0]
        fitting = sorted({min(width, length) for width in widths})
        self.embed = token_embedding(tokens, embed)
        self.windows = nn.ModuleList(nn.Conv1d(embed, maps, width) for width in fitting)
        size = maps * len(fitting)
        self.highway, self.dropout = Highway(size), nn.Dropout(dropout)
        self.out = nn.Linear(size, 1)
        nn.init.zeros_(self.out.weight)  # at first all texts have the same logit
        self.label = nn.Embedding(spec.num_classes, size) if spec.num_classes else None
        if self.label is not None:
            nn.init.zeros_(self.label.weight)

    @torch.no_grad()
    def begin(self, embeddings: Tensor) -> None:
        """Copy a generator's embeddings [V or more, n] if the sizes agree.

        On captions, after three rounds, 68 % of pairs of a real and a generated text were told apart with them, and 57
        % with random embeddings.
        """
        found = embeddings[: self.embed.num_embeddings]
        if found.shape == self.embed.weight.shape:
            self.embed.weight.copy_(found * (SPREAD / found.std().clamp_min(1e-6)))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        e = self.dropout(soft(x, self.embed.weight)).transpose(1, 2)
        held: Any = self.windows
        found = torch.cat([functional.conv1d(e, w.weight, w.bias).amax(2) for w in held], 1).relu()
        h = self.dropout(self.highway(found))
        logits = self.out(h)[:, 0].float()
        return logits if self.label is None or y is None else logits + (self.label(y) * h).sum(1).float()


class MultiViewCritic(nn.Module):
    """RelGAN's critic: texts and labels as in `TextCritic` -> logits [B, views], one for each scalar token embedding.

    All views share the convolutions (widths 2 to 5 in the paper, 300 maps each) and the layers after them.
    """

    def __init__(self, spec: Spec, views: int, widths: tuple[int, ...], maps: int, dropout: float):
        super().__init__()
        tokens, length = len(spec.facts["vocabulary"]["tokens"]) + 2, spec.shape[0]
        fitting = sorted({min(width, length) for width in widths})
        self.embed = token_embedding(tokens, views)
        self.windows = nn.ModuleList(nn.Conv1d(1, maps, width) for width in fitting)
        size = maps * len(fitting)
        self.highway, self.dropout = Highway(size), nn.Dropout(dropout)
        self.deep, self.out = nn.Linear(size, 100), nn.Linear(100, 1)
        self.label = nn.Embedding(spec.num_classes, 100) if spec.num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        e = soft(x, self.embed.weight)
        rows, length, views = e.shape
        flat = e.transpose(1, 2).reshape(rows * views, 1, length)
        found = torch.cat([window(flat).amax(2) for window in self.windows], 1).relu()
        h = self.deep(self.dropout(self.highway(found)))
        logits = self.out(h).view(rows, views).float()
        if self.label is None or y is None:
            return logits
        return logits + (h.view(rows, views, -1) * self.label(y)[:, None]).sum(2).float()
