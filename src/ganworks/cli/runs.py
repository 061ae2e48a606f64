"""`ganworks info`, `report` and `compare`: the state, the report and a comparison of runs."""

from __future__ import annotations

from pathlib import Path

from ganworks.cli.words import Options, import_own, one, only
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
    """ganworks compare RUN RUN ..."""
    import_own(options)
    if len(places) < 2:
        raise UsageError("`ganworks compare` needs two or more run folders.")
    only(options, (), "compare")
    from ganworks.report.terminal.compare import print_comparison

    print_comparison([Path(p) for p in places])
