"""Autoencoders from any family of networks: its G is the decoder, the trunk of its D is the encoder.

So an encoder has the sizes, the initialisation and the image shapes of its family, and a family needs nothing but a
discriminator in two parts (`core.encoding.SharesFeatures`). Labels reach the encoder through an embedding that is
appended to its features: q(z | x, y), for a decoder p(x | z, y) (Sohn et al. 2015, conditional VAE).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ganworks.core.contracts import Nets, Networks
from ganworks.core.encoding import SharesFeatures
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, check
from ganworks.core.spec import Spec
from ganworks.layers.dense import dense_stack
from ganworks.layers.posterior import Posterior
from ganworks.networks.compact import Compact
from ganworks.networks.mlp import MLP, LabelEmbedding

EMBED = 16  # numbers of an embedded label


def headless(D: Any) -> Any:
    """A discriminator without the members that only its logits need. Raises UsageError unless it is in two parts."""
    if not isinstance(D, SharesFeatures):
        raise UsageError(
            f"No encoder can be made of {type(D).__name__}: it has no `features`. Use networks.body=compact, dcgan, "
            "mlp or r3gan."
        )
    for name in D.HEAD:
        delattr(D, name)
    return D


def count_features(D: SharesFeatures) -> int:
    """The number of features of one example."""
    return math.prod(D.feature_shape)


class Encoder(nn.Module):
    """Examples [B, *shape], labels [B] or None -> `outputs` numbers [B, outputs] float32. D: it becomes the trunk."""

    def __init__(self, D: nn.Module, spec: Spec, outputs: int):
        super().__init__()
        self.trunk = headless(D)
        self.label = LabelEmbedding(spec.num_classes, EMBED)
        self.out = nn.Linear(count_features(self.trunk) + self.label.extra, outputs)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        features = self.trunk.features(x, y).float().flatten(1)
        with torch.autocast(features.device.type, enabled=False):
            return self.out(self.label(features, y))

    def code(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The most likely code [B, z_dim] of each example."""
        return self(x, y)


class GaussianEncoder(Encoder):
    """Examples [B, *shape], labels [B] or None -> their `Posterior`.

    `variance` is that of a Gaussian likelihood around the decoder's output, as a game has learned it in `steps` steps.
    """

    def __init__(self, D: nn.Module, spec: Spec, z_dim: int):
        super().__init__(D, spec, 2 * z_dim)
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        return Posterior(*super().forward(x, y).chunk(2, 1))

    def code(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self(x, y).mean


class PairDiscriminator(nn.Module):
    """Examples [B, *shape], codes [B, z_dim], labels [B] or None -> logits [B] float32 of the pairs.

    As in ALI (Dumoulin et al. 2017, 1606.00704), examples and codes have trunks of their own, joined before the logit.
    """

    def __init__(self, D: nn.Module, spec: Spec, z_dim: int, hidden: tuple[int, ...]):
        super().__init__()
        self.trunk = headless(D)
        self.label = LabelEmbedding(spec.num_classes, EMBED)
        self.of_code = dense_stack([z_dim, *hidden], "leaky")
        joined = count_features(self.trunk) + hidden[-1] + self.label.extra
        self.both = dense_stack([joined, hidden[-1]], "leaky")
        self.out = nn.Linear(hidden[-1], 1)

    def forward(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        features = self.trunk.features(x, y).float().flatten(1)
        with torch.autocast(features.device.type, enabled=False):
            pair = torch.cat([features, self.of_code(z.float())], 1)
            return self.out(self.both(self.label(pair, y)))[:, 0]


class Reconstruction(nn.Module):
    """Examples [B, *shape], labels [B] or None -> what the decoder makes of their codes [B, *shape].

    Of examples without labels, the class is the one whose reconstruction is nearest.
    """

    def __init__(self, G: nn.Module, E: nn.Module, num_classes: int):
        super().__init__()
        self.G, self.num_classes = G, num_classes
        self.E: Any = E

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if y is not None or not self.num_classes:
            return self.G(self.E.code(x, y), y)
        made = torch.stack([self(x, torch.full((len(x),), k, device=x.device)) for k in range(self.num_classes)])
        near = (made - x).flatten(2).square().mean(2).argmin(0)
        return made[near, torch.arange(len(x), device=x.device)]


@dataclass(frozen=True)
class Autoencoder:
    """A decoder G, an encoder E and, for some games, a discriminator D, all of one family of networks.

    body: the family, networks of G and D.
    posterior: what E says of an example: a "gaussian" over its codes, or one "point".
    judge: what D sees: "examples" (VAE-GAN), "codes" (adversarial autoencoder), "both" (BiGAN); "none": no D.
    hidden: units of the layers of D that see codes.
    """

    body: Any = field(default_factory=Compact)
    posterior: Literal["gaussian", "point"] = "gaussian"
    judge: Literal["none", "examples", "codes", "both"] = "none"
    hidden: tuple[Count, ...] = (256, 256)
    makes: ClassVar[dict[str, str]] = {"G": "sample", "E": "apply"}

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.body, Networks) or isinstance(self.body, Autoencoder):
            raise UsageError(f"networks.body must be networks of G and D, such as compact, not {self.body!r:.80}.")
        if not self.hidden:
            raise UsageError("networks.hidden needs a layer or more.")

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G", "E"} or {"G", "E", "D"} with fresh weights from torch's global generator, for any shape of the body."""
        players = self.body.build(spec)
        G, D = players["G"], players["D"]
        encoder = GaussianEncoder if self.posterior == "gaussian" else Encoder
        nets: dict[str, nn.Module] = {"G": G, "E": encoder(self.body.build(spec)["D"], spec, G.z_dim)}
        if self.judge == "examples":
            nets["D"] = D
        elif self.judge == "both":
            nets["D"] = PairDiscriminator(D, spec, G.z_dim, self.hidden)
        elif self.judge == "codes":
            nets["D"] = MLP(d_hidden=self.hidden).build(Spec("codes", (G.z_dim,), spec.classes))["D"]
        return nets

    def joined(self, players: Nets) -> nn.Module:
        """The network that encodes and decodes, from G and E."""
        label = players["E"].label.embedding
        return Reconstruction(players["G"], players["E"], 0 if label is None else label.num_embeddings)
