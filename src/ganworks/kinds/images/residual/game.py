"""The two-player game with orthogonal regularisation of the generator, as in BigGAN."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganworks.core.contracts import Nets, Terms
from ganworks.core.schema.declare import Weight
from ganworks.core.spec import Batch
from ganworks.games.adversarial import Adversarial
from ganworks.games.penalties import off_diagonal


def orthogonality(net: nn.Module) -> Tensor:
    """The sum of `off_diagonal` over all convolutions and linear layers; embeddings of classes are left out."""
    found = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    found += [m.weight.transpose(0, 1) for m in net.modules() if isinstance(m, nn.ConvTranspose2d)]
    return torch.stack([off_diagonal(weight) for weight in found]).sum()


@dataclass(frozen=True)
class OrthogonalGame(Adversarial):
    """The two-player game of `Adversarial`, whose generator is kept near orthogonal weights.

    ortho: weight of the squared off-diagonal entries of W W' of each layer of G (BigGAN: 1e-4; 0: off). The authors'
        PyTorch code adds half of its gradient.
    """

    ortho: Weight = 1e-4

    def generator_turn(self, nets: Nets, batch: Batch) -> Terms:
        """G's terms, each [B]: g_loss, and ortho where it is on, the same for each example."""
        terms = super().generator_turn(nets, batch)
        if self.ortho:
            terms["ortho"] = (self.ortho * orthogonality(nets["G"])).expand(len(terms["g_loss"]))
        return terms
