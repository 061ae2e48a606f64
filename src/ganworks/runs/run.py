"""The run folder: created once, locked while a process trains in it, saved atomically, verified when it is read.

manifest.json is written last and holds the sha256 of what belongs to the run; whatever it does not name does not
exist. A kill at any byte therefore leaves the run as it was at the last completed save.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ganworks.core.config import difference, dump_yaml, from_dict, refuse_incomplete, to_dict
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.events import Event, to_line
from ganworks.core.schema.plain import read_json, read_yaml, shaped
from ganworks.core.settings import Config
from ganworks.core.spec import Spec
from ganworks.files import atomic, weights
from ganworks.runs.lock import LOCK_FILES, FolderLock
from ganworks.runs.published import file_of
from ganworks.runs.shapes import Counters, Manifest, Plan

_KEEP = 2
_FOLDERS = ("state", "samples")
_FIRST = {*LOCK_FILES, *_FOLDERS, ".probe", "config.yaml", "spec.yaml", "plan.json"}


class Run:
    """One run folder. `Run.create` and `Run.open` make one; as a context manager it holds the folder's lock."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.manifest: dict[str, Any] = {"format": 1, "files": {}}
        self._lock = FolderLock(folder)
        self._log: Any = None

    @staticmethod
    def exists(folder: Path | str) -> bool:
        """True when the folder holds a run."""
        return (Path(folder) / "manifest.json").is_file()

    @classmethod
    def create(cls, folder: Path, config: Config, spec: Spec, plan: Mapping[str, Any]) -> Run:
        """A new run with its description; refuses a folder that holds something else."""
        if folder.exists() and not cls._left_over(folder):
            raise UsageError(f"{folder} exists and is not a run of ganworks; name another folder with out=.")
        run = cls(folder)
        run.__enter__()
        run.write("config.yaml", dump_yaml(config))
        run.write("spec.yaml", dump_yaml(spec.to_dict()))
        run.write("plan.json", json.dumps(plan, indent=1, default=str))
        run.seal()
        return run

    @staticmethod
    def _left_over(folder: Path) -> bool:
        """True for an empty folder, or one in which a start was killed before its first manifest."""
        if not folder.is_dir():
            return False
        atomic.sweep(folder)
        names = {p.name for p in folder.iterdir()}
        return not names or (".lock" in names and names <= _FIRST and not any((folder / "state").glob("*")))

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """An existing run; raises UsageError when the folder is none or its manifest is damaged."""
        folder = Path(folder)
        if not cls.exists(folder):
            raise UsageError(f"{folder} is not a run folder: it has no manifest.json. Train one with `ganworks train`.")
        run = cls(folder)
        try:
            where = str(folder / "manifest.json")
            run.manifest = shaped(Manifest, read_json((folder / "manifest.json").read_bytes(), where), where)
        except UsageError as error:
            raise UsageError(f"{folder / 'manifest.json'} is damaged; restore it from a copy of the run.") from error
        return run

    # Description

    def config(self) -> Config:
        """The configuration that this run was made with."""
        where = f"{self.folder}/config.yaml"
        config = from_dict(Config, read_yaml(self.read("config.yaml"), where), where)
        if not isinstance(config, Config):
            raise UsageError(f"{where} does not hold a configuration.")
        refuse_incomplete(config, where)
        return config

    def spec(self) -> Spec:
        """What one example is."""
        return Spec.from_dict(read_yaml(self.read("spec.yaml"), f"{self.folder}/spec.yaml"))

    def plan(self) -> dict[str, Any]:
        """The plan of the start: budget in examples, precision, data, machine, and the reasons of the choices."""
        where = f"{self.folder}/plan.json"
        return shaped(Plan, read_json(self.read("plan.json"), where), where)

    def refuse_changes(self, given: Mapping[str, Any], fingerprint: str) -> None:
        """Raise UsageError with a diff when the same run is asked for with other settings or other data."""
        plan = self.plan()
        lines = difference(plan["given"], json.loads(json.dumps(to_dict(dict(given)))))
        if plan["data"]["fingerprint"] != fingerprint:
            lines.append("the data: its contents changed since the run began")
        if lines:
            raise UsageError(
                f"{self.folder} was trained with other settings:\n  "
                + "\n  ".join(lines)
                + "\nUse the settings it began with to go on, or start a new run with out=NEW "
                f"(init={self.folder} begins from its weights)."
            )

    # Lock

    def __enter__(self) -> Run:
        self._probe()
        self._take_lock()
        for name in _FOLDERS:  # a copy of a run may have lost those that were empty
            self.path(name).mkdir(exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        if self._log is not None:
            self._log.close()
            self._log = None
        self._lock.give_back()

    def _probe(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".probe"
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"The run folder {self.folder} cannot be written: {error.strerror}. "
                "Name a folder that you can write with out=FOLDER."
            ) from error

    def _take_lock(self) -> None:
        if not self._lock.held:
            atomic.sweep(self.folder)
            self._lock.take()

    # Files

    def path(self, name: str) -> Path:
        """A file of the run."""
        return self.folder / name

    def read(self, name: str) -> str:
        """A text file whose sha256 must be the manifest's."""
        self.verify(name)
        try:
            return self.path(name).read_text(encoding="utf-8")
        except ValueError as error:
            raise UsageError(f"{self.path(name)} is not text in UTF-8: {error}.") from error

    def verify(self, name: str) -> None:
        """Raise UsageError unless the file is there and is byte for byte what was saved."""
        entry = self.manifest["files"].get(name) or {}
        if not self.path(name).is_file():
            raise UsageError(f"{self.path(name)} is missing.")
        if atomic.sha256(self.path(name)) != entry.get("sha256"):
            raise UsageError(
                f"{self.path(name)} was changed or damaged after it was saved (sha256 differs from manifest.json)."
            )

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file atomically and enter it in the manifest (sealed by `seal`)."""
        self._enter(name, atomic.replace_file(self.path(name), content))
        return self.path(name)

    def adopt(self, name: str) -> None:
        """Enter a file that was written by other means, e.g. a picture."""
        self._enter(name, atomic.sha256(self.path(name)))

    def _enter(self, name: str, digest: str) -> None:
        self.manifest["files"][name] = {"sha256": digest, "bytes": self.path(name).stat().st_size}

    def seal(self) -> None:
        """Write the manifest: from here on, the files that were written belong to the run."""
        data = json.dumps(self.manifest, indent=1, sort_keys=True).encode()
        atomic.replace_file(self.path("manifest.json"), data)

    # State

    def save_state(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> Path:
        """Save a state to resume from; the newest two are kept."""
        name = f"state/{counters['seen']:012d}.safetensors"
        self._enter(name, weights.write(self.path(name), tensors, {"counters": json.dumps(dict(counters))}))
        states = sorted(n for n in self.manifest["files"] if n.startswith("state/"))
        for old in states[:-_KEEP]:
            del self.manifest["files"][old]
        self.seal()
        for path in self.path("state").iterdir():  # files of a killed save, and old states
            if f"state/{path.name}" not in self.manifest["files"]:
                path.unlink(missing_ok=True)
        return self.path(name)

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any], list[str]] | None:
        """(tensors, counters, warnings) of the newest good state; None when none was saved yet.

        A damaged state is passed over with a warning; when all are damaged, UsageError lists every reason.
        """
        reasons: list[str] = []
        names = sorted((n for n in self.manifest["files"] if n.startswith("state/")), reverse=True)
        for name in names:
            try:
                expect = self.manifest["files"][name]["sha256"]
                tensors, meta = weights.read(self.path(name), allow_nonfinite=True, expect=expect)
                return tensors, _counters(meta, name), reasons
            except (GanworksError, OSError) as error:
                reasons.append(f"{name} was passed over: {error}")
        if names:
            raise UsageError("No saved state of this run can be read:\n  " + "\n  ".join(reasons))
        return None

    def publish(self, nets: Mapping[str, tuple[Mapping[str, Tensor], Mapping[str, str]]]) -> None:
        """Replace the published networks: player -> (tensors, header), each in a file of its own.

        A kill before the manifest is written leaves files that are checked by the digest that each holds itself.
        """
        for player, (tensors, header) in nets.items():
            self._enter(file_of(player), weights.write(self.path(file_of(player)), tensors, header))
        self.seal()

    # Log

    def log(self, event: Event) -> None:
        """Append one event to metrics.jsonl."""
        try:
            if self._log is None:
                self._log = self.path("metrics.jsonl").open("a", encoding="utf-8")
            self._log.write(json.dumps(to_line(event)) + "\n")
            self._log.flush()
        except OSError as error:
            raise GanworksError(
                f"{self.folder}/metrics.jsonl could not be written: {error.strerror}. What was saved before is "
                "intact; free the disk or repair it, then give the same command again."
            ) from error

    def trim_log(self, seen: int) -> None:
        """Drop events that were logged after the state that the training resumes from."""
        path = self.path("metrics.jsonl")
        if not path.is_file():
            return
        kept = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                if read_json(line, str(path))["seen"] <= seen:
                    kept.append(line)
            except (UsageError, KeyError, TypeError):
                continue
        atomic.replace_file(path, "".join(f"{line}\n" for line in kept))


def _counters(texts: Mapping[str, str], where: str) -> dict[str, Any]:
    """The counters in the header of a state, checked."""
    return shaped(Counters, read_json(texts.get("counters", "null"), where), where)
