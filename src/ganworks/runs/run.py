"""The run folder: created once, locked while a process trains in it, saved atomically, verified when it is read.

manifest.json holds the sha256 of what belongs to the run; whatever it does not name does not exist. A kill at any byte
leaves the run as it was at the last completed save, and several processes may write different files of it at once:
see `ganworks.runs.manifest`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from ganworks.core.config import difference, dump_yaml, from_dict, refuse_incomplete, to_dict
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.events import Event, to_line
from ganworks.core.machine.places import explain
from ganworks.core.schema.plain import as_json, read_json, read_yaml, shaped
from ganworks.core.settings import Config
from ganworks.core.spec import Spec
from ganworks.files import atomic, weights
from ganworks.files.atomic import Staged
from ganworks.runs.lock import LOCK_FILES, FolderLock
from ganworks.runs.manifest import NAME, STATE, Manifest
from ganworks.runs.published import file_of
from ganworks.runs.shapes import Counters, Plan

_KEEP = 2
_FOLDERS = ("state", "samples", "eval", "audit")
_DESCRIPTION = ("config.yaml", "spec.yaml", "plan.json")
_FIRST = {*LOCK_FILES, ".probe"}  # what there is before the lock; release 0.1 probed the folder with a file
_SYSTEMS = {".DS_Store", ".localized", "Thumbs.db", "ehthumbs.db", "desktop.ini", ".directory", "lost+found", "@eaDir"}
_SYSTEMS_BEGIN = ("._", ".nfs", ".fuse_hidden", ".Trash", ".Spotlight-", ".fseventsd")


class Run:
    """One run folder. `Run.create` and `Run.open` make one; as a context manager it holds the folder's lock."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._manifest = Manifest(folder)
        self._lock = FolderLock(folder)
        self._log: Any = None

    @property
    def manifest(self) -> dict[str, Any]:
        """What manifest.json held when it was last read or written."""
        return self._manifest.raw

    @staticmethod
    def exists(folder: Path | str) -> bool:
        """True when the folder holds a run."""
        return (Path(folder) / NAME).is_file()

    @staticmethod
    def may_begin(folder: Path) -> bool:
        """True when there is no such folder, or none but an empty one, or one in which a start was killed."""
        return not folder.exists() or _left_over(folder)

    @classmethod
    def create(cls, folder: Path, config: Config, spec: Spec, plan: Mapping[str, Any]) -> Run:
        """A new run with its description; refuses a folder that holds something else."""
        if not cls.may_begin(folder) and not cls.exists(folder):
            raise UsageError(f"{folder} exists and is not a run of ganworks; name another folder with out=.")
        run = cls(folder)
        run.__enter__()
        if cls.exists(folder):
            run.close()
            raise UsageError(f"A training began in {folder} meanwhile. Give the command again, or name another out=.")
        description = (dump_yaml(config), dump_yaml(spec.to_dict()), json.dumps(plan, indent=1, default=str))
        run.write(dict(zip(_DESCRIPTION, description, strict=True)))
        return run

    @classmethod
    def open(cls, folder: Path | str) -> Run:
        """An existing run; raises UsageError when the folder is none or its manifest is damaged."""
        run = cls(Path(folder))
        run._manifest.read()
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
        lines = difference(plan["given"], as_json(to_dict(dict(given))))
        if plan["data"]["fingerprint"] != fingerprint:
            lines.append(
                "the data: its contents changed since the run began, or the version that began it read them otherwise"
            )
        if lines:
            raise UsageError(
                f"{self.folder} was trained with other settings:\n  "
                + "\n  ".join(lines)
                + "\nUse the settings it began with to go on, or start a new run with out=NEW "
                f"(init={self.folder} begins from its weights)."
            )

    # Lock

    def __enter__(self) -> Run:
        """Take the lock, and then read the manifest again: what another trainer saved until now counts."""
        if not self._lock.held:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"The run folder {self.folder} cannot be written: {error.strerror}. "
                    "Name a folder that you can write with out=FOLDER."
                ) from error
            self._lock.take()
            for folder in (self.folder, *(f for n in _FOLDERS if not (f := self.path(n)).is_symlink())):
                atomic.sweep(folder)
        if self.exists(self.folder):
            self._manifest.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take the lock, and give it back only when the block fails."""
        with ExitStack() as undo:
            undo.enter_context(self)
            yield
            undo.pop_all()

    def close(self) -> None:
        """Give the lock back."""
        if self._log is not None:
            self._log.close()
            self._log = None
        self._lock.give_back()

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
        self._manifest.steadily(lambda: (self._manifest.verify(name), True))

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files and enter them in the manifest, each of them atomically; other processes may do so as well."""
        self._commit({n: [c.encode() if isinstance(c, str) else c] for n, c in files.items()})

    def _commit(self, files: Mapping[str, Sequence[bytes | memoryview]], retire: Sequence[str] = ()) -> None:
        staged: list[Staged] = []
        try:
            for name, pieces in files.items():
                staged.append(atomic.stage(self._made(name), pieces))
            self._manifest.commit(staged, retire, whole=self._lock.held)
        finally:
            for file in staged:
                file.drop()

    def _made(self, name: str) -> Path:
        """The path of a file to write; a folder that went missing is made again."""
        path = self.path(name)
        if path.parent != self.folder:
            try:
                path.parent.mkdir(exist_ok=True)
            except OSError as error:
                raise explain(error, path) from error
        return path

    # State

    def save_state(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> Path:
        """Save a state to resume from; the newest two are kept."""
        name = f"state/{counters['seen']:012d}.safetensors"
        pieces = weights.pack(tensors, {"counters": json.dumps(dict(counters))}, self.path(name))
        self._commit({name: pieces}, sorted({*self._manifest.states, name})[:-_KEEP])
        return self.path(name)

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any], list[str]] | None:
        """(tensors, counters, warnings) of the newest good state; None when none was saved yet.

        A damaged state is passed over with a warning; when all are damaged, UsageError lists every reason. A state that
        the manifest does not name, as in a folder that was copied while it was written, is the last resort.
        """
        return self._manifest.steadily(self._newest)

    def _newest(self) -> tuple[tuple[dict[str, Tensor], dict[str, Any], list[str]] | None, bool]:
        reasons: list[str] = []
        named = self._manifest.states
        found = [f"state/{path.name}" for path in self.path("state").glob("*.safetensors")] if named else []
        others = sorted(name for name in found if STATE.fullmatch(name) and name not in named)
        for name in (*reversed(named), *reversed(others)):
            try:
                content, note = self._manifest.tensors(name, allow_nonfinite=True)
                counters = _counters(content.texts, name)
                reasons += [note] if note else []
                return (content.tensors, counters, reasons), not reasons
            except (GanworksError, OSError) as error:
                reasons.append(f"{name} was passed over: {error}")
        if named:
            raise UsageError("No saved state of this run can be read:\n  " + "\n  ".join(reasons))
        return None, True

    def counters(self) -> dict[str, Any] | None:
        """The counters of the newest state that is there, from its header alone; None when there is none.

        Raises UsageError when they cannot be read.
        """

        def attempt() -> tuple[dict[str, Any] | None, bool]:
            there = [name for name in self._manifest.states if self.path(name).is_file()]
            fits = there[-1:] == self._manifest.states[-1:]
            return (_counters(weights.read_texts(self.path(there[-1])), there[-1]) if there else None), fits

        return self._manifest.steadily(attempt)

    @property
    def has_published(self) -> bool:
        """Whether a network was published."""
        return any(name.endswith(".safetensors") and "/" not in name for name in self._manifest.files)

    def publish(self, nets: Mapping[str, tuple[Mapping[str, Tensor], Mapping[str, str]]]) -> None:
        """Replace the published networks: player -> (tensors, header), each in a file of its own."""
        names = {player: file_of(player) for player in nets}
        self._commit({names[p]: weights.pack(*found, self.path(names[p])) for p, found in nets.items()})

    # Log

    def log(self, event: Event) -> None:
        """Append one event to metrics.jsonl."""
        try:
            if self._log is None:
                self._log = atomic.appending(self.path("metrics.jsonl"))
            self._log.write(json.dumps(to_line(event)).encode() + b"\n")
            self._log.flush()
        except OSError as error:
            raise explain(error, self.path("metrics.jsonl")) from error

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


def _left_over(folder: Path) -> bool:
    """True for a folder without files of its owner, or one in which a start was killed before its first manifest."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    empty = {name for name in names & {*_FOLDERS} if not any(not _foreign_to_all(p) for p in (folder / name).glob("*"))}
    rest = {n for n in names - _FIRST - empty if not _foreign_to_all(folder / n)}
    return not rest or (".lock" in names and rest <= {*_DESCRIPTION})


def _foreign_to_all(path: Path) -> bool:
    """Whether an operating system made the file, or a write that was killed left it."""
    return path.name in _SYSTEMS or path.name.startswith(_SYSTEMS_BEGIN) or atomic.is_temporary(path)


def _counters(texts: Mapping[str, str], where: str) -> dict[str, Any]:
    """The counters in the header of a state, checked."""
    return shaped(Counters, read_json(texts.get("counters", "null"), where), where)
