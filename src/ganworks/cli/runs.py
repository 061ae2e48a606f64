"""`ganworks info`, `report` and `compare`: the state, the report and a comparison of runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ganworks.cli.words import Options, import_own, one, only, whole
from ganworks.core import registry
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError


def info(places: list[str], options: Options) -> None:
    """ganworks info RUN"""
    import_own(options)
    run = one(places, "a run folder", "info")
    only(options, (), "info")
    from ganworks.report.terminal.info import print_info

    print_info(Path(run))


def report(places: list[str], options: Options) -> None:
    """ganworks report RUN"""
    import_own(options)
    run = one(places, "a run folder", "report")
    only(options, (), "report")
    from ganworks.report.page.pages import write_pages

    say(write_pages(Path(run)))


def compare(places: list[str], options: Options) -> None:
    """ganworks compare RUN RUN ..., or RECIPE RECIPE ... data=PATH key=value ..."""
    import_own(options)
    recipes = [place for place in places if place in registry.recipes() and not Path(place).is_dir()]
    if recipes:
        _contest(recipes, [place for place in places if place not in recipes], options)
        return
    if len(places) < 2:
        raise UsageError("`ganworks compare` needs two or more run folders, or recipes and data=PATH.")
    only(options, (), "compare")
    from ganworks.report.terminal.compare import print_comparison

    print_comparison([Path(p) for p in places])


def _contest(recipes: list[str], others: list[str], options: Options) -> None:
    """Train recipes on the same data, and print, plot and write one table of them."""
    data = options.pop("data", others.pop() if len(others) == 1 else None)
    if others:
        raise UsageError(f"`ganworks compare` takes recipes or runs, not both: {others[0]} is no recipe.")
    if data is None:
        raise UsageError("Say what to train the recipes on: data=PATH.")
    seeds = [whole(word, "seeds") for word in options.pop("seeds", options.pop("seed", "0")).split(",")]
    from ganworks import api
    from ganworks.cli.evaluate import printing_unkept
    from ganworks.report.terminal.screen import Screen

    settings: dict[str, Any] = {name: value for name, value in options.items() if name != "out"}
    with printing_unkept():
        contest = api.compare(recipes, data, options.get("out"), seeds=seeds, on_run=_begun, **settings)
    with Screen(sys.stdout) as screen:
        for line in ("", *contest.lines(screen.width, screen.unicode)):
            screen.say(line)
    say("", *(f"{title:<9}{path}" for title, path in zip(("Table", "Picture"), contest.files, strict=True)))


def _begun(recipe: str, folder: Path) -> None:
    say("", f"{recipe}, in {folder}")
