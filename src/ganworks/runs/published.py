"""The networks that a run publishes: safetensors files that are rebuilt and used without the data or the training.

The header of each file holds a card that describes the network:

{"format": 1, "networks": {...}, "spec": {...}, "seen": int, "recipe": str, "half_life": ..., "data": {...}}
as JSON. What a card names is checked before anything is imported or allocated for it. The folder itself, with its
states and its manifest, is `ganworks.runs.run`.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganworks.core.config import from_dict, to_dict
from ganworks.core.contracts import Networks, uses_of
from ganworks.core.encoding import JoinsPlayers
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.schema.plain import read_json, shaped
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.networks.building import build
from ganworks.runs.manifest import Manifest
from ganworks.runs.shapes import Card

_LARGEST_SETTING = 65536
_MOST_SETTINGS = 1024  # in one list
FILE = "generator.safetensors"
_FILES = {"G": FILE, "C": "classifier.safetensors", "E": "encoder.safetensors"}


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
    """The file of a player: G, C, E and G_back in generator, classifier, encoder and generator-back.safetensors."""
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


def load_applied(path: str | Path) -> Published:
    """The network of a run, or of a file, that is applied; of a run without one, its generator.

    An encoder is joined with the decoder that was published with it, in the same folder. Raises UsageError.
    """
    path = Path(path)
    cards = {} if not path.is_dir() else {n: read_card(weights.read_texts(path / n), path / n) for n in names(path)}
    fitting = sorted((n for n in cards if cards[n].get("use") == "apply"), key=lambda n: not cards[n].get("main"))
    found = load_net(path, fitting[0] if fitting else FILE)
    networks = from_dict(Any, found.card["networks"], f"{found.file}: networks")
    if found.use != "apply" or not isinstance(networks, JoinsPlayers):
        return found
    folder = path if path.is_dir() else path.parent
    beside = {p: load_net(folder, file_of(p)).net for p in uses_of(networks) if file_of(p) != found.file.name}
    return replace(found, net=networks.joined({**beside, str(found.card.get("player")): found.net}))


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


def rebuild(raw: Any, spec: Spec, tensors: dict[str, Tensor], file: Path, player: str = "G") -> nn.Module:
    """The network that the header describes, with fresh weights.

    Raises UsageError when the header names no networks, no such player, or far larger ones than the file holds.
    """
    networks = from_dict(Any, raw, f"{file}: networks")
    if not isinstance(networks, Networks):
        raise UsageError(f"{file}: {str(raw)[:100]} does not name networks.")
    most = 100 * sum(tensor.numel() for tensor in tensors.values()) + 10**8
    refusal = UsageError(f"{file}: its networks would need more than {most:.2g} parameters.")
    try:
        with torch.random.fork_rng([]):
            players = build(networks, spec, most, lambda: refusal)
    except GanworksError:
        raise
    except Exception as error:  # settings and a spec that nobody checked together may raise anything
        raise UsageError(f"{file}: networks cannot be built from its description: {error!r}.") from error
    if player not in players:
        raise UsageError(f"{file}: its networks have no player {player[:40]!r}.")
    return players[player]
