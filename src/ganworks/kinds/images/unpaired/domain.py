"""The domain of unpaired translation: two sets of images without pairs, and the use of a trained translator."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import Progress
from ganworks.core.errors import UsageError, number, switch
from ganworks.core.schema.declare import OnCorrupt, Sparing, check, within
from ganworks.core.spec import Draw, Spec
from ganworks.files.arrays import ArraySource, Source
from ganworks.files.listings import ZipListing
from ganworks.files.packing.pack import Conversion, ConvertedItem, pack
from ganworks.files.packing.packed import Packed
from ganworks.files.rasters.decode import Notes, decode
from ganworks.files.rasters.pixels import resize
from ganworks.files.rasters.stored import range_of
from ganworks.files.sources import open_source
from ganworks.kinds.images.domain import Images
from ganworks.kinds.images.look import look_given
from ganworks.kinds.images.shared.label_maps import find_palette, index_of, majority
from ganworks.kinds.images.shared.palette import colour_table, nearest_colour, paint, palettes_of, planes
from ganworks.kinds.images.shared.reading import MAX_SIDE, Fit, Size
from ganworks.metrics.tasks import spaced
from ganworks.use.findings import Findings

TRAIN = ("trainA", "trainB"), ("train/A", "train/B"), ("A", "B")
TEST = ("testA", "testB"), ("test/A", "test/B"), ("valA", "valB"), ("val/A", "val/B")
SOFT = 0.3  # training values of class planes are +-0.7 to +-1, as exact values would give real label maps away
LAYOUT = (
    "Give a folder or zip with trainA/ and trainB/ (testA/ and testB/ are held out), with train/A and train/B, or with "
    'A/ and B/; or two folders: data="summer,winter".'
)


@dataclass(frozen=True)
class Unpaired:
    """How two sets of images become batches, and how a trained translator is used on an image.

    size: side, or (height, width), of training images; None: the size that all images share, else the smaller one of
        both sets' median short sides, at most 64.
    direction: "AtoB" learns to make B from A, "BtoA" the other way.
    zoom: training images are stored this much larger and cropped at random (286 / 256 as published; 1: no crops).
    flip: mirror half of the images of both sides.
    labels: on: a side of label maps (pictures of few colours) is treated as classes: the networks see one plane for
        each colour, and a network in use returns colours. The sides then differ in channels.
    channels: 1 or 3; None: 1 if both sets are grey, else 3.
    fit: how an image of another aspect ratio is fitted: crop to the middle, stretch, or pad with the background.
    background: the colour behind transparent pixels and padding.
    on_corrupt: stop at the first unreadable file, or skip, count and name them.
    held_out: share of each side that is never trained on, where the data has no testA/ and testB/.
    """

    size: Size = None
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    zoom: Annotated[float, within(1, 64)] = 1.1171875
    flip: bool = True
    labels: bool | str = False
    channels: int | None = None
    fit: Fit = "crop"
    background: str = "white"
    on_corrupt: OnCorrupt = "error"
    held_out: Sparing = 0.1

    options: ClassVar[dict[str, str]] = {
        "native": "on: translate at the picture's own size, not that of the training",
        "ensemble": "noise added to the input (0.1 to 1): mean (vote for labels) of 16 translations, half mirrored",
    }

    def __post_init__(self) -> None:
        check(self)
        self.images(self.size)  # raises UsageError for values that `Images` refuses

    def images(self, size: Size, channels: int | None = None) -> Images:
        """The domain that reads and packs one side."""
        return Images(
            size=size,
            channels=channels or self.channels,
            labels=False,
            fit=self.fit,
            background=self.background,
            on_corrupt=self.on_corrupt,
            held_out=self.held_out,
        )

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> Sides:
        """Pack both sides (or open their packs). path: see LAYOUT; in Python also two arrays. Raises UsageError."""
        train, test = find_sides(path)
        sources = [open_source(p, labels=False) for p in train]
        palettes = [palette_of(source) if self.labels in (True, "on") else None for source in sources]
        plans = [self.images(self.size).plan(source).spec for source in sources]
        channels = max(plan.shape[0] for plan in plans)
        size = _common_size([plan.shape[1:] for plan in plans])
        stored = tuple(min(MAX_SIDE, round(self.zoom * side)) for side in size)

        ranges = [range_of(plan.facts) for plan in plans]

        def packs(paths: tuple[Any, Any] | None, of: tuple[int, ...], held: float) -> list[Packed] | None:
            domain = replace(self.images(of, channels), held_out=held)  # pyrefly: ignore
            if paths is None:
                return None
            return [
                domain.packed(p, known, cache, on_progress)
                if palette is None
                else pack_maps(domain, p, palette, cache, on_progress)
                for p, palette, known in zip(paths, palettes, ranges, strict=True)
            ]

        trained, tested = packs(train, stored, 0.0 if test else self.held_out), packs(test, size, 0.0)
        assert trained is not None
        paired = test is not None and _same_names(*test)
        if self.direction == "BtoA":
            trained, tested, palettes = trained[::-1], tested and tested[::-1], palettes[::-1]
        return Sides(trained, tested, size, self.direction, paired, palettes)

    @property
    def draws(self) -> str:
        """The sides are drawn independently."""
        return "images of the two sides are drawn apart. A translation without pairs cannot be trained so."

    def look(self, path: Any, on_progress: Progress | None = None) -> Findings:
        """What a source holds for this domain, with a sheet of what is given and what is wanted; see `look_given`."""
        return look_given(path, self, "images", on_progress, _coloured)

    def batch(self, data: Sides, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """src [B, C, H, W] of the source side and x of the target side, drawn independently, in [-1, 1]."""
        src = data.source.train[indices % len(data.source.train)]
        x = data.target.train[draw.integers(len(data.target.train)).numpy()]
        return {"src": self._jittered(data, 0, src, draw), "x": self._jittered(data, 1, x, draw)}

    def _jittered(self, data: Sides, side: int, indices: np.ndarray, draw: Draw) -> Tensor:
        packed, palette = (data.source, data.target)[side], data.palettes[side]
        rows = torch.from_numpy(packed.raw(indices)) if palette else packed.fetch(indices)["x"]
        rows = jitter(rows, data.size, draw, self.flip)
        if not palette:
            return rows
        out = planes(rows[:, 0].long(), len(palette))
        return out * (1 - SOFT * draw.uniform(*out.shape[1:]))

    def evaluator(self, data: Sides, source: Any, config: Any, work: Any) -> Any:
        """The evaluator of a training: see `UnpairedEvaluator`."""
        from ganworks.kinds.images.unpaired.evaluator import UnpairedEvaluator

        return UnpairedEvaluator(data, config.train.device)

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        """Translate x [1, C, H, W] in [-1, 1], of any size, and return the result at that size.

        The image is scaled so that its short side is that of the training, and the result is scaled back; with the
        option `native` it is translated at its own size. The networks pad sides by reflection. ensemble: see
        `averaged`.
        """
        height, width = x.shape[2:]
        given, made = palettes_of(spec)
        native = switch("native", options.get("native", "off"))
        scale = 1.0 if native else min(spec.source[1:]) / min(height, width)
        inner = [max(8, round(scale * side)) for side in (height, width)]
        if given:
            x = planes(nearest_colour(x.expand(-1, 3, -1, -1), colour_table(given)), len(given))
        elif x.shape[1] != spec.source[0]:
            x = x.mean(1, keepdim=True) if spec.source[0] == 1 else x[:, :1].expand(-1, spec.source[0], -1, -1)
        noise = number("ensemble", options.get("ensemble", 0), 0, 10)
        x = _scaled(x, inner)
        y = _scaled(averaged(net, x, noise) if noise else net(x).float(), [height, width])
        return paint(y.argmax(1), colour_table(made)) if made else y.clamp(-1, 1)


class Sides:
    """Both sets, packed. source: the side to translate, target: the side to imitate; the direction decides.

    train: positions of an epoch, as many as the larger side has examples. held: positions of held-out examples, as
    many as the smaller side has. paired: whether held-out files have the same names on both sides, so that each has a
    true translation. palettes: for each side, source first, the colours of its label maps, or None.
    """

    labels: np.ndarray | None = None

    def __init__(
        self,
        trained: list[Packed],
        tested: list[Packed] | None,
        size: tuple[int, int],
        direction: str,
        paired: bool,
        palettes: Sequence[list[list[int]] | None] = (None, None),
    ):
        self.source, self.target = trained
        self.size, self.tested, self.paired = size, tested, paired and tested is not None
        self.palettes = tuple(palettes)
        given, made = (
            (len(palette) if palette else side.spec.shape[0], *size)
            for side, palette in zip(trained, palettes, strict=True)
        )
        facts: dict[str, Any] = {"direction": direction, "short_side": min(size)}
        ranges = (range_of(side.spec.facts) for side in trained)
        facts |= {name: list(r) for name, r in zip(("range", "target_range"), ranges, strict=True) if r}
        if any(palettes):
            facts |= {"palettes": list(palettes), "given": list(given)}
        self.spec = replace(self.target.spec, kind="unpaired", shape=made, source=given, facts=facts)
        self.train = np.arange(max(len(self.source.train), len(self.target.train)))
        held = tested if tested else trained
        self.held = np.arange(min(len(self._kept(side)) for side in held))
        parts = [side.fingerprint for side in (*trained, *(tested or ()))]
        self.fingerprint = hashlib.sha256("/".join([direction, *parts]).encode()).hexdigest()

    def _kept(self, side: Packed) -> np.ndarray:
        return side.train if self.tested else side.held

    def __len__(self) -> int:
        return len(self.source) + len(self.target)

    def seen(self, which: Literal["source", "target"], count: int) -> np.ndarray:
        """Up to `count` training examples of one side, spread evenly, [n, C, H, W] as stored."""
        side = self.source if which == "source" else self.target
        return self._fitted(side.raw(spaced(side.train, count)), which)

    def unseen(self, which: Literal["source", "target"], count: int = 10_000) -> np.ndarray:
        """Up to `count` held-out examples of one side, spread evenly, [n, C, H, W] as stored."""
        k = 0 if which == "source" else 1
        side = self.tested[k] if self.tested else (self.source, self.target)[k]
        kept = self._kept(side)
        return self._fitted(side.raw(spaced(kept, count)), which)

    def _fitted(self, rows: np.ndarray, which: str) -> np.ndarray:
        palette = self.palettes[0 if which == "source" else 1]
        if palette:
            height, width = rows.shape[2:]
            index = [majority(row[0], self.size, (0, 0, width, height), len(palette)) for row in rows]
            return np.array(palette, np.uint8)[np.array(index, np.int64)].transpose(0, 3, 1, 2)
        return np.stack([resize(row, self.size, "stretch") for row in rows]) if len(rows) else rows

    @property
    def summary(self) -> dict[str, Any]:
        """The facts about both sides, their packs and splits as plain values."""
        a, b = self.source.summary, self.target.summary
        notes = [
            f"given: {counted(a['count'], 'image')} of {a['source']}",
            f"made: {counted(b['count'], 'image')} of {b['source']}",
        ]
        notes += ["held-out files have the same names on both sides: each has a truth"] if self.paired else []
        held = len(self.held)
        both = {key: a[key] + b[key] for key in ("count", "bytes", "duplicates", "corrupt", "corrupt_names")}
        for name in ("sizes", "modes", "warnings"):
            both[name] = dict((Counter(a[name]) + Counter(b[name])).most_common())
        both["distinct_sizes"] = max(a["distinct_sizes"], b["distinct_sizes"], len(both["sizes"]))
        return {
            **b,
            **both,
            "source": f"{a['source']} -> {b['source']}",
            "size": list(self.size),
            "train": len(self.train),
            "held": held,
            "notes": [*notes, *a["notes"], *b["notes"]],
            "fingerprint": self.fingerprint,
        }


def _coloured(data: Sides, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(source, target) of a batch as pictures [B, C, H, W] in [-1, 1]: class planes in the colours of their palette."""
    given, made = (
        paint(x.argmax(1), colour_table(palette)) if palette else x
        for x, palette in zip((batch["src"], batch["x"]), data.palettes, strict=True)
    )
    return given, made


