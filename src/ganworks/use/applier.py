"""Applies a trained translator or restorer to pictures or files; its training data is not needed.

The network's file names its domain, which applies the network to pictures of any size. Noise that a network draws is
keyed by the seed alone: a picture gives the same bytes alone or in a folder, in any order, and the frames of a film
share their noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganworks.core.chance import own_randomness
from ganworks.core.config import from_dict
from ganworks.core.console.text import counted, printable
from ganworks.core.contracts import (
    ChangesArrays,
    ChangesFiles,
    ChangesPictures,
    HasOptions,
    KeepsGrey,
    KnowsChannels,
)
from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.limits import check_seed
from ganworks.core.machine import memory
from ganworks.core.machine.devices import pick_device
from ganworks.core.spec import key
from ganworks.files.rasters.masks import file_bytes, mask_tensor
from ganworks.files.rasters.pixels import luma
from ganworks.files.rasters.read import Picture, read, still
from ganworks.files.rasters.stored import Raster, range_of
from ganworks.files.rasters.write import picture, resized
from ganworks.layers.fill import smooth_fill
from ganworks.runs.published import FILE, Published, file_of, load_applied, load_net
from ganworks.use.model import fingerprint


class Applier:
    """A network that turns pictures into pictures, or files into files. Use `Applier.load`.

    net, spec, info: what was published (info is its card). domain: rebuilt from the card; it `ChangesPictures`, or
    `ChangesFiles` of another kind, see `core.contracts`.
    """

    def __init__(self, found: Published, *, device: str | torch.device = "auto"):
        if found.use != "apply":
            raise UsageError(f"{found.file} is no translator or restorer; `ganworks {found.use}` uses it.")
        self.info = {**found.card, "path": str(found.file)}
        back = found.card.get("player") == "G_back"  # it makes what the other network is given
        self.spec = replace(found.spec, shape=found.spec.source, source=found.spec.shape) if back else found.spec
        self.known = range_of(found.spec.facts, "target_range" if back else "range")
        self.domain = from_dict(Any, found.card.get("domain"), f"{found.file}: domain")
        if not isinstance(self.domain, ChangesPictures | ChangesFiles):
            raise UsageError(f"{found.file}: its domain {type(self.domain).__name__} cannot be applied to anything.")
        self.device = pick_device(device)
        self.net = found.net.to(self.device, memory_format=torch.channels_last).eval().requires_grad_(False)  # pyrefly: ignore

    @staticmethod
    def load(path: str | Path, *, device: str | torch.device = "auto", reverse: bool = False) -> Applier:
        """From a run folder or a published file alone. reverse: the network of the other direction, where there is one.

        Raises UsageError for anything but an intact file of a network that is to be applied.
        """
        path = Path(path)
        name = file_of("G_back") if reverse else FILE
        if reverse and path.is_file():
            path = path.parent / name
        if reverse and not (path / name if path.is_dir() else path).exists():
            raise UsageError(f"{path} has no {name}: this training learned one direction only. Leave reverse out.")
        return Applier(load_net(path, name) if reverse else load_applied(path), device=device)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the network's tensors, the same on every device: names the model in provenance marks."""
        return fingerprint(self.net)

    @property
    def channels(self) -> int | None:
        """The number of channels that the network takes; None when the domain handles any number itself."""
        if isinstance(self.domain, KnowsChannels):
            return self.domain.channels_of(self.spec)
        return (self.spec.source or self.spec.shape)[0]

    @property
    def options(self) -> dict[str, str] | None:
        """Name -> meaning of the options of the domain's `apply`; None when the domain does not list them."""
        return dict(self.domain.options) if isinstance(self.domain, HasOptions) else None

    @property
    def takes(self) -> tuple[str, ...]:
        """Suffixes of the files that the domain changes; () for a domain of pictures."""
        return tuple(self.domain.takes) if isinstance(self.domain, ChangesFiles) else ()

    @property
    def gives(self) -> str:
        """The suffix of the files that `change` makes; "" for a domain of pictures."""
        return str(self.domain.gives) if isinstance(self.domain, ChangesFiles) else ""

    def change(
        self, content: bytes, name: str, seed: int = 0, note: dict[str, Any] | None = None, **options: Any
    ) -> tuple[bytes, str]:
        """The bytes of an input file -> (the bytes of the output file, a sentence for the user or "")."""
        self._check(options)
        made = self._guarded(
            lambda: self.domain.change(
                self.net, self.spec, content, name, seed=seed, options=options, note=note
            ), seed, printable(name)
        )  # fmt: skip
        return made if isinstance(made, tuple) else (made, "")

    def _check(self, options: dict[str, Any]) -> None:
        for name in options:
            if self.options is not None and name not in self.options:
                raise UsageError(f'This model has no option "{name}". {nearest(name, self.options or ("none",))}')

    def _guarded(self, work: Callable[[], Any], seed: int, what: str) -> Any:
        """Run `work` without gradients and with seeded randomness. Raises GanworksError when memory is short."""
        try:
            with torch.inference_mode(), own_randomness(self.device, key(check_seed(seed), "apply")):
                return work()
        except (MemoryError, RuntimeError) as error:
            if not memory.is_spent(error):
                raise
            raise GanworksError(f"Not enough memory for {what} at once.{self._smaller}") from error

    @property
    def _smaller(self) -> str:
        """What to do when memory is short."""
        smaller = {"tile": "tile=256", "chunk": "chunk=500"}
        found = next((smaller[name] for name in smaller if name in (self.options or smaller)), "")
        return f" Cut it up with {found}." if found else ""

    def run(self, x: Tensor, seed: int = 0, **options: Any) -> Tensor:
        """x [1, C, H, W] float32 in [-1, 1], any size -> [1, C', H', W'] in [-1, 1] on the CPU.

        options: those of the domain (label, tile, mask [1, 1, H, W] with 1 = hole, ...). Raises UsageError for others,
        and GanworksError when memory is short or the output is not finite.
        """
        self._check(options)
        x = x.to(self.device, torch.float32, memory_format=torch.channels_last)
        options = {name: v.to(self.device) if isinstance(v, Tensor) else v for name, v in options.items()}
        size = f"{x.shape[3]} x {x.shape[2]} pixels"
        out = self._guarded(lambda: self.domain.apply(self.net, x, self.spec, options).float().cpu(), seed, size)
        if not torch.isfinite(out).all():
            raise GanworksError("The network made NaN or infinite values: its training had diverged.")
        return out.clamp(-1, 1)

    def raster(self, raster: Raster, seed: int = 0, **options: Any) -> Raster:
        """A raster -> a raster of the same depth. Alpha bypasses the network and is resized when the size changes; the
        colour of fully transparent pixels is replaced first, so that it shows in no visible one.

        A model of grey pictures gets the luma (BT.601) of colour ones. A grey picture stays grey when the domain
        says that results show the same picture (`keeps_grey`).
        """
        planes, alpha = self._planes(raster)
        half = np.float32((raster.top - raster.low) / 2)
        x = torch.from_numpy((planes - np.float32(raster.low)) / half - np.float32(1))[None]
        out = self.run(x, seed, **options)[0].numpy()
        if len(out) not in (1, 2, 3, 4):
            raise UsageError(
                f"This model makes {counted(len(out), 'channel')}, which is no picture; use run() on arrays."
            )
        values = (out + np.float32(1)) * half + np.float32(raster.low)
        if raster.colour.dtype != np.float32:
            values = np.rint(values).astype(raster.colour.dtype)
        if len(values) in (2, 4):
            values, alpha = values[:-1], values[-1]
        grey = isinstance(self.domain, KeepsGrey) and self.domain.keeps_grey
        if len(values) == 3 and len(raster.colour) == 1 and grey:
            values = luma(values)
        alpha = None if alpha is None else resized(alpha, values.shape[1:], raster.low, raster.top)
        return Raster(values, alpha, raster.top, raster.low)

    def _planes(self, raster: Raster) -> tuple[np.ndarray, np.ndarray | None]:
        """(input of the network [C, H, W] float32 in 0..top, alpha that bypasses it or None)."""
        wanted = len(raster.colour) if self.channels is None else self.channels
        if wanted not in (1, 2, 3, 4):
            raise UsageError(f"This model takes {counted(wanted, 'channel')}, not a picture; use run() on arrays.")
        colour = _without_hidden(raster) if wanted in (1, 3) else raster.colour
        if wanted <= 2 and len(colour) == 3:
            colour = luma(colour)
        elif wanted >= 3 and len(colour) == 1:
            colour = colour.repeat(3, 0)
        if wanted in (1, 3):
            return colour.astype(np.float32), raster.alpha
        alpha = np.full(raster.size, raster.top) if raster.alpha is None else raster.alpha
        return np.concatenate([colour, alpha[None]]).astype(np.float32), None

    def read(self, data: bytes, name: str) -> Picture:
        """An encoded picture, its pixels taken for black and white as in the training (`stored`)."""
        return read(data, name, known=self.known)

    def apply(self, image: Any, seed: int = 0, **options: Any) -> Any:
        """One picture through the network.

        image: a path (of an animation the first frame) or a PIL image -> a PIL image, 8 bits, upright; an array [H, W],
        [H, W, 1] or [H, W, 3 or 4] of uint8, uint16 or float in 0..1 -> an array of the same kind (others: `values`); a
        tensor [1, C, H, W] in [-1, 1] -> a tensor.
        A model of files other than pictures: a path -> the bytes of the output file; an array -> an array, see the
        domain's `change_array`.
        options: as for `run`; mask may also be a path, an image or an array [H, W]. Raises UsageError.
        """
        if self.takes:
            return self._changed(image, seed, options)
        if isinstance(image, Tensor):
            if image.ndim != 4 or len(image) != 1 or image.shape[1] != (self.channels or image.shape[1]):
                raise UsageError(f"A tensor must be [1, {self.channels or 'C'}, H, W], not {list(image.shape)}.")
            return self.run(image, seed, **self.ready(options, (image.shape[2], image.shape[3])))
        if isinstance(image, np.ndarray):
            raster = _of_array(image)
            out = self.raster(raster, seed, **self.ready(options, raster.size))
            planes = [*out.colour] if out.alpha is None else [*out.colour, out.alpha]
            return planes[0] if image.ndim == 2 and len(planes) == 1 else np.stack(planes, -1)
        if isinstance(image, Image.Image):
            raster = still(image, self.known)
        else:
            raster = self.read(file_bytes(image), str(image)).frames[0]
        return picture(self.raster(raster, seed, **self.ready(options, raster.size)))

    def _changed(self, given: Any, seed: int, options: dict[str, Any]) -> Any:
        """`apply` of a model of files other than pictures."""
        if isinstance(given, str | Path):
            if not str(given).lower().endswith(self.takes):
                raise UsageError(f"This model takes files whose names end in {', '.join(self.takes)}, not {given}.")
            return self.change(file_bytes(given), Path(given).name, seed, **options)[0]
        if not isinstance(self.domain, ChangesArrays):
            raise UsageError(f"This model changes files ({', '.join(self.takes)}): give the path of one.")
        self._check(options)
        work = self.domain.change_array
        return self._guarded(lambda: work(self.net, self.spec, given, options=options), seed, "this array")

    def values(self, array: np.ndarray, seed: int = 0, **options: Any) -> np.ndarray:
        """An array [H, W], [C, H, W] or [H, W, C] of any number of channels -> an array laid out alike.

        Network values -1 and 1 stand for 0 and the largest value of uint8 and uint16, and for the data's own range
        (spec.low, spec.high) of floats. Of two axes that may hold the channels, the shorter one does.
        """
        if array.ndim not in (2, 3) or not array.size or array.dtype.kind not in "uf":
            raise UsageError(f"An array must be [H, W], [C, H, W] or [H, W, C], not {array.dtype} {list(array.shape)}.")
        last = array.ndim == 3 and array.shape[2] <= array.shape[0]
        planes = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0) if last else array
        if self.channels not in (None, len(planes)):
            raise UsageError(
                f"This model takes {counted(self.channels or 0, 'channel')}; the array {list(array.shape)} has "
                f"{len(planes)}."
            )
        whole = array.dtype.kind == "u"
        low, high = (0.0, float(np.iinfo(array.dtype).max)) if whole else (self.spec.low, self.spec.high)
        if not np.isfinite(planes).all():
            raise UsageError("The array holds values that are not finite.")
        x = torch.from_numpy(((planes.astype(np.float64) - low) * (2 / (high - low)) - 1).astype(np.float32))[None]
        made = self.run(x, seed, **self.ready(options, (x.shape[2], x.shape[3])))[0].double().numpy()
        made = low + (made + 1) * ((high - low) / 2)
        made = (np.rint(made) if whole else made).astype(array.dtype)
        return np.moveaxis(made, 0, -1) if last else made[0] if array.ndim == 2 and len(made) == 1 else made

    def ready(self, options: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
        """Options with the mask as a tensor [1, 1, H, W], 1 = hole, checked against the picture's size."""
        if options.get("mask") is None:
            return {name: value for name, value in options.items() if name != "mask"}
        return {**options, "mask": mask_tensor(options["mask"], size)}


def _without_hidden(raster: Raster) -> np.ndarray:
    """The colour of a raster, that of fully transparent pixels filled smoothly from those that can be seen."""
    hidden = np.zeros(0) if raster.alpha is None else raster.alpha <= raster.low
    if not hidden.any() or hidden.all():
        return raster.colour
    colour = torch.from_numpy(raster.colour.astype(np.float32))[None]
    filled = smooth_fill(colour, torch.from_numpy(hidden.astype(np.float32))[None, None])[0].numpy()
    filled = filled.clip(raster.low, raster.top) if raster.bits == 32 else np.rint(filled)
    return np.where(hidden, filled.astype(raster.colour.dtype), raster.colour)


def _of_array(array: np.ndarray) -> Raster:
    planes = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0) if array.ndim == 3 else array
    if planes.ndim != 3 or len(planes) not in (1, 2, 3, 4) or not planes.size:
        raise UsageError(f"An array must be [H, W] or [H, W, C] with 1 to 4 channels, not {list(array.shape)}.")
    top = {"uint8": 255.0, "uint16": 65535.0}.get(str(array.dtype), 1.0)
    if top == 1.0:
        planes = planes.astype(np.float32)
        if array.dtype.kind != "f" or not (np.isfinite(planes).all() and planes.min() >= 0 and planes.max() <= 1):
            raise UsageError("Arrays hold uint8, uint16, or floats from 0 to 1; give a tensor for -1 to 1.")
    split = len(planes) if len(planes) in (1, 3) else len(planes) - 1
    planes = np.ascontiguousarray(planes)
    return Raster(planes[:split], planes[split] if len(planes) > split else None, top)
