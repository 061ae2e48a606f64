"""BEGAN's networks (Berthelot et al. 2017, 1703.10717): a discriminator that is an autoencoder, made of its own family.

The decoder of D has the architecture of G, and so the size of its codes, as in the paper; they share no weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ganworks.core.contracts import Networks
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import check
from ganworks.core.spec import Spec
from ganworks.networks.autoencoder import Encoder
from ganworks.networks.compact import Compact


class ReconstructingCritic(nn.Module):
    """Examples [B, *shape], labels [B] or None -> mean absolute error [B] float32 of their reconstruction.

    `k` weighs the error of samples in D's loss; `balance` is gamma L(x) - L(G(z)) of the last batch, which moves it.
    """

    def __init__(self, encoder: Encoder, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.register_buffer("k", torch.zeros(()))
        self.register_buffer("balance", torch.zeros(()))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        made = self.decoder(self.encoder(x, y), y)
        return (made.float() - x.float()).abs().flatten(1).mean(1)


@dataclass(frozen=True)
class BEGANNetworks:
    """G, and a D that is an autoencoder, of one family of networks.

    body: the family, networks of G and D; the trunk of its D encodes, its G decodes.
    """

    body: Any = field(default_factory=Compact)

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.body, Networks):
            raise UsageError(f"networks.body must be networks of G and D, such as compact, not {self.body!r:.80}.")

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G", "D": ReconstructingCritic} with fresh weights from torch's global generator."""
        G, parts = self.body.build(spec)["G"], self.body.build(spec)
        return {"G": G, "D": ReconstructingCritic(Encoder(parts["D"], spec, G.z_dim), parts["G"])}
