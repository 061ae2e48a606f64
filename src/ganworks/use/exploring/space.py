"""The space in which one moves: the styles of a generator that has some, else its latents; classes as weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.core.abilities.encoding import HasStyles
from ganworks.core.errors import UsageError
from ganworks.core.limits import check_seed
from ganworks.core.spec import key
from ganworks.use.model import Model
from ganworks.use.samples import Samples

_MEASURED = 2048  # points whose mean and spread are those of the space
_AT_ONCE = 256


class FromStyles(nn.Module):
    """Styles [B, z_dim] -> examples [B, *shape]: the part of a generator behind its mapping, one style for all layers.

    net: the generator; z_dim is the width of its styles here.
    """

    def __init__(self, net: Any, z_dim: int):
        super().__init__()
        self.net, self.z_dim = net, z_dim

    def forward(self, w: Tensor, y: Tensor | None = None) -> Tensor:
        return self.net.synthesis(w[:, None].expand(-1, self.net.count, -1))


class WeighedClasses(nn.Module):
    """(Latents, weights of the classes) [B, z_dim] -> examples [B, *shape].

    Where `net` looks up the vector of a class, it gets the weighted sum of the vectors of all of them: 1 and zeros is a
    class, a half and a half lies between two. net: a conditional generator of `classes` classes; it is copied. A pass
    raises UsageError where it looks up no vector.
    """

    def __init__(self, net: Any, classes: int):
        super().__init__()
        self.net, self.latent, self.classes = copy.deepcopy(net), int(net.z_dim), classes
        self.z_dim = self.latent + classes
        self._weights: Tensor | None = None
        self._used = False
        for module in self.net.modules():
            weight = getattr(module, "weight", None)
            if isinstance(module, nn.Embedding) and module.num_embeddings == classes:
                module.register_forward_hook(self._look_up)
            elif isinstance(weight, Tensor) and weight.ndim == 2 and weight.shape[1] == classes:
                module.register_forward_pre_hook(self._replace)

    def _look_up(self, table: Any, _: Any, out: Tensor) -> Tensor:
        if self._weights is None:
            return out
        self._used = True
        return (self._weights @ table.weight).to(out.dtype)

    def _replace(self, _: Any, given: Any) -> Any:
        """Weights in place of a one-hot class, before a layer that takes one."""
        x = given[0]
        if self._weights is None or not _is_one_hot(x, self._weights):
            return given
        self._used = True
        return (self._weights.to(x.dtype), *given[1:])

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        z, weights = x.split((self.latent, self.classes), 1)
        self._weights, self._used = weights, False
        try:
            made = self.net(z.contiguous(), weights.argmax(1))
        finally:
            self._weights = None
        if not self._used:
            raise UsageError("This generator takes classes as numbers alone: there is nothing between two of them.")
        return made


def _is_one_hot(x: Tensor, weights: Tensor) -> bool:
    hot = nn.functional.one_hot(weights.argmax(1), weights.shape[1])
    return x.shape == weights.shape and bool((x == hot).all())


class Space:
    """Points [n, dim] float32 of a model and the samples that belong to them.

    model: sampled as it was loaded. label: the class for all points, by name or number; None: the first, of a
    conditional model. Styles are those of that class.
    """

    def __init__(self, model: Model, label: str | int | None = None):
        self.model = model
        self.label = None if not model.spec.num_classes else int(_one(model.label_table(0 if label is None else label)))
        if label is not None and self.label is None:
            model.label_table(label)  # says that there are no classes
        net: Any = model.generator
        self.styles = isinstance(net, HasStyles)
        self.name = "styles" if self.styles else "latents"
        self._view = model
        if self.styles:
            self._view = _view(model, FromStyles(net, self.of_latents(model.latents(1)).shape[1]))
        self.dim = self._view.z_dim
        points = self.of_latents(model.latents(_MEASURED, key(0, "explore", 0) >> 1))
        self._points = points
        self.mean, self.spread = points.mean(0), float(points.var(0).sum().sqrt())

    def of_latents(self, z: Tensor) -> Tensor:
        """Points [n, dim] of latents [n, z_dim]."""
        if not self.styles:
            return z
        net: Any = self.model.generator
        device = self.model.device
        with torch.inference_mode():
            parts = [net.styles(part.to(device), self.labels(len(part)))[:, 0].cpu() for part in z.split(_AT_ONCE)]
        return torch.cat(parts).clone()

    def labels(self, n: int) -> Tensor | None:
        """The class of n points, [n] int64; None without classes."""
        return None if self.label is None else torch.full((n,), self.label, device=self.model.device)

    def of_seeds(self, seeds: Sequence[int], truncation: float = 1.0) -> Tensor:
        """Points [n, dim] of sample 0 of each seed, moved towards the mean by `truncation`."""
        z = torch.cat([self.model.latents(1, check_seed(seed)) for seed in seeds])
        return self.mean + truncation * (self.of_latents(z) - self.mean) if self.styles else truncation * z

    def along(self, vectors: Tensor) -> Tensor:
        """Standard deviations [k] of the space along unit vectors [k, dim]."""
        return (self._points @ vectors.T).std(0)

    def samples(self, points: Tensor, **facts: Any) -> Samples:
        """The samples of points [n, dim]. facts: for their marks."""
        made = self._view.decode(points.float(), None if self.styles else self.label)
        return self.model.wrap(made.data, seed=None, labels=made.labels, explored=self.name, **facts)

    def run(self, points: Tensor) -> Tensor:
        """Examples [n, *shape] in [-1, 1] of points, with gradients where the points ask for them."""
        net: Any = self._view.generator
        return net(points, None if self.styles else self.labels(len(points)))


def mixed(model: Model, z: Tensor, weights: Tensor) -> Samples:
    """Samples of latents [n, z_dim] and weights of the classes [n, K]. Raises UsageError for a model without."""
    if not model.spec.num_classes:
        raise UsageError("This model was trained without labels: it has no classes to go between.")
    view = _view(model, WeighedClasses(model.generator, model.spec.num_classes))
    made = view.decode(torch.cat([z, weights], 1).float())
    return model.wrap(made.data, seed=None, mixed_classes=True)


def _view(model: Model, net: nn.Module) -> Model:
    """A model of another input, without classes of its own, that makes the same kind of examples."""
    return Model(net, replace(model.spec, classes=()), model.info, device=model.device)


def _one(table: np.ndarray | None) -> int:
    assert table is not None
    if len(table) != 1:
        raise UsageError("Name one class.")
    return int(table[0])
