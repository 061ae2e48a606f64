"""What the runs of a studio are and how they stand, derived from their files and from the processes that run."""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ganworks.core import registry
from ganworks.core.errors import UsageError
from ganworks.report import advice, words
from ganworks.report.read import RunView, as_float, frames, mapping, read_run, uses_in
from ganworks.studio.places import Place, RefusedError, is_name
from ganworks.studio.trainings.jobs import Jobs, Record
from ganworks.studio.trainings.logs import NAME, Course, Curves

Summary = dict[str, Any]

PICTURES = (".png", ".webp", ".gif")
_KEPT = 16  # runs whose curves are kept in memory
_ENDED = "It ended without saving its last steps, as after a kill or a power cut. Resume goes on from the last save."


class Runs:
    """The runs of a studio. Every method may be called from any thread."""

    def __init__(self, place: Place, jobs: Jobs):
        self.place, self.jobs = place, jobs
        self._lock = threading.Lock()
        self._courses: dict[str, Course] = {}
        self._curves: dict[str, Curves] = {}
        self._views: dict[str, tuple[Any, RunView]] = {}
        self._summaries: dict[str, tuple[Any, Summary]] = {}

    def names(self) -> list[str]:
        """All runs by name: folders in which a training wrote, and trainings that have just been started."""
        found = set(self.jobs.names())
        with suppress(OSError), os.scandir(self.place.runs) as entries:
            found |= {entry.name for entry in entries if is_name(entry.name) and _is_run(Path(entry.path))}
        return sorted(name for name in found if is_name(name))

    def folder(self, name: str) -> Path:
        """The folder of a run that exists. Raises RefusedError (404)."""
        path = self.place.run(name)
        if not _is_run(path) and not self.jobs.record(name):
            raise RefusedError(f'There is no run "{name[:60]}".', 404)
        return path

    def view(self, name: str) -> RunView:
        """The run as `report` reads it, with the last of its rounds. A run that has written nothing yet is empty."""
        path = self.folder(name)
        stamp = _stamp(path)
        known = self._views.get(name)
        if known is None or known[0] != stamp:
            try:
                known = stamp, read_run(path, tail=1)
            except UsageError:
                known = stamp, RunView(path)
            self._views[name] = known
        course = self._courses.setdefault(name, Course(path))
        return replace(known[1], **course.read())

    def curves(self, name: str, points: int) -> tuple[list[float], dict[str, list[float | None]]]:
        """See `Curves.read`."""
        path = self.folder(name)
        with self._lock:
            found = self._curves.pop(name, None) or Curves(path)
            self._curves[name] = found  # the latest used stands last
            for old in list(self._curves)[:-_KEPT]:
                del self._curves[old]
        return found.read(points)

    def summary(self, name: str) -> Summary:
        """The RunSummary of a run. Raises RefusedError (404)."""
        path, alive = self.folder(name), self.jobs.running(name) is not None
        stamp = _stamp(path), _log_stamp(path), self.jobs.stamp(name), alive
        known = self._summaries.get(name)
        if known is None or known[0] != stamp or (alive and not (path / NAME).exists()):
            known = stamp, self._summed(name, alive)
            self._summaries[name] = known
        return known[1]

    def summaries(self) -> list[Summary]:
        """All of them, what was changed last first."""
        found = []
        for name in self.names():
            with suppress(RefusedError):  # it was deleted meanwhile
                found.append(self.summary(name))
        return sorted(found, key=lambda summary: -summary["updated"])

    def forget(self, name: str) -> None:
        """Forget what was kept of a run that is gone."""
        for kept in (self._courses, self._curves, self._views, self._summaries):
            kept.pop(name, None)

    def _summed(self, name: str, alive: bool) -> Summary:
        view, job = self.view(name), self.jobs.record(name)
        said = [] if view.finished and not alive else self.jobs.said(name) if job else []
        status = status_of(view, job, alive, said)
        recipe = str(view.config.get("recipe") or job.get("recipe") or "")
        found = registry.recipes().get(recipe)
        speed = as_float(view.last.get("speed"))
        running = status == "running" and speed > 0
        return self.place.clean(
            {
                "name": name,
                "recipe": recipe,
                "kind": found.kind.name if found else "",
                "data": _data_name(view, job),
                "status": status,
                "phase": _phase(view) if alive else "",
                "doing": said[-1][-200:] if said and alive and not view.last else "",
                "seen": view.seen,
                "budget": view.total,
                "share": min(1.0, view.seen / view.total) if view.total else 0.0,
                "seconds": round(view.seconds, 1),
                "seconds_left": round((view.total - view.seen) / speed, 1) if running and view.total else None,
                "examples_per_second": round(speed, 2) if running else None,
                "updated": _updated(view.folder, job),
                "score": _score(view),
                "alarm": _alarm(view, status, said),
                "uses": uses_in(view.folder),
                "thumbnail": _thumbnail(name, view),
            }
        )


