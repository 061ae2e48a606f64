"""The one thread that runs trained networks, and the networks that it keeps loaded."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ganworks.core.errors import GanworksError
from ganworks.studio.places import RefusedError
from ganworks.studio.trainings.state import Runs

SLIDERS, REACH = 12, 3.0  # of a network; standard deviations to each side
_LOADED, _WAITING = 4, 32  # networks in memory; requests that wait or run
T = TypeVar("T")


class Workshop:
    """Runs work on the networks of runs, one after the other. torch is imported at the first use."""

    def __init__(self, runs: Runs):
        self.runs = runs
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="studio-model")
        self._waiting = threading.BoundedSemaphore(_WAITING)
        self._loaded: OrderedDict[tuple[str, str], list[Any]] = OrderedDict()

    async def do(self, work: Callable[[], T]) -> T:
        """Run work in the thread. Raises RefusedError (503) when too much waits already."""
        if not self._waiting.acquire(blocking=False):
            raise RefusedError("The studio has too much to do at the moment; try again in a few seconds.", 503)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting.release()

    def stamp(self, name: str) -> list[Any]:
        """What tells the networks of a run from what they are after more training."""
        folder = self.runs.folder(name)
        found = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in folder.glob("*.safetensors")]
        if not found:
            raise RefusedError(f"{name} has published no network yet; let it train for a while.", 409)
        return [name, sorted(found)]

    def model(self, name: str, use: str) -> Any:
        """The `Model`, `Applier` or `Predictor` of a run. Raises RefusedError and UsageError."""
        return self._entry(name, use)[0]

    def sliders(self, name: str, label: Any = None) -> tuple[Any, Any]:
        """(the `Space` of a run, unit vectors [k, dim] float32 along which its samples change most), those that
        `ganworks explore` finds; kept for the label that was asked for last as long as the network is. The axes of the
        space where it finds none.
        """
        entry = self._entry(name, "sample")
        if entry[1] is None or entry[1][0] != label:
            entry[1] = (label, *_explored(entry[0], label))
        return entry[1][1:]

    def _entry(self, name: str, use: str) -> list[Any]:
        """[network, its sliders or None], loaded or kept; the one used longest ago makes room."""
        stamp = self.stamp(name)
        if use not in (uses := self.runs.summary(name)["uses"]):
            raise RefusedError(f"{name} cannot {use}; it can {' and '.join(uses) or 'do nothing yet'}.", 409)
        key = use, str(stamp)
        if key not in self._loaded:
            while len(self._loaded) >= _LOADED:
                self._loaded.popitem(last=False)
            self._loaded[key] = [_load(self.runs.folder(name), use), None]
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def close(self) -> None:
        """End the thread; what waits is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _explored(model: Any, label: Any) -> tuple[Any, Any]:
    import torch

    from ganworks.use.exploring import directions
    from ganworks.use.exploring.space import Space

    space = Space(model, label)
    count = min(SLIDERS, space.dim)
    try:
        return space, directions.find(space, count=count).vectors
    except (GanworksError, RuntimeError, TypeError, AttributeError):  # a network through which no gradient passes
        return space, torch.eye(space.dim)[:count]


def _load(folder: Path, use: str) -> Any:
    from ganworks.use.applier import Applier
    from ganworks.use.model import Model
    from ganworks.use.predictor import Predictor

    classes: dict[str, Any] = {"sample": Model, "apply": Applier, "predict": Predictor}
    return classes[use].load(folder)
