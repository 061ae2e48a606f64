"""What one example is (`Spec`), what a loss function receives (`Batch`), and keyed randomness (`Draw`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganworks.core.errors import UsageError

_LARGEST_FACTS = 4_000_000  # bytes as JSON


@dataclass(frozen=True)
class Spec:
    """All that is needed to rebuild a generator without its data.

    kind: name of the domain, e.g. "images" or "points".
    shape: shape of one example as the networks see it, channels first: (C, H, W) or (D,).
    classes: names of the classes in label order; empty when the data has no labels.
    low, high: data values that the network values -1 and +1 stand for (uint8 images: 0 and 255).
    dtype: numpy name of the data on disk, "uint8" or "float32"; samples are written back in it.
    source: shape of what the generator is given, e.g. (3, 64, 64) for a translator; () for latents alone.
    facts: plain facts that the domain needs to use a network without its data, e.g. {"scale": 4}.
    """

    kind: str
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 255.0
    dtype: str = "uint8"
    source: tuple[int, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 when there are no labels."""
        return len(self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for YAML and safetensors headers."""
        plain = {**asdict(self), "shape": list(self.shape), "classes": list(self.classes), "source": list(self.source)}
        return {k: v for k, v in plain.items() if v or k not in ("source", "facts")}

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> Spec:
        """The inverse of `to_dict`; refuses anything that is not a sane spec with a `UsageError`."""
        try:
            shape = tuple(int(n) for n in raw["shape"])
            source = tuple(int(n) for n in raw.get("source", ()))
            spec = Spec(
                kind=str(raw["kind"]),
                shape=shape,
                classes=tuple(str(c) for c in raw.get("classes", ())),
                low=float(raw.get("low", 0.0)),
                high=float(raw.get("high", 255.0)),
                dtype=str(raw.get("dtype", "uint8")),
                source=source,
                facts=dict(raw.get("facts", {})),
            )
            size = len(json.dumps(spec.facts))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise UsageError(
                f"The data spec is damaged ({str(error)[:200]!r}); it must hold kind, shape and classes."
            ) from error
        sane = all(1 <= n <= 65536 for n in (*shape, *source)) and 1 <= len(shape) <= 4 and len(source) <= 4
        if not sane or spec.dtype not in ("uint8", "float32") or size > _LARGEST_FACTS:
            raise UsageError(f"The data spec is damaged: shape {shape}, source {source}, dtype {spec.dtype!r}.")
        return spec


def key(*parts: int | str) -> int:
    """A 63-bit seed from ints and short names; the same on every machine and Python version."""
    digest = hashlib.blake2b("/".join(str(p) for p in parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class Draw:
    """Randomness keyed by (seed, step, turn) and the global sample index.

    Every process draws for the whole global batch of `total` rows and keeps its own rows, so that 1, 2 or 3
    processes, or several accumulation slices, see the same numbers for the same global row. Draws are made on
    the CPU: they are the same on every device.
    """

    def __init__(self, seed: int, total: int, rows: slice | Tensor, device: torch.device | str = "cpu"):
        self.generator = torch.Generator().manual_seed(seed)
        self.total, self.rows, self.device = total, rows, device

    def _keep(self, values: Tensor) -> Tensor:
        return values[self.rows].to(self.device, non_blocking=True)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal [B, *shape], float32."""
        return self._keep(torch.randn(self.total, *shape, generator=self.generator))

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1) [B, *shape], float32."""
        return self._keep(torch.rand(self.total, *shape, generator=self.generator))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform integers in [0, high) [B, *shape], int64."""
        return self._keep(torch.randint(high, (self.total, *shape), generator=self.generator))


class Batch(dict[str, Tensor]):
    """One turn's examples: `x` [B, *spec.shape] in [-1, 1], `y` [B] int64 when there are classes, ...

    Tensors are fetched when first asked for, so a turn that needs no real data costs no reading.
    draw: this turn's keyed randomness. seen: examples seen so far. progress: seen / budget in [0, 1].
    size: rows in this batch. num_classes: 0 when unconditional.
    """

    def __init__(
        self,
        load: Callable[[], dict[str, Tensor]],
        draw: Draw,
        *,
        size: int,
        seen: int = 0,
        progress: float = 0.0,
        num_classes: int = 0,
    ):
        super().__init__()
        self._load, self.draw, self.size = load, draw, size
        self.seen, self.progress, self.num_classes = seen, progress, num_classes

    def __missing__(self, name: str) -> Tensor:
        self.update(self._load())
        if name not in self:
            raise KeyError(f"This batch has no {name!r}; it has {sorted(self)}.")
        return self[name]

    @property
    def y(self) -> Tensor | None:
        """Labels [B] int64, or None when the training is unconditional."""
        return self["y"] if self.num_classes else None
