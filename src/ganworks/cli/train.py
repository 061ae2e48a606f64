"""`ganworks train`: find the recipe and the data, train, evaluate, and print the next commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganworks.cli.words import Options, import_own
from ganworks.core import registry
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError, nearest, switch
from ganworks.files.recognise import is_source, recognise


def train(places: list[str], options: Options) -> None:
    """ganworks train [RECIPE] PATH key=value ..."""
    plugin = import_own(options)
    recipe, data = _what_to_train(places, options.pop("data", None))
    chosen: Any = recipe
    if data is not None and recipe is None:
        chosen = recognise(data)
        say(*filter(None, (chosen.because, chosen.otherwise)))
    from ganworks import api
    from ganworks.cli.evaluate import printing_unkept

    out = options.pop("out", None)
    extra = {
        name: switch(name, options.pop(name, default)) for name, default in (("evaluate", "on"), ("tensorboard", "off"))
    }
    settings: dict[str, Any] = {**extra, **options}
    with printing_unkept():
        model = api.fit(chosen, data, out, **settings)
    _next_steps(Path(str(model.info["path"])).parent, plugin)


def _what_to_train(places: list[str], data: str | None) -> tuple[str | Callable[..., Any] | None, str | None]:
    """(recipe, data) of `train RECIPE data=PATH`, `train PATH`, `train RECIPE PATH` and `train data=PATH`.

    A recipe of the user's own is "module:function".
    """
    if len(places) == 2 and data is None and (places[0] in registry.recipes() or _is_own(places[0])):
        places, data = places[:1], places[1]
    if len(places) > 1:
        raise UsageError(f"Too many words: {' '.join(places[1:])}. Settings are written key=value, without spaces.")
    if places and data is None and is_source(places[0]):
        return None, places[0]
    if places and _is_own(places[0]):
        return _own_recipe(places[0]), data
    if places and places[0] not in registry.recipes():
        nothing = "There is no recipe and nothing at the path" if data is None else "There is no recipe"
        raise UsageError(f'{nothing} "{places[0]}". {nearest(places[0], registry.recipes())}')
    return (places[0] if places else None), data


def _is_own(word: str) -> bool:
    module, colon, function = word.partition(":")
    return bool(colon) and function.isidentifier() and module.replace(".", "_").isidentifier() and not is_source(word)


def _own_recipe(word: str) -> Callable[..., Any]:
    from ganworks.core.plugins.own import by_path

    found = by_path(word, word)
    if not callable(found) or isinstance(found, type):
        raise UsageError(f"{word} is no recipe: a recipe is a function of Facts that returns a Config.")
    return found


def _next_steps(run: Path, plugin: str) -> None:
    from ganworks.report.advice import commands
    from ganworks.report.page.html import summary
    from ganworks.report.read import frames, read_run

    found = read_run(run)
    latest = [path for _, path in frames(found)][-1:]
    texts = [*[command.text for command in commands(found)][:2], f"ganworks info {run}"]
    places = (f"Run      {run}", f"Latest   {latest[0] if latest else '-'}", f"Report   {run / 'report.html'}")
    say("", summary(found), "", *places, "", "Next:", *(f"  {text}{plugin}" for text in texts))
