"""What an audit may look at in a set of pictures: pixels, features, labels, folders, cameras, sizes, formats."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image

from ganworks.audit.data.describe import PatchFeatures, measures
from ganworks.audit.evidence import Evidence, Rows
from ganworks.core.contracts import Work
from ganworks.files.packing.exclusions import item_name, sha256_of, without
from ganworks.files.rasters.decode import DecodeError
from ganworks.files.rasters.header import header
from ganworks.files.sources import FileSource, open_source
from ganworks.kinds.images.look import near_duplicates
from ganworks.metrics.judges.oddities import evened, twins
from ganworks.metrics.judges.pictures import middle_and_last

POSITIONS = 9_000_000  # places of patches that are compared: 60,000 pictures of 28 x 28
THROUGH, LARGEST, TWINS = 4_000, 64, 6_000  # pictures seen through a network; longest side for features; near copies
HEADERS = 20_000  # files whose headers are read
_TOGETHER = 16
_NEAR = (
    "Difference hashes of 8 x 8 bits find candidates, thumbnails decide (root mean square difference up to 3 % of the "
    "range): the same picture saved again or slightly changed. Crops and mirror images need features=NAME."
)
_NEAR_THROUGH = (
    "Seen through {key}: crops, mirror images, saved again; the first {count:,}. Views of one object are none."
)


def evidence_of(domain: Any, path: Any, features: str, work: Work) -> Evidence:
    """The evidence of a source of pictures that `domain`, an `Images`, reads. Raises UsageError."""
    source = without(open_source(path, domain.labelled), domain.exclude)
    data = domain.open(path, on_progress=lambda done, total: work("Reading the data", done, total))
    index = _kept(source, data)
    held = np.zeros(len(data), bool)
    held[data.held] = True
    found = Evidence(
        "pictures",
        len(data),
        lambda row: item_name(source, int(index[row])),
        lambda row: sha256_of(source.get(int(index[row]))),
        data.hashes,
        held,
        data.labels,
        data.spec.classes,
        corrupt=[f"{name}: {why}" for name, why in data.facts["corrupt"]],
        corrupt_count=data.facts.get("corrupt_count", len(data.facts["corrupt"])),
        simple=lambda rows: measures(_small(data, rows)),
        pictures=lambda rows: _levels(data, rows),
        flat=lambda rows: np.ptp(data.raw(rows).reshape(len(rows), -1).astype(np.float32), axis=1) < _step(data),
        shown=lambda row: _picture(_levels(data, np.array([row]))[0]),
        facts={name: data.summary[name] for name in ("count", "size", "channels", "classes", "train", "held")},
    )
    if features:
        _through(found, domain, path, features, work)
    else:
        _own(found, data)
    if isinstance(source, FileSource):
        _files(found, source, index, work)
    return found


def glance_of(data: Any, rows: int, values: int) -> Evidence:
    """The evidence of a random sample of a `Packed`, by pixels and own features alone."""
    count = max(50, min(rows, values // int(np.prod(data.spec.shape))))
    chosen = np.sort(np.random.default_rng(0).permutation(len(data))[:count])
    x = _levels(data, chosen)
    small = _shrunk(x)
    own = PatchFeatures(small)
    return Evidence(
        "pictures",
        len(chosen),
        lambda row: f"row {chosen[row]}",
        None,
        data.hashes[chosen],
        np.zeros(len(chosen), bool),
        None if data.labels is None else data.labels[chosen],
        data.spec.classes,
        vectors=lambda rows: own(small[rows]),
        by="patches of the pictures",
        simple=lambda rows: measures(small[rows]),
        pictures=lambda rows: x[rows],
        flat=lambda rows: np.ptp(x[rows].reshape(len(rows), -1).astype(np.int16), axis=1) < 1,
    )


def _kept(source: Any, data: Any) -> np.ndarray:
    """The number in the source of each row: those that could be read."""
    if len(source) == len(data):
        return np.arange(len(data))
    bad = {name for name, _ in data.facts["corrupt"]}
    return np.array([i for i in range(len(source)) if source.name(i) not in bad])


def _step(data: Any) -> float:
    return (data.spec.high - data.spec.low) / 255


def _levels(data: Any, rows: Rows) -> np.ndarray:
    """Pictures [n, C, H, W] of 0..255, uint8."""
    x = data.raw(rows)
    if x.dtype == np.uint8:
        return x
    return np.clip((x - data.spec.low) / _step(data), 0, 255).astype(np.uint8)


def _picture(x: np.ndarray) -> Image.Image:
    """[C, H, W] of 0..255 as a picture: grey, or its first three channels."""
    return Image.fromarray(x[0] if len(x) < 3 else np.ascontiguousarray(x[:3].transpose(1, 2, 0)))


def _small(data: Any, rows: Rows) -> np.ndarray:
    """The same, at most LARGEST pixels a side."""
    return _shrunk(_levels(data, rows))


def _shrunk(x: np.ndarray) -> np.ndarray:
    shrink = -(-max(x.shape[2:]) // LARGEST)
    if shrink < 2:
        return x
    return torch.nn.functional.avg_pool2d(torch.from_numpy(x).float(), shrink, ceil_mode=True).byte().numpy()


def _own(found: Evidence, data: Any) -> None:
    """Features without a network: a dictionary of patches of these pictures."""
    some = found.some(2_000)
    made: list[PatchFeatures] = []

    def vectors(rows: Rows) -> np.ndarray:
        if not made:
            made.append(PatchFeatures(_small(data, some)))
        return made[0](_small(data, rows))

    height, width = _small(data, some[:1]).shape[2:]
    places = max(1, height // 2 - 2) * max(1, width // 2 - 2)
    found.vectors, found.by, found.costs = vectors, "patches of the pictures (no network)", POSITIONS // places
    found.twins, found.twins_by = lambda: [(a, b, 0.0) for a, b in near_duplicates(data, len(data))], _NEAR


def _through(found: Evidence, domain: Any, path: Any, features: str, work: Work) -> None:
    """Features of a published network, at its own size: middle stages for near copies, the last one for the rest."""
    from ganworks.pretrained.store import named

    teacher = named(features)
    data = replace(domain, size=domain.size or teacher.net.size).open(path)
    cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def see(rows: Rows) -> None:
        new = [int(row) for row in rows if int(row) not in cache]
        for start in range(0, len(new), _TOGETHER):
            part = new[start : start + _TOGETHER]
            x = torch.as_tensor(data.fetch(np.array(part))["x"])
            both = middle_and_last(teacher.net, x[:, :3] if x.shape[1] > 3 else x)
            cache.update((row, (a, b)) for row, a, b in zip(part, *both, strict=True))
            work(f"Looking through {teacher.key}", min(start + _TOGETHER, len(new)), len(new))

    def vectors(rows: Rows) -> np.ndarray:
        see(rows)
        return np.stack([cache[int(row)][1] for row in rows])

    def near() -> list[tuple[int, int, float]]:
        rows = found.some(THROUGH)[:TWINS]
        see(rows)
        middle, last = (np.stack([cache[int(row)][k] for row in rows]) for k in (0, 1))
        pairs = twins(np.concatenate([evened(middle), evened(last)], 1))
        return [(int(rows[a]), int(rows[b]), 1 - alike) for a, b, alike in pairs]

    found.vectors, found.by, found.costs, found.twins = vectors, teacher.key, THROUGH, near
    found.twins_by = _NEAR_THROUGH.format(key=teacher.key, count=min(found.count, THROUGH))


def _files(found: Evidence, source: FileSource, index: np.ndarray, work: Work) -> None:
    """Folders, cameras, sizes, modes and formats of files, and whose metadata hold a place."""
    names = [source.name(int(i)) for i in index]
    folders = [name.rpartition("/")[0] for name in names]
    if found.labels is None or len(set(folders)) > len(found.classes):
        found.groups["folder"] = folders
    if found.count > HEADERS:
        return
    sizes, modes, formats, cameras, located = [], [], [], [], []
    for row, i in enumerate(index):
        if row % 500 == 0:
            work("Reading headers", row, found.count)
        size, mode, form, camera, there = _head(source, int(i))
        sizes.append(size), modes.append(mode), formats.append(form), cameras.append(camera)
        located += [row] if there else []
    work("Reading headers", found.count, found.count)
    found.traits = {"size": sizes, "mode": modes, "format": formats}
    found.groups |= {"camera": cameras} if any(cameras) else {}
    found.located = located


def _head(source: FileSource, index: int) -> tuple[str, str, str, str, bool]:
    """(size, mode, format, camera, whether a place is stated) from the header of a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = header(source.get(index), source.name(index))
            size = f"{image.size[1]} x {image.size[0]}"
            if image.format not in ("JPEG", "MPO", "TIFF", "WEBP", "PNG"):
                return size, image.mode, str(image.format), "", False
            exif = image.getexif() if image.format != "PNG" or "exif" in image.info else Image.Exif()
            camera = " ".join(str(exif.get(tag, "")).strip("\0 ") for tag in (271, 272)).strip()[:60]
            return size, image.mode, str(image.format), camera, bool(exif.get_ifd(ExifTags.IFD.GPSInfo))
    except DecodeError:
        return "", "", "", "", False
    except Exception:  # damaged metadata say nothing
        return "", "", "", "", False