def find_sides(path: Any) -> tuple[tuple[Any, Any], tuple[Any, Any] | None]:
    """(training paths (A, B), held-out paths (A, B) or None) for `open_source`. UsageError for another layout."""
    if isinstance(path, tuple | list):
        if len(path) != 2:
            raise UsageError(f"Two sets of images are needed, not {len(path)}. {LAYOUT}")
        return (path[0], path[1]), None
    if not isinstance(path, str | Path):
        raise UsageError(f"Unpaired translation needs two sets of images. {LAYOUT}")
    root = Path(path).expanduser()
    if not root.exists() and "," in str(path):
        first, _, second = str(path).partition(",")
        return (first.strip(), second.strip()), None
    if not root.exists():
        raise UsageError(f'There is nothing at "{root}". {LAYOUT}')
    folders = _folders(root)
    found = _pair(folders, TRAIN)
    if found is None:
        raise UsageError(f'"{root}" has no two sets of images. {LAYOUT}')
    return (root / found[0], root / found[1]), _beside(root, _pair(folders, TEST))


def _beside(root: Path, names: tuple[str, str] | None) -> tuple[Path, Path] | None:
    return None if names is None else (root / names[0], root / names[1])


def _folders(root: Path) -> list[str]:
    """Relative names of the folders below root (a folder or zip), three levels deep, outer ones first."""
    if root.is_dir():
        found = [p for depth in ("*", "*/*", "*/*/*") for p in sorted(root.glob(depth)) if p.is_dir()]
        return [p.relative_to(root).as_posix() for p in found]
    names = ZipListing(root).names if root.suffix.lower() == ".zip" else []
    parents = {"/".join(n.split("/")[:depth]) for n in names for depth in (1, 2, 3) if n.count("/") >= depth}
    return sorted(parents, key=lambda n: (n.count("/"), n))


