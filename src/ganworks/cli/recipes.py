"""`ganworks recipes` and `ganworks features`: what can be trained, and the published networks to judge by."""

from __future__ import annotations

from ganworks.cli.words import Options, import_own, one, only
from ganworks.core import registry
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError


def recipes(places: list[str], options: Options) -> None:
    """ganworks recipes [NAME [format=json]]"""
    import_own(options)
    only(options, ("format",), "recipes")
    if options:
        from ganworks.core.schema.document import print_schema

        print_schema(one(places, "one name", "recipes"), options["format"])
    elif places:
        text = registry.describe(one(places, "one name", "recipes"))
        say(f"{places[0]}{_origin(places[0])}", "", *text.split("\n"))
    else:
        _list()


def _list() -> None:
    """All recipes, a line each, below the kind of data that they read."""
    found, kind = registry.recipes(), ""
    wide = max(map(len, found))
    for name, entry in found.items():
        if entry.kind.name != kind:
            kind = entry.kind.name
            say(*([""] if name != next(iter(found)) else []), f"{kind}: `ganworks help {kind}`")
        first = next(iter(registry.describe(name).splitlines()), "")
        say(f"  {name:{wide}} {first}{_origin(name)}")
    say("", "`ganworks recipes NAME` tells more; `ganworks train NAME data=PATH` trains one.")


def _origin(name: str) -> str:
    """The plugin that brings a recipe, in brackets; nothing for ganworks' own."""
    found = registry.recipes().get(name)
    return f" (plugin {found.plugin})" if found is not None and found.plugin else ""


def features(places: list[str], options: Options) -> None:
    """ganworks features [get NAME | add FILE]"""
    import_own(options)
    only(options, (), "features")
    if not places:
        return _networks()
    if places[0] not in ("get", "add"):
        raise UsageError(f'`ganworks features` has no "{places[0]}". It has get NAME and add FILE, or no word at all.')
    what = one(places[1:], "a name" if places[0] == "get" else "a file", f"features {places[0]}")
    from ganworks.pretrained import store

    if places[0] == "add":
        found = store.add(what)
    else:
        from ganworks.pretrained.fetch import get
        from ganworks.report.terminal.meters import Meters

        with Meters() as meters:
            found = get(what, meters)
    return say(f"{found.key} is kept in {found.path}", "", f"  ganworks eval RUN features={found.key}")


def _networks() -> None:
    from ganworks.pretrained import store
    from ganworks.pretrained.known import KNOWN

    here = store.kept()
    for known in KNOWN:
        state = "here" if any(found.holds(known) for found in here) else ""
        say(f"{known.name:34} {known.megabytes:4} MB  {state:4}  {known.purpose}")
        say(f"    {known.licence}. Trained on {known.trained}.", f"    {known.address or known.note}")
    others = [found.key for found in here if not any(found.holds(known) for known in KNOWN)]
    say(*(f"{key:34} {'':7}  here  a network of yours" for key in others))
    say("", "`ganworks features get NAME` fetches one, `ganworks features add FILE` keeps one that you have.")
    say(f"They are kept in {store.folder()}. Digits at the end of a name begin the SHA-256 of its file.")
