"""`ganworks serve`: trained networks over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganworks.cli.trust.seals import seals_of
from ganworks.cli.words import Options, decimal, import_own, only, whole
from ganworks.core.errors import UsageError
from ganworks.core.machine.places import explain
from ganworks.core.schema.plain import read_json
from ganworks.runs.manifest import NAME

_OPTIONS = ("host", "port", "uds", "root_path", "cert", "key", "keys", "hosts", "proxy", "drain", "body", "connections",
            "log", "audit", "device", "threads", "memory", "watermark", "sign")  # fmt: skip


def serve(places: list[str], options: Options) -> None:
    """ganworks serve RUN [RUN ...] key=value ..."""
    import_own(options)
    only(options, _OPTIONS, "serve")
    if not places:
        raise UsageError("`ganworks serve` needs a run or more: ganworks serve runs/digits-image-1")
    try:
        from ganworks.serve.engine import Engine
        from ganworks.serve.run import sockets
        from ganworks.serve.start import start
    except ModuleNotFoundError as error:
        raise UsageError(f"Serving needs {error.name}: pip install 'ganworks[serve]'") from error
    settings, named, running = settings_of(options), names_of(runs_of(places)), _running(options)
    opened = sockets(settings)
    engine = Engine(named, seals=seals_of(options), **running)
    try:
        start(engine, settings, opened, log=options.get("log", "lines"), audit=options.get("audit", ""))
    finally:
        engine.close()


def runs_of(places: list[str]) -> list[str]:
    """The places, with that of the studio's list (served.json) replaced by what it lists. Raises UsageError."""
    found: list[str] = []
    for place in places:
        found += _listed(Path(place)) if Path(place).suffix == ".json" and Path(place).is_file() else [place]
    return found


def _listed(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise explain(error, path, doing="read") from error
    table = read_json(content, str(path))
    models = table.get("models") if isinstance(table, dict) else None
    paths = [one.get("path") if isinstance(one, dict) else None for one in models] if isinstance(models, list) else []
    if not paths or not all(isinstance(one, str) for one in paths):
        raise UsageError(
            f"{path} lists no runs. A list of the studio holds them; publish one there, or name the run folders."
        )
    return [str(path.parent / str(one)) for one in paths]


def names_of(places: list[str]) -> dict[str, Path]:
    """Name -> place: a run is named after its folder, a file after itself. Raises UsageError."""
    named: dict[str, Path] = {}
    for place in places:
        path = Path(place)
        name = path.resolve().name if path.is_dir() else path.stem
        if name in named:
            raise UsageError(f'Two models are named "{name}": {named[name]} and {path}. Rename the folder of one.')
        if not path.exists():
            raise UsageError(f"There is no run and no file {path}. `ganworks train` makes runs.")
        if path.is_dir() and not _may_be_run(path):
            raise UsageError(f"{path} is no run of ganworks: it holds no {NAME}. Name a run folder, such as runs/NAME.")
        named[name] = path
    return named


def _may_be_run(folder: Path) -> bool:
    """A run, a folder with a published network, or an empty one, where a training may begin."""
    names = [entry.name for entry in folder.iterdir()]
    return not names or NAME in names or any(name.endswith(".safetensors") for name in names)


def settings_of(options: Options) -> Any:
    """The settings of the service from the words of the command line. Raises UsageError."""
    from ganworks.serve.guard.protocol import Limits
    from ganworks.serve.run import Settings

    given: dict[str, Any] = {k: options[k] for k in ("host", "uds", "root_path", "cert", "key", "keys") if k in options}
    for name in ("hosts", "proxy"):
        given[name] = tuple(part for part in options.get(name, "").split(",") if part)
    if "port" in options:
        given["port"] = _between(whole(options["port"], "port"), "port", 0, 65_535)
    if "drain" in options:
        given["drain"] = _between(decimal(options["drain"], "drain"), "drain", 0, 3600)
    if "body" in options:
        given["body"] = _between(whole(options["body"], "body"), "body (in MB)", 1, 4096) << 20
    if "connections" in options:
        given["limits"] = Limits(
            connections=_between(whole(options["connections"], "connections"), "connections", 1, 60_000)
        )
    if given.get("uds") and ("host" in given or "port" in given):
        raise UsageError("uds= is instead of host= and port=. Leave one of them out.")
    return Settings(**given)


def _running(options: Options) -> dict[str, Any]:
    """How the engine runs: what of the machine it may use."""
    given: dict[str, Any] = {"device": options.get("device", "auto")}
    if "threads" in options:
        given["threads"] = _between(whole(options["threads"], "threads"), "threads", 1, 1024)
    if "memory" in options:
        given["memory_gib"] = _between(decimal(options["memory"], "memory"), "memory (in GiB)", 0.01, 100_000)
    return given


def _between(value: Any, name: str, least: float, most: float) -> Any:
    if not least <= value <= most:
        raise UsageError(f"{name} must be from {least:g} to {most:g}, not {value:g}.")
    return value
