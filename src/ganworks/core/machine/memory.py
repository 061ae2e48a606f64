"""How much memory there is, and whether a piece of work fits: asked before the work, for every size that a user or a
file names.

A piece of work may take SHARE of what is available, which is the least of what the system has (MemAvailable), what the
control groups (v1 and v2) leave, and what `ulimit -v` leaves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ganworks.core.errors import UsageError
from ganworks.core.machine import groups

SHARE = 0.7  # of the available memory: the rest is for the program, its libraries and others
_UNTHINKABLE = 10**30  # a larger count is as good as this one, which a float can hold
_UNKNOWN = 4 << 30  # bytes, on a system that does not say
_GROUPS = (  # version of control groups: files of the limit and of the use, line of memory.stat that can be dropped
    (2, "memory.max", "memory.current", "inactive_file"),
    (1, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_SPENT = ("not enough memory", "allocate memory", "out of memory")


def available(proc: Path = Path("/proc"), mounted: Path = groups.MOUNTED) -> int:
    """Bytes that this process can still take. proc, mounted: where the system's facts and its control groups are."""
    return max(0, min([_system(proc), *_left_by_groups(proc, mounted), *_left_by_limit(proc)]))


def room(free: int | None = None) -> int:
    """Bytes that one piece of work may take. free: available bytes; None: those of this machine."""
    return int(SHARE * (available() if free is None else free))


def check(
    count: int,
    each: float,
    name: str,
    what: str,
    *,
    fixed: float = 0.0,
    step: int = 1,
    free: int | None = None,
    instead: str = "",
) -> None:
    """Raise UsageError, with the largest count that would fit, unless `count` items fit into memory.

    each: bytes of one item. name: the setting that asks for them, e.g. "batch". what: the subject of the sentence, e.g.
    "a training step". fixed: bytes beside them. step: the count has to be a multiple of it. free: available bytes;
    None: those of this machine. instead: a sentence on what else helps.
    """
    space, need = room(free), fixed + min(count, _UNTHINKABLE) * each
    if need <= space:
        return
    most = max(0, int((space - fixed) / each)) // step * step
    fits = f"{name}={most:,} would fit." if most else "Not even the least fits: it needs a larger machine."
    raise UsageError(
        f"{name}={_plain(count)}: {what} would take about {spelled(need)} of memory, and "
        f"{spelled(space)} may be used here ({SHARE:.0%} of what is free). {fits}{instead}"
    )


def check_bytes(need: float, where: str, *, free: int | None = None) -> None:
    """Raise UsageError unless `need` bytes fit; where: what needs them, the subject of the sentence."""
    space = room(free)
    if need > space:
        raise UsageError(
            f"{where} would take about {spelled(need)} of memory; at most {spelled(space)} fit here "
            f"({SHARE:.0%} of what is free). Give a part of it, or use a larger machine."
        )


def spelled(size: float) -> str:
    """1.5e9 -> "1.5 GB"."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}" if size < 1e18 else "more than a million TB"
    return f"{size / 1e3:,.0f} kB"


def is_spent(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's MemoryError, or a RuntimeError of torch on any device."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(word in said for word in _SPENT))


def _plain(count: int) -> str:
    return f"{count:,}" if count < 10**15 else "a number of more than 15 digits"


def _number(path: Path) -> int | None:
    """The number in a file; None without such a file, or when it holds a word ("max")."""
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _field(path: Path, name: str) -> int | None:
    """The number that follows a name in a file of lines."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    words = (line.replace(":", " ").split() for line in lines)
    return next((int(found[1]) for found in words if len(found) > 1 and found[0] == name), None)


def _system(proc: Path) -> int:
    free = _field(proc / "meminfo", "MemAvailable")
    if free is not None:
        return free * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _left_by_groups(proc: Path, mounted: Path) -> Iterator[int]:
    """What each control group of this process leaves; file pages that the system can drop do not count as used."""
    for version, limit, use, idle in _GROUPS:
        for folder in groups.folders("memory", version=version, proc=proc, mounted=mounted):
            most, used = _number(folder / limit), _number(folder / use)
            if most is not None and used is not None:
                yield most - used + (_field(folder / "memory.stat", idle) or 0)


def _left_by_limit(proc: Path) -> Iterator[int]:
    """What `ulimit -v` leaves of the address space."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _number(proc / "self/statm")
    if limit != resource.RLIM_INFINITY and pages is not None:
        yield limit - pages * resource.getpagesize()
