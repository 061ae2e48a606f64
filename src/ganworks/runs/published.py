"""The networks that a run publishes: safetensors files that are rebuilt and used without the data or the training.

The header of each file holds a card that describes the network:

{"format": 1, "networks": {...}, "spec": {...}, "seen": int, "recipe": str, "half_life": ..., "data": {...}}
as JSON. What a card names is checked before anything is imported or allocated for it. The folder itself, with its
states and its manifest, is `ganworks.runs.run`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ganworks.core.config import from_dict, to_dict
from ganworks.core.contracts import Networks
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.schema.plain import read_json, shaped
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.runs.shapes import Card

_LARGEST_SETTING = 65536
_MOST_SETTINGS = 1024  # in one list
FILE = "generator.safetensors"
_FILES = {"G": FILE, "C": "classifier.safetensors"}


def save_generator(path: str | Path, generator: nn.Module, networks: Any, spec: Spec, **facts: Any) -> str:
    """Write `generator.safetensors`: tensors, and a header from which `Model.load` rebuilds the generator.

    networks: the frozen dataclass that built it. facts: seen, recipe, half_life, data, ... as plain types.
    Returns the file's SHA-256 in hex.
    """
    card = {"networks": to_dict(networks), **facts}
    return weights.write(path, generator.state_dict(), header(spec, card))


def header(spec: Spec, card: dict[str, Any]) -> dict[str, str]:
    """The metadata of a safetensors file that holds a card and the data's spec."""
    return {"ganworks": json.dumps({**card, "format": 1, "spec": spec.to_dict()})}


def file_of(player: str) -> str:
    """The file of a player: G, C and G_back in generator, classifier and generator-back.safetensors."""
    return _FILES.get(player) or f"{player.replace('G', 'generator', 1).replace('_', '-').lower()}.safetensors"


def locate(path: Path, name: str = FILE) -> tuple[Path, str | None]:
    """(file of a published network, its SHA-256 from the run's manifest or None)."""
    if not path.exists():
        raise UsageError(f"{path} does not exist. Name a run folder or a {name}.")
    if not path.is_dir():
        return path, None
    file = path / name
    if not file.exists():
        raise UsageError(f"{path} has no {name}. Is it a run folder, and has its training saved yet?")
    return file, _expected(path, file)


@dataclass(frozen=True)
class Published:
    """A network that a training published, rebuilt, with the spec of its data, its card and its file."""

    net: nn.Module
    spec: Spec
    card: dict[str, Any]
    file: Path

    @property
    def use(self) -> str:
        """The use of the network: "sample", "apply" or "predict"."""
        return str(self.card.get("use", "sample"))


def load_net(path: str | Path, name: str = FILE, *, allow_nonfinite: bool = False) -> Published:
    """The network in a run folder (its file `name`) or in a safetensors file; no data is needed.

    Raises UsageError for anything but an intact safetensors file whose header describes networks that fit.
    """
    file, expect = locate(Path(path), name)
    tensors, texts = weights.read(file, allow_nonfinite=allow_nonfinite, expect=expect)
    card = read_card(texts, file)
    spec = Spec.from_dict(card["spec"])
    net = rebuild(card["networks"], spec, tensors, file, str(card.get("player", "G")))
    weights.load_into(net, tensors, str(file))
    return Published(net, spec, card, file)


def published(folder: str | Path) -> dict[str, Published]:
    """All networks that a run has published, by player. Raises UsageError when there are none."""
    folder = Path(folder)
    found = [load_net(folder, path.name) for path in sorted(folder.glob("*.safetensors"))]
    if not found:
        locate(folder)
    return {str(entry.card.get("player", "G")): entry for entry in found}


