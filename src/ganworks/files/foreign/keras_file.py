"""Files that Keras wrote in HDF5 (.h5), by h5py, which is not needed otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.core.machine import memory

_NEEDS = "Reading Keras files needs h5py: pip install 'ganworks[keras]', or pip install h5py."
_DEEPEST, _MOST = 12, 20_000  # groups within each other, and entries of a file


def tensors(path: Path) -> dict[str, Tensor]:
    """The weights of a file as "layer/weight", shapes as in Keras. What stands in other files is not followed.

    Shapes are checked before anything is read. Raises UsageError.
    """
    try:
        import h5py  # pyrefly: ignore[missing-import]
    except ImportError as error:
        raise UsageError(f"{path} is a Keras file. {_NEEDS}") from error
    try:
        with h5py.File(path, "r") as file:
            top = file.get("model_weights", file)
            found = dict(_walk(h5py, top, path, [0]))
            memory.check_bytes(2 * sum(data.size * 4 for data in found.values()), str(path))
            return {name: torch.from_numpy(data.astype("float32")[...]) for name, data in found.items()}
    except UsageError:
        raise
    except Exception as error:  # h5py raises KeyError, OSError, RuntimeError and others for files that are not sound
        raise UsageError(f"{path} is not a sound HDF5 file ({str(error)[:200]}). Use another copy.") from error


def _walk(h5py: Any, group: Any, path: Path, seen: list[int], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """("layer/weight", data set) of all below a group, each once its shape, type and place have been checked.

    seen: how many entries there were so far, in a list of one.
    """
    for name in group:
        seen[0] += 1
        if depth > _DEEPEST or seen[0] > _MOST:
            raise UsageError(f"{path} has groups within groups without end. Use another copy.")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UsageError(f"{path}: {name!r} is a link to somewhere else, which is not followed. Use another copy.")
        inside = group[name]
        if isinstance(inside, h5py.Group):
            yield from _walk(h5py, inside, path, seen, depth + 1)
        elif inside.dtype.kind == "f":
            _check(inside, path)
            layer = str(group.name).rpartition("/")[2]
            yield f"{layer}/{name.partition(':')[0]}", inside


def _check(data: Any, path: Path) -> None:
    """Raise UsageError for numbers that are not in this file: elsewhere, made up, or packed a hundredfold."""
    held = data.id.get_storage_size()
    if data.is_virtual or data.external or len(data.shape) > 8 or data.nbytes > 100 * held:
        raise UsageError(f"{path}: the numbers of {data.name!r} are not in the file itself. Use another copy.")
