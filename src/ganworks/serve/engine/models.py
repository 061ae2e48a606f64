"""The models of a service in memory: loaded at first use, given up when others need the room, replaced when the
files change.

A model is loaded off the event loop, once however many wait for it, through the same checks as `load`. One that
cannot be loaded answers with its sentence and is tried again after a moment. A run that is trained on is seen by the
times and sizes of its files, then by their SHA-256: requests go on with the old networks until the new ones are
loaded, and whoever began with one version ends with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ganworks.core.errors import GanworksError, nearest
from ganworks.core.machine import memory
from ganworks.files import atomic
from ganworks.files.weights import read_texts
from ganworks.runs.published import FILE, locate, names, read_card
from ganworks.serve.engine.errors import BusyError, CannotLoadError, ServiceError, UnknownModelError, WrongUseError
from ganworks.serve.engine.worker import RANDOM
from ganworks.use.applier import Applier
from ganworks.use.model import Model
from ganworks.use.predictor import FILE as CLASSIFIER
from ganworks.use.predictor import Predictor

SHARE = 0.5  # of the memory that the machine or the control group leaves: the models' default budget
_LOOK_S = 1.0  # seconds between two looks at a model's files
_AGAIN_S = 10.0  # seconds until a model that could not be loaded is tried again

USES = ("sample", "apply", "predict", "apply reverse")
Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(eq=False)
class Loaded:
    """One version of a model for one use. thing: a Model, an Applier or a Predictor. digests: SHA-256 by file name.

    users: requests that are answered with it now. lanes: its queues by setting. kept: what was made for settings.
    """

    name: str
    use: str
    thing: Any
    digests: dict[str, str]
    bytes: int
    users: int = 0
    used: float = 0.0
    lanes: dict[Any, Any] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the network's file."""
        return self.digests[Path(self.thing.info["path"]).name]

    @property
    def queued(self) -> int:
        """Requests that wait for it."""
        return sum(len(lane.jobs) for lane in [*self.lanes.values()])


@dataclass(eq=False)
class Place:
    """A model by name and use: where it is, and what is known of it."""

    path: Path
    loaded: Loaded | None = None
    loading: Future[Any] | None = None
    stamp: Stamp = ()
    looked: float = -1e9
    error: ServiceError | None = None

    @property
    def due(self) -> bool:
        """Whether its files are to be looked at again."""
        pause = _AGAIN_S if isinstance(self.error, CannotLoadError) else _LOOK_S
        return time.monotonic() - self.looked > pause


class Models:
    """The models by name. budget: bytes. load: (path, use, device) -> thing. on_gone: is told of versions given up."""

    def __init__(
        self,
        paths: Mapping[str, Path],
        budget: int,
        device: str = "auto",
        on_gone: Callable[[Loaded], None] = lambda _: None,
        seals: tuple[Any, Any] = (None, None),
    ):
        self.seals = seals
        self.paths, self.budget, self.device, self.on_gone = dict(paths), budget, device, on_gone
        self._places: dict[tuple[str, str], Place] = {}
        self._lock = threading.RLock()
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="ganworks-load")
        self._retired: list[Loaded] = []

    def lease(self, name: str, use: str) -> Loaded | Future[Any]:
        """The version to use now, held until `release`; or a future after which to ask again.

        Raises UnknownModelError, CannotLoadError, WrongUseError.
        """
        with self._lock:
            place = self._place(name, use)
            now = time.monotonic()
            if place.loading is None and (place.due or (place.loaded is None and place.error is None)):
                place.looked = now
                place.loading = self._loader.submit(self._look, place, name, use)
            if place.loaded is not None:
                place.loaded.users, place.loaded.used = place.loaded.users + 1, now
                return place.loaded
            if place.error is not None and (place.loading is None or not place.due):
                raise place.error
            assert place.loading is not None
            return place.loading

    def release(self, loaded: Loaded) -> None:
        """A request has ended."""
        with self._lock:
            loaded.users -= 1
            if loaded in self._retired and not loaded.users:
                self._give_up(loaded)

    def there(self, name: str) -> Loaded | None:
        """The version of a model that is in memory, for its main use there; None for none."""
        return next((p.loaded for use in USES if (p := self._places.get((name, use))) and p.loaded is not None), None)

    def state(self, name: str) -> dict[str, Any]:
        """state: "loaded", "loading", "failed" or "waiting" for its first use; reason, where it failed; bytes."""
        with self._lock:
            self._known(name)
            places = [self._places[name, use] for use in USES if (name, use) in self._places]
            there = [place.loaded for place in places if place.loaded is not None]
            broken = [place.error for place in places if isinstance(place.error, CannotLoadError)]
            under_way = any(place.loading is not None for place in places)
            state = "loaded" if there else "failed" if broken else "loading" if under_way else "waiting"
            said = {"reason": str(broken[0])} if broken else {}
            waiting = sum(loaded.queued for loaded in there)
            return {"state": state, **said, "bytes": sum(loaded.bytes for loaded in there), "queued": waiting}

    def uses(self, name: str) -> list[str]:
        """What a model is for, the main use first. Raises UnknownModelError, CannotLoadError."""
        place = self._place(name, "sample")
        try:
            return uses_of_files(place.path)
        except (GanworksError, OSError) as error:
            raise CannotLoadError(f'The model "{name}" cannot be loaded: {error}') from error

    def close(self) -> None:
        """Wait for what is being loaded."""
        self._loader.shutdown(cancel_futures=True)

    # Places ------------------------------------------------------------------------------------------------------

    def _place(self, name: str, use: str) -> Place:
        self._known(name)
        if (name, use) not in self._places:
            self._places[name, use] = Place(Path(self.paths[name]))
        return self._places[name, use]

    def _known(self, name: str) -> None:
        if name not in self.paths:
            raise UnknownModelError(f'There is no model "{name[:80]}". {nearest(name, self.paths or ("none",))}')

    def _look(self, place: Place, name: str, use: str) -> Loaded | None:
        """Load a model, or its new version when its files have changed. On the loader's thread; never raises."""
        error: ServiceError | None = None
        loaded = place.loaded
        try:
            stamp = stamp_of(place.path)
            if stamp != place.stamp or loaded is None:
                loaded = self._load(place, name, use)
                place.stamp = stamp
        except (WrongUseError, BusyError) as wrong:
            error = wrong
        except (GanworksError, OSError, MemoryError, RuntimeError) as wrong:
            error = CannotLoadError(f'The model "{name}" cannot be loaded: {wrong}')
        except Exception as wrong:  # a defect of one model is no reason to harm others
            error = CannotLoadError(f'The model "{name}" cannot be loaded: {wrong!r}')
        with self._lock:
            place.error, place.loading = error if place.loaded is None else None, None
            if loaded is not None and loaded is not place.loaded and error is None:
                self._retire(place.loaded)
                place.loaded, loaded.used = loaded, time.monotonic()
        return loaded

    def _load(self, place: Place, name: str, use: str) -> Loaded:
        digests = digests_of(place.path)
        if place.loaded is not None and place.loaded.digests == digests:
            return place.loaded
        self._make_room(size_of(place.path), name)
        with RANDOM:
            thing = open_model(place.path, use, self.device)
            thing.seals = self.seals
            _ = thing.fingerprint  # computed once, here
        if digests_of(place.path) != digests:
            raise BusyError(f"{place.path} changed while it was loaded; try again.", 1.0)
        return Loaded(name, use, thing, digests, bytes_of(thing))

    # Room --------------------------------------------------------------------------------------------------------

    def _make_room(self, need: int, name: str) -> None:
        """Give up those that were used longest ago, never one in use, until a model of `need` bytes fits."""
        with self._lock:
            if need > self.budget:
                raise CannotLoadError(
                    f'"{name}" takes about {memory.spelled(need)}, and all models together may take '
                    f"{memory.spelled(self.budget)}. Allow more with memory=."
                )
            while self._taken() + need > self.budget:
                idle = [p for p in self._places.values() if p.loaded is not None and not p.loaded.users]
                if not idle:
                    raise BusyError(f'There is no room for "{name}" while other models are in use. Try again.', 2.0)
                oldest = min(idle, key=lambda place: place.loaded.used if place.loaded else 0.0)
                self._retire(oldest.loaded)
                oldest.loaded, oldest.stamp = None, ()

    def _taken(self) -> int:
        held = [place.loaded for place in self._places.values() if place.loaded is not None]
        return sum(loaded.bytes for loaded in (*held, *self._retired))

    def _retire(self, loaded: Loaded | None) -> None:
        if loaded is not None:
            self._retired.append(loaded)
            if not loaded.users:
                self._give_up(loaded)

    def _give_up(self, loaded: Loaded) -> None:
        self._retired.remove(loaded)
        self.on_gone(loaded)


