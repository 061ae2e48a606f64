"""`ganworks keys`: who may use a service, and how much."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ganworks.cli.words import Options, one, only, whole
from ganworks.core.console.text import counted
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError, nearest

_RIGHTS = ("scopes", "models", "limit", "cost", "quota", "jobs", "expires")


def keys(places: list[str], options: Options) -> None:
    """ganworks keys add|list|revoke|rotate [NAME] key=value ..."""
    what, rest = (places[0], places[1:]) if places else ("", [])
    verbs: dict[str, Callable[[list[str], Options], None]] = {
        "add": _add,
        "list": _list,
        "revoke": _revoke,
        "rotate": _rotate,
    }
    if what not in verbs:
        said = nearest(what, verbs) if what else "Say which: ganworks keys add NAME, list, revoke NAME or rotate NAME."
        raise UsageError(f'`ganworks keys` cannot "{what[:40]}". {said}' if what else said)
    verbs[what](rest, options)


def _add(places: list[str], options: Options) -> None:
    only(options, _RIGHTS, "keys add")
    from ganworks.serve.access import keys as rights
    from ganworks.serve.access.store import KeyStore

    given: dict[str, Any] = {"name": rights.name_of(one(places, "a name for the key", "keys add"))}
    readers: dict[str, Callable[[str], Any]] = {
        "scopes": rights.scopes_of,
        "models": rights.models_of,
        "limit": rights.rate_of,
        "cost": lambda text: rights.rate_of(text, "cost"),
        "quota": rights.quota_of,
        "jobs": _jobs,
        "expires": lambda text: time.time() + rights.seconds_of(text, "expires"),
    }
    given |= {name: readers[name](text) for name, text in options.items()}
    key, text = KeyStore().add(rights.Key("", **given))
    _show(key, text)


def _jobs(text: str) -> int:
    count = whole(text, "jobs")
    if not 1 <= count <= 10_000:
        raise UsageError(f"jobs must be from 1 to 10000, not {count}. Leave it out for no limit.")
    return count


def _list(places: list[str], options: Options) -> None:
    only(options, ("all",), "keys list")
    if places:
        raise UsageError("`ganworks keys list` takes no further word.")
    from ganworks.serve.access.store import KeyStore

    store, now = KeyStore(), time.time()
    found = [key for key in store.all() if "all" in options or key.state(now) == "active"]
    hidden = 0 if "all" in options else len(store.all()) - len(found)
    for key in found:
        spent = f", {store.spent(key.name):,} of {key.quota:,} units used today" if key.quota else ""
        used = f"last used {_when(key.used)}" if key.used else "never used"
        say(f"{key.name:<16} {key.id}  {key.state(now):<8} {_rights(key)}{spent}; {used}")
    if not found:
        say("There is no key in use. `ganworks keys add NAME` makes one.")
    if hidden:
        say(f"{counted(hidden, 'key', 'keys')} ended: `ganworks keys list --all` shows them, too.")


def _revoke(places: list[str], options: Options) -> None:
    only(options, (), "keys revoke")
    name = one(places, "the name of a key", "keys revoke")
    from ganworks.serve.access.store import KeyStore

    KeyStore().revoke(name)
    say(f'"{name}" is revoked. A running service refuses it from its next request on.')


def _rotate(places: list[str], options: Options) -> None:
    only(options, ("grace",), "keys rotate")
    name = one(places, "the name of a key", "keys rotate")
    from ganworks.serve.access.keys import seconds_of
    from ganworks.serve.access.store import KeyStore

    grace = seconds_of(options["grace"], "grace") if "grace" in options else 0
    key, text = KeyStore().rotate(name, grace)
    _show(key, text)
    say(f"The one before works for {options['grace']} more." if grace else "The one before is refused from now on.")


def _show(key: Any, text: str) -> None:
    say(
        text,
        "",
        f'This is the key "{key.name}", and its only copy: it is not kept here, and cannot be shown again.',
        f"It may: {_rights(key)}.",
        "Clients send it as the header  authorization: Bearer KEY  or as  x-api-key: KEY.",
    )


def _rights(key: Any) -> str:
    said = [", ".join(key.scopes), f"with {', '.join(key.models)}" if key.models else "with every model"]
    said += [f"{key.limit} requests"] if key.limit else []
    said += [f"{key.cost} cost units"] if key.cost else []
    said += [f"{key.quota:,} cost units a day"] if key.quota else []
    said += [f"{key.jobs} at once"] if key.jobs else []
    said += [f"until {_when(key.expires)}"] if key.expires else []
    return "; ".join(said)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
