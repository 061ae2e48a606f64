"""`ganworks data`: look at a data set before training."""

from __future__ import annotations

from ganworks.cli.words import Options, import_own, one
from ganworks.core.console.voice import say
from ganworks.use.look import look


def data(places: list[str], options: Options) -> None:
    """ganworks data PATH key=value ..."""
    import_own(options)
    path = one(places, "a path", "data")
    recipe, out = options.pop("recipe", None), options.pop("out", None)
    say(*look(path, recipe, options, out))
