"""Files of torch.save, as zip archives and in the form before PyTorch 1.6, read as weights alone."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganworks.core.errors import UsageError

_INSIDE = ("state_dict", "model_state_dict", "model", "params_ema", "params")  # where checkpoints keep the weights
_MOST = 100_000  # entries of an archive
_OLD_PARTS = 5  # pickles at the beginning of a file of the older form: two marks, sizes, the content, its storages
_NAMING = ("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4")
_WEIGHTS = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)|torch\.\w+Storage"
    r"|torch\.storage\.\w+Storage|torch\.(b?float|u?int|complex)\d+|torch\.bool|torch\.Size|torch\.nn\.parameter\.Parameter"
)


def tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file; those of a checkpoint that holds them beside other things, without "module.".

    The file may make memory be taken only for as many bytes as it has. Raises UsageError.
    """
    try:
        _check_names(path, _pickles(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except UsageError:
        raise
    except Exception as error:  # the readers of pickles raise whatever a file leads them to
        raise UsageError(
            f"{path} cannot be read as weights alone ({type(error).__name__}). It is damaged or cut off, or it holds "
            "more than weights. Use another copy, or a safetensors file."
        ) from error
    return _checked(path, _named(found))


def _pickles(path: Path) -> list[bytes]:
    """The parts of a file that name classes: of an archive one, of the older form the five at its beginning.

    Raises UsageError for an archive whose content would be larger than the file.
    """
    if not zipfile.is_zipfile(path):
        return _first_pickles(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or len(entries) > _MOST or sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise UsageError(
                f"{path} is an archive, but not as PyTorch writes one (stored, not packed). Unpack it first."
            )
        return [archive.read(entry) for entry in entries if entry.filename.endswith(".pkl")]


def _first_pickles(content: bytes) -> list[bytes]:
    """The pickles one behind the other at the beginning of a file, before its numbers."""
    found, stream = [], io.BytesIO(content)
    for _ in range(_OLD_PARTS):
        start = stream.tell()
        for _ in pickletools.genops(stream):
            pass
        found.append(content[start : stream.tell()])
    return found


def _check_names(path: Path, pickles: list[bytes]) -> None:
    """Raise UsageError for what names anything but tensors and tables; some harmless classes make memory be taken."""
    for content in pickles:
        for code, argument, _ in pickletools.genops(content):
            named = str(argument).replace(" ", ".") if code.name == "GLOBAL" else code.name
            if code.name in _NAMING and not _WEIGHTS.fullmatch(named):
                raise UsageError(
                    f"{path} holds more than weights: it names {named[:100]!a}. What is not a tensor is never "
                    "opened, as it can run code. Use a file that holds a state dict, or safetensors."
                )


def _named(found: Any) -> dict[str, Any]:
    for name in _INSIDE:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
            break
    if not isinstance(found, Mapping):
        return {}
    named = {name: value for name, value in found.items() if isinstance(name, str)}
    if named and all(name.startswith("module.") for name in named):
        named = {name.removeprefix("module."): value for name, value in named.items()}
    return named


def _checked(path: Path, named: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors among these values, which must be dense and no larger than what the file holds of them."""
    kept = {name: value.detach() for name, value in named.items() if isinstance(value, Tensor)}
    if not kept:
        raise UsageError(f"{path} holds no named tensors. Use a file that holds a state dict.")
    total = 0
    for name, value in kept.items():
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        total += value.numel() * value.element_size()
        if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise UsageError(f"{path}: {name!r} is no plain tensor of numbers that are in the file. Use another copy.")
    if total > 4 * path.stat().st_size:
        raise UsageError(f"{path} names the same numbers many times over. Use another copy.")
    return kept
