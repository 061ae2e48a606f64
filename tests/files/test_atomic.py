"""Writing files: never through a link, whole or not at all; what dead processes left is removed, and nothing else."""

from __future__ import annotations

import ast
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganworks
from ganworks.core.errors import GanworksError
from ganworks.files import atomic

SOURCE = Path(ganworks.__file__).parent


@pytest.fixture
def link(tmp_path: Path) -> tuple[Path, Path]:
    """(a link, the file of the user's own to which it leads)."""
    own = tmp_path / "own.txt"
    own.write_text("mine")
    (tmp_path / "link").symlink_to(own)
    return tmp_path / "link", own


def test_a_link_is_replaced_and_its_target_stays(link):
    for write in (lambda path: atomic.replace_file(path, b"new"), lambda path: atomic.write_file(path, b"new")):
        path, own = link
        path.unlink()
        path.symlink_to(own)
        write(path)
        assert path.read_bytes() == b"new" and not path.is_symlink() and own.read_text() == "mine"


def test_lines_are_never_added_through_a_link(link):
    path, own = link
    with pytest.raises(GanworksError, match=r"link: it is a symbolic link.*Remove the link"):
        atomic.append(path, b"line\n")
    assert own.read_text() == "mine"
    atomic.append(own, b"line\n")
    assert own.read_text() == "mineline\n"


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(link):
    path, own = link
    target = path.parent / "new"
    atomic.temporary_beside(target).symlink_to(own)
    atomic.replace_file(target, b"new")
    assert own.read_text() == "mine" and target.read_bytes() == b"new"


def test_names_of_any_length_that_the_disk_takes_can_be_replaced(tmp_path):
    for name in ("a" * 255, "界" * 85, "\udcff" * 250):
        atomic.replace_file(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"
    with pytest.raises(GanworksError, match="too long"):
        atomic.replace_file(tmp_path / ("a" * 256), b"x")


def _left(folder: Path, process: int, here: str = "") -> Path:
    """A temporary file as a process leaves it."""
    name = atomic.temporary_beside(folder / "a.safetensors").name
    return folder / name.replace(f"-{os.getpid()}-", f"-{process}-").replace(atomic._here(), here or atomic._here())


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_only_what_dead_processes_of_this_machine_left_is_swept(tmp_path, dead):
    gone = [_left(tmp_path, dead), tmp_path / _left(tmp_path, dead).name.replace("a.safe", "b.safe")]
    kept = [
        _left(tmp_path, os.getpid()),
        _left(tmp_path, os.getppid()),
        _left(tmp_path, dead, here="0badcafe"),  # of another machine that shares the folder
        tmp_path / f".a.{dead}-1.gwtmp",
        tmp_path / "notes.gwtmp",
        tmp_path / ".report-x.html",
    ]
    gone[0].write_bytes(b"x")
    gone[1].mkdir()
    (gone[1] / "x.npy").write_bytes(b"x")
    for path in kept:
        path.write_bytes(b"x")
    assert atomic.sweep(tmp_path) == sorted(gone)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_link_with_such_a_name_is_removed_and_not_what_it_leads_to(tmp_path, dead):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").write_text("mine")
    _left(tmp_path, dead).symlink_to(tmp_path / "own")
    atomic.sweep(tmp_path)
    assert (tmp_path / "own" / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_the_first_file_in_a_folder_sweeps_it(tmp_path, dead):
    left = _left(tmp_path, dead)
    left.write_bytes(b"x")
    atomic.replace_file(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_temporary_file_goes_with_the_error(tmp_path):
    with pytest.raises(GanworksError, match="input/output error"), atomic.replacing(tmp_path / "a"):
        raise OSError(errno.EIO, "Input/output error")
    assert not list(tmp_path.iterdir())


def _writes(tree: ast.AST) -> set[str]:
    """Calls in a module that write files without going through `files.atomic`."""
    found = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        method = isinstance(call.func, ast.Attribute)
        name = call.func.attr if method else getattr(call.func, "id", "")
        given = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        opened = name == "open" and any(re.fullmatch(r"[wax][bt+]*|r[bt]*\+[bt]*", text) for text in given)
        if opened or name in ("save_file", "mkstemp") or (method and name in ("write_bytes", "write_text", "tofile")):
            found.add(name)
    return found


def test_every_file_is_written_through_one_module():
    """Others write into new temporary folders of their own, or hand an open file to a library or a process."""
    own = {"files/atomic.py", "files/packing/writer.py", "files/rasters/film.py", "kinds/video/data/writing.py"}
    own |= {"pretrained/fetch.py", "cli/trust/reproduce.py"}
    own |= {f"serve/{name}.py" for name in ("service", "jobs", "engine/uploads", "provenance")}
    own |= {f"studio/{name}.py" for name in ("making/answers", "trainings/jobs", "data/uploads")}
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        if name not in own:
            assert not _writes(ast.parse(path.read_text())), f"{name} writes a file by itself; use files.atomic"
