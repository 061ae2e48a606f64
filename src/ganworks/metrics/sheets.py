"""Pictures for a report: samples, real examples, nearest training images, classes, worst samples, missed examples.

Small images are enlarged by whole factors without smoothing, large ones are shrunk: tiles have 56 to 160 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from ganworks.core.spec import Spec
from ganworks.files.rasters.arrange import Frame, arrange
from ganworks.files.rasters.write import save_picture
from ganworks.metrics.features import MetricDataset
from ganworks.metrics.reference import Measured, Reference
from ganworks.metrics.samples import Sample, SampleFeatures

SMALLEST, LARGEST, GAP, LINE = 56, 160, 4, 14
MOST_CLASSES = 20


def picture(example: np.ndarray, spec: Spec) -> Image.Image:
    """One example [C, H, W] as stored -> RGB. 1 or 2 channels: grey; 4: alpha on white; others: the first 3."""
    x = (np.asarray(example, np.float32) - spec.low) * (255 / (spec.high - spec.low))
    x = x.clip(0, 255).round()
    if len(x) < 3:
        x = np.repeat(x[:1], 3, axis=0)
    elif len(x) == 4:
        x = x[:3] * (x[3] / 255) + 255 - x[3]
    return Image.fromarray(np.ascontiguousarray(x[:3].round().astype(np.uint8).transpose(1, 2, 0)))


def _tile(image: Image.Image) -> Image.Image:
    """Enlarge or shrink an image to a size for display."""
    longer = max(image.size)
    if longer > LARGEST:
        ratio = LARGEST / longer
        return image.resize(
            (max(1, round(image.width * ratio)), max(1, round(image.height * ratio))), Image.Resampling.LANCZOS
        )
    factor = max(1, -(-SMALLEST // longer))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def grid(examples: np.ndarray, spec: Spec, columns: int, captions: Sequence[str] | None = None) -> Image.Image:
    """Examples [n, C, H, W] in rows of `columns`, each with its caption below, of one or more lines."""
    tiles = [_tile(picture(e, spec)) for e in examples]
    if not tiles:
        return Image.new("RGB", (SMALLEST, SMALLEST), "white")
    font = ImageFont.load_default(11)
    texts = list(captions) if captions is not None else [""] * len(tiles)
    broken = [text.split("\n") for text in texts]
    lines = max(len(b) for b in broken) if any(texts) else 0
    lengths = [round(font.getlength(line)) + 2 for b in broken for line in b]
    wide = max(tiles[0].width, *lengths)
    frame = Frame((wide, tiles[0].height), gap=GAP, margin=GAP, caption=LINE * lines, centred=True)
    return arrange(tiles, min(columns, len(tiles)), frame, texts)


def fetch(sample: Sample, indices: Sequence[int] | np.ndarray) -> np.ndarray:
    """These samples [n, ...], each requested by its index."""
    return np.concatenate([np.asarray(sample(int(i), 1)[0]) for i in indices])


def neighbour_sheet(sample: Sample, dataset: MetricDataset, real: Reference, found: Measured) -> Image.Image:
    """Rows of a sample and its nearest training examples: the five closest samples, then five others."""
    distance = found.near.distance
    chosen = [*np.argsort(distance[:, 0], kind="stable")[:5], *range(min(5, len(distance)))]
    examples, captions = [], []
    for row, i in enumerate(chosen):
        examples += [*fetch(sample, [i]), *dataset.raw(real.train_rows[found.near.index[i]])]
        captions += [
            f"sample {i}\n" + ("closest" if row < 5 else "any"),
            *(f"training\n{d:.2f} away" for d in distance[i]),
        ]
    return grid(np.stack(examples), dataset.spec, 1 + distance.shape[1], captions)


def class_sheet(sample: Sample, dataset: MetricDataset, made: SampleFeatures, each: int = 10) -> Image.Image | None:
    """A row for each of the first 20 classes: samples requested as it, else classified as it, with the probability."""
    labels = made.asked if made.asked is not None else made.predicted
    if labels is None:
        return None
    spec, examples, captions = dataset.spec, [], []
    blank = np.full(spec.shape, spec.high, np.dtype(spec.dtype))
    for label, name in enumerate(spec.classes[:MOST_CLASSES]):
        mine = np.flatnonzero(labels == label)[:each]
        examples += [*(fetch(sample, mine) if len(mine) else []), *[blank] * (each - len(mine))]
        captions += [_certainty(made, int(i), label, name) for i in mine]
        captions += [f"no {name}"] * (each - len(mine))
    return grid(np.stack(examples), spec, each, captions)


def _certainty(made: SampleFeatures, index: int, label: int, name: str) -> str:
    return name if made.chances is None else f"{name}: {made.chances[index, label]:.0%}"


def failure_sheet(
    sample: Sample, dataset: MetricDataset, made: SampleFeatures, found: Measured, count: int = 24
) -> Image.Image:
    """The worst samples: least like the requested class, or least like any class, or farthest from training data."""
    if made.chances is None or made.predicted is None:
        distance = found.near.distance[:, 0]
        worst = np.argsort(-distance, kind="stable")[:count]
        captions = [f"{distance[i]:.2f} away" for i in worst]
        return grid(fetch(sample, worst), dataset.spec, 8, captions)
    everyone, names = np.arange(len(made.chances)), dataset.spec.classes
    wanted = made.predicted if made.asked is None else made.asked
    worst = np.argsort(made.chances[everyone, wanted], kind="stable")[:count]
    captions = []
    for i in worst:
        likely = f"seen {names[made.predicted[i]]}: {made.chances[i].max():.0%}"
        captions.append(likely if made.asked is None else f"asked {names[made.asked[i]]}\n{likely}")
    return grid(fetch(sample, worst), dataset.spec, 8, captions)


def missed_sheet(dataset: MetricDataset, real: Reference, found: Measured, count: int = 24) -> Image.Image:
    """Held-out examples farthest from any sample, in units of the radius in which a sample was expected."""
    worst = np.argsort(-found.gap, kind="stable")[:count]
    captions = []
    for i in worst:
        label = "" if dataset.labels is None else dataset.spec.classes[dataset.labels[real.held_rows[i]]]
        captions.append(f"{label}  gap {found.gap[i]:.1f}".strip())
    return grid(dataset.raw(real.held_rows[worst]), dataset.spec, 8, captions)


def reconstruction_sheet(real: np.ndarray, made: np.ndarray, columns: int = 8) -> Image.Image:
    """Rows of examples [n, C, H, W] in network values (-1 to 1), each row above that of their reconstructions."""
    spec = Spec("images", real.shape[1:], low=-1.0, high=1.0, dtype="float32")
    rows = [part[i : i + columns] for i in range(0, len(real), columns) for part in (real, made)]
    captions = ["held-out" if n % 2 == 0 else "after" for n, row in enumerate(rows) for _ in row]
    return grid(np.concatenate(rows), spec, columns, captions)


def draw_all(
    folder: Path, sample: Sample, dataset: MetricDataset, *, real: Reference, made: SampleFeatures, found: Measured
) -> dict[str, str]:
    """Write every sheet into the folder; returns {title: file name}."""
    count = min(64, len(made.features))
    near = neighbour_sheet(sample, dataset, real, found)
    sheets = {
        "Samples": ("samples", grid(sample(0, count)[0], dataset.spec, 8)),
        "Real examples, never trained on": ("real", grid(dataset.raw(real.held_rows[:64]), dataset.spec, 8)),
        "Samples and their nearest training examples": ("neighbours", near),
        "Samples by class": ("classes", class_sheet(sample, dataset, made)),
        "The worst samples": ("failures", failure_sheet(sample, dataset, made, found)),
        "Real examples that no sample is near": ("missed", missed_sheet(dataset, real, found)),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for title, (name, sheet) in sheets.items():
        if sheet is not None:
            written[title] = save_picture(sheet, folder / f"{name}.png").name
    return written
