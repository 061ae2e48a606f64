"""Whether a process still runs, told by its number and the moment at which it began: a number is used again."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_SLACK = 2.0  # seconds by which clocks and the times of files may differ


def identity(pid: int) -> str:
    """When a process began, as a text that no other process of this number has; "" when it does not run."""
    if _PROC.joinpath("self/stat").exists():
        state, ticks = _stat(pid)
        return f"{_boot()}:{ticks}" if ticks and state not in "ZX" else ""
    return _listed(pid)


def runs(pid: int | None, known: str) -> bool:
    """Whether the process of this number and identity still runs."""
    return pid is not None and known != "" and identity(pid) == known


def began_before(pid: int, moment: float) -> bool:
    """Whether a process runs that began before a moment in seconds since 1970."""
    if not (text := identity(pid)):
        return False
    if _PROC.joinpath("self/stat").exists():
        began = _booted() + int(text.rpartition(":")[2]) / os.sysconf("SC_CLK_TCK")
    else:
        began = time.mktime(time.strptime(text, "%a %b %d %H:%M:%S %Y"))
    return began <= moment + _SLACK


def marked(name: str, value: str) -> int | None:
    """The process of this user that was started with a variable of this value; None when it cannot be told."""
    wanted = f"{name}={value}".encode()
    for folder in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and identity(int(folder.name)):
                return int(folder.name)
    return None


def _stat(pid: int) -> tuple[str, int]:
    """(state, ticks from the boot to its beginning) of a process; ("", 0) when there is none."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return "", 0


@cache
def _boot() -> str:
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return "boot"


def _booted() -> float:
    """When the system began, in seconds since 1970."""
    with suppress(OSError, ValueError):
        for line in (_PROC / "stat").read_text().splitlines():
            if line.startswith("btime "):
                return float(line.split()[1])
    return 0.0


def _listed(pid: int) -> str:
    """The beginning of a process by `ps`, where there is no /proc; "" for one that does not run."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=5, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    state, _, began = done.stdout.strip().partition(" ")
    return "" if done.returncode or state.startswith("Z") else " ".join(began.split())
