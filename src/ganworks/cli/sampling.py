"""What the command line does for `sample`, `eval` and `data`: read the words, call the verb, print what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganworks.core.errors import UsageError, nearest, switch
from ganworks.report.read import read_run
from ganworks.report.terminal.meters import Meters

SAMPLING = ("seed", "out", "labels", "truncation", "interpolate", "steps", "device", "mark", "format")
_BULK = 1000  # above this many samples, work that can restart where it stopped


def whole(text: str, name: str) -> int:
    """A whole number in plain digits; anything else is a UsageError that names it."""
    if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > 20:
        raise UsageError(f"{name} must be a whole number, not {text[:40]!r}.")
    return int(text)


def decimal(text: str, name: str) -> float:
    """A number; anything else is a UsageError that names it."""
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{name} must be a number, not {text[:40]!r}.") from error


def chosen_labels(text: str | None) -> Any:
    """ "3" -> "3"; "cat,dog" -> ["cat", "dog"]; None stays None. The model reads names and numbers."""
    return None if text is None else text.split(",") if "," in text else text


def sample(source: str, count: str, options: dict[str, str]) -> None:
    """ganworks sample SOURCE COUNT key=value ...; see usage.py."""
    from ganworks.use.model import Model

    n = whole(count, "the count of samples")
    seed = whole(options.get("seed", "0"), "seed")
    model = with_options(Model.load(source, device=options.get("device", "auto")), options)
    mark = switch("mark", options.get("mark", "on"))
    out = place_for(model, options)
    facts = {
        "labels": chosen_labels(options.get("labels")),
        "truncation": decimal(options.get("truncation", "1"), "truncation"),
    }
    if "interpolate" in options:
        walk(model, options, out, mark, facts)
        return
    if n > _BULK and (out.suffix in ("", ".zip")):
        in_bulk(model, n, out, mark, seed, options.get("format", "auto"), facts)
        return
    samples = model.sample(n, seed=seed, **facts)
    written = samples.save(out, mark=mark)
    if model.maker is not None and not model.maker.each:
        from ganworks.use.look import told

        print("\n".join([*told(samples[:5].items), ""]))
    print(f"{n:,} samples of seed {seed} are in {written[0] if len(written) == 1 else out}.")


def with_options(model: Any, options: dict[str, str]) -> Any:
    """The model under those of the options that are its own; for an unknown one UsageError says what it has."""
    own = dict(getattr(model.domain, "options", {})) if hasattr(model.domain, "prepare") else {}
    for name in options:
        if name not in SAMPLING and name not in own:
            has = f" This model has {', '.join(own)}." if own else " This model has no options of its own."
            raise UsageError(f'`ganworks sample` has no option "{name}". {nearest(name, [*SAMPLING, *own])}{has}')
    return model.prepared(**{name: value for name, value in options.items() if name in own})


def place_for(model: Any, options: dict[str, str]) -> Path:
    """Where samples go: `out`, else the folder samples/, or one file where samples belong together."""
    form = options.get("format", "").lower().lstrip(".")
    apart = bool(model.maker.each) if model.maker else len(model.spec.shape) == 3
    together = "" if apart else model.maker.forms[0] if model.maker else ".npz"
    out = Path(options.get("out", f"samples{f'.{form}' if form else together}"))
    if form and out.suffix and out.suffix.lower() != f".{form}":
        raise UsageError(f"format={form} and out={out} do not agree; say one of them.")
    return out


def in_bulk(model: Any, n: int, out: Path, mark: bool, seed: int, form: str, facts: dict[str, Any]) -> None:
    """Very many samples, in a folder or zip; the same command goes on where it stopped."""
    from ganworks.use.bulk import generate

    with Meters() as meters:

        def tell(done: int, total: int) -> None:
            meters("Sampling", done, total)

        generate(model, n, out, seed=seed, form=form, mark=mark, on_progress=tell, **facts)
    print(f"{n:,} samples of seed {seed} are in {out}.")


def walk(model: Any, options: dict[str, str], out: Path, mark: bool, facts: dict[str, Any]) -> None:
    """interpolate=1,2,3: from seed to seed; a .png is a strip, a .gif or .webp an animation."""
    seeds = [whole(word, "interpolate") for word in options["interpolate"].split(",")]
    moving = out.suffix in (".gif", ".webp", ".apng")
    steps = whole(options.get("steps", "24" if moving else "8"), "steps")
    path = model.walk(seeds, steps, **facts)
    written = path.save(out, mark=mark, **({"columns": len(path)} if out.suffix == ".png" else {}))
    print(f"A walk through the seeds {', '.join(map(str, seeds))} is in {written[0] if len(written) == 1 else out}.")


def evaluate(run: str, options: dict[str, str]) -> None:
    """ganworks eval RUN key=value ...; see usage.py."""
    from ganworks import api

    with Meters() as meters:
        report = api.evaluate(
            run,
            options.get("data"),
            on_work=meters,
            count=whole(options.get("count", "10000"), "count"),
            seed=whole(options.get("seed", "0"), "seed"),
        )
    print_report(report.to_dict(), read_run(run).use)
    print(f"\nPictures {run}/eval/   Report {run}/report.html")


def print_report(found: dict[str, Any], use: str = "apply") -> None:
    """The metrics of an eval.json, each beside the value of real data or, for a task, of the best that can be had."""
    by = f"Judged by {found['extractor']} on" if found.get("extractor") else "Judged on"
    task = "baselines" in found and use != "sample"
    real = "'best' is what the best gets" if task else "'real' is held-out real data"
    print(f"{by} {found['count']:,} {'held-out examples' if task else 'samples'}; {real}.\n")
    wide = max(14, *(len(name) for name in found["metrics"])) if found["metrics"] else 14
    print(f"{'':{wide}} {'value':>9} {'95 % interval':>19} {'best' if task else 'real':>9}")
    for name, m in found["metrics"].items():
        value, floor = (f"{m[part]:.4g}" if m[part] is not None else "" for part in ("value", "floor"))
        interval = f"{m['low']:.4g} to {m['high']:.4g}" if m["low"] is not None else ""
        print(f"{name:{wide}} {value:>9} {interval:>19} {floor:>9}  {m['meaning']}")
    print_baselines(found)
    for warning in found["warnings"]:
        print(f"\n! {warning}")
    if found.get("memorisation", {}).get("sentence"):
        print(f"\n{found['memorisation']['sentence']}")


def print_baselines(found: dict[str, Any]) -> None:
    """What simple methods get on the same examples, one line each, below this model."""
    if not found.get("baselines"):
        return
    names = [n for n in found["metrics"] if any(n in values for values in found["baselines"].values())]
    rows = {"this model": {n: found["metrics"][n]["value"] for n in names}, **found["baselines"]}
    wide = max(len(name) for name in rows)
    print(f"\n{'':{wide}} " + " ".join(f"{n[:14]:>14}" for n in names))
    for name, values in rows.items():
        cells = ("" if values.get(n) is None else f"{values[n]:.4g}" for n in names)
        print(f"{name:{wide}} " + " ".join(f"{cell:>14}" for cell in cells))


def data(path: str, options: dict[str, str]) -> None:
    """ganworks data PATH key=value ...; see usage.py."""
    from ganworks.use.look import look

    recipe, out = options.pop("recipe", None), options.pop("out", None)
    print("\n".join(look(path, recipe, options, out)))
