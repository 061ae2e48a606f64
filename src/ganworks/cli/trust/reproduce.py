"""reproduce=RUN of `ganworks verify`: makes the sample that a note names again, and compares."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from ganworks.core.abilities.encoding import options_of
from ganworks.core.errors import GanworksError
from ganworks.files.provenance.content import same
from ganworks.files.provenance.verifying import Verdict, digest
from ganworks.use.model import Model


@lru_cache(1)
def _model(run: str) -> Model:
    return Model.load(run, device="cpu")


def reproduce(verdict: Verdict, run: str) -> None:
    """Add to a verdict whether the run makes the same content from the seed and the indices of the note.

    Raises UsageError for a run that cannot be opened. Watermarked files cannot be compared without their key.
    """
    model, note = _model(run), verdict.marks.note
    if note is None or note.get("seed") is None or not note.get("content"):
        verdict.said.append("It cannot be made again: its note names no seed and no content.")
    elif note.get("model") != model.fingerprint:
        verdict.said.append(f"{run} is another model than the one of the note; nothing was made again.")
    elif "watermark" in note:
        verdict.said.append("It carries a watermark, which this does not put in: nothing was made again.")
    else:
        _compare(verdict, model, note)


def _compare(verdict: Verdict, model: Model, note: dict[str, Any]) -> None:
    first, last = (note["index"], note["index"]) if "index" in note else note.get("indices") or (0, -1)
    known = {name: note[name] for name in options_of(model.domain, model.net) if name in note}
    try:
        labels = None if note.get("label") is None else int(note["label"])
        truncation = float(note.get("truncation", 1.0))
        made = model.sample(int(last) - int(first) + 1, int(note["seed"]), labels, truncation, int(first), **known)
        with tempfile.TemporaryDirectory() as folder:
            again = Path(folder) / verdict.path.name
            if "index" in note and not hasattr(made.maker, "plain"):
                again.write_bytes(next(iter(made.files()))[1])
            else:
                made.save(again)
            agrees = same(str(note["content"]), digest(again, str(note["content"])))
    except (GanworksError, TypeError, ValueError, OverflowError) as error:
        verdict.said.append(f"It could not be made again: {error}")
        return
    seed = f"seed {note['seed']}"
    verdict.said.append(
        f"Made again from {seed}: the same content."
        if agrees
        else f"Made again from {seed}: other content. It was edited, made with other options, or on another machine."
    )
