"""Reads a run folder for people: tolerant of what is missing, torn or damaged, and free of torch.

A run that was killed leaves a torn last line; a resumed run repeats some examples; a run that came from
elsewhere may hold anything. Whatever can be read is returned, and `problems` says what could not.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json, read_yaml

_TEXT_LIMIT = 4 << 20  # bytes of the largest YAML or JSON file that is parsed
_HEAD = 64 << 10  # bytes at the start of a long log that hold its "started" line
SHOWN = (
    ".png",
    ".webp",
    ".gif",
    ".wav",
    ".mp4",
    ".webm",
    ".txt",
    ".csv",
)  # files of samples/ and eval/ that a page can show
_SEALED = (
    "config.yaml",
    "spec.yaml",
    "plan.json",
    "eval.json",
    "audit/audit.json",
)  # read here, and named by the manifest
_TRIES = 5
_KNOWN = ("config.yaml", "plan.json", "metrics.jsonl", "generator.safetensors")

Event = dict[str, Any]


@dataclass(frozen=True)
class RunView:
    """The contents of a run folder. Every field may be empty; numbers are checked by `as_float`.

    rounds, shown, saved, scored: events in the order of `seen`, without those that a resume has replaced.
    alarms: all of them, in the order in which they happened.
    age: seconds since the last line was written, NaN when there is none.
    card: the card of the main published network.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    rounds: list[Event] = field(default_factory=list)
    shown: list[Event] = field(default_factory=list)
    saved: list[Event] = field(default_factory=list)
    scored: list[Event] = field(default_factory=list)
    alarms: list[Event] = field(default_factory=list)
    started: Event = field(default_factory=dict)
    finished: Event = field(default_factory=dict)
    age: float = math.nan
    card: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def use(self) -> str:
        """The use of the trained network: "sample", "apply" or "predict"."""
        use = self.card.get("use")
        return use if use in ("sample", "apply", "predict") else "sample"

    @property
    def task(self) -> bool:
        """Whether its evaluation has metrics of its own, beside simple methods, and not the usual ones."""
        return self.use != "sample" or bool(self.forms) or "baselines" in self.evaluation

    @property
    def forms(self) -> tuple[str, ...]:
        """Suffixes of the files of samples, the usual one first; () when the card has none, as for pictures."""
        found = self.card.get("forms")
        return tuple(str(form)[:12] for form in found) if isinstance(found, list) else ()

    @property
    def passes(self) -> tuple[str, str]:
        """(suffix of its inputs, of its outputs) when the network changes files other than pictures, else ("", "")."""
        takes, gives = self.card.get("takes"), self.card.get("gives")
        return (str(takes[0])[:12], str(gives)[:12]) if isinstance(takes, list) and takes and gives else ("", "")

    @property
    def last(self) -> Event:
        """The latest round, or an empty dict."""
        return self.rounds[-1] if self.rounds else {}

    @property
    def seen(self) -> int:
        """Examples seen so far."""
        events = (*self.rounds[-1:], *self.saved[-1:], *self.scored[-1:], self.finished, self.started)
        return int(max((s for e in events if math.isfinite(s := as_float(e.get("seen")))), default=0))

    @property
    def total(self) -> int:
        """The budget in examples; 0 when it is not known."""
        for event in (self.last, self.started, self.plan):
            if (total := as_float(event.get("total"))) > 0 and math.isfinite(total):
                return int(total)
        return 0

    @property
    def seconds(self) -> float:
        """Training time so far."""
        times = [as_float(e.get("seconds")) for e in (self.last, *self.scored[-1:], self.finished)]
        return max((t for t in times if math.isfinite(t)), default=0.0)

    @property
    def best(self) -> Event:
        """The scored event that was best so far, else the latest, else an empty dict."""
        return next((e for e in reversed(self.scored) if e.get("best")), self.scored[-1] if self.scored else {})

    @property
    def state(self) -> str:
        """One of "finished", "stopped", "running", "interrupted", "empty"."""
        if self.finished:
            reason = str(self.finished.get("reason", "")).lower()
            early = any(word in reason for word in ("stop", "interrupt", "signal", "sigint", "sigterm"))
            return "stopped" if early and self.seen < self.total else "finished"
        if not self.rounds and not self.started:
            return "empty"
        return "running" if self.age < 120 else "interrupted"


