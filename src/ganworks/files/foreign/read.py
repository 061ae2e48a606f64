"""Named tensors from a file in any of the forms in which networks are published."""

from __future__ import annotations

import stat
from pathlib import Path

import torch

from ganworks.core.errors import UsageError
from ganworks.core.machine import memory
from ganworks.files import weights
from ganworks.files.atomic import sha256
from ganworks.files.foreign import keras_file, torch_file
from ganworks.files.weights import Content

KERAS = "keras"  # the text "form" of what a Keras file held
_FORMS = "safetensors (.safetensors), PyTorch (.pth, .pt) and Keras (.h5, .hdf5)"


def read(path: str | Path) -> Content:
    """The tensors on the CPU, texts and SHA-256 of a file. Names are the file's own; of Keras "layer/weight".

    What holds code is not run: PyTorch's files are read by its reader of weights alone. Raises UsageError for a file
    that is not sound, is too large for the memory, or holds anything but finite tensors.
    """
    path = Path(path)
    form, size = _look(path)
    if form == "safetensors":
        return weights.load(path)
    memory.check_bytes(2 * size, str(path))
    tensors = torch_file.tensors(path) if form == "torch" else keras_file.tensors(path)
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if bad:
        raise UsageError(f"{path} holds NaN or infinite numbers, in {bad[0]!r} for one. Use another copy.")
    return Content(tensors, {"form": KERAS} if form == KERAS else {}, sha256(path), False)


def _look(path: Path) -> tuple[str, int]:
    """(form of a file by its first bytes, its size)."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is not a file. Name a file with the weights of a network.")
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror or error}.") from error
    if head.startswith(b"\x89HDF"):
        return KERAS, found.st_size
    if head.startswith((b"PK", b"\x80")):
        return "torch", found.st_size
    if head[8:9] == b"{":
        return "safetensors", found.st_size
    raise UsageError(
        f"{path} holds no weights in a form that is read here: {_FORMS}. If it was downloaded, it may be cut off, or "
        "be a web page in place of the file."
    )
