"""`ganworks VERB ... key=value`: a thin skin over the verbs, which are imported when one is called."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ganworks import __version__
from ganworks.cli.help import HELP, TOP
from ganworks.core.errors import GanworksError, UsageError, nearest, switch

Options = dict[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted (resumable)."""
    words = list(sys.argv[1:] if argv is None else argv)
    warnings.formatwarning = lambda message, *_, **__: f"Note: {message}\n"  # a sentence, without the line of code
    try:
        return _dispatch(words)
    except KeyboardInterrupt as interrupt:
        _complain(str(interrupt) or "Interrupted.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except GanworksError as error:
        _complain(f"{'Wrong use' if isinstance(error, UsageError) else 'Failed'}: {error}")
        return error.exit_code


def _complain(message: str) -> None:
    stream = sys.stderr
    print(message.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii"), file=stream)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("--help", "-h", "help"):
        topic = words[1] if len(words) > 1 else ""
        if topic and topic not in HELP:
            raise UsageError(f'There is no verb "{topic}". {nearest(topic, HELP)}')
        print(HELP[topic] if topic else TOP)
        return 0
    if words[0] in ("--version", "-V"):
        print(f"ganworks {__version__}")
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        raise UsageError(f'There is no verb "{verb}". {nearest(verb, VERBS)} `ganworks --help` lists them.')
    if "--help" in rest or "-h" in rest:
        print(HELP[verb])
        return 0
    places, options = split(rest)
    return VERBS[verb](places, options) or 0


def split(words: Sequence[str]) -> tuple[list[str], Options]:
    """Positional words and key=value options; `--key=value` and `--key value` are taken as well."""
    places: list[str] = []
    options: Options = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, sign, value = word.partition("=")
        dashed = name.startswith("--")
        name = name.lstrip("-").replace("-", "_") if dashed else name
        if dashed and not sign:
            value = waiting.pop(0) if waiting and not waiting[0].startswith("--") and "=" not in waiting[0] else "true"
        elif not sign or not name.replace(".", "").replace("_", "").isalnum():
            places.append(word)
            continue
        if name in options:
            raise UsageError(f"{name} is given twice.")
        options[name] = value
    return places, options


def _only(options: Options, known: Sequence[str], verb: str) -> None:
    for name in options:
        if name not in known:
            raise UsageError(f'`ganworks {verb}` has no option "{name}". {nearest(name, known)}')


def _one(places: list[str], what: str, verb: str) -> str:
    if len(places) != 1:
        raise UsageError(
            f"`ganworks {verb}` needs {what}; it got {len(places)} words. `ganworks {verb} --help` shows how."
        )
    return places[0]


def _train(places: list[str], options: Options) -> int:
    recipe, data = _what_to_train(places, options.pop("data", None))
    chosen: Any = recipe
    if data is not None and recipe is None:
        from ganworks.files.recognise import recognise

        chosen = recognise(data)
        print("\n".join(filter(None, (chosen.because, chosen.otherwise))), flush=True)
    from ganworks import api

    out = options.pop("out", None)
    extra = {
        name: switch(name, options.pop(name, default)) for name, default in (("evaluate", "on"), ("tensorboard", "off"))
    }
    settings: dict[str, Any] = {**extra, **options}
    model = api.fit(chosen, data, out, **settings)
    _next_steps(Path(str(model.info["path"])).parent)
    return 0


def _what_to_train(places: list[str], data: str | None) -> tuple[str | None, str | None]:
    """(recipe, data) of `train RECIPE data=PATH`, `train PATH`, `train RECIPE PATH` and `train data=PATH`."""
    from ganworks.core import registry
    from ganworks.files.recognise import is_source

    if len(places) == 2 and data is None and places[0] in registry.recipes():
        places, data = places[:1], places[1]
    if len(places) > 1:
        raise UsageError(f"Too many words: {' '.join(places[1:])}. Settings are written key=value, without spaces.")
    if places and data is None and is_source(places[0]):
        return None, places[0]
    if places and places[0] not in registry.recipes():
        nothing = "There is no recipe and nothing at the path" if data is None else "There is no recipe"
        raise UsageError(f'{nothing} "{places[0]}". {nearest(places[0], registry.recipes())}')
    return (places[0] if places else None), data


def _next_steps(run: Path) -> None:
    from ganworks.report.advice import commands
    from ganworks.report.page.html import summary
    from ganworks.report.read import frames, read_run

    found = read_run(run)
    latest = [path for _, path in frames(found)][-1:]
    lines = "\n  ".join([*[command.text for command in commands(found)][:2], f"ganworks info {run}"])
    print(
        f"\n{summary(found)}\n\nRun      {run}\nLatest   {latest[0] if latest else '-'}\n"
        f"Report   {run / 'report.html'}\n\nNext:\n  {lines}"
    )


def _sample(places: list[str], options: Options) -> int:
    if not 1 <= len(places) <= 2:
        raise UsageError(
            "`ganworks sample` needs a run or generator.safetensors, and a count: ganworks sample runs/a 64"
        )
    from ganworks.cli.sampling import sample

    sample(places[0], places[1] if len(places) > 1 else "16", options)
    return 0


def _apply(places: list[str], options: Options) -> int:
    if len(places) != 2:
        raise UsageError(
            "`ganworks apply` needs a run (or its generator.safetensors) and a picture, folder or video: "
            "ganworks apply runs/a photo.jpg out=result.png"
        )
    from ganworks.cli.applying import apply

    apply(places[0], places[1], options)
    return 0


def _predict(places: list[str], options: Options) -> int:
    if len(places) != 2:
        raise UsageError(
            "`ganworks predict` needs a run (or its classifier.safetensors) and pictures: "
            "ganworks predict runs/a photos/ out=classes.csv"
        )
    _only(options, ("out", "top", "device"), "predict")
    from ganworks.cli.applying import predict

    predict(places[0], places[1], options)
    return 0


def _eval(places: list[str], options: Options) -> int:
    run = _one(places, "a run folder", "eval")
    _only(options, ("data", "count", "seed", "extractor"), "eval")
    from ganworks.cli.sampling import evaluate

    evaluate(run, options)
    return 0


def _data(places: list[str], options: Options) -> int:
    path = _one(places, "a path", "data")
    from ganworks.cli.sampling import data

    data(path, options)
    return 0


def _info(places: list[str], options: Options) -> int:
    run = _one(places, "a run folder", "info")
    _only(options, (), "info")
    from ganworks.report.terminal.info import print_info

    print_info(Path(run))
    return 0


def _report(places: list[str], options: Options) -> int:
    run = _one(places, "a run folder", "report")
    _only(options, (), "report")
    from ganworks.api import publish

    print(publish(Path(run)))
    return 0


def _compare(places: list[str], options: Options) -> int:
    if len(places) < 2:
        raise UsageError("`ganworks compare` needs two or more run folders.")
    _only(options, (), "compare")
    from ganworks.report.terminal.compare import print_comparison

    print_comparison([Path(p) for p in places])
    return 0


def _recipes(places: list[str], options: Options) -> int:
    _only(options, ("format",), "recipes")
    from ganworks.core import registry

    if options:
        from ganworks.core.schema.document import print_schema

        print_schema(_one(places, "one name", "recipes"), options["format"])
        return 0
    if places:
        print(f"{places[0]}\n\n{registry.describe(_one(places, 'one name', 'recipes'))}")
        return 0
    for name in registry.recipes():
        print(f"{name:10} {registry.describe(name).splitlines()[0]}")
    print("\n`ganworks recipes NAME` tells more; `ganworks train NAME data=PATH` trains one.")
    return 0


VERBS: dict[str, Callable[[list[str], Options], Any]] = {
    "train": _train,
    "sample": _sample,
    "apply": _apply,
    "predict": _predict,
    "eval": _eval,
    "data": _data,
    "info": _info,
    "report": _report,
    "compare": _compare,
    "recipes": _recipes,
}
