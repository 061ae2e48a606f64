"""Runs a program on a disk of its own that is small, has few inodes, or is read-only: a tmpfs that only it sees."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


def on_disk(folder: Path, options: str, program: str, *words: str, limit: str = "") -> subprocess.CompletedProcess[str]:
    """Run a Python program with a tmpfs mounted on `folder`; its words are in sys.argv. Skips where this cannot be.

    options: of the mount, such as "size=64k" or "ro". limit: a command of the shell before it, such as "ulimit -f 10".
    """
    mount = f"mount -t tmpfs -o {options} none {shlex.quote(str(folder))} || exit 77"
    run = shlex.join([sys.executable, "-c", program, *words])
    script = f"{mount}; {limit or ':'}; exec {run}"
    where = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = ["unshare", "-Urm", "sh", "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=where, cwd=folder.parent)
    except FileNotFoundError:
        pytest.skip("no program can be given a disk of its own here")
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip("no program can be given a disk of its own here")
    return done
