"""Relational memory: a recurrent core whose slots attend to each other and to the input.

Santoro et al. 2018 (1806.01822), as the generator of RelGAN (Nie et al., ICLR 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class RelationalMemory(nn.Module):
    """Embeddings [B, T, E], memory [B, slots, M] or None -> features [B, T, slots * M], memory.

    M = heads * head_size.
    """

    def __init__(self, embed: int, heads: int, head_size: int, slots: int):
        super().__init__()
        size = heads * head_size
        self.heads, self.slots, self.size, self.width = heads, slots, size, slots * size
        self.enter, self.ask, self.tell = nn.Linear(embed, size), nn.Linear(size, size), nn.Linear(size, 2 * size)
        self.first, self.second = nn.LayerNorm(size), nn.LayerNorm(size)
        self.think = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, size))
        self.gate_input, self.gate_memory = nn.Linear(size, 2 * size), nn.Linear(size, 2 * size)

    def start(self, rows: int, like: Tensor) -> Tensor:
        """Initial slots [rows, slots, M]: rows of the identity matrix, so that they differ."""
        return torch.eye(self.slots, self.size, device=like.device).expand(rows, -1, -1)

    def _attend(self, memory: Tensor, x: Tensor) -> Tensor:
        """Attention of every slot to all slots and to the input."""
        rows = torch.cat([memory, x], 1)
        asked, (keys, values) = self.ask(memory), self.tell(rows).chunk(2, 2)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (asked, keys, values))
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def _step(self, memory: Tensor, x: Tensor, gates: Tensor) -> Tensor:
        found = self.first(memory + self._attend(memory, x))
        found = self.second(found + self.think(found))
        take, keep = (gates + self.gate_memory(memory.tanh())).chunk(2, 2)
        return take.sigmoid() * found.tanh() + (keep + 1).sigmoid() * memory

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        entered = self.enter(x)
        gates = self.gate_input(entered)
        memory = self.start(len(x), x) if state is None else state
        out = []
        for t in range(x.shape[1]):
            memory = self._step(memory, entered[:, t : t + 1], gates[:, t : t + 1])
            out.append(memory.flatten(1))
        return torch.stack(out, 1), memory

    @staticmethod
    def chosen(state: Tensor, rows: Tensor) -> Tensor:
        """The state of the rows with these indices."""
        return state.index_select(0, rows)

    @staticmethod
    def joined(states: list[Tensor]) -> Tensor:
        """The states of several batches, concatenated."""
        return torch.cat(states)
