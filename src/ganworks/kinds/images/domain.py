"""The domain of still images: any size, 1 to 4 channels, and arrays with N channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from ganworks.audit.evidence import Evidence
from ganworks.core.console.text import counted, printable
from ganworks.core.contracts import Progress, Work
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import check
from ganworks.core.spec import Draw, Spec
from ganworks.files.arrays import ArraySource, Source, stored_range
from ganworks.files.packing.exclusions import without
from ganworks.files.packing.pack import Conversion, ConvertedItem, Packed, pack
from ganworks.files.rasters.decode import MODES, DecodeError, Notes, all_grey, colour, decode, upright_size
from ganworks.files.rasters.pixels import change_channels, grid, resize
from ganworks.files.rasters.stored import Range, common_range, files_of, range_facts, range_notes
from ganworks.files.sources import open_source
from ganworks.kinds.images.shared.reading import MAX_SIDE, Reading, both_sides, check_size, class_number
from ganworks.metrics.classifier import extractor_for
from ganworks.metrics.features import FeatureExtractor
from ganworks.use.findings import Findings
from ganworks.use.sample_evaluator import SampleEvaluator

LOOK_HEADERS, LOOK_PIXELS, DEFAULT_SIDE = 2000, 128, 64


@dataclass(frozen=True)
class Images(Reading):
    """How image files become tensors and back.

    Raises UsageError for values outside their range.
    """

    options: ClassVar[dict[str, str]] = {
        "label": "the class of the picture, by name or number (left out: the one whose reconstruction is nearest)"
    }

    def __post_init__(self) -> None:
        check(self)
        check_size(self.size)
        if not isinstance(self.labels, bool) and self.labels not in ("on", "off"):
            raise UsageError(f"labels must be on or off, not {self.labels!r}.")
        colour(self.background)

    @property
    def labelled(self) -> bool:
        """Whether classes are used where the data has them."""
        return self.labels in (True, "on")

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> Packed:
        """Pack the data (or open its pack) and return it. path: whatever `open_source` takes."""
        return self.packed(path, None, cache, on_progress)

    def packed(
        self,
        path: Any,
        known: Range | None,
        cache: str | Path | None = None,
        on_progress: Progress | None = None,
    ) -> Packed:
        """`open`, with black and white of files whose numbers have no range of their own (see `stored`) given.

        None: they are found in the data.
        """
        source = without(open_source(path, self.labelled), self.exclude)
        settings = {
            "domain": "images",
            "size": self.size,
            "channels": self.channels,
            "labels": self.labelled,
            "fit": self.fit,
            "background": colour(self.background),
            **({} if known is None else {"range": known}),
        }
        return pack(
            source,
            lambda: self.plan(source, known),
            settings,
            cache=cache,
            on_corrupt=self.on_corrupt,
            held_out=self.held_out,
            on_progress=on_progress,
        )

    def look(self, path: Any, on_progress: Progress | None = None) -> Findings:
        """What a source holds, with near duplicates and a contact sheet; corrupt files are left out and counted."""
        from ganworks.kinds.images.look import look

        return look(path, self, on_progress=on_progress)

    def look_through(self, path: Any, features: str, on_progress: Progress | None = None) -> Findings:
        """`look`, with near duplicates, outliers and doubtful labels by a published network."""
        from ganworks.kinds.images.oddities import look_through
        from ganworks.pretrained.store import named

        teacher = named(features)
        return look_through(self.look(path, on_progress), self, path, teacher, on_progress)

    def evidence(self, path: Any, features: str, work: Work) -> Evidence:
        """What an audit may look at: pixels, features, labels, folders, cameras, sizes and formats."""
        from ganworks.kinds.images.shared.evidence import evidence_of

        return evidence_of(replace(self, on_corrupt="skip"), path, features, work)

    def glance(self, data: Packed, rows: int, values: int) -> Evidence:
        """What a training looks at quickly before it begins."""
        from ganworks.kinds.images.shared.evidence import glance_of

        return glance_of(data, rows, values)

    def plan(self, source: Source, known: Range | None = None) -> Conversion:
        """Look at a source and choose size, channels and range; known: see `packed`."""
        classes = source.classes if self.labelled else ()
        if len(classes) < 2:
            classes = ()
        if isinstance(source, ArraySource):
            return _plan_arrays(self, source, classes)
        return _plan_files(self, source, classes, known or common_range(files_of(source)))

    def batch(self, data: Packed, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """The examples of these indices: x [B, C, H, W], augmented, and, with labels, y [B]."""
        batch = data.fetch(indices)
        return batch | {"x": self.vary(batch["x"], draw)}

    def vary(self, x: Tensor, draw: Draw) -> Tensor:
        """Augment a batch [B, C, H, W]: flip, shift by whole pixels, rotate. Random numbers come from `draw`."""
        if self.flip or self.crop:
            x = shift(x, draw, self.flip, self.crop)
        return _turn(x, draw, self.rotate) if self.rotate else x

    def evaluator(self, data: Packed, source: Any, config: Any, work: Any) -> SampleEvaluator:
        """What evaluates samples against held-out images."""
        return SampleEvaluator(data, source, config, work)

    def alike(self, spec: Spec) -> Images:
        """The domain that opens other pictures in this form, all of them as training examples."""
        channels, height, width = spec.shape
        return replace(self, size=(height, width), channels=channels, held_out=0.0)

    def extractor(
        self,
        dataset: Packed,
        cache: str | Path | None = None,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> FeatureExtractor:
        """Features that samples are compared by: those of a classifier where there are labels, else random ones."""
        return extractor_for(dataset, None if cache is None else Path(cache), progress=on_progress)

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: Mapping[str, Any]) -> Tensor:
        """What an autoencoder makes of x [1, C, H, W] in [-1, 1]: [1, *spec.shape], at the size that it was trained on.

        Pictures of other sizes are made to fit as those of the training were. Raises UsageError for an unknown label.
        """
        label = options.get("label")
        if label is not None and not spec.num_classes:
            raise UsageError("This model was trained without labels. Leave label out.")
        y = None if label is None else torch.tensor([class_number(spec, label)], device=x.device)
        if x.shape[2:] != spec.shape[1:]:
            values = (x[0].float().cpu().numpy() + np.float32(1)) * np.float32(127.5)
            fitted = resize(values, (spec.shape[1], spec.shape[2]), self.fit, self.background)
            x = torch.from_numpy(fitted / np.float32(127.5) - np.float32(1))[None].clamp(-1, 1).to(x.device)
        return net(x, y)

    def show(
        self, x: Tensor | np.ndarray, columns: int | None = None, labels: Sequence[Any] | None = None
    ) -> Image.Image:
        """A grid of images [B, C, H, W], float in [-1, 1] or uint8, with captions if given.

        Small images are enlarged by a whole factor, each pixel repeated, so that they can be seen; of more than four
        channels the first three are shown.
        """
        return grid(x, columns, labels)


def _plan_files(domain: Images, source: Any, classes: tuple[str, ...], known: Range | None) -> Conversion:
    notes = range_notes(known)
    how = {"channels": domain.channels, "background": domain.background, "known": known}
    size = both_sides(domain.size)
    if size is None:
        size, note = _look_at_sizes(source)
        notes.append(note)
    channels = domain.channels
    if channels is None:
        channels = 1 if all_grey(source, domain.background, LOOK_PIXELS) else 3
        notes.append("all images are grey: one channel" if channels == 1 else "colour images: three channels")
    elif channels > 4:
        raise UsageError(f"channels={channels}: image files have 1 to 4; give arrays (.npy, .npz) for more.")

    def convert(data: bytes, name: str) -> ConvertedItem:
        found = Notes()
        array = decode(data, name, near=size, notes=found, **how)
        if len(array) != channels:
            if channels == 1 and (array != array[:1]).any():
                found.warnings["colour image made grey (channels=3 keeps colour)"] += 1
            array = change_channels(array, channels, domain.background)
        array = resize(array, size, domain.fit, domain.background)
        return ConvertedItem(array, found.size, found.mode, tuple(found.warnings))

    return Conversion(Spec("images", (channels, *size), classes, **range_facts(known)), convert, notes)


def _some(source: Source, count: int) -> np.ndarray:
    return np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).round().astype(int))


def _look_at_sizes(source: Any) -> tuple[tuple[int, int], str]:
    sizes: Counter[tuple[int, int]] = Counter()
    for index in _some(source, LOOK_HEADERS):
        try:
            sizes[upright_size(source.get(index), source.name(index))] += 1
        except DecodeError:
            continue
    if not sizes:
        raise UsageError(f'"{printable(source.path)}": none of the images looked at can be read; see `ganworks data`.')
    if len(sizes) == 1:
        size = next(iter(sizes))
        if max(size) <= MAX_SIDE:
            return size, f"all images are {size[0]} x {size[1]} (height x width): kept"
    side = int(np.median([min(s) for s in sizes.elements()]))
    chosen = max(1, min(DEFAULT_SIDE, side))
    return (chosen, chosen), (
        f"{len(sizes)} different sizes, median short side {side}: made {chosen} x {chosen} (size= chooses another)"
    )


def _plan_arrays(domain: Images, source: ArraySource, classes: tuple[str, ...]) -> Conversion:
    own = source.item_shape
    size = both_sides(domain.size) or (own[1], own[2])
    channels = domain.channels or own[0]
    if channels != own[0] and not (channels in MODES and own[0] in MODES):
        raise UsageError(
            f'"{source.path}" has {counted(own[0], "channel")}; channels={channels} cannot be made from them.'
        )
    to_stored, spec_range, notes = stored_range(source)
    mode = f"{source.dtype} with {counted(own[0], 'channel')}"

    def convert(data: np.ndarray, name: str) -> ConvertedItem:
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            raise DecodeError(name, "it holds values that are not finite.")
        array = to_stored(data)
        if channels != own[0]:
            array = change_channels(array, channels, domain.background)
        return ConvertedItem(resize(array, size, domain.fit, domain.background), own[1:], mode)

    return Conversion(Spec("images", (channels, *size), classes, **spec_range), convert, notes)


def shift(x: Tensor, draw: Draw, flip: bool, crop: int) -> Tensor:
    """Mirror half of x [B, C, H, W] (flip) and shift by up to `crop` pixels, with reflected borders.

    Rows and columns are read in another order, so no value is interpolated.
    """
    height, width = x.shape[2:]
    rows, columns = (torch.arange(n, device=x.device)[None] for n in (height, width))
    if crop:
        move = draw.integers(2 * crop + 1, 2) - crop
        rows, columns = _reflect(rows + move[:, :1], height), _reflect(columns + move[:, 1:], width)
    if flip:
        mirrored = draw.uniform(1) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    rows, columns = (i.expand(len(x), -1) for i in (rows, columns))
    batch = torch.arange(len(x), device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _reflect(index: Tensor, size: int) -> Tensor:
    """Reflect indices beyond the border without repeating the border: -1 -> 1, size -> size - 2."""
    period = max(2 * size - 2, 1)
    index = index.remainder(period)
    return torch.where(index >= size, period - index, index)


def _turn(x: Tensor, draw: Draw, degrees: float) -> Tensor:
    """Rotate each image by a uniform angle in [-degrees, degrees], bilinear, borders reflected."""
    angle = (draw.uniform() * 2 - 1) * (degrees * torch.pi / 180)
    height, width = x.shape[2:]
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turn = torch.stack(
        [
            torch.stack([cos, -sin * height / width, zero], 1),
            torch.stack([sin * width / height, cos, zero], 1),
        ],
        1,
    )
    where = functional.affine_grid(turn, list(x.shape), align_corners=False)
    return functional.grid_sample(x, where, padding_mode="reflection", align_corners=False)
