"""The card in the header of `generator.safetensors`, from which a generator is rebuilt without its data or
code.

{"format": 1, "networks": {...}, "spec": {...}, "seen": int, "recipe": str, "half_life": ..., "data": {...}}
as JSON. What a card names is checked before anything is imported or allocated for it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ganworks import weights
from ganworks.config import from_dict, to_dict
from ganworks.data.spec import Spec
from ganworks.errors import UsageError

_LARGEST_SETTING = 65536
FILE = "generator.safetensors"


def save_generator(path: str | Path, generator: nn.Module, networks: Any, spec: Spec, **facts: Any) -> str:
    """Write `generator.safetensors`: tensors, and a header from which `Model.load` rebuilds the generator.

    networks: the frozen dataclass that built it. facts: seen, recipe, half_life, data, ... as plain types.
    Returns the file's SHA-256 in hex.
    """
    card = {"networks": to_dict(networks), **facts}
    return weights.write(path, generator.state_dict(), header(spec, card))


def header(spec: Spec, card: dict[str, Any]) -> dict[str, str]:
    return {"ganworks": json.dumps({**card, "format": 1, "spec": spec.to_dict()})}


def locate(path: Path) -> tuple[Path, str | None]:
    """(generator file, its SHA-256 from the run's manifest or None)."""
    if not path.exists():
        raise UsageError(f"{path} does not exist. Name a run folder or a {FILE}.")
    if not path.is_dir():
        return path, None
    file = path / FILE
    if not file.exists():
        raise UsageError(f"{path} has no {FILE}. Is it a run folder, and has its training saved yet?")
    return file, _expected(path, file)


def _expected(folder: Path, file: Path) -> str | None:
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return None
    try:
        raw = json.loads(manifest.read_text(encoding="utf-8"))
        files = raw.get("files", raw)
        entry = files.get(FILE)
        digest = entry.get("sha256") if isinstance(entry, dict) else entry
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError(f"{manifest} is damaged ({str(error)[:100]}). Load {file} itself to use it "
                         f"unchecked.") from error
    # A save replaces the generator first and the manifest last. When it was interrupted between the two, the
    # generator is the newer file; the digest that it carries in itself still guards it.
    interrupted = file.stat().st_mtime_ns > manifest.stat().st_mtime_ns and weights.is_sealed(file)
    return None if interrupted else digest


def read_card(texts: dict[str, str], file: Path) -> dict[str, Any]:
    """The header's description of the generator, checked."""
    if "ganworks" not in texts:
        raise UsageError(f"{file} holds tensors, but its header does not say which networks they belong to. "
                         f"It was not "
                         "written by ganworks; build the networks yourself and use "
                         "ganworks.weights.load_into.")
    try:
        card = json.loads(texts["ganworks"])
        version, _ = card["format"], (card["networks"], card["spec"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{file}: its description is damaged ({error!r}).") from error
    if version != 1:
        raise UsageError(f"{file} has the format {version!r}; this ganworks reads format 1. Update ganworks.")
    _check_sizes(card["networks"], file)
    return card


def _check_sizes(raw: Any, file: Path) -> None:
    """Refuse settings that no network has: they would only cost memory or time."""
    if isinstance(raw, dict | list):
        for item in raw.values() if isinstance(raw, dict) else raw:
            _check_sizes(item, file)
    elif isinstance(raw, int) and abs(raw) > _LARGEST_SETTING:
        raise UsageError(f"{file}: a setting of its networks is {str(raw)[:40]}, above {_LARGEST_SETTING}.")


class _NoDraws(TorchFunctionMode):
    """Leaves out random initialisation: tensors without memory need none, and torch would load its compiler for it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "xavier_uniform_"):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def rebuild(raw: Any, spec: Spec, tensors: dict[str, Tensor], file: Path) -> nn.Module:
    """The generator that the header describes; first without memory, to refuse what does not fit."""
    networks = from_dict(Any, raw, f"{file}: networks")
    if not hasattr(networks, "build"):
        raise UsageError(f"{file}: {str(raw)[:100]} does not name networks.")
    try:
        with torch.device("meta"), _NoDraws():
            players = networks.build(spec)
    except (NotImplementedError, RuntimeError):
        players = {}  # a network that needs real numbers while it is built
    if players:
        weights.check_fits(players["G"], tensors, str(file))
        numbers = {name: sum(p.numel() for p in player.parameters()) for name, player in players.items()}
        if sum(numbers.values()) > 100 * numbers["G"] + 10**8:
            raise UsageError(f"{file}: its networks would need {sum(numbers.values()):.2g} parameters.")
    with torch.random.fork_rng([]):
        return networks.build(spec)["G"]