def as_float(value: object) -> float:
    """A float; NaN for anything that is not a number (None, text, true, lists, beyond float)."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.nan
    return math.nan


def mapping(value: object) -> dict[str, Any]:
    """A dict with text keys; empty for anything that is no mapping."""
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def as_event(event: object) -> Event:
    """An engine event (dataclass) or a line of metrics.jsonl (dict) as one shape: a dict with "event"."""
    if isinstance(event, Mapping):
        return mapping(event)
    if is_dataclass(event) and not isinstance(event, type):
        values = {f.name: getattr(event, f.name) for f in fields(event)}
        return {"event": type(event).__name__.lower(), **values}
    raise TypeError(f"An event is a dataclass or a dict, not {type(event).__name__}.")


def read_run(folder: str | Path, tail: int | None = None) -> RunView:
    """Everything that a run folder says.

    tail: read at most so many bytes of the log's end (and its start); None reads all of it.
    Raises UsageError when there is no such folder, or nothing in it that ganworks wrote.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name in _KNOWN else folder
    if not folder.is_dir():
        raise UsageError(f'There is no run folder "{folder}". The folders under runs/ are named by "ganworks train".')
    if not any((folder / name).exists() for name in _KNOWN):
        raise UsageError(f'"{folder}" is not a run folder: it holds none of {", ".join(_KNOWN)}.')
    problems: list[str] = []
    log = folder / "metrics.jsonl"
    groups = _group(_lines(log, tail, problems))
    if (folder / "manifest.json").exists():
        _tree(folder / "manifest.json", problems)
    problems += _unlike_saved(folder)
    return RunView(
        folder,
        config=_tree(folder / "config.yaml", problems),
        spec=_tree(folder / "spec.yaml", problems),
        plan=_tree(folder / "plan.json", problems),
        evaluation=_tree(folder / "eval.json", problems),
        audit=_tree(folder / "audit" / "audit.json", problems),
        age=_age(log),
        card=_main_card(folder),
        problems=problems,
        **groups,
    )


def frames(run: RunView) -> list[tuple[int, Path]]:
    """(examples seen, file) of all outputs shown during the training, in order; only files inside the run."""
    found: dict[Path, int] = {}
    for path in sorted(p for p in (run.folder / "samples").glob("*") if p.suffix.lower() in SHOWN):
        found[path] = int(path.stem) if path.stem.isascii() and path.stem.isdigit() and len(path.stem) < 19 else 0
    for event in run.shown:
        path = run.folder / "samples" / Path(str(event.get("path", ""))).name
        if path in found and math.isfinite(seen := as_float(event.get("seen"))):
            found[path] = int(seen)
    root = run.folder.resolve()
    inside = [(seen, path) for path, seen in found.items() if path.is_file() and path.resolve().is_relative_to(root)]
    return sorted(inside)


def size_on_disk(folder: Path) -> dict[str, int]:
    """Bytes of each entry at the top of the run folder, symbolic links not followed."""
    sizes: dict[str, int] = {}
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_symlink():
            continue
        if entry.is_dir():
            files = (Path(root) / name for root, _, names in os.walk(entry.path) for name in names)
            sizes[entry.name + "/"] = sum(_size(path) for path in files)
        else:
            sizes[entry.name] = _size(Path(entry.path))
    return sizes


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # it was replaced meanwhile
        return 0


def use_of(folder: Path) -> str:
    """What a run is for, "sample", "apply" or "predict", by the heads of its networks alone."""
    return RunView(folder, card=_main_card(folder)).use


def uses_in(folder: Path) -> list[str]:
    """What the networks of a run can do, of "sample", "apply" and "predict", that of the main one first."""
    found = (str(card.get("use")) for card in _cards(folder))
    return [use for use in dict.fromkeys(found) if use in ("sample", "apply", "predict")]


def _main_card(folder: Path) -> dict[str, Any]:
    """The card of the main published network."""
    return next(iter(_cards(folder)), {})