# Files ------------------------------------------------------------------------------------------------------------


def files_of(path: Path) -> list[Path]:
    """The published networks of a run folder, or the file itself."""
    if not path.is_dir():
        return [locate(path)]
    found = [path / name for name in names(path)]
    return found or [locate(path)]


def stamp_of(path: Path) -> Stamp:
    """Name, time, size and number of each file: equal as long as nothing was written."""
    facts = ((file.name, file.stat()) for file in files_of(path))
    return tuple((name, fact.st_mtime_ns, fact.st_size, fact.st_ino) for name, fact in facts)


_seen: dict[Path, tuple[float, Stamp]] = {}


def recent_stamp(path: Path) -> Stamp:
    """As `stamp_of`, up to a second old: for whoever asks at every request, as reading a manifest takes a while."""
    now = time.monotonic()
    if path not in _seen or now - _seen[path][0] > _LOOK_S:
        _seen[path] = now, stamp_of(path)
    return _seen[path][1]


def size_of(path: Path) -> int:
    """Bytes that a model is reckoned to take before it is loaded."""
    return sum(file.stat().st_size for file in files_of(path))


def digests_of(path: Path) -> dict[str, str]:
    """The SHA-256 of each file by its name."""
    return {file.name: atomic.sha256(file) for file in files_of(path)}


def uses_of_files(path: Path) -> list[str]:
    """What the published networks are for, the main one first."""
    files = sorted(files_of(path), key=lambda file: file.name not in (FILE, CLASSIFIER))
    found = [str(read_card(read_texts(file), file).get("use", "sample")) for file in files]
    return list(dict.fromkeys(found))


def open_model(path: Path, use: str, device: str) -> Any:
    """The Model, Applier or Predictor of a run or file. Raises WrongUseError when it is for something else."""
    there, kind = uses_of_files(path), use.split(maxsplit=1)[0]
    if kind not in there:
        raise WrongUseError(f"This model is not for `{kind}` but for {' and '.join(f'`{name}`' for name in there)}.")
    if kind == "sample":
        return Model.load(path, device=device)
    if kind == "apply":
        return Applier.load(path, device=device, reverse=use != kind)
    return Predictor.load(path, device=device)


def bytes_of(thing: Any) -> int:
    """Bytes of a model's tensors, those that it shares counted once."""
    nets = {id(net): net for net in (thing.net, getattr(thing, "generator", None)) if isinstance(net, nn.Module)}
    tensors = [t for net in nets.values() for t in (*net.parameters(), *net.buffers())]
    return sum({t.data_ptr(): t.nbytes for t in tensors}.values())
