"""What the command line does for `apply` and `predict`: read the words, call the verb, print what came of it."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

from ganworks.cli.sampling import whole
from ganworks.core.config import parse
from ganworks.core.errors import GanworksError, UsageError, nearest, switch
from ganworks.files.weights import replace_file
from ganworks.report.terminal.meters import Meters

OWN = ("out", "seed", "device", "mark", "mask", "sheet", "format", "reverse")  # the other options are the model's
_SHOWN = 20  # failures named on the screen
_LINES = 50  # predictions on the screen when they also go to a file


def apply(run: str, source: str, options: dict[str, str]) -> None:
    """ganworks apply RUN INPUT key=value ...; see usage.py."""
    from ganworks.use.applier import Applied
    from ganworks.use.file_jobs import apply_files, pairs_of

    reverse = switch("reverse", options.get("reverse", "off"))
    model = Applied.load(run, device=options.get("device", "auto"), reverse=reverse)
    asked = {name: value if name == "label" else parse(value) for name, value in options.items() if name not in OWN}
    known = asked if model.options is None else model.options
    for name in asked:
        if name not in known:
            raise UsageError(f'This model has no option "{name}". {nearest(name, (*OWN, *known))}')
    with Meters() as meters:
        done = apply_files(
            model,
            source,
            options.get("out"),
            seed=whole(options.get("seed", "0"), "seed"),
            mark=switch("mark", options.get("mark", "on")),
            mask=options.get("mask"),
            form=options.get("format", ""),
            on_progress=meters,
            **asked,
        )
    print_outcome(done)
    if "sheet" in options:
        from ganworks.files.rasters.sheet import sheet_of

        if pairs := list(pairs_of(done)):
            buffer = io.BytesIO()
            sheet_of(pairs).save(buffer, "PNG")
            replace_file(options["sheet"], buffer.getvalue())
            print(f"Before and after of {len(pairs)} of them: {options['sheet']}")
    refuse_failures(done)


def print_outcome(done: Any) -> None:
    """What was made, what was there already, what was left out."""
    if len(done.pairs) == 1 and not done.failed:
        print(f"{done.pairs[0][1]}{' was finished already' if done.kept else ''}")
    else:
        print(f"{len(done.pairs):,} done, in {done.out}")
        if done.kept:
            print(f"{done.kept:,} of them were finished before, from the same inputs and model, and were kept.")
    if done.left:
        pictures = ".png" in done.takes
        others = "neither pictures nor videos" if pictures else f"not among what it takes ({', '.join(done.takes)})"
        print(f"{done.left:,} other files in the folder are {others}.")
    for said, count in Counter(said for _, said in done.said).most_common(_SHOWN):
        print(f"{said[0].upper()}{said[1:]}{f' ({count:,} files)' if len(done.pairs) > 1 else ''}.")


def refuse_failures(done: Any) -> None:
    """GanworksError that names what could not be done, if there is any."""
    if done.failed:
        lines = [f"{name}: {reason}" for name, reason in done.failed[:_SHOWN]]
        more = [f"... and {len(done.failed) - _SHOWN:,} more"] if len(done.failed) > _SHOWN else []
        count = len(done.failed) + len(done.pairs)
        raise GanworksError("\n  ".join([f"{len(done.failed):,} of {count:,} could not be done:", *lines, *more]))


def predict(run: str, source: str, options: dict[str, str]) -> None:
    """ganworks predict RUN INPUT key=value ...; see usage.py."""
    from ganworks.use.predictor import Predictor

    top, out = whole(options.get("top", "3"), "top"), options.get("out")
    if top < 1:
        raise UsageError(f"top must be 1 or more, not {top}.")
    if out and Path(out).suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"out must end in .csv or .json, not {out!r}.")
    model = Predictor.load(run, device=options.get("device", "auto"))
    with Meters() as meters:
        found = model.predict(source, lambda done, total: meters("Predicting", done, total))
    print_predictions(found, top, _LINES if out else len(found))
    if out:
        print(f"\nAll {len(found):,} with every probability: {found.save(out)}")
    if found.failed:
        lines = [f"{name}: {reason}" for name, reason in found.failed[:_SHOWN]]
        more = [f"... and {len(found.failed) - _SHOWN:,} more"] if len(found.failed) > _SHOWN else []
        raise GanworksError("\n  ".join([f"{len(found.failed):,} could not be read:", *lines, *more]))


def print_predictions(found: Any, top: int, most: int) -> None:
    """One line for each picture with its likeliest classes; counts of each class; accuracy where the truth is known."""
    wide = max(len(name) for name in found.names[:most]) if most else 0
    for row, name in enumerate(found.names[:most]):
        shares = "   ".join(f"{label} {100 * share:.1f} %" for label, share in found.best(row, top))
        print(f"{name:{wide}}   {shares}")
    if len(found) > most:
        print(f"... and {len(found) - most:,} more")
    if len(found) > 1:
        counts = Counter(found.classes[k] for k in found.labels)
        print(f"\n{len(found):,} pictures: " + ", ".join(f"{n:,} {label}" for label, n in counts.most_common(20)))
    if found.accuracy is not None:
        value, low, high = found.accuracy
        print(
            f"Accuracy against the labels that came with them: {100 * value:.1f} % "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
        )