def _cards(folder: Path) -> list[dict[str, Any]]:
    """The cards of the published networks, the main one first."""
    found = [card for path in sorted(folder.glob("*.safetensors")) if (card := _card(path))]
    return sorted(found, key=lambda card: (card.get("main") is not True, card.get("use") != "predict"))


def _card(path: Path) -> dict[str, Any]:
    """The description in the head of a safetensors file; empty for a file without one."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            head = read_json(file.read(length), str(path)) if length <= _TEXT_LIMIT else {}
        text = mapping(mapping(head).get("__metadata__")).get("ganworks")
        return mapping(read_json(text, str(path))) if isinstance(text, str) else {}
    except (OSError, UsageError):
        return {}


def _age(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return math.nan


def _tree(path: Path, problems: list[str]) -> dict[str, Any]:
    """A YAML or JSON file as a dict; a damaged one is reported and empty."""
    if not path.exists():
        return {}
    try:
        raw = path.read_bytes()
        if len(raw) > _TEXT_LIMIT:
            raise ValueError(f"it is longer than {_TEXT_LIMIT >> 20} MB")
        value = (read_json if path.suffix == ".json" else read_yaml)(raw, "it")
        if not isinstance(value, dict):
            raise ValueError("it holds no mapping")
    except (OSError, ValueError, UsageError) as error:
        problems.append(f"{path.name} could not be read: {str(error).splitlines()[0] if str(error) else error!r}")
        return {}
    return mapping(value)


def _unlike_saved(folder: Path) -> list[str]:
    """A sentence for each description of the run that is not the file that manifest.json names."""
    changed = [name for name in _SEALED if not _as_saved(folder, name)]
    return [
        f"{name} was changed or damaged after it was saved (sha256 differs from manifest.json): what it says may be "
        "wrong."
        for name in changed
    ]


def _as_saved(folder: Path, name: str) -> bool:
    """Whether a file has a digest that the manifest gives it; also when there is no such file, entry or manifest.

    Another process may replace the file between the two readings; then the next one fits.
    """
    for _ in range(_TRIES):
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            manifest = mapping(read_json((folder / "manifest.json").read_bytes(), "manifest.json"))
        except (OSError, UsageError):
            return True
        entry = mapping(mapping(manifest.get("files")).get(name)).get("sha256", found)
        if found in (entry, mapping(manifest.get("pending")).get(name)):
            return True
    return False


def _lines(path: Path, tail: int | None, problems: list[str]) -> Iterator[Event]:
    """The log's events. The last line may be torn: it is left out; other damage is counted."""
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if tail is None or size <= tail + _HEAD:
                raw = file.read()
            else:
                head = file.read(_HEAD).rpartition(b"\n")[0]
                file.seek(size - tail)
                raw = head + b"\n" + file.read().partition(b"\n")[2]
    except OSError as error:
        problems.append(f"{path.name} could not be read: {error}")
        return
    lines = raw.split(b"\n")
    damaged = 0
    for position, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            event = read_json(line, path.name)
            assert_event(event)
        except (ValueError, UsageError):
            damaged += position < len(lines) - 1
            continue
        yield mapping(event)
    if damaged:
        problems.append(f"{path.name}: {counted(damaged, 'damaged line')} left out.")


def assert_event(event: object) -> None:
    """Raises ValueError unless this is a JSON object that names its event."""
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise ValueError("not an event")


def _group(events: Iterable[Event]) -> dict[str, Any]:
    """Events by kind. When `seen` goes back, a resume or a roll-back replaced what came after it."""
    out: dict[str, Any] = {"rounds": [], "shown": [], "saved": [], "scored": [], "alarms": []}
    lists = {"round": "rounds", "shown": "shown", "saved": "saved", "scored": "scored", "alarm": "alarms"}
    for event in events:
        kind, seen = event["event"], as_float(event.get("seen"))
        if kind in ("round", "scored", "shown"):
            kept = out[lists[kind]]
            while kept and as_float(kept[-1].get("seen")) >= seen:
                kept.pop()
        if kind in lists:
            out[lists[kind]].append(event)
        if kind in ("started", "finished"):
            out[kind] = event
        if kind in ("started", "round"):  # a finished training goes on
            out.pop("finished", None)
    return out
