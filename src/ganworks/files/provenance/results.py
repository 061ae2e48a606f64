"""What ganworks made, by the note in it and by the records that folders of results keep: it is not taken for data, and
nothing else is overwritten.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Set as AbstractSet
from pathlib import Path

from ganworks.core.machine.places import TakenError
from ganworks.files.array_files import load_member
from ganworks.files.atomic import replace_file
from ganworks.files.provenance.reading import PICTURES, read

_HEAD, _TAIL = 16384, 8192  # bytes at both ends of a file in which the note stands
_NOTED = re.compile(rb"Software\0ganworks|software(?:\"|&quot;|&#34;): ?(?:\"|&quot;|&#34;)ganworks")
_RUN = frozenset(("manifest.json", "plan.json", "config.yaml"))
_RECORDS = {  # a folder of results keeps one of these files, with this among its first bytes
    "samples.json": b'"ganworks"',
    "done.jsonl": b'{"settings": ',
    "applied.jsonl": b'{"output": ',
    "examples.json": b'"ganworks"',
}


def is_run(names: AbstractSet[str]) -> bool:
    """Whether a folder that holds files of these names is a run."""
    return names >= _RUN


def is_result_folder(folder: Path, names: AbstractSet[str]) -> bool:
    """Whether a folder that holds files of these names is one of samples, of applied pictures or of examples."""
    return any(name in names and said in _ends(folder / name) for name, said in _RECORDS.items())


def is_result(path: Path, names: AbstractSet[str] = frozenset()) -> bool:
    """Whether ganworks wrote a picture, by the note in it, or another file, by the note beside it.

    names: the files of its folder, where they are known.
    """
    beside = [f"{path.name}.{word}.json" for word in ("mark", "unmarked")]
    noted = any(name in names if names else path.with_name(name).is_file() for name in beside)
    if noted or path.name.endswith((".mark.json", ".unmarked.json")):
        return True
    return path.suffix.lower() in PICTURES and bool(_NOTED.search(_ends(path)))


def _ends(path: Path) -> bytes:
    """The first and the last bytes of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if len(head) < _HEAD:
                return head
            file.seek(max(_HEAD, file.seek(0, os.SEEK_END) - _TAIL))
            return head + file.read(_TAIL)
    except OSError:
        return b""


def refuse_strange(path: Path, made: bool | None = None) -> None:
    """Raise TakenError when there is a file that ganworks did not write. made: whether it did, where that is known."""
    if not os.path.lexists(path) or path.is_dir():
        return
    if made is None:
        made = is_result(path) or _noted(path)
    if not made:
        said = f"{path} is there already, and nothing says that ganworks wrote it."
        raise TakenError(f"{said} Name another file, or move it away.")


def _noted(path: Path) -> bool:
    """Whether a file holds a note, or says that it was to have none."""
    try:
        if path.suffix.lower() == ".npz" and load_member(path, "marked") is not None:
            return True
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return bool({"mark.json", "samples.json"} & set(archive.namelist()))
        return read(path) is not None
    except Exception:  # what somebody else wrote may raise anything
        return False


def replace_result(path: Path, content: bytes) -> None:
    """Write a whole file; TakenError, and nothing is changed, when there is one that ganworks did not write.

    A file of the same bytes may be of any origin.
    """
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        refuse_strange(path)
    replace_file(path, content)
