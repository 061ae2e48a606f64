"""Control groups (Linux, versions 1 and 2): the folders of facts of those that a process is in, and of their parents.

Each of them may set a limit, so that the least counts. Source: the kernel's cgroup-v1 and cgroup-v2 documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")


def folders(controller: str, *, version: int, proc: Path = Path("/proc"), mounted: Path = MOUNTED) -> Iterator[Path]:
    """Folders of the process's own group of a version, then its parents' up to the root; the root's at least.

    controller: "cpu" or "memory", with a mount of its own in version 1. proc, mounted: where the system's facts are.
    In a container the own group may be named as the host sees it; then its folder is not there, and the root's holds.
    """
    root = mounted if version == 2 else mounted / controller
    inside = Path(_own(controller if version == 1 else "", proc).lstrip("/"))
    yield from (root / part for part in (inside, *inside.parents))


def _own(controller: str, proc: Path) -> str:
    """The path of this process's group of a controller; of version 2 without one."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        _, controllers, own = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            return own
    return ""
