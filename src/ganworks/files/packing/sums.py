"""Sums of the files of a pack, by which a flipped bit is noticed before it is trained on.

sums.json holds the CRC-32 of every other file of the folder. Packs of up to EACH_TIME bytes are read through whenever
they are opened, larger ones once in DAYS: the time of sums.json is that of the last reading.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ganworks.core.errors import UsageError
from ganworks.core.machine import devices
from ganworks.core.schema.plain import read_json
from ganworks.files.atomic import replace_file

FILE = "sums.json"
EACH_TIME = 1 << 30
DAYS = 1.0
_PIECE = 1 << 20
_BLOCK = 1 << 26  # bytes that one thread reads


def write(folder: Path) -> None:
    """Write the sums of a pack that was just written. Raises OSError or GanworksError."""
    replace_file(folder / FILE, json.dumps(_sums(folder)))


def harm(folder: Path) -> str:
    """What is wrong with a pack, or "". A pack without sums, of an older version, gets them."""
    if not (folder / FILE).exists():
        write(folder)
        return ""
    if _checked(folder):
        return ""
    try:
        known, found = read_json((folder / FILE).read_bytes(), FILE), _sums(folder)
    except (OSError, UsageError):
        return "a file cannot be read"
    if known != found:
        return "its content is no longer what was written"
    with suppress(OSError):
        os.utime(folder / FILE)
    return ""


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != FILE and not path.name.startswith("."))


def _checked(folder: Path) -> bool:
    """Whether a large pack was read through a short while ago, and not written since."""
    facts = [path.stat() for path in _files(folder)]
    last = (folder / FILE).stat().st_mtime
    recent = max(fact.st_mtime for fact in facts) <= last <= time.time() < last + DAYS * 86_400
    return recent and sum(fact.st_size for fact in facts) > EACH_TIME


def _sums(folder: Path) -> dict[str, list[int]]:
    """File name -> the CRC-32 of each of its blocks."""
    files = _files(folder)
    jobs = [(path, start) for path in files for start in range(0, max(1, path.stat().st_size), _BLOCK)]
    with ThreadPoolExecutor(min(8, devices.cores(), len(jobs) or 1)) as pool:
        found = list(pool.map(_sum, jobs))
    return {path.name: [s for (p, _), s in zip(jobs, found, strict=True) if p is path] for path in files}


def _sum(job: tuple[Path, int]) -> int:
    path, start = job
    total = 0
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        for _ in range(_BLOCK // _PIECE):
            total = zlib.crc32(file.read(_PIECE), total)
    return total
