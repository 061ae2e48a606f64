"""`ganworks sample`: new examples from a trained generator."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ganworks.cli.trust.seals import seals_of
from ganworks.cli.words import SAMPLING, Options, decimal, import_own, whole
from ganworks.core.abilities.encoding import options_of
from ganworks.core.console.stop import told
from ganworks.core.console.text import counted
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError, nearest, switch
from ganworks.core.limits import check_count, check_index, check_seed, check_truncation
from ganworks.core.machine.places import TakenError, place
from ganworks.report.terminal.meters import Meters
from ganworks.report.terminal.preview import preview_lines
from ganworks.use.model import Model

T = TypeVar("T")
_BULK = 1000  # above this many samples, the work can restart where it stopped


def chosen_labels(text: str | None) -> Any:
    """ "3" -> "3"; "cat,dog" -> ["cat", "dog"]; None stays None. The model reads names and numbers."""
    return None if text is None else text.split(",") if "," in text else text


def turned(labels: Any, start: int) -> Any:
    """Labels that repeat from sample 0 on, as they stand from sample `start` on."""
    return labels[start % len(labels) :] + labels[: start % len(labels)] if isinstance(labels, list) else labels


def sample(places: list[str], options: Options) -> None:
    """ganworks sample SOURCE [COUNT] key=value ..."""
    import_own(options)
    if not 1 <= len(places) <= 2:
        raise UsageError(
            "`ganworks sample` needs a run or generator.safetensors, and a count: ganworks sample runs/a 64"
        )
    source, count = places if len(places) == 2 else (places[0], "16")
    n = whole(count, "the count of samples")
    seed = check_seed(whole(options.get("seed", "0"), "seed"))
    check_count(n, "the count of samples")
    start = check_index(whole(options.get("start", "0"), "start"))
    truncation = check_truncation(decimal(options.get("truncation", "1"), "truncation"))
    model = with_options(Model.load(source, device=options.get("device", "auto")), options)
    mark = switch("mark", options.get("mark", "on"))
    seals = seals_of(options)
    out = place_for(model, options)
    facts = {
        "labels": chosen_labels(options.get("labels")),
        "truncation": truncation,
    }
    if "interpolate" in options:
        if start:
            raise UsageError("start= counts samples of one seed; interpolate= goes through several. Leave one out.")
        walk(model, options, out, mark, seals, facts)
        return
    if n > _BULK and (out.suffix in ("", ".zip")):
        in_bulk(model, n, options, out, mark, seals, {**facts, "start": start})
        return
    with told(lambda: f"Interrupted. What is in {out} is whole, but not all of it; the same command starts again."):
        facts["labels"] = turned(facts["labels"], start)
        samples = model.sample(n, seed=seed, start=start, **facts).written_with(*seals)
        if model.maker is not None and not model.maker.each:
            say(*preview_lines(samples[:5].items), "")
        written, out = free_place(options, out, lambda out: samples.save(out, mark=mark))
    say(
        f"{counted(n, f'sample of seed {seed} is', f'samples of seed {seed} are')} in "
        f"{written[0] if len(written) == 1 else out}."
    )


def with_options(model: Any, options: Options) -> Any:
    """The model with its own options applied; UsageError for an option that neither it nor the verb has."""
    own = options_of(model.domain, model.net)
    for name in options:
        if name not in SAMPLING and name not in own:
            has = f" This model has {', '.join(own)}." if own else " This model has no options of its own."
            raise UsageError(f'`ganworks sample` has no option "{name}". {nearest(name, [*SAMPLING, *own])}{has}')
    return model.prepared(**{name: value for name, value in options.items() if name in own})


def place_for(model: Any, options: Options) -> Path:
    """Where samples go: `out`, else samples/, or one file where they belong together; see `free_place`."""
    form = options.get("format", "").lower().lstrip(".")
    apart = bool(model.maker.each) if model.maker else len(model.spec.shape) == 3
    together = "" if apart else model.maker.forms[0] if model.maker else ".npz"
    out = place(options.get("out", f"samples{f'.{form}' if form else together}"))
    if form and out.suffix and out.suffix.lower() != f".{form}":
        raise UsageError(f"format={form} and out={out} do not agree; say one of them.")
    return out


def free_place(options: Options, out: Path, write: Callable[[Path], T]) -> tuple[T, Path]:
    """(what `write` returns, where it wrote): to `out`; if nobody named that and it is taken, to NAME-2, NAME-3 ..."""
    for number in range(2, 1000):
        try:
            return write(out), out
        except TakenError:
            if "out" in options:
                raise
            out = out.with_name(f"samples-{number}{out.suffix}")
    raise UsageError("samples-2 to samples-999 are all taken. Name a place with out=.")


def in_bulk(
    model: Any, n: int, options: Options, out: Path, mark: bool, seals: tuple[Any, Any], facts: dict[str, Any]
) -> None:
    """Very many samples, in a folder or zip; the same command goes on where it stopped."""
    from ganworks.use.bulk import generate

    seed, form = whole(options.get("seed", "0"), "seed"), options.get("format", "auto")
    with Meters() as meters:

        def tell(done: int, total: int) -> None:
            meters("Sampling", done, total)

        made = functools.partial(generate, model, n, seed=seed, form=form, mark=mark, on_progress=tell, **facts)
        made = functools.partial(made, watermark=seals[0], signer=seals[1])
        out = free_place(options, out, lambda out: made(out=out))[1]
    say(f"{counted(n, f'sample of seed {seed} is', f'samples of seed {seed} are')} in {out}.")


def walk(model: Any, options: Options, out: Path, mark: bool, seals: tuple[Any, Any], facts: dict[str, Any]) -> None:
    """interpolate=1,2,3: from seed to seed; a .png is a strip, a .gif or .webp an animation."""
    seeds = [whole(word, "interpolate") for word in options["interpolate"].split(",")]
    moving = out.suffix in (".gif", ".webp", ".apng")
    steps = whole(options.get("steps", "24" if moving else "8"), "steps")
    path = model.walk(seeds, steps, **facts).written_with(*seals)
    shape = {"columns": len(path)} if out.suffix == ".png" else {}
    written, out = free_place(options, out, lambda out: path.save(out, mark=mark, **shape))
    say(f"A walk through the seeds {', '.join(map(str, seeds))} is in {written[0] if len(written) == 1 else out}.")
