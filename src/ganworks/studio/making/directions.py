"""Directions in the space of latents along which samples change most, for the sliders of the page.

Härkönen et al. 2020 (GANSpace, arXiv 2004.02546): the principal components of the styles, or of the activations of the
first layer, over random latents; and the latents that go with a step along each of them, by regression (section 2.2).
Where these cannot be found, the coordinates of the latents stand in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COUNT, REACH = 12, 3.0  # directions; standard deviations to each side
_DRAWN, _FEATURES = 1024, 8192  # latents that are looked at; activations of each, at most
_SHOWS = 0.1  # share of a component that latents must explain


@dataclass(frozen=True)
class Directions:
    """names [k]; vectors: torch float32 [k, z_dim], each of length 1: one standard deviation of the latents."""

    names: list[str]
    vectors: Any

    def listed(self) -> list[dict[str, Any]]:
        """[{"name", "low", "high"}]."""
        return [{"name": name, "low": -REACH, "high": REACH} for name in self.names]

    def moved(self, z: Any, moves: dict[int, float]) -> Any:
        """Latents [n, z_dim] moved along directions by number."""
        for k, amount in moves.items():
            z = z + amount * self.vectors[k]
        return z


def find_directions(model: Any, count: int = COUNT) -> Directions:
    """The directions of a `use.model.Model`; its coordinates where it has no components."""
    import torch

    z = model.latents(_DRAWN, 0)
    features = _first_features(model, z)
    vectors = [] if features is None else _principal(z, features, count)
    if len(vectors) < 2:
        k = min(count, model.z_dim)
        return Directions([f"Coordinate {i + 1}" for i in range(k)], torch.eye(model.z_dim)[:k])
    return Directions([f"Direction {i + 1}" for i in range(len(vectors))], torch.stack(vectors))


def _principal(z: Any, features: Any, count: int) -> list[Any]:
    """Unit vectors [z_dim] in the latents for the first principal components of features [n, f]."""
    import torch

    x = features - features.mean(0)
    values, left = torch.linalg.eigh((x @ x.T).double())  # of the n x n matrix: its vectors are the coordinates
    found = []
    for k in range(1, count + 1):
        if k > x.shape[1] or values[-k] <= 1e-9 * values[-1]:
            break
        coordinate = left[:, -k].float() * len(z) ** 0.5
        vector = z.T @ coordinate / len(z)
        vector = vector * (1 if vector[vector.abs().argmax()] > 0 else -1)  # eigenvectors have no sign of their own
        if vector.norm() > _SHOWS:
            found.append(vector / vector.norm())
    return found


class _EnoughError(Exception):
    """Carries the activations that were looked for out of the network."""

    def __init__(self, features: Any):
        super().__init__()
        self.features = features


def _first_features(model: Any, z: Any) -> Any:
    """The styles of latents [n, z_dim], or the activations of the first layer that depends on them: [n, f] float32.

    None for a network without such a layer. The rest of the network is not run.
    """
    import torch

    def look(_: Any, __: Any, out: Any) -> None:
        if isinstance(out, torch.Tensor) and len(out) == len(z) and out.is_floating_point():
            flat = out.detach().float().flatten(1)
            flat = flat[:, :: -(-flat.shape[1] // _FEATURES)].cpu()
            if flat.isfinite().all() and float(flat.std(0).max()) > 1e-6:
                raise _EnoughError(flat)

    net = model.generator
    mapping = getattr(net, "mapping", None)
    leaves = [part for part in net.modules() if next(part.parameters(recurse=False), None) is not None]
    handles = [part.register_forward_hook(look) for part in ([mapping] if mapping is not None else leaves)]
    y = torch.zeros(len(z), dtype=torch.int64, device=model.device) if model.spec.num_classes else None
    try:
        with torch.inference_mode(), torch.random.fork_rng([]):
            net(z.to(model.device), y)
    except _EnoughError as enough:
        return enough.features
    except (RuntimeError, TypeError, ValueError):  # a network that is called in another way
        return None
    finally:
        for handle in handles:
            handle.remove()
    return None