def _pair(folders: list[str], patterns: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """The first two folders beside each other that match a pattern, whatever the case; None where there are none."""
    known = {name.lower(): name for name in reversed(folders)}
    for outer in ("", *(f"{name.lower()}/" for name in folders)):
        for a, b in patterns:
            pair = known.get(f"{outer}{a.lower()}"), known.get(f"{outer}{b.lower()}")
            if pair[0] and pair[1]:
                return pair  # pyrefly: ignore
    return None


def _common_size(sizes: list[tuple[int, ...]]) -> tuple[int, int]:
    if sizes[0] == sizes[1]:
        return sizes[0]  # pyrefly: ignore
    return (min(min(s) for s in sizes),) * 2


def _same_names(a: Any, b: Any) -> bool:
    first, second = (open_source(p, labels=False) for p in (a, b))
    stems = [[Path(s.name(i)).stem for i in range(len(s))] for s in (first, second)]
    return stems[0] == stems[1]


def jitter(x: Tensor, size: tuple[int, ...], draw: Draw, flip: bool) -> Tensor:
    """Crop [B, C, H, W] to `size` at random places, and, with `flip`, mirror half of the images."""
    places, mirrored = draw.uniform(2), draw.uniform() < 0.5
    out = x.new_empty(*x.shape[:2], *size)
    for k, image in enumerate(x):
        top, left = (int(places[k, n] * (image.shape[n + 1] - size[n] + 1)) for n in (0, 1))
        part = image[:, top : top + size[0], left : left + size[1]]
        out[k] = part.flip(2) if flip and mirrored[k] else part
    return out


def averaged(net: nn.Module, x: Tensor, noise: float, draws: int = 16) -> Tensor:
    """Mean of `draws` translations of x [B, C, H, W] plus Gaussian noise; every second one is mirrored.

    noise: standard deviation. The argmax of averaged class planes is the decision of a smoothed classifier (Cohen et
    al. 2019, 1902.02918), which is stable where single decisions change with the noise. The noise is the same every
    time.
    """
    random, total = torch.Generator().manual_seed(0), torch.zeros((), device=x.device)
    for k in range(draws):
        given = x + noise * torch.randn(x.shape, generator=random).to(x)
        total = total + (net(given.flip(3)).float().flip(3) if k % 2 else net(given).float())
    return total / draws


def _scaled(x: Tensor, size: list[int]) -> Tensor:
    if list(x.shape[2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)


def palette_of(source: Source) -> list[list[int]] | None:
    """The colours of a set of label maps, found in up to 16 of them; None for photos and for arrays."""
    if isinstance(source, ArraySource):
        return None
    some = spaced(np.arange(len(source)), 16)
    return find_palette([decode(source.get(k), source.name(k), channels=3) for k in some])  # pyrefly: ignore


def pack_maps(domain: Images, path: Any, palette: list[list[int]], cache: Any, on_progress: Progress | None) -> Packed:
    """Pack label maps as class numbers uint8 [1, H, W] of the domain's size, resized by majority."""
    source, size = open_source(path, labels=False), domain.size
    assert isinstance(size, tuple)

    def convert(data: Any, name: str) -> ConvertedItem:
        notes = Notes()
        array = decode(data, name, channels=3, background=domain.background, notes=notes)
        height, width = array.shape[1:]
        tall, wide = height, width
        if domain.fit == "crop":
            scale = max(size[0] / height, size[1] / width)
            tall, wide = min(height, size[0] / scale), min(width, size[1] / scale)
        box = ((width - wide) / 2, (height - tall) / 2, (width + wide) / 2, (height + tall) / 2)
        index = majority(index_of(array, palette), size, box, len(palette))
        return ConvertedItem(index[None], notes.size, notes.mode, tuple(notes.warnings))

    settings = {"domain": "unpaired maps", "size": size, "palette": palette, "fit": domain.fit}
    notes = [f"a label map of {len(palette)} colours"]
    plan = lambda: Conversion(Spec("images", (1, *size)), convert, notes, groups=())  # noqa: E731
    how = {"cache": cache, "on_corrupt": domain.on_corrupt, "held_out": domain.held_out, "on_progress": on_progress}
    return pack(source, plan, settings, **how)