def _expected(folder: Path, file: Path) -> str | None:
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return None
    try:
        raw = read_json(manifest.read_bytes(), str(manifest))
        files = raw.get("files", raw)
        entry = files.get(file.name)
        digest = entry.get("sha256") if isinstance(entry, dict) else entry
    except (OSError, UsageError, AttributeError) as error:
        raise UsageError(
            f"{manifest} is damaged ({str(error)[:100]}). Load {file} itself to use it unchecked."
        ) from error
    # A save replaces the generator first and the manifest last. When it was interrupted between the two, the
    # generator is the newer file; the digest that it carries in itself still guards it.
    interrupted = file.stat().st_mtime_ns > manifest.stat().st_mtime_ns and weights.is_sealed(file)
    return None if interrupted else digest


def read_card(texts: dict[str, str], file: Path) -> dict[str, Any]:
    """The header's description of the generator, checked."""
    if "ganworks" not in texts:
        raise UsageError(
            f"{file} holds tensors, but its header does not say which networks they belong to. "
            "It was not written by ganworks; build the networks yourself and use ganworks.files.weights.load_into."
        )
    where = f"{file}: its description"
    card = shaped(Card, read_json(texts["ganworks"], where), where)
    if card["format"] != 1:
        raise UsageError(f"{file} has the format {card['format']}; this ganworks reads format 1. Update ganworks.")
    _check_sizes(card["networks"], file)
    return card


def _check_sizes(raw: Any, file: Path) -> None:
    """Refuse settings beyond those of any network: they would only cost memory or time."""
    if isinstance(raw, dict | list):
        if len(raw) > _MOST_SETTINGS:
            raise UsageError(f"{file}: a list of its networks has {len(raw):,} entries, above {_MOST_SETTINGS}.")
        for item in raw.values() if isinstance(raw, dict) else raw:
            _check_sizes(item, file)
    elif isinstance(raw, int) and abs(raw) > _LARGEST_SETTING:
        raise UsageError(f"{file}: a setting of its networks is {str(raw)[:40]}, above {_LARGEST_SETTING}.")


class _Allowance(TorchFunctionMode):
    """Refuses a network that would need far more numbers than its file can hold, before the memory is taken.

    The networks are built once, for real. A trial on torch's meta device would ask for no memory, but loads torch's
    compiler on the way, which takes longer than all the rest of loading a network.
    """

    _MAKERS = frozenset(
        ("empty", "zeros", "ones", "full", "rand", "randn", "new_empty", "new_zeros", "new_ones", "new_full")
    )

    def __init__(self, most: int, file: Path):
        super().__init__()
        self.left, self.most, self.file = most, most, file

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in self._MAKERS:
            self.left -= _count(args, kwargs or {})
            if self.left < 0:
                raise UsageError(f"{self.file}: its networks would need more than {self.most:.2g} parameters.")
        return func(*args, **(kwargs or {}))


def _count(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Elements of the tensor that a call such as torch.zeros(2, 3) or x.new_zeros((2, 3)) makes."""
    sizes = [*args[isinstance(args[0], Tensor) if args else 0 :], *([kwargs["size"]] if "size" in kwargs else [])]
    first = sizes[0] if sizes else ()
    return math.prod(first if isinstance(first, tuple | list) else sizes)


def rebuild(raw: Any, spec: Spec, tensors: dict[str, Tensor], file: Path, player: str = "G") -> nn.Module:
    """The network that the header describes, with fresh weights.

    Raises UsageError when the header names no networks, no such player, or far larger ones than the file holds.
    """
    networks = from_dict(Any, raw, f"{file}: networks")
    if not isinstance(networks, Networks):
        raise UsageError(f"{file}: {str(raw)[:100]} does not name networks.")
    held = sum(tensor.numel() for tensor in tensors.values())
    try:
        with torch.random.fork_rng([]), _Allowance(100 * held + 10**8, file):
            players = networks.build(spec)
    except GanworksError:
        raise
    except Exception as error:  # settings and a spec that nobody checked together may raise anything
        raise UsageError(f"{file}: networks cannot be built from its description: {error!r}.") from error
    if player not in players:
        raise UsageError(f"{file}: its networks have no player {player[:40]!r}.")
    return players[player]
