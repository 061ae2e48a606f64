"""Files that come with requests: through the same code as `ganworks apply` and `ganworks predict`, in a folder of
their own that is removed afterwards.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ganworks.files.rasters.decode import SUFFIXES, upright_size
from ganworks.files.rasters.film import SUFFIXES as FILMS
from ganworks.serve.asks import ApplyAsk, PredictAsk
from ganworks.serve.engine.errors import TooLargeError
from ganworks.serve.engine.limits import Limits
from ganworks.use.applier import Applier
from ganworks.use.file_jobs import apply_files
from ganworks.use.predictor import Predictions, Predictor

_LONGEST_NAME = 80


@dataclass(frozen=True)
class Changed:
    """What came of a file. suffix: of its form. said: a sentence for the user, or "". model: its fingerprint."""

    content: bytes
    suffix: str
    said: str
    model: str


def safe_name(name: str) -> str:
    """A name from outside as one that any file system takes: its last part, letters, digits, dots and dashes alone."""
    last = re.split(r"[/\\\\]", name)[-1]
    kept = re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".")
    stem, dot, suffix = kept.rpartition(".")
    return f"{(stem or 'file')[:_LONGEST_NAME]}{dot}{suffix[:8]}" if dot else (kept or "file")[:_LONGEST_NAME]


def check_files(limits: Limits, files: tuple[tuple[str, bytes], ...]) -> None:
    """Raise TooLargeError for files above the limits, before anything of them is decoded."""
    for name, content in files:
        limits.check_upload(len(content), safe_name(name))
        if name.lower().endswith(FILMS) and not limits.films:
            raise TooLargeError(f"{safe_name(name)} is a video, which takes too long here: use `ganworks apply`.")
        if name.lower().endswith(SUFFIXES):
            width, height = upright_size(content, safe_name(name))
            limits.check_pixels(width * height, safe_name(name))


def applied(model: Applier, ask: ApplyAsk) -> Changed:
    """One file through a network: the bytes that `ganworks apply` writes for it. Raises UsageError, GanworksError."""
    with tempfile.TemporaryDirectory(prefix="ganworks-") as folder:
        source = Path(folder) / "in" / safe_name(ask.name)
        source.parent.mkdir()
        source.write_bytes(ask.content)
        mask = None if ask.mask is None else Path(folder) / "mask.png"
        if mask is not None and ask.mask is not None:
            mask.write_bytes(ask.mask)
        out = Path(folder) / "out" / Path(source.name).with_suffix(_suffix(model, ask, source))
        done = apply_files(model, source, out, seed=ask.seed, mark=ask.mark, mask=mask, form=ask.form, **ask.options)
        made = done.pairs[0][1]
        said = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for _, sentence in done.said)
        return Changed(made.read_bytes(), made.suffix, said, model.fingerprint)


def _suffix(model: Applier, ask: ApplyAsk, source: Path) -> str:
    if model.gives:
        return model.gives
    return f".{ask.form.lower().lstrip('.')}" if ask.form else source.suffix or ".png"


def predicted(model: Predictor, ask: PredictAsk) -> Predictions:
    """The classes of pictures, in their order; those that cannot be read are in `failed`.

    The answer for a picture is that of `ganworks predict` for it alone. Raises UsageError when nothing can be read.
    """
    with tempfile.TemporaryDirectory(prefix="ganworks-") as folder:
        width = len(str(len(ask.files)))
        names = {}
        for number, (name, content) in enumerate(ask.files):
            own = f"{number:0{width}d}-{safe_name(name)}"
            names[own] = name
            (Path(folder) / own).write_bytes(content)
        only = next(iter(names))
        found = model.predict(Path(folder) / only if len(names) == 1 else folder)
    back = {str(Path(folder) / own): name for own, name in names.items()} | names
    failed = tuple((back.get(name, name), reason) for name, reason in found.failed)
    return replace(found, names=tuple(back.get(name, name) for name in found.names), failed=failed)
