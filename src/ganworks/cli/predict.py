"""`ganworks predict`: name the classes of pictures."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ganworks.cli.words import Options, import_own, only, whole
from ganworks.core.console.text import counted
from ganworks.core.console.voice import say
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine.places import place
from ganworks.report.terminal.meters import Meters
from ganworks.use.predictor import Predictor

_SHOWN = 20  # failures named on the screen
_LINES = 50  # predictions on the screen when they also go to a file


def predict(places: list[str], options: Options) -> None:
    """ganworks predict RUN INPUT key=value ..."""
    import_own(options)
    if len(places) != 2:
        raise UsageError(
            "`ganworks predict` needs a run (or its classifier.safetensors) and pictures: "
            "ganworks predict runs/a photos/ out=classes.csv"
        )
    only(options, ("out", "top", "device"), "predict")
    run, source = places
    top, out = whole(options.get("top", "3"), "top"), place(options["out"]) if "out" in options else None
    if top < 1:
        raise UsageError(f"top must be 1 or more, not {top}.")
    if out and out.suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"out must end in .csv or .json, not {str(out)!r}.")
    model = Predictor.load(run, device=options.get("device", "auto"))
    with Meters() as meters:
        found = model.predict(source, lambda done, total: meters("Predicting", done, total))
    print_predictions(found, top, _LINES if out else len(found))
    if out:
        say("", f"All {len(found):,} with every probability: {found.save(out)}")
    if found.failed:
        lines = [f"{name}: {reason}" for name, reason in found.failed[:_SHOWN]]
        more = [f"... and {len(found.failed) - _SHOWN:,} more"] if len(found.failed) > _SHOWN else []
        raise GanworksError("\n  ".join([f"{len(found.failed):,} could not be read:", *lines, *more]))


def print_predictions(found: Any, top: int, most: int) -> None:
    """One line for each picture with its likeliest classes; counts of each class; accuracy where the truth is known."""
    wide = max(len(name) for name in found.names[:most]) if most else 0
    for row, name in enumerate(found.names[:most]):
        shares = "   ".join(f"{label} {100 * share:.1f} %" for label, share in found.best(row, top))
        say(f"{name:{wide}}   {shares}")
    if len(found) > most:
        say(f"... and {len(found) - most:,} more")
    if len(found) > 1:
        counts = Counter(found.classes[k] for k in found.labels)
        say(
            "",
            f"{counted(len(found), 'picture')}: " + ", ".join(f"{n:,} {label}" for label, n in counts.most_common(20)),
        )
    if found.accuracy is not None:
        value, low, high = found.accuracy
        say(
            f"Accuracy against the labels that came with them: {100 * value:.1f} % "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
        )
