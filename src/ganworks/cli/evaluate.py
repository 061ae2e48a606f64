"""`ganworks eval`: evaluate a run, and print each score beside that of real data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganworks import api
from ganworks.cli.words import Options, import_own, one, only, whole
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError
from ganworks.report.read import use_of
from ganworks.report.terminal.meters import Meters


def evaluate(places: list[str], options: Options) -> None:
    """ganworks eval RUN key=value ..., or ganworks eval REAL MADE key=value ..."""
    import_own(options)
    if len(places) == 2:
        _sets(places[0], places[1], options)
        return
    run = one(places, "a run folder, or two sets of examples", "eval")
    only(options, ("data", "count", "seed", "features", "extractor", "metrics"), "eval")
    with printing_unkept(), Meters() as meters:
        report = api.evaluate(
            run,
            options.get("data"),
            on_work=meters,
            count=whole(options.get("count", "10000"), "count"),
            seed=whole(options.get("seed", "0"), "seed"),
            features=options.get("features", ""),
            extractor=options.get("extractor", ""),
            metrics=options.get("metrics", ""),
        )
    print_report(report.to_dict(), use_of(Path(run)))
    say("", f"Pictures {run}/eval/   Report {run}/report.html")


def _sets(real: str, made: str, options: Options) -> None:
    """Judge one set beside another."""
    for path in (real, made):
        if (Path(path) / "manifest.json").is_file():
            raise UsageError(f"{path} is a run. Evaluate it alone, or sample from it and name the folder of samples.")
    own = {"count", "seed", "features", "metrics", "out"}
    settings = {name.removeprefix("domain."): value for name, value in options.items() if name not in own}
    with Meters() as meters:
        report = api.evaluate_sets(
            real,
            made,
            options.get("out"),
            on_work=meters,
            count=whole(options.get("count", "10000"), "count"),
            seed=whole(options.get("seed", "0"), "seed"),
            features=options.get("features", ""),
            metrics=options.get("metrics", ""),
            settings=settings,
        )
    print_report(report.to_dict(), "sample")
    say("", f"Pictures {options['out']}/" if "out" in options else "out=FOLDER keeps the scores, with pictures.")


@contextmanager
def printing_unkept() -> Iterator[None]:
    """Print an evaluation that could not be written before the error that says so."""
    from ganworks.use.evaluate import NotKeptError

    try:
        yield
    except NotKeptError as error:
        print_report(error.report.to_dict(), use_of(error.folder))
        raise


def print_report(found: dict[str, Any], use: str = "apply") -> None:
    """Print the metrics of an eval.json, each beside that of real data or, for a task, the best possible value."""
    if not found["metrics"]:
        say("There is no score.", *found["warnings"])
        return
    by = f"Judged by {found['extractor']} on" if found.get("extractor") else "Judged on"
    task = "baselines" in found and use != "sample"
    real = "'best' is the best possible value" if task else "'real' is held-out real data"
    judge = found.get("about", {}).get("judge")
    say(
        f"{by} {found['count']:,} {'held-out examples' if task else 'samples'}; {real}.",
        *([judge] if judge else []),
        "",
    )
    wide = max(14, *(len(name) for name in found["metrics"]))
    say(f"{'':{wide}} {'value':>9} {'95 % interval':>19} {'best' if task else 'real':>9}")
    for name, m in found["metrics"].items():
        value, floor = (f"{m[part]:.4g}" if m[part] is not None else "" for part in ("value", "floor"))
        interval = f"{m['low']:.4g} to {m['high']:.4g}" if m["low"] is not None else ""
        say(f"{name:{wide}} {value:>9} {interval:>19} {floor:>9}  {m['meaning']}")
    print_baselines(found)
    for warning in found["warnings"]:
        say("", f"! {warning}")
    if found.get("memorisation", {}).get("sentence"):
        say("", found["memorisation"]["sentence"])


def print_baselines(found: dict[str, Any]) -> None:
    """Print the scores of simple methods on the same examples, a line each, below those of this model."""
    if not found.get("baselines"):
        return
    names = [n for n in found["metrics"] if any(n in values for values in found["baselines"].values())]
    rows = {"this model": {n: found["metrics"][n]["value"] for n in names}, **found["baselines"]}
    wide = max(len(name) for name in rows)
    say("", f"{'':{wide}} " + " ".join(f"{n[:14]:>14}" for n in names))
    for name, values in rows.items():
        cells = ("" if values.get(n) is None else f"{values[n]:.4g}" for n in names)
        say(f"{name:{wide}} " + " ".join(f"{cell:>14}" for cell in cells))