def status_of(view: RunView, job: Record, alive: bool, said: list[str]) -> str:
    """One of running, paused, stopped, finished, failed. said: the last lines that its process printed."""
    if alive:
        return "running"
    reason = str(view.finished.get("reason", ""))
    if reason in ("budget", "target"):
        return "finished"
    asked = job.get("asked")
    if asked in ("pause", "stop"):
        return "paused" if asked == "pause" else "stopped"
    return "failed" if _failure(said) else "stopped"


def url_of(name: str, path: str) -> str:
    """The address of a file of a run, relative to the page."""
    return f"api/runs/{quote(name, safe='')}/files/{quote(path)}"


def _failure(said: list[str]) -> str:
    """The error that a process ended with; "" when it ended otherwise."""
    for at in range(len(said) - 1, max(-1, len(said) - 12), -1):
        if said[at].startswith(("Failed: ", "Wrong use: ")):
            return " ".join(line.strip() for line in said[at:]).partition(": ")[2]
    traced = any(line.startswith("Traceback ") for line in said)
    return f"It ended with an error of the program: {said[-1]}" if traced else ""


def _phase(view: RunView) -> str:
    return "evaluating" if view.finished else "training" if view.last else "preparing"


def _alarm(view: RunView, status: str, said: list[str]) -> str | None:
    """What is wrong with a run, in a sentence or two; None when nothing is."""
    if status == "failed":
        return _failure(said)
    if status == "stopped" and not view.finished and (view.last or view.saved):
        return _ENDED
    if view.alarms:
        last = view.alarms[-1]
        return f"{last.get('message') or last.get('kind')} {last.get('advice', '')}".strip()
    return view.problems[0] if view.problems else None


def _score(view: RunView) -> dict[str, Any] | None:
    scores = words.scores_of(view)
    if not scores:
        return None
    first = scores[0]
    floor = first.floor if math.isfinite(first.floor) else None
    return {"name": first.metric.title, "value": first.value, "real": floor}


def _thumbnail(name: str, view: RunView) -> str | None:
    shown = [path for _, path in frames(view) if path.suffix.lower() in PICTURES]
    return url_of(name, shown[-1].relative_to(view.folder).as_posix()) if shown else None


def _data_name(view: RunView, job: Record) -> str:
    source = mapping(view.plan.get("data")).get("source") or advice.data_path(view) or job.get("data") or ""
    return Path(str(source)).name


def _updated(folder: Path, job: Record) -> float:
    with suppress(OSError):
        return (folder / NAME).stat().st_mtime
    return float(job.get("begun") or 0.0) or time.time()


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("manifest.json", "plan.json", NAME))


def _stamp(path: Path) -> tuple[int, ...]:
    """Changes when a file of a run is replaced or added; its log is not counted."""
    found = []
    for part in (path, path / "samples"):
        with suppress(OSError):
            found.append(part.stat().st_mtime_ns)
    return tuple(found)


def _log_stamp(path: Path) -> tuple[int, int]:
    with suppress(OSError):
        status = (path / NAME).stat()
        return status.st_mtime_ns, status.st_size
    return 0, 0
