"""InfoGAN's networks (Chen et al. 2016, 1606.03657): noise and codes for G, and a head of D that reads them.

Codes are made from the last numbers of a normal latent: the category is the place of the largest of `categories`
numbers, which is uniform at any truncation, and a continuous code is 2 Phi(z) - 1, uniform in (-1, 1). So everything
that samples, walks or decodes latents works with codes too.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.contracts import Networks
from ganworks.core.encoding import SharesFeatures
from ganworks.core.errors import UsageError, show
from ganworks.core.schema.declare import Count, Size, check, within
from ganworks.core.spec import Spec
from ganworks.layers.dense import dense_stack
from ganworks.networks.autoencoder import count_features
from ganworks.networks.dcgan import DCGAN


class CodedGenerator(nn.Module):
    """Latents [B, z_dim], labels [B] or None -> examples [B, *shape]; z = noise, `categories` and `continuous` numbers.

    G: the generator of noise, one-hot category and continuous codes, of z_dim numbers together.
    """

    def __init__(self, G: Any, categories: int, continuous: int):
        super().__init__()
        self.G = G
        self.z_dim, self.categories, self.continuous = int(G.z_dim), categories, continuous
        self.noise = self.z_dim - categories - continuous
        self.set: dict[str, float] = {}

    def codes(self, z: Tensor) -> tuple[Tensor | None, Tensor]:
        """(category [B] int64, or None without categories; continuous codes [B, continuous] in (-1, 1)) of latents."""
        _, chosen, values = z.float().split([self.noise, self.categories, self.continuous], 1)
        category = chosen.argmax(1) if self.categories else None
        return category, torch.erf(values / math.sqrt(2))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        category, values = self.codes(z)
        parts = [z[:, : self.noise].float()]
        if category is not None:
            chosen = category if "category" not in self.set else torch.full_like(category, int(self.set["category"]))
            parts.append(F.one_hot(chosen, self.categories).float())
        for n in range(self.continuous):
            if (name := f"c{n + 1}") in self.set:
                values = values.index_fill(1, torch.tensor([n], device=z.device), self.set[name])
        return self.G(torch.cat([*parts, values], 1), y)

    @property
    def options(self) -> dict[str, str]:
        """The codes that can be set when it samples."""
        meaning = f"the categorical code of all samples, 0 to {self.categories - 1}"
        one = {"category": meaning} if self.categories else {}
        return one | {f"c{n + 1}": "a continuous code of all samples, -1 to 1" for n in range(self.continuous)}

    def prepared(self, options: dict[str, Any]) -> nn.Module:
        """This generator with codes set, e.g. {"category": 3, "c1": -1}. Raises UsageError for values out of range."""
        other = copy.copy(self)
        other.set = {name: self._value(name, value) for name, value in options.items()}
        return other

    def _value(self, name: str, value: Any) -> float:
        low, high = (0, self.categories - 1) if name == "category" else (-1, 1)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not low <= number <= high or (name == "category" and number % 1):
            kind = "a whole number" if name == "category" else "a number"
            raise UsageError(f"{name} must be {kind} from {low} to {high}, not {show(value)}.")
        return number


class CodeReader(nn.Module):
    """Examples [B, *shape], labels [B] or None -> logits [B] float32; `read` gives the codes as well.

    D: its trunk is shared by the logits and by a head (the paper's Q) of one hidden layer of `hidden` units.
    """

    def __init__(self, D: Any, categories: int, continuous: int, hidden: int):
        super().__init__()
        if not isinstance(D, SharesFeatures):
            raise UsageError(f"InfoGAN cannot use {type(D).__name__}: it has no `features` to read codes from.")
        self.D = D
        self.sizes = [categories, continuous]
        self.hidden = dense_stack([count_features(D), hidden], "leaky")
        self.out = nn.Linear(hidden, categories + continuous)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.D.judge(self.D.features(x, y), y)

    def read(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(logits [B], logits of the category [B, categories], means of the continuous codes [B, continuous])."""
        features = self.D.features(x, y)
        with torch.autocast(features.device.type, enabled=False):
            category, means = self.out(self.hidden(features.float().flatten(1))).split(self.sizes, 1)
        return self.D.judge(features, y), category, means


@dataclass(frozen=True)
class InfoNetworks:
    """G and D of one family of networks, with codes.

    body: the family, networks of G and D; its latent holds the noise only.
    categories: values of the categorical code; 0: none.
    continuous: how many continuous codes, each uniform in (-1, 1).
    hidden: units of the layer between D's trunk and the codes that are read.
    """

    body: Any = field(default_factory=lambda: DCGAN(z_dim=62))
    categories: Annotated[int, within(0, 1024)] = 10
    continuous: Size = 2
    hidden: Count = 128
    makes: ClassVar[dict[str, str]] = {"G": "sample"}

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.body, Networks) or not hasattr(self.body, "z_dim"):
            raise UsageError(f"networks.body must be networks with a z_dim, such as dcgan, not {self.body!r:.80}.")
        if self.categories == 1 or not self.categories + self.continuous:
            raise UsageError("InfoGAN needs codes: networks.categories of 2 or more, or networks.continuous.")

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": CodedGenerator, "D": CodeReader} with fresh weights from torch's global generator."""
        whole = replace(self.body, z_dim=self.body.z_dim + self.categories + self.continuous)
        players = whole.build(spec)
        return {
            "G": CodedGenerator(players["G"], self.categories, self.continuous),
            "D": CodeReader(players["D"], self.categories, self.continuous, self.hidden),
        }
