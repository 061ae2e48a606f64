"""Recipes side by side: their runs on the same data and budget as one table, as CSV, and as a picture with samples.

Of several seeds, a score is the mean over the runs, with the 95 % interval of a mean by Student's t; of one seed, the
interval is that of its evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ganworks.core.console.text import counted, plain
from ganworks.files.atomic import write_file
from ganworks.files.rasters.arrange import Frame, arrange
from ganworks.files.rasters.write import encoded
from ganworks.files.tables.write import csv_text
from ganworks.report import grades, units, words
from ganworks.report.grades import Score
from ganworks.report.read import RunView, as_float, frames, mapping, read_run
from ganworks.report.terminal.compare import Column, column_of, table

_TAIL = 4 << 20
_T = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
)  # Student's t at 97.5 %, 1 to 9 degrees
_SIDE, _LINE, _LEFT = 360, 22, 170  # pixels
_INK, _PALE = (31, 90, 166), (150, 150, 150)
_DRAWN = (".png", ".webp", ".gif")


class Contest:
    """The runs of several recipes. runs: recipe -> run folders, one for each seed."""

    def __init__(self, runs: Mapping[str, Sequence[Path]]):
        self.runs = {name: [read_run(folder, tail=_TAIL) for folder in folders] for name, folders in runs.items()}
        self.columns = [_merged(name, views) for name, views in self.runs.items()]
        self.files: list[Path] = []

    def lines(self, width: int = 80, unicode: bool = True) -> list[str]:
        """The table for people, with intervals and the scores of real data."""
        most = max(len(views) for views in self.runs.values())
        said = [f"Scores are means over {most} seeds, with their intervals."] if most > 1 else []
        return [plain(line, unicode) for line in (*table(self.columns, width, whole=True), *said)]

    def csv(self) -> str:
        """A row for each run: what it took, then each score with its interval and that of real data."""
        views = [(name, view) for name, views in self.runs.items() for view in views]
        scores = [{_key(s): s for s in words.scores_of(view)} for _, view in views]
        keys = list(dict.fromkeys(key for found in scores for key in found))
        head = [
            "recipe",
            "run",
            "seed",
            "parameters",
            "sampler_parameters",
            "examples",
            "seconds",
            "speed",
        ]
        head += [f"{key}{end}" for key in keys for end in ("", "_low", "_high", "_real")]
        rows = [
            [*_cost(name, view), *(n for key in keys for n in _numbers(found.get(key)))]
            for (name, view), found in zip(views, scores, strict=True)
        ]
        return csv_text([head, *rows])

    def picture(self) -> Image.Image:
        """Intervals of the main score above the latest samples of each recipe, side by side."""
        parts = [p for p in (self._bars(), self._samples()) if p is not None]
        return arrange(parts or [Image.new("RGB", (_SIDE, _LINE), "white")], 1, Frame((0, 0), gap=12, margin=12))

    def _bars(self) -> Image.Image | None:
        """A line for each recipe with its score and interval, and a line for real data."""
        kind = next((k for c in self.columns for k in c.scores if k[0] in ("frechet", "kernel")), None)
        found = [(c.name, c.scores[kind]) for c in self.columns if kind in c.scores] if kind else []
        if not found:
            return None
        metric, real = found[0][1].metric, found[0][1].floor
        ends = [n for _, s in found for n in (s.value, s.high) if math.isfinite(n)]
        most = 1.05 * max(*ends, real if math.isfinite(real) else 0.0, 1e-12)
        wide = _LEFT + 2 * _SIDE
        sheet = Image.new("RGB", (wide, _LINE * (len(found) + 2)), "white")
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)

        def at(value: float) -> float:
            return _LEFT + max(0.0, value) / most * (wide - _LEFT - 90)

        title = plain(metric.title, False)  # the font has few letters
        pen.text((0, 2), f"{title}: lower is better; the grey line is real data", "black", font)
        for n, (name, score) in enumerate(found, 1):
            middle = _LINE * n + _LINE / 2
            pen.text((0, middle - 7), name[:24], "black", font)
            if score.bounded:
                pen.line((at(score.low), middle, at(score.high), middle), fill=_INK, width=5)
            pen.ellipse((at(score.value) - 5, middle - 5, at(score.value) + 5, middle + 5), fill=_INK)
            right = at(score.high if score.bounded else score.value) + 10
            pen.text((right, middle - 7), plain(grades.score_text(metric, score.value), False), "black", font)
        if math.isfinite(real):
            pen.line((at(real), _LINE, at(real), _LINE * (len(found) + 1)), fill=_PALE, width=2)
            pen.text((at(real) - 10, _LINE * (len(found) + 1) + 2), "real data", _PALE, font)
        return sheet

    def _samples(self) -> Image.Image | None:
        shown, names = [], []
        for name, views in self.runs.items():
            drawn = [path for _, path in frames(views[0]) if path.suffix.lower() in _DRAWN]
            if drawn:
                with Image.open(drawn[-1]) as image:
                    shown.append(_fitted(image.convert("RGB")))
                names.append(name)
        if not shown:
            return None
        return arrange(shown, len(shown), Frame((_SIDE, 0), gap=10, caption=18, drop=3, font=12), names)

    def write(self, folder: Path) -> list[Path]:
        """Write comparison.csv and comparison.png into a folder; returns both."""
        files = {"comparison.csv": self.csv().encode(), "comparison.png": encoded(self.picture(), "PNG")}
        self.files = [_written(folder / name, content) for name, content in files.items()]
        return self.files


def _fitted(image: Image.Image) -> Image.Image:
    scale = _SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST)


def _written(path: Path, content: bytes) -> Path:
    write_file(path, content)
    return path


def _key(score: Score) -> str:
    return f"{score.metric.name}[{score.extractor}]" if score.extractor else score.metric.name


def _cost(name: str, view: RunView) -> list[object]:
    sizes = {player: as_float(size) for player, size in mapping(view.plan.get("parameters")).items()}
    seed = mapping(view.config.get("train")).get("seed")
    speed = view.seen / view.seconds if view.seconds else math.nan
    whole, sampler = int(sum(sizes.values())), int(sizes.get("G", 0))
    return [name, view.name, seed, whole, sampler, view.seen, round(view.seconds, 1), round(speed, 1)]


def _numbers(score: Score | None) -> list[object]:
    numbers = (score.value, score.low, score.high, score.floor) if score else (math.nan,) * 4
    return [n if math.isfinite(n) else "" for n in numbers]


def _merged(name: str, views: Sequence[RunView]) -> Column:
    """The runs of a recipe as one column."""
    columns = [column_of(view) for view in views]
    if len(views) == 1:
        return replace(columns[0], name=name)
    kinds = dict.fromkeys(kind for column in columns for kind in column.scores)
    scores = {kind: mean_of([c.scores[kind] for c in columns if kind in c.scores]) for kind in kinds}
    seconds = sum(view.seconds for view in views) / len(views)
    seen = sum(view.seen for view in views) / len(views)
    means = {
        "State": counted(len(views), "seed"),
        "Examples seen": units.count(seen),
        "Training time": units.duration(seconds),
        "Examples/s": units.short_number(seen / seconds if seconds else math.nan),
    }
    return Column(name, [(title, means.get(title, text)) for title, text in columns[0].about], scores)


def mean_of(scores: Sequence[Score]) -> Score:
    """The mean of scores of independent runs, with the 95 % interval of Student's t; the first one's real data."""
    values = [score.value for score in scores]
    count, mean = len(values), sum(values) / len(values)
    if count < 2:
        return scores[0]
    error = math.sqrt(sum((v - mean) ** 2 for v in values) / (count - 1) / count)
    half = _T[min(count - 1, len(_T)) - 1] * error
    return replace(scores[0], value=mean, low=mean - half, high=mean + half)
