"""The networks that a run publishes: safetensors files that are rebuilt and used without the data or the training.

The header of each file holds a card that describes the network:

{"format": 1, "networks": {...}, "spec": {...}, "seen": int, "recipe": str, "half_life": ..., "data": {...}}
as JSON. What a card names is checked before anything is imported or allocated for it. The folder itself, with its
states and its manifest, is `ganworks.runs.run`.
"""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ganworks.core.config import from_dict, to_dict
from ganworks.core.contracts import Networks
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.runs.manifest import Manifest

_LARGEST_SETTING = 65536
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


def locate(path: Path, name: str = FILE) -> Path:
    """The file of a published network: the path itself, or the file `name` of a run folder. Raises UsageError."""
    if not path.exists():
        raise UsageError(f"{path} does not exist. Name a run folder or a {name}.")
    if path.is_dir() and not (path / name).exists():
        raise UsageError(f"{path} has no {name}. Is it a run folder, and has its training saved yet?")
    return path / name if path.is_dir() else path


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

    Raises UsageError for anything but an intact safetensors file whose header describes networks that fit. Warns when
    the file is intact but not the one that the run's manifest names.
    """
    file = locate(Path(path), name)
    tensors, texts = _content(file, Path(path).is_dir(), allow_nonfinite)[:2]
    card = read_card(texts, file)
    spec = Spec.from_dict(card["spec"])
    net = rebuild(card["networks"], spec, tensors, file, str(card.get("player", "G")))
    weights.load_into(net, tensors, str(file))
    return Published(net, spec, card, file)


def published(folder: str | Path) -> dict[str, Published]:
    """All networks that a run has published, by player. Raises UsageError when there are none."""
    folder = Path(folder)
    found = [load_net(folder, name) for name in names(folder)]
    if not found:
        locate(folder)
    return {str(entry.card.get("player", "G")): entry for entry in found}


def names(folder: Path) -> list[str]:
    """The files of a folder's published networks: those that the manifest names, or that name their own player.

    Other safetensors files in the folder are the user's.
    """
    manifest = Manifest(folder)
    if manifest.path.exists():
        manifest.read()
    return [p.name for p in sorted(folder.glob("*.safetensors")) if p.name in manifest.files or _is_own(p)]


def _is_own(file: Path) -> bool:
    try:
        return file_of(str(read_card(weights.read_texts(file), file).get("player", "G"))) == file.name
    except UsageError:
        return False


def _content(file: Path, in_run: bool, allow_nonfinite: bool) -> weights.Content:
    """What a published file holds, compared with the manifest of its run folder, where there is one."""
    manifest = Manifest(file.parent)
    if not in_run or not manifest.path.exists():
        return weights.load(file, allow_nonfinite=allow_nonfinite)
    manifest.read()

    def attempt() -> tuple[tuple[weights.Content, str], bool]:
        found = manifest.tensors(file.name, allow_nonfinite=allow_nonfinite)
        return found, not found[1]

    content, note = manifest.steadily(attempt)
    if note:
        warnings.warn(note, stacklevel=4)
    return content


def read_card(texts: dict[str, str], file: Path) -> dict[str, Any]:
    """The header's description of the generator, checked."""
    if "ganworks" not in texts:
        raise UsageError(
            f"{file} holds tensors, but its header does not say which networks they belong to. "
            "It was not written by ganworks; build the networks yourself and use ganworks.files.weights.load_into."
        )
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
    """Refuse settings beyond those of any network: they would only cost memory or time."""
    if isinstance(raw, dict | list):
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
    with torch.random.fork_rng([]), _Allowance(100 * held + 10**8, file):
        players = networks.build(spec)
    if player not in players:
        raise UsageError(f"{file}: its networks have no player {player[:40]!r}.")
    return players[player]
