"""The domain of image pairs: a source that is given, and the target that belongs to it pixel for pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganworks.core.console.text import counted
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError, switch
from ganworks.core.schema.declare import OnCorrupt, Share, Sparing, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.files.packing.pack import Conversion, ConvertedItem, Packed, pack
from ganworks.files.rasters.decode import DecodeError, Notes, decode
from ganworks.files.rasters.pixels import change_channels, grid, resize
from ganworks.files.rasters.stored import Range, common_range, range_notes
from ganworks.kinds.images.domain import shift as shifted
from ganworks.kinds.images.look import look_given
from ganworks.kinds.images.pairs.evaluator import PairEvaluator
from ganworks.kinds.images.pairs.halves import UNEVEN, Halves, PairError
from ganworks.kinds.images.pairs.reading import PairSource, open_pairs
from ganworks.kinds.images.shared.label_maps import Palette, find_palette, index_of, majority, parse_palette
from ganworks.kinds.images.shared.noise import silent
from ganworks.kinds.images.shared.palette import colour_table, nearest_colour, one_hot, paint
from ganworks.kinds.images.shared.reading import MAX_SIDE, Size, check_size
from ganworks.use.findings import Findings

DEFAULT_SIDE, LOOK = 256, 32


@dataclass(frozen=True)
class Pairs:
    """How pairs of images become tensors, and what a trained translator does with a new image.

    size: side, or (height, width), of both images; None: the median short side, at most 256.
    direction: which side is the source: "AtoB" or "BtoA".
    labels: "auto" finds out which side is a label map, a picture of few colours; "palette" (or on) requires that the
        target is one, "off" treats both as pictures.
    palette: the colours of a label map, where they are known ("#0000aa", "red").
    flip: while training, mirror half of the pairs; both sides alike.
    crop: while training, shift pairs by up to this much with reflected borders; both sides alike.
    zoom: while training, magnify height and width, each by itself, by up to this share; both sides alike.
    tint: while training, change brightness, contrast and saturation of a source that is a picture by up to this share.
    fit: how an image of another aspect ratio is fitted: crop to the middle, or stretch.
    on_corrupt: stop at the first unreadable file, or skip, count and name them.
    held_out: the share of the pairs that is never trained on, where there is no test/ or val/ folder.
    Raises UsageError for values outside their range.
    """

    size: Size = None
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    labels: str | bool = "auto"
    palette: tuple[str, ...] = ()
    flip: bool = True
    crop: Annotated[int, within(0, MAX_SIDE, unit="pixels")] = 0
    zoom: Annotated[float, within(0, 4)] = 0.0
    tint: Share = 0.0
    fit: Literal["crop", "stretch"] = "crop"
    on_corrupt: OnCorrupt = "error"
    held_out: Sparing = 0.1

    options: ClassVar[dict[str, str]] = {
        "native": "on: translate at the picture's own size, not that of the training",
        "noise": "off: without the network's noise",
    }

    def __post_init__(self) -> None:
        check(self)
        check_size(self.size, 8)
        if self.labels not in ("auto", "palette", "on", "off", True, False):
            raise UsageError(f'labels must be "auto", "palette" or "off", not {self.labels!r}.')
        if self.palette:
            parse_palette(self.palette)

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> PairData:
        """Pack the pairs (or open their pack). path: whatever `reading.open_pairs` takes."""
        source = open_pairs(path)
        settings = {
            "domain": "pairs 2", "size": self.size, "labels": self.labels, "palette": self.palette, "fit": self.fit,
            "side": self.direction if self.palette or self.labels not in ("auto", "off", False) else "",
        }  # fmt: skip
        packed = pack(
            source,
            lambda: _plan(self, source),
            settings,
            cache=cache,
            on_corrupt=self.on_corrupt,
            held_out=self.held_out,
            on_progress=on_progress,
            error=PairError,
        )
        return PairData(packed, self.direction, _without_held(source, packed))

    def look(self, path: Any, on_progress: Progress | None = None) -> Findings:
        """What a source holds for this domain, with a sheet of what is given and what is wanted; see `look_given`."""
        return look_given(path, self, "pairs", on_progress)

    def batch(self, data: PairData, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x (target) and src (source), [B, C, H, W] in [-1, 1]; both flipped, shifted and magnified alike."""
        rows = torch.from_numpy(data.packed.raw(indices))
        if self.flip or self.crop:
            rows = shifted(rows, draw, self.flip, self.crop)
        src, x = data.split(rows)
        facts = data.spec.facts
        if self.zoom:
            window = _window(draw, self.zoom)
            src, x = (
                _magnified(src, window, "source_palette" in facts),
                _magnified(x, window, "target_palette" in facts),
            )
        if self.tint and "source_palette" not in facts:
            src = _tinted(src, draw, self.tint)
        return {"x": x, "src": src}

    def evaluator(self, data: PairData, source: Any, config: Any, work: Any) -> PairEvaluator:
        """What evaluates translations of held-out sources against their true targets."""
        return PairEvaluator(data, grid)

    def apply(self, net: Any, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        """The translation of x [1, C, H, W] in [-1, 1], of the same size.

        The image is scaled so that its short side is that of the training, translated, and scaled back; with native=on
        it is translated at its own size. The network's noise is drawn from torch's global generator; noise=off leaves
        it out. Label maps take the palette's colours, as a source and as a result.
        """
        height, width = x.shape[2:]
        native, noise = (switch(name, options.get(name, usual)) for name, usual in (("native", "off"), ("noise", "on")))
        scale = 1.0 if native else min(spec.source[1:]) / min(height, width)
        size = max(1, round(height * scale)), max(1, round(width * scale))
        src = _scaled(x, size, spec.facts.get("source_palette"))
        with silent(net, not noise):
            made = net(src).float()
        return _scaled(made, (height, width), spec.facts.get("target_palette"))


def _window(draw: Draw, zoom: float) -> Tensor:
    """A random window of each image as an affine map [B, 2, 3]; it spans 1 / (1 + zoom) to 1 of each side."""
    size = 1 / (1 + zoom * draw.uniform(2))
    place = (2 * draw.uniform(2) - 1) * (1 - size)
    return torch.cat([torch.diag_embed(size), place[:, :, None]], 2)


def _magnified(x: Tensor, window: Tensor, labels: bool) -> Tensor:
    """The windows of x [B, C, H, W], magnified to its size; label maps keep their colours."""
    where = F.affine_grid(window, list(x.shape), align_corners=False)
    return F.grid_sample(x, where, "nearest" if labels else "bilinear", "reflection", align_corners=False)


def _tinted(x: Tensor, draw: Draw, share: float) -> Tensor:
    """Brightness, contrast (about the image's mean) and saturation (about grey), each changed by up to `share`."""
    add, contrast, saturate = ((2 * draw.uniform(3) - 1) * share)[:, :, None, None, None].unbind(1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * (1 + contrast) + mean + add
    grey = x.mean(1, keepdim=True)
    return ((x - grey) * (1 + saturate) + grey).clamp(-1, 1)


def _scaled(x: Tensor, size: tuple[int, int], palette: Palette | None) -> Tensor:
    """Resize [B, C, H, W]: pictures bicubic with anti-aliasing, label maps by the class with the largest share."""
    if palette is None:
        if tuple(x.shape[2:]) == size:
            return x
        return F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
    table = colour_table(palette)
    index = nearest_colour(x, table)
    if tuple(x.shape[2:]) != size:
        shares = F.interpolate(one_hot(index, len(palette)), size, mode="bilinear", antialias=True, align_corners=False)
        index = shares.argmax(1)
    return paint(index, table.to(x.device))


class PairData:
    """Packed pairs, to be translated in one direction.

    spec: shape is that of the target, source that of the source; facts: direction, and source_palette or
    target_palette for a side that is a label map. train, held: int64 indices. without_held: all pairs that the data
    holds out were left out. See `Packed` for the rest.
    """

    labels: np.ndarray | None = None

    def __init__(self, packed: Packed, direction: str, without_held: bool = False):
        self.packed, self.without_held = packed, without_held
        facts = packed.spec.facts
        self._sides = [dict(facts["A"]), dict(facts["B"])]
        a = 1 if self._sides[0]["palette"] else self._sides[0]["channels"]
        self._rows = [slice(0, a), slice(a, None)]
        self._source, self._target = (0, 1) if direction == "AtoB" else (1, 0)
        source, target = self._sides[self._source], self._sides[self._target]
        about: dict[str, Any] = {"direction": direction}
        for name, side in (("source_palette", source), ("target_palette", target)):
            about |= {name: side["palette"]} if side["palette"] else {}
        for name, side in (("range", source), ("target_range", target)):
            about |= {name: side["range"]} if side.get("range") else {}
        size = packed.spec.shape[1:]
        self.spec = Spec("pairs", (target["channels"], *size), source=(source["channels"], *size), facts=about)
        self._tables = {n: colour_table(s["palette"]) for n, s in enumerate(self._sides) if s["palette"]}
        self.train, self.held = packed.train, packed.held
        if packed.labels is not None:
            self.train, self.held = (np.flatnonzero(packed.labels == k) for k in (0, 1))
        self.fingerprint = hashlib.sha256(f"{packed.fingerprint} {direction}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.packed)

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Packed rows uint8 [B, c, H, W] -> (source, target), float32 [B, C, H, W] in [-1, 1]."""
        a, b = (self._side(rows, n) for n in (self._source, self._target))
        return a, b

    def _side(self, rows: Tensor, side: int) -> Tensor:
        part = rows[:, self._rows[side]]
        if side in self._tables:
            return paint(part[:, 0].long(), self._tables[side])
        return part.float().div(127.5).sub_(1)

    def pairs(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """(source, target) of these pairs without augmentation, float32 [B, C, H, W] in [-1, 1]."""
        return self.split(torch.from_numpy(self.packed.raw(indices)))

    @cached_property
    def leaked(self) -> int:
        """How many held-out pairs are also, byte for byte, among the training pairs."""
        hashes = self.packed.hashes
        seen = {row.tobytes() for row in hashes[self.train]}
        return sum(row.tobytes() in seen for row in hashes[self.held])

    @property
    def summary(self) -> dict[str, Any]:
        """The facts about source, pack and split as plain values."""
        out = {**self.packed.summary, "train": len(self.train), "held": len(self.held), "classes": {}}
        notes: list[str] = list(self.packed.summary["notes"])
        if self.packed.labels is not None:
            notes = [note for note in notes if not note.startswith("held out")]
            notes.append(f"{counted(len(self.held), 'pair is', 'pairs are')} held out for evaluation, by their folder")
        if self.without_held:
            notes = [note for note in notes if not note.startswith("no class")]
            notes.append("no pair of the folder for evaluation can be used: some of the others are held out")
        if self.leaked:
            notes.append(
                f"{counted(self.leaked, 'held-out pair is', 'held-out pairs are')} also trained on, byte for byte"
            )
        first, second = ("A", "B") if self._source == 0 else ("B", "A")
        notes.append(f"{first} is the source, {second} the target")
        return {**out, "channels": self.spec.shape[0], "notes": notes, "fingerprint": self.fingerprint}


def _plan(domain: Pairs, source: PairSource) -> Conversion:
    """Look at the pairs and choose size, channels and palettes."""
    ranges = [common_range(source.files(side)) for side in (0, -1)]
    halves, held = Halves.of(source), _held_names(source)
    some = _decoded(source, halves, ranges)
    notes = [note] if (note := halves.note()) else []
    notes += [note for known in dict.fromkeys(ranges) for note in range_notes(known)]
    if domain.size is None:
        side = int(max(8, min(DEFAULT_SIDE, np.median([min(shape) for shape in halves.shapes]))))
        size = (side, side)
        notes.append(f"made {side} x {side} (size= chooses another)")
    else:
        size = (domain.size, domain.size) if isinstance(domain.size, int) else domain.size
    facts: dict[str, Any] = {}
    for n, side in enumerate("AB"):
        grey = all(len(pair[n]) == 1 for pair in some)
        maps = [pair[n] if grey else change_channels(pair[n], 3, "white") for pair in some]
        palette = _palette(domain, maps, target=side == domain.direction[-1])
        facts[side] = {"channels": 1 if grey else 3, "palette": palette}
        facts[side] |= {"range": list(ranges[n])} if ranges[n] else {}  # pyrefly: ignore
        if palette:
            notes.append(f"{side} is a label map of {len(palette)} colours (labels=off takes it for a picture)")
    first, second = (1 if facts[side]["palette"] else facts[side]["channels"] for side in "AB")
    places = {"A": slice(0, first), "B": slice(first, None)}
    groups = tuple(place for side, place in places.items() if not facts[side]["palette"])

    def convert(data: Any, name: str) -> ConvertedItem:
        found = Notes()
        a, b = _both(data, found, ranges)
        halves.check(a.shape[1:], name, name in held)
        parts = [_row(array, size, domain.fit, facts[side]) for array, side in ((a, "A"), (b, "B"))]
        return ConvertedItem(np.concatenate(parts), a.shape[1:], found.mode, tuple(found.warnings))

    return Conversion(Spec("pairs", (first + second, *size), source.classes, facts=facts), convert, notes, groups)


def _palette(domain: Pairs, maps: list[np.ndarray], target: bool) -> Palette | None:
    if domain.labels in ("off", False):
        return None
    if domain.palette:
        return parse_palette(domain.palette) if _explained(maps, parse_palette(domain.palette)) else None
    found = find_palette([m[:, ::2, ::2] for m in maps])
    if found is None and target and domain.labels in ("palette", "on", True):
        raise UsageError(
            "labels=palette: the target is no label map of up to 64 colours; name its colours with "
            "domain.palette, or leave labels out."
        )
    return found


def _explained(maps: list[np.ndarray], palette: Palette) -> bool:
    """Whether most pixels lie near a colour of a palette that the user named."""
    if len(maps[0]) != 3:
        return False
    table, far = np.array(palette, np.int64), []
    for m in maps:
        near = table[index_of(m, palette)].transpose(2, 0, 1)
        far.append((np.abs(m.astype(np.int64) - near).max(0) > 64).mean())
    return float(np.mean(far)) < 0.2


def _decoded(source: PairSource, halves: Halves, ranges: Sequence[Range | None]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(A, B) of some pairs, spread evenly, without those that cannot be used. Raises DecodeError when none can."""
    found, error = [], None
    for index in np.unique(np.linspace(0, len(source) - 1, LOOK).round().astype(int)).tolist():
        try:
            pair = _both(source.get(index), Notes(), ranges)
            halves.check(pair[0].shape[1:], source.name(index), False)
            found.append(pair)
        except DecodeError as problem:
            error = error or problem
    if error is not None and not found:
        raise error
    return found


def _held_names(source: PairSource) -> set[str]:
    """Names of the pairs that the data holds out."""
    return set() if source.labels is None else {source.name(int(k)) for k in np.flatnonzero(source.labels == 1)}


def _without_held(source: PairSource, packed: Packed) -> bool:
    """Whether all pairs that the data holds out were left out. Raises UsageError when all others were."""
    if source.labels is None or packed.labels is not None:
        return False
    left, held = {name for name, _ in packed.facts["corrupt"]}, _held_names(source)
    if all(source.name(k) in held | left for k in range(len(source))):
        name, reason = next((n, r) for n, r in packed.facts["corrupt"] if n not in held)
        raise UsageError(f'"{source.path}": none of the pairs for training can be used. {PairError(name, reason)}')
    return True


def _both(data: list[tuple[str, bytes]], notes: Notes, ranges: Sequence[Range | None]) -> tuple[np.ndarray, np.ndarray]:
    """(A, B), uint8 [C, H, W] each; PairError for an odd width or for sides of different proportions.

    ranges: black and white of either side, where its numbers have no range of their own.
    """
    both = zip(data, ranges, strict=False)  # one file holds both sides, whose ranges are then the same
    arrays = [decode(encoded, name, notes=notes, known=known) for (name, encoded), known in both]
    if len(arrays) == 1:
        (whole,), (name, _) = arrays, data[0]
        if whole.shape[2] % 2:
            raise PairError(name, f"it is {whole.shape[2]} pixels wide, which cannot be two images side by side.")
        half = whole.shape[2] // 2
        return whole[:, :, :half], whole[:, :, half:]
    (a, b), (first, second) = arrays, [name for name, _ in data]
    if abs(np.log(a.shape[1] * b.shape[2] / (a.shape[2] * b.shape[1]))) > UNEVEN:
        raise PairError(
            first,
            f'it is {a.shape[2]} x {a.shape[1]}, but its partner "{second}" is {b.shape[2]} x '
            f"{b.shape[1]}: another shape.",
        )
    return a, b


def _row(array: np.ndarray, size: tuple[int, int], fit: str, side: dict[str, Any]) -> np.ndarray:
    """One side as it is packed: the resized picture, or one channel of class numbers."""
    if len(array) != side["channels"]:
        array = change_channels(array, side["channels"], "white")
    if not side["palette"]:
        return resize(array, size, fit)
    height, width = array.shape[1:]
    scale = max(size[0] / height, size[1] / width)
    tall, wide = (min(height, size[0] / scale), min(width, size[1] / scale)) if fit == "crop" else (height, width)
    box = ((width - wide) / 2, (height - tall) / 2, (width + wide) / 2, (height + tall) / 2)
    return majority(index_of(array, side["palette"]), size, box, len(side["palette"]))[None]
