"""Starts, pauses, resumes, stops and deletes trainings."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from ganworks.core import registry
from ganworks.core.console.text import json_text
from ganworks.core.errors import GanworksError
from ganworks.core.schema.plain import read_json
from ganworks.files.atomic import replace_file
from ganworks.files.recognise import recognise
from ganworks.report import advice
from ganworks.studio.places import Place, RefusedError, free_name, is_name, safe_name
from ganworks.studio.trainings.state import Runs, Summary

_SETTING = re.compile(r"[a-z_][\w.-]{0,80}", re.IGNORECASE)
_NOT_HERE = {"out": "the name of the run", "data": "the data", "plugin": "only the command line imports modules",
             "tensorboard": "only the command line writes its files"}  # fmt: skip
_IMPORTS = ("networks", "game", "domain", "loss")  # which may name a module on the command line
_OUTSIDE = re.compile(r"(?:^|[,;:=\s\[\"'(])(?:[/~\\]|[A-Za-z]:[/\\])|(?:^|[/\\,;:=\s\[\"'(])\.\.(?:[/\\]|$)")
_LONGEST = 500  # characters of a setting


def data_word(place: Place, data: str) -> str:
    """What `data=` is for a data set of the studio, relative to its folder; "builtin:NAME" is data of the package.

    Raises RefusedError (404).
    """
    kind, colon, name = data.partition(":")
    if colon and kind == "builtin":
        if name not in built_in():
            raise RefusedError(f'There is no built-in data "{name[:60]}". There is {", ".join(built_in())}.', 404)
        return name
    return f"data/{place.item(data).name}"


def built_in() -> dict[str, str]:
    """Data that come with ganworks -> the recipe for them."""
    found = ((name, recipe) for kind in registry.kinds().values() for name, recipe in kind.built_in.items())
    return {name: recipe for name, recipe in found if not name.endswith(":")}


def start(
    runs: Runs, recipe: str | None, data: str, name: str | None, settings: Mapping[str, str]
) -> Summary:  # fmt: skip
    """Start a training as its own process. Raises RefusedError, and UsageError for data without a clear recipe."""
    place = runs.place
    word = data_word(place, data)
    chosen = recipe or recognise(word if word in built_in() else place.folder / word).recipe
    registry.find_recipe(chosen)
    given = [f"{key}={value}" for key, value in checked(settings).items()]
    with runs.jobs.lock:
        own = _new_name(runs, name, f"{word.rpartition('/')[2].partition('.')[0] or 'data'}-{chosen}")
        words = ["train", chosen, f"data={word}", f"out=runs/{own}", *given]
        runs.jobs.start(own, words, recipe=chosen, data=word, settings=dict(settings))
    return runs.summary(own)


def _new_name(runs: Runs, name: str | None, stem: str) -> str:
    """The name of a new run: the one that is asked for, or STEM-1, STEM-2 ... Raises RefusedError for a taken one."""
    if not name:
        return _numbered(runs, stem)
    own = safe_name(name)
    if not own:
        raise RefusedError("This name has no letters or digits; choose another.")
    if own in runs.names() or (runs.place.runs / own).exists():
        raise RefusedError(f'There is a run "{own}" already; choose another name.', 409)
    return own


def _numbered(runs: Runs, stem: str) -> str:
    taken = set(runs.names())
    numbers = (f"{stem}-{number}" for number in range(1, 10_000))
    return next(name for name in numbers if name not in taken and not (runs.place.runs / name).exists())


def checked(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings as the command line takes them. Raises RefusedError for what only the command line has."""
    for name, value in settings.items():
        if not _SETTING.fullmatch(name):
            raise RefusedError(f'"{name[:60]}" is no name of a setting.')
        if name in _NOT_HERE:
            raise RefusedError(f'"{name}" cannot be set here: {_NOT_HERE[name]}.')
        if len(value) > _LONGEST or any(ord(c) < 32 for c in value):
            raise RefusedError(f"The value of {name} must be a line of at most {_LONGEST} characters.")
        _check_value(name, value)
    return {name: value for name, value in settings.items() if value.strip()}


def _check_value(name: str, value: str) -> None:
    """Raise RefusedError for a module to import, and for a file that does not lie in the studio's folder."""
    if name.rpartition(".")[2] in _IMPORTS and re.search(r"[.:]", value) and "/" not in value:
        raise RefusedError(f'"{name}" takes what is installed, by its short name: {_NOT_HERE["plugin"]}.')
    if _OUTSIDE.search(value):
        raise RefusedError(
            f"The value of {name} must name nothing outside of the studio's folder, such as runs/NAME: put the file "
            "into that folder, or use the command line."
        )


def ask(runs: Runs, name: str, what: str) -> Summary:
    """Pause or stop a training: it saves and ends. Done again, or on one that has ended, it changes nothing."""
    summary = runs.summary(name)
    if summary["status"] == "running" or (summary["status"], what) in (("paused", "stop"), ("stopped", "pause")):
        runs.jobs.ask(name, what)
    return runs.summary(name)


def resume(runs: Runs, name: str) -> Summary:
    """Go on with a training by the command that began it. Raises RefusedError (409) for one that has finished."""
    summary, view = runs.summary(name), runs.view(name)
    if summary["status"] == "running":
        return summary
    if summary["status"] == "finished":
        raise RefusedError(
            f"{name} has used its budget. Start a new training with init=runs/{name} to go on from it.", 409
        )
    job = runs.jobs.record(name)
    if not (words := job.get("words")):
        words = shlex.split(advice.train_command(view))[1:]
    facts = {key: job[key] for key in ("recipe", "data", "settings") if key in job}
    runs.jobs.start(name, words, **facts)
    return runs.summary(name)


def delete(runs: Runs, name: str) -> None:
    """Move a run to the trash. Raises RefusedError (409) while a process trains in it."""
    path = runs.folder(name)
    if runs.jobs.running(name) is not None:
        raise RefusedError(f"{name} is being trained; stop it first.", 409)
    place = runs.place
    with suppress(OSError):
        place.trash.mkdir(exist_ok=True)
    target = place.trash / free_name(place.trash, f"{time.strftime('%Y%m%d-%H%M%S')}-{name}")
    try:
        if path.exists():
            path.rename(target)
        else:
            target.mkdir()
    except OSError as error:
        raise GanworksError(f"{name} could not be moved to the trash: {error.strerror or error}.") from error
    runs.jobs.forget(name, target)
    runs.forget(name)


def publish(runs: Runs, name: str) -> dict[str, Any]:
    """Enter a run in FOLDER/served.json, and say how all that are entered are served."""
    summary, place = runs.summary(name), runs.place
    if not summary["uses"]:
        raise RefusedError(f"{name} has published no network yet; let it train for a while.", 409)
    path = place.folder / "served.json"
    listed = read_json(path.read_bytes(), path.name) if path.is_file() else {}
    entered = listed.get("models", []) if isinstance(listed, dict) else []
    kept = [one for one in entered if isinstance(one, dict) and one.get("name") != name and _still_there(runs, one)]
    models = [*kept, {"name": name, "path": f"runs/{name}"}]
    replace_file(path, json_text({"models": models}, indent=1))
    command = shlex.join(["ganworks", "serve", *(one["path"] for one in models)])
    return {"url": f"http://127.0.0.1:8000/v1/models/{quote(name)}", "command": command}


def _still_there(runs: Runs, entry: dict[str, Any]) -> bool:
    path = str(entry.get("path", ""))
    return path.startswith("runs/") and is_name(path[5:]) and (runs.place.runs / path[5:]).is_dir()
