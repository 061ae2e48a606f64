"""`ganworks apply`: apply a translator, restorer or vocoder to files."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ganworks.cli.trust.seals import seals_of
from ganworks.cli.words import APPLYING, Options, import_own, whole
from ganworks.core.console.text import counted
from ganworks.core.console.voice import say
from ganworks.core.errors import GanworksError, UsageError, nearest, switch
from ganworks.core.limits import check_seed
from ganworks.core.machine.places import place
from ganworks.core.schema.plain import parse
from ganworks.report.terminal.meters import Meters
from ganworks.use.applier import Applier
from ganworks.use.file_jobs import EDITED, apply_files, pairs_of

_SHOWN = 20  # failures named on the screen


def apply(places: list[str], options: Options) -> None:
    """ganworks apply RUN INPUT key=value ..."""
    import_own(options)
    if len(places) != 2:
        raise UsageError(
            "`ganworks apply` needs a run (or its generator.safetensors) and a picture, folder or video: "
            "ganworks apply runs/a photo.jpg out=result.png"
        )
    run, source = places
    sheet = place(options["sheet"], "sheet") if "sheet" in options else None
    seed = check_seed(whole(options.get("seed", "0"), "seed"))
    mark, reverse = (switch(name, options.get(name, default)) for name, default in (("mark", "on"), ("reverse", "off")))
    model = Applier.load(run, device=options.get("device", "auto"), reverse=reverse)
    watermark, signer = seals_of(options)
    asked: dict[str, Any] = {
        name: value if name == "label" else parse(value) for name, value in options.items() if name not in APPLYING
    }
    known = asked if model.options is None else model.options
    for name in asked:
        if name not in known:
            raise UsageError(f'This model has no option "{name}". {nearest(name, (*APPLYING, *known))}')
    with Meters() as meters:
        done = apply_files(
            model,
            source,
            options.get("out"),
            seed=seed,
            mark=mark,
            mask=options.get("mask"),
            form=options.get("format", ""),
            watermark=watermark,
            signer=signer,
            on_progress=meters,
            **asked,
        )
    print_outcome(done)
    if sheet is not None:
        from ganworks.files.rasters.sheet import sheet_of
        from ganworks.files.rasters.write import save_sheet

        if pairs := list(pairs_of(done)):
            save_sheet(sheet_of(pairs), sheet, EDITED)
            say(f"Before and after of {len(pairs)} of them: {sheet}")
    refuse_failures(done)


def print_outcome(done: Any) -> None:
    """Print what was made, what was there already, and what was left out."""
    if len(done.pairs) == 1 and not done.failed:
        say(f"{done.pairs[0][1]}{' was finished already' if done.kept else ''}")
    else:
        say(f"{len(done.pairs):,} done, in {done.out}")
        if done.kept:
            kept = counted(done.kept, "of them was", "of them were")
            say(f"{kept} finished before, from the same inputs and model, and kept.")
    if done.left:
        pictures = ".png" in done.takes
        others = "no picture and no video" if pictures else f"not among what it takes ({', '.join(done.takes)})"
        say(f"{counted(done.left, 'other file in the folder is', 'other files in the folder are')} {others}.")
    for said, count in Counter(said for _, said in done.said).most_common(_SHOWN):
        often = f" ({counted(count, 'file')})" if len(done.pairs) > 1 else ""
        say(f"{said[0].upper()}{said[1:]}{often}.")


def refuse_failures(done: Any) -> None:
    """Raise GanworksError that names the inputs that failed, if there are any."""
    if done.failed:
        lines = [f"{name}: {reason}" for name, reason in done.failed[:_SHOWN]]
        more = [f"... and {len(done.failed) - _SHOWN:,} more"] if len(done.failed) > _SHOWN else []
        count = len(done.failed) + len(done.pairs)
        raise GanworksError("\n  ".join([f"{len(done.failed):,} of {count:,} could not be done:", *lines, *more]))
