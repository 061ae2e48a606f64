"""A trained generator in use: load, sample, interpolate, save.

Every sample has its own place: sample i of a seed is the same bytes alone, in a batch of 512 or in a bulk of
a million. Two things make that so on the CPU. Latents are drawn in blocks of 64 keyed by (seed, block). And
the network always runs on the same aligned window of `chunk` indices, with sample i in row i % chunk: kernels
choose their order of summation by shape and by row, so that even rounding is the same.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.core.abilities.encoding import Truncates, options_of, own_options
from ganworks.core.chance import own_randomness
from ganworks.core.config import from_dict
from ganworks.core.contracts import MakesFiles, PreparesNetwork
from ganworks.core.errors import GanworksError, UsageError, nearest, show
from ganworks.core.limits import check_count, check_index, check_seed, check_truncation
from ganworks.core.machine import memory
from ganworks.core.machine.devices import pick_device
from ganworks.core.spec import Spec, key
from ganworks.files import weights
from ganworks.runs.published import header, load_net
from ganworks.use.samples import Samples

_BLOCK = 64  # latents per keyed draw; changing it changes every sample
_MOST_STEPS = 100_000  # of a leg of a walk
_COPIES = 6  # of samples on their way into a file: as numbers, as pictures, as one sheet or film, encoded

# A class for all, several that repeat, or None for all classes in turn.
Labels = None | int | str | Sequence[int | str] | np.ndarray | Tensor


class Model:
    """A generator with its data spec, ready to sample. Use `Model.load`, or wrap a module of your own.

    generator: `G(z [B, z_dim], y [B] | None) -> [B, *spec.shape]`, in [-1, 1] for images; it is copied.
    info: facts about the training (networks, seen, recipe, data, ...). device: "auto", "cpu", "cuda", "mps".
    """

    def __init__(
        self,
        generator: nn.Module,
        spec: Spec,
        info: dict[str, Any] | None = None,
        *,
        device: str | torch.device = "auto",
    ):
        self.spec, self.info = spec, dict(info or {})
        self.device = pick_device(device)
        self.net = copy.deepcopy(generator).to(self.device).eval().requires_grad_(False)
        convolves = any(p.dim() == 4 for p in self.net.parameters())
        self._format = torch.channels_last if convolves else torch.preserve_format
        self.net.to(memory_format=self._format)  # pyrefly: ignore
        self.domain = _domain(self.info.get("domain"))
        self._begin({})

    def _begin(self, options: dict[str, Any]) -> None:
        """Prepare the generator for these options of the domain."""
        self.options = options
        domain = self.domain
        net: Any = self.net
        own = {name: value for name, value in options.items() if name in own_options(net)}
        made = net.prepared(own) if own else net
        if isinstance(domain, PreparesNetwork):
            made = domain.prepare(made, self.spec, {name: v for name, v in options.items() if name not in own})
        self.generator = made.to(self.device).eval().requires_grad_(False)
        own: Any = self.generator
        self.z_dim, self.truncates = int(own.z_dim), isinstance(own, Truncates)
        self.chunk = self._choose_chunk()

    def prepared(self, **options: Any) -> Model:
        """This model under options of its domain, e.g. temperature=0.8; raises UsageError for one it does not have."""
        known = options_of(self.domain, self.net)
        for name in options:
            if name not in known:
                raise UsageError(f'This model has no option "{name}". {nearest(name, known or ("none",))}')
        if options == self.options:
            return self
        other = copy.copy(self)
        other._begin(options)
        return other

    @property
    def maker(self) -> MakesFiles | None:
        """What writes its samples as files: its domain where that can, else None (pictures, arrays)."""
        return self.domain if isinstance(self.domain, MakesFiles) else None

    @staticmethod
    def load(path: str | Path, *, device: str | torch.device = "auto", allow_nonfinite: bool = False) -> Model:
        """Load from a run folder or a `generator.safetensors` alone; no data is needed.

        Raises UsageError for anything but an intact safetensors file whose header describes networks that fit.
        """
        found = load_net(path, allow_nonfinite=allow_nonfinite)
        if found.use != "sample":
            raise UsageError(f"{found.file} does not make samples from nothing; `ganworks {found.use}` uses it.")
        return Model(found.net, found.spec, {**found.card, "path": str(found.file)}, device=device)

    def save(self, path: str | Path) -> str:
        """Write a self-describing `generator.safetensors`; returns its SHA-256. Needs `info["networks"]`."""
        if "networks" not in self.info:
            raise UsageError(
                "This model was made from a bare module: its networks' configuration is unknown, so that the file "
                "could not be loaded again. Pass info={'networks': to_dict(networks)}."
            )
        card = {name: fact for name, fact in self.info.items() if name != "path"}
        return weights.write(path, self.net.state_dict(), header(self.spec, card))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in label order; empty when unconditional."""
        return self.spec.classes

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the generator's tensors, the same on every device: names the model in provenance marks."""
        return fingerprint(self.net)

    # Sampling -------------------------------------------------------------------------------------

    def sample(
        self, n: int = 1, seed: int = 0, labels: Labels = None, truncation: float = 1.0, start: int = 0, **options: Any
    ) -> Samples:
        """Samples `start` to `start + n - 1` of `seed`.

        labels: one class (index or name) for all, a sequence that is repeated to n, or None: sample i gets
        class i % num_classes. truncation: the latents' standard deviation, or what the generator does in its place
        (`Truncates`; StyleGAN2 moves styles to their mean), 1 = as trained; less gives more typical and less varied
        samples. options: those of the domain, see `prepared`. Raises UsageError for
        values out of range and for more than fits into memory.
        """
        if options:
            return self.prepared(**options).sample(n, seed, labels, truncation, start)
        check_count(n, "n")
        memory.check(n, self.row_bytes, "n", "the samples", instead=" ganworks.use.bulk.generate makes more, on disk.")
        data = np.empty((n, *self.spec.shape), self.spec.dtype)
        for first, rows in self.stream(n, seed, labels, truncation, start):
            data[first - start : first - start + len(rows)] = rows
        chosen = self.label_list(labels, np.arange(n) + (start if labels is None else 0))
        return self.wrap(data, seed=seed, start=start, labels=chosen, truncation=truncation)

    def wrap(
        self, data: np.ndarray, *, seed: int | None, start: int = 0, labels: np.ndarray | None = None, **facts: Any
    ) -> Samples:
        """`Samples` of rows that this model made, with the facts for their marks."""
        if facts.get("truncation") == 1.0:
            facts.pop("truncation")
        given = {name: str(value)[:200] for name, value in self.options.items()}
        facts = {"model": self.fingerprint, "recipe": self.info.get("recipe"), **given, **facts}
        return Samples(data, self.spec, seed, np.arange(start, start + len(data)), labels, facts, self.maker)

    def stream(
        self, n: int, seed: int = 0, labels: Labels = None, truncation: float = 1.0, start: int = 0
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(index of the first row, rows) in order, a chunk at a time; arguments as in `sample`."""
        seed, start, truncation = check_seed(seed), check_index(start), check_truncation(truncation)
        check_count(n, "n")
        stop, table = start + n, self.label_table(labels)
        offset = 0 if labels is None else start
        for first in range(start - start % self.chunk, stop, self.chunk):
            y = None if table is None else table[(np.arange(first, first + self.chunk) - offset) % len(table)]
            z = self.latents(self.chunk, seed, truncation, first)
            rows = self.run(z, y, key(seed, "noise", first), truncation)
            low, high = max(first, start), min(first + self.chunk, stop)
            yield low, rows[low - first : high - first]

    def latents(self, n: int, seed: int = 0, truncation: float = 1.0, start: int = 0) -> Tensor:
        """Latents [n, z_dim] float32 on the CPU of samples `start` onwards: truncation * N(0, 1).

        N(0, 1) for a generator that truncates in its own way.
        """
        blocks = range(start // _BLOCK, -(-(start + n) // _BLOCK))
        draws = [torch.Generator().manual_seed(key(seed, "z", block)) for block in blocks]
        z = torch.cat([torch.randn(_BLOCK, self.z_dim, generator=draw) for draw in draws])
        z = z[start % _BLOCK :][:n]
        return z if self.truncates else z * truncation

    def label_table(self, labels: Labels) -> np.ndarray | None:
        """The classes [k] int64 that repeat over the samples, or None for a model without classes.

        Raises UsageError for an unknown name, a number out of range, and labels for a model without classes.
        """
        if not self.spec.num_classes:
            if labels is not None:
                raise UsageError(f"labels={show(labels)}: this model was trained without labels. Leave labels out.")
            return None
        if labels is None:
            return np.arange(self.spec.num_classes)
        if isinstance(labels, Tensor):
            labels = labels.cpu().numpy()
        if isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.kind in "iu":
            wrong = labels[(labels < 0) | (labels >= self.spec.num_classes)]
            table = labels.astype(np.int64) if not len(wrong) else np.array([self._label(int(wrong[0]))])
        else:
            several = isinstance(labels, list | tuple | np.ndarray) and np.shape(labels) != ()
            table = np.array([self._label(item) for item in (labels if several else [labels])], np.int64)
        if not len(table):
            raise UsageError("labels is empty: name at least one class.")
        return table

    def label_list(self, labels: Labels, indices: np.ndarray) -> np.ndarray | None:
        """The class [n] int64 of each of `indices`, counted from where `labels` begins; see `label_table`."""
        table = self.label_table(labels)
        return None if table is None else table[indices % len(table)]

    def _label(self, label: Any) -> int:
        label = label.item() if isinstance(label, np.generic | np.ndarray | Tensor) and label.ndim == 0 else label
        if isinstance(label, str):
            if label in self.classes:
                return self.classes.index(label)
            if not label.isdecimal() or len(label) > 9:
                raise UsageError(f"There is no class {label[:60]!r}. {nearest(label[:60], self.classes)}")
            label = int(label)
        if type(label) is not int or not 0 <= label < self.spec.num_classes:
            raise UsageError(
                f"labels must be a class name or a number from 0 to {self.spec.num_classes - 1}, not {show(label)}. "
                f"Known classes: {', '.join(self.classes[:20])}."
            )
        return label

    def checked_latents(self, z: Tensor | np.ndarray) -> Tensor:
        """Latents of the caller's own as [n, z_dim] on the CPU; UsageError for what `decode` refuses."""
        z = torch.as_tensor(z).cpu()
        if z.ndim != 2 or z.shape[1] != self.z_dim or not len(z) or not z.is_floating_point():
            raise UsageError(f"Latents must be floats of shape [n, {self.z_dim}], not {z.dtype} {list(z.shape)}.")
        if not (z.abs() <= 100).all():
            raise UsageError(
                "Latents must be finite numbers of about N(0, 1), at most 100; these hold "
                f"{float(z.abs().nan_to_num(math.inf).max())}."
            )
        return z

    def decode(self, z: Tensor | np.ndarray, labels: Labels = None, truncation: float = 1.0) -> Samples:
        """Samples of your own latents [n, z_dim]. Raises UsageError for a wrong shape or type, NaN, or |z| > 100.

        truncation: for generators that truncate in their own way; for others, scale the latents.
        """
        truncation, z = check_truncation(truncation), self.checked_latents(z)
        y = self.label_list(labels, np.arange(len(z)))
        parts = []
        for first in range(0, len(z), self.chunk):
            part = z[first : first + self.chunk].float()
            fill = self.chunk - len(part)
            part = torch.cat([part, torch.zeros(fill, self.z_dim)]) if fill else part
            some = None if y is None else np.pad(y[first : first + self.chunk], (0, fill))
            parts.append(self.run(part, some, key("decode", first), truncation)[: self.chunk - fill])
        return self.wrap(np.concatenate(parts), seed=None, labels=y)

    def walk(self, seeds: Sequence[int], steps: int = 9, labels: Labels = None, truncation: float = 1.0) -> Samples:
        """Interpolate from sample 0 of each seed to that of the next: `steps` samples a leg, both ends included.

        Latents follow the great circle between two ends (White 2016, arXiv 1609.04468), and so keep the norm that the
        generator was trained with. Raises UsageError for fewer than two seeds.
        """
        z = self.walk_latents(seeds, steps, truncation)
        made = self.decode(z, 0 if labels is None and self.spec.num_classes else labels, truncation)
        return self.wrap(made.data, seed=None, labels=made.labels, interpolation=list(seeds), truncation=truncation)

    def walk_latents(self, seeds: Sequence[int], steps: int = 9, truncation: float = 1.0) -> Tensor:
        """The latents [n, z_dim] of a `walk`."""
        truncation, steps = check_truncation(truncation), check_count(steps, "steps", _MOST_STEPS)
        if len(seeds) < 2:
            raise UsageError(f"A walk needs two seeds or more, not {list(seeds)}.")
        each = (len(seeds) - 1) * (_COPIES * self.row_bytes + 8 * self.z_dim)
        memory.check(steps, each, "steps", "the samples of the walk")
        stops = [self.latents(1, check_seed(seed), truncation)[0].double() for seed in seeds]
        legs = [
            slerp(a, b, t)
            for n, (a, b) in enumerate(pairwise(stops))
            for t in np.linspace(0.0, 1.0, steps)[min(n, 1) :]
        ]
        return torch.stack(legs).float()

    def interpolate(self, a: int, b: int, steps: int = 9, labels: Labels = None, truncation: float = 1.0) -> Samples:
        """`walk` between two seeds: `steps` samples from a to b."""
        return self.walk([a, b], steps, labels, truncation)

    @property
    def row_bytes(self) -> int:
        """Bytes of one sample in memory."""
        return math.prod(self.spec.shape) * np.dtype(self.spec.dtype).itemsize

    def run(self, z: Tensor, y: np.ndarray | None, noise: int = 0, truncation: float = 1.0) -> np.ndarray:
        """z [B, z_dim], y [B] or None through the generator, as rows in the data's own range and type.

        How rows round depends on B and on their places: see above. truncation: for a generator that truncates in its
        own way; others are given narrower latents. noise: seed for generators that draw while they run (`draws`); the
        global random state is left as it was. Raises GanworksError for values that are not finite.
        """
        with torch.inference_mode(), own_randomness(self.device, noise if self.draws else None):
            return self.as_rows(self.outputs(z, y, truncation))

    def as_rows(self, x: Tensor) -> np.ndarray:
        """Network values [B, *shape] as rows in the data's own range and type; GanworksError unless they are finite."""
        if not math.isfinite(x.sum()):
            raise GanworksError(
                "The generator made NaN or infinite values: its training had diverged. Use an earlier snapshot."
            )
        low, high = self.spec.low, self.spec.high
        half = 0.5 if self.spec.dtype == "uint8" else 0.0
        middle = torch.full((), (high + low) / 2 + half, device=x.device)
        x = torch.add(middle, x, alpha=(high - low) / 2)  # one pass over memory
        if self.spec.dtype != "uint8":
            return x.contiguous().cpu().numpy()
        x = x.clamp_(0, 255)  # the cast drops the fraction: with the half added above, it rounds
        if self.device.type == "cpu":  # NumPy casts four times faster than torch there
            return x.contiguous().numpy().astype(np.uint8)
        return x.to(torch.uint8).contiguous().cpu().numpy()

    def outputs(self, z: Tensor, y: np.ndarray | None, truncation: float = 1.0) -> Tensor:
        """The generator's own values [B, *shape] float32; within `torch.inference_mode`, with the caller's draws."""
        net: Any = self.generator
        z, labels = z.to(self.device), None if y is None else torch.from_numpy(y).to(self.device)
        own = self.truncates and truncation != 1
        return (net.truncated(z, labels, truncation) if own else net(z, labels)).float()

    def _choose_chunk(self) -> int:
        """Rows per run: a power of two that depends on the network alone, so that bytes do not depend on timing.

        Measured on CPUs: convolutions are fastest while the largest map stays below 8 MB (128 rows at 28x28
        and width 64, 32 at 64x64), dense layers while it stays below half a megabyte. A network above about
        a second per 8 rows gets fewer. The same pass shows that the generator runs, what shape it makes and
        whether it draws noise.
        """
        memory.check_bytes(16 * math.prod(self.spec.shape), f"A sample of shape {self.spec.shape}")
        largest, work = [1], [0]

        def count(module: nn.Module, _: Any, out: Any) -> None:
            if isinstance(out, Tensor):
                largest[0] = max(largest[0], out.numel())
                size = sum(p.numel() for p in module.parameters(recurse=False) if p.dim() > 1)
                work[0] += size * math.prod(out.shape[2:])

        handles = [module.register_forward_hook(count) for module in self.generator.modules()]
        self.chunk, self.draws = 1, True
        try:
            with torch.random.fork_rng([]):
                torch.manual_seed(0)
                before = torch.get_rng_state()
                self.draws = False
                found = self.run(self.latents(1), self.label_list(None, np.zeros(1, np.int64)), 0).shape
                self.draws = self.device.type != "cpu" or not torch.equal(before, torch.get_rng_state())
        finally:
            for handle in handles:
                handle.remove()
        if found != (1, *self.spec.shape):
            raise UsageError(f"The generator makes {list(found[1:])}, the data spec says {list(self.spec.shape)}.")
        large = 1 if self.device.type == "cpu" else 8
        room, most = (8_500_000, 128) if self._format is torch.channels_last else (900_000, 1024)
        rows = min(most * large, max(8, room * large // (4 * largest[0])), 2**36 * large // max(1, work[0]))
        return 2 ** int(math.log2(max(1, rows)))


def _domain(given: Any) -> Any:
    """The domain of a card; None for a card without one, or when its class is not imported here."""
    if not isinstance(given, dict):
        return given
    try:
        return from_dict(Any, given, "domain")
    except UsageError:
        return None


def fingerprint(net: nn.Module) -> str:
    """SHA-256 over a network's tensors, the same on every device."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at fraction t of the great circle from a to b, of their line when a and b are parallel."""
    cosine = (a @ b / (a.norm() * b.norm()).clamp_min(1e-12)).clamp(-1, 1)
    angle = torch.acos(cosine)
    if angle.sin() < 1e-6:
        return (1 - t) * a + t * b
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
