"""Files of torch.save, as zip archives and in the form before PyTorch 1.6, read as weights alone."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganworks.core.errors import UsageError

_INSIDE = ("state_dict", "model_state_dict", "model", "params_ema", "params")  # where checkpoints keep the weights
_MOST = 100_000  # entries of an archive


def tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file; those of a checkpoint that holds them beside other things, without "module.".

    The file may make memory be taken only for as many bytes as it has. Raises UsageError.
    """
    _check_archive(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the reader of weights alone raises whatever a file leads it to
        said = str(error).split("\n", 1)[0][:200]
        raise UsageError(
            f"{path} cannot be read as weights alone ({type(error).__name__}: {said}). It is damaged, or it holds "
            "whole objects or code, which are never opened here. Use a file that holds a state dict, or safetensors."
        ) from error
    return _checked(path, _named(found))


def _check_archive(path: Path) -> None:
    """Raise UsageError for an archive whose content would be larger than the file."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UsageError(f"{path} is a damaged archive ({str(error)[:100]}). Use another copy.") from error
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if packed or len(entries) > _MOST or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise UsageError(f"{path} is an archive, but not as PyTorch writes one (stored, not packed). Unpack it first.")


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
