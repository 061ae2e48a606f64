"""The warm start, `init=`: a training that begins from the weights of another one, or says why it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganworks.core.config import difference, to_dict
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.settings import Config
from ganworks.core.spec import Spec
from ganworks.files import weights
from ganworks.networks.building import build
from ganworks.runs import published
from ganworks.runs.run import Run
from ganworks.training import trial
from ganworks.training.engine import Engine

Shapes = dict[str, tuple[int, ...]]  # of the parameters and buffers of a player, by name
_MOST = 8  # causes that are named


def begin_from(engine: Engine, config: Config, spec: Spec, source: str) -> list[str]:
    """Take the weights of all players of a run's newest state, or of one player of a published file.

    Optimisers and counters start anew. config, spec: of the training that begins. source: a run folder, or a file such
    as generator.safetensors. Returns notes: what was wrong with newer states of the run, and whether the classes have
    other names there. Raises UsageError that names the causes when the networks are not the same.
    """
    path = Path(source)
    return _from_run(engine, config, spec, path) if path.is_dir() else _from_file(engine, config, spec, path)


def _from_run(engine: Engine, config: Config, spec: Spec, path: Path) -> list[str]:
    run = Run.open(path)
    found = run.load_state()
    if found is None:
        raise UsageError(f"init={path}: this run has no saved state yet.")
    old, there = run.config(), run.spec()
    causes = _causes(there, spec, to_dict(old.networks), to_dict(config.networks))
    if len(old.train.ema) != len(config.train.ema):
        causes.append(f"{len(old.train.ema)} averages there, {len(config.train.ema)} here (train.ema)")
    shapes = _built(old, there, config) if causes else {}
    here = {name: _shapes(net) for name, net in engine.nets.items()}
    others = {name for name in here if name in shapes and shapes[name] != here[name]}
    try:
        if others:
            raise GanworksError("The players have other parameters.")
        engine.load_weights(found[0], str(path))
    except GanworksError as error:
        raise _refusal(path, causes or [str(error)], shapes, here) from error
    return [*found[2], *_renamed(there, spec)]


def _from_file(engine: Engine, config: Config, spec: Spec, path: Path) -> list[str]:
    tensors, texts = weights.read(path)
    card: dict[str, Any] = published.read_card(texts, path) if "ganworks" in texts else {}
    player = str(card.get("player", "G"))
    if player not in engine.nets:
        raise UsageError(f"init={path} holds {player}; this game has {', '.join(engine.nets)}.")
    net = engine.nets[player]
    if weights.differences(net, tensors):
        there = Spec.from_dict(card["spec"]) if card else None
        causes = _causes(there, spec, card["networks"], to_dict(config.networks)) if there else []
        causes = causes or ["its header does not say for which data and networks it was trained, and the layers differ"]
        raise _refusal(path, causes, {player: _sizes(tensors)}, {player: _shapes(net)})
    weights.load_into(net, tensors)
    if player in engine.averaged:
        engine.restart_averages(player)
    return _renamed(Spec.from_dict(card["spec"]), spec) if card else []


def _causes(there: Spec, here: Spec, old: Any, new: Any) -> list[str]:
    """What differs between the data and the networks of two trainings, in words; old, new: the networks, plainly."""
    found = [f"examples of {there.kind} there, of {here.kind} here"] if there.kind != here.kind else []
    if there.num_classes != here.num_classes:
        found.append(f"{there.num_classes or 'no'} classes there, {here.num_classes or 'none'} here")
    for a, b, what in ((there.shape, here.shape, ""), (there.source, here.source, " given")):
        if a != b:
            found += _of_shapes(a, b, what)
    if old["is"] != new["is"]:
        found.append(f"{old['is']} there, {new['is']} here")
    else:
        found += [_changed(line) for line in difference(old, new, "networks")]
    differ = sorted(name for name in {*there.facts, *here.facts} if there.facts.get(name) != here.facts.get(name))
    return found + ([f"other facts of the data: {', '.join(differ)}"] if differ and not found else [])


def _of_shapes(there: tuple[int, ...], here: tuple[int, ...], what: str) -> list[str]:
    """The difference of two shapes: channels and pixels of pictures, whole shapes of others."""
    if len(there) != 3 or len(here) != 3:
        return [f"shape {_times(there)}{what} there, {_times(here)} here"]
    found = [f"{there[0]} channels{what} there, {here[0]} here"] if there[0] != here[0] else []
    sides = [f"{_times(there[1:])} pixels{what} there, {_times(here[1:])} here"] if there[1:] != here[1:] else []
    return found + sides


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "none"


def _changed(line: str) -> str:
    """The line `name: old -> new` in words."""
    name, _, values = line.partition(": ")
    old, _, new = values.partition(" -> ")
    return f"{name}: {old} there, {new} here"


def _built(old: Config, spec: Spec, config: Config) -> dict[str, Shapes]:
    """The shapes of the players of a run, which are built anew; empty where that is not possible."""
    most = trial.most_numbers(config.train)
    try:
        with torch.random.fork_rng(devices=[]):
            nets = build(old.networks, spec, most, lambda: trial.too_large(config.train))
    except Exception:  # networks of a plugin may raise anything
        return {}
    return {name: _shapes(net) for name, net in nets.items()}


def _shapes(net: nn.Module) -> Shapes:
    return _sizes(net.state_dict())


def _sizes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _refusal(path: Path, causes: list[str], there: dict[str, Shapes], here: dict[str, Shapes]) -> UsageError:
    """The error that names the causes, and how much of each player has the same shape in both trainings."""
    same = []
    for player in sorted(there.keys() & here.keys()):
        fits = sum(there[player].get(name) == shape for name, shape in here[player].items())
        same.append(f"{fits} of {len(here[player])} tensors of {player}")
    lines = [f"init={path} does not fit this training:", *causes[:_MOST]]
    lines += [f"and {len(causes) - _MOST} other differences"] if len(causes) > _MOST else []
    if any(not text.startswith("0 ") for text in same):
        lines.append(f"Of the same shape in both: {', '.join(same)}; a warm start takes all or none.")
    lines.append("Give this training the same data size, classes and networks, or leave init= out.")
    return UsageError("\n  ".join(lines))


def _renamed(there: Spec, here: Spec) -> list[str]:
    """A note where as many classes have other names than those that the weights were trained on."""
    if there.classes == here.classes or there.num_classes != here.num_classes:
        return []
    names = (", ".join(spec.classes[:5]) for spec in (there, here))
    return ["The weights were trained for the classes {}; they begin as {}.".format(*names)]
