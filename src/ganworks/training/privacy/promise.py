"""Differentially private training (DP-SGD): what may be trained so, and the epsilon that it spends.

Two data sets are neighbours when one has one example more. Each noisy update takes every training example with the
same probability, on its own (Poisson sampling: `core.order.Order.chance`), clips the gradient of each, and adds noise
to their sum (Abadi et al. 2016, arXiv 1607.00133). That bounds what one example does only if its gradient is its own,
and if nothing else learns from the data; both are tried here on a throw-away engine.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ganworks.core.contracts import LossFn
from ganworks.core.errors import UsageError
from ganworks.core.settings import Config
from ganworks.layers.mixing import mixing
from ganworks.metrics.dp_accountant import Releases, epsilon
from ganworks.training.engine import Engine
from ganworks.training.trial import batch_of, phases

_TRIED = 8  # examples of a trial


@runtime_checkable
class DrawsExamples(Protocol):
    """A domain whose batches may hold examples that it draws itself, beside or instead of those of `indices`."""

    @property
    def draws(self) -> str:
        """The end of a sentence that says so and what to do, or "" where these settings draw none."""


def refuse_leaks(engine: Engine) -> None:
    """Raise UsageError when this private training would learn more of an example than its noisy updates tell."""
    if not engine.private:
        return
    config = engine.config
    if isinstance(config.domain, DrawsExamples) and config.domain.draws:
        said = config.domain.draws
        raise UsageError(f"clip_each: every example has to be drawn with the same probability, and {said}")
    for _ in phases(engine):
        with batch_of(engine, _TRIED):
            for turn, (players, loss) in enumerate(config.game.turns(0, engine.progress)):
                _refuse(engine, turn, players, loss)


def _refuse(engine: Engine, turn: int, players: tuple[str, ...], loss: LossFn) -> None:
    engine.freeze_all_but(players)
    if not engine.private.intersection(players):
        return _refuse_plain(engine, turn, players, loss)
    # a layer may begin without effect, or take packs of another size than this trial
    wrong = " and ".join(kind for name in players for kind in mixing(engine.nets[name]))
    if wrong := wrong or _joined(engine, turn, loss):
        raise UsageError(
            f"clip_each: in {wrong}, the loss of one example depends on others of its batch, so that its gradient is "
            f"not its own. {_remedy(engine, players)}"
        )
    return None


def _refuse_plain(engine: Engine, turn: int, players: tuple[str, ...], loss: LossFn) -> None:
    """Raise UsageError when a turn without noise learns from examples."""
    places = engine.sampled.some(2 * _TRIED)
    before, after = (_terms(engine, turn, loss, part) for part in (places[:_TRIED], places[_TRIED:]))
    if changed := _changed(before, after, 0):
        side = "g" if players[0].upper().startswith("G") else "d"
        raise UsageError(
            f"clip_each: {' and '.join(players)} would learn from examples without noise, by {changed}. "
            f"Give {side}.clip_each and {side}.noise too, or settings by which {players[0]} does not see examples."
        )


def _joined(engine: Engine, turn: int, loss: LossFn) -> str:
    """The name of a term that has no value for each example, or in which that of one depends on another; or ""."""
    places = engine.sampled.some(_TRIED + 1)
    before = _terms(engine, turn, loss, places[:_TRIED])
    wrong = next((name for name, term in before.items() if term.shape != (_TRIED,)), "")
    other = np.concatenate([places[_TRIED:], places[1:_TRIED]])
    return wrong or _changed(before, _terms(engine, turn, loss, other), 1)


def _terms(engine: Engine, turn: int, loss: LossFn, places: np.ndarray) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        engine.seed_layers(turn)
        found = engine.losses(loss, engine.batch_at(turn, 0, places))
    return {name: term.detach().float() for name, term in found.items() if not name.startswith("_")}


def _changed(before: dict[str, Tensor], after: dict[str, Tensor], first: int) -> str:
    """The name of a term that differs from entry `first` on, or ""."""
    for name, term in before.items():
        a, b = (x.reshape(-1)[first:] for x in (term, after[name]))
        if not torch.allclose(a, b, rtol=1e-3, atol=1e-5 * float(term.abs().max().clamp_min(1e-3))):
            return name
    return ""


def _remedy(engine: Engine, players: tuple[str, ...]) -> str:
    """What to set so that the layers of these players, or of others in their turn, leave examples apart."""
    nets = [engine.nets[name] for name in (*players, *engine.nets)]
    found = [getattr(m, "mixes_examples", None) for net in nets for m in net.modules()]
    told = list(dict.fromkeys(f for f in found if isinstance(f, str)))
    return (
        f"Set {' and '.join(told)}." if told else "Choose networks without batch norm, and losses of single examples."
    )


def releases(config: Config, count: int, seen: int, total: int) -> list[Releases]:
    """The noisy updates of a training on `count` examples after `seen` of `total`."""
    batch, made = config.train.batch, Counter[float]()
    private = {side: getattr(config, side) for side in ("g", "d")}
    for step in range(-(-seen // batch)):
        for players, _ in config.game.turns(step, min(1.0, step * batch / total)):
            for side in {"g" if name.upper().startswith("G") else "d" for name in players}:
                if private[side].clip_each:
                    made[private[side].noise] += 1
    return [Releases(min(1.0, batch / count), noise, steps) for noise, steps in made.items()]


def promised(config: Config, count: int, seen: int, total: int) -> list[str]:
    """A sentence with the privacy guarantee of a training on `count` examples; empty if it is not private."""
    if not config.g.clip_each and not config.d.clip_each:
        return []
    made = releases(config, count, seen, total)
    if any(not r.noise for r in made):
        return ["No differential privacy: gradients are clipped (clip_each), but one side has no noise."]
    delta, rate = 10.0 ** math.floor(-math.log10(count) - 0.5), min(1.0, config.train.batch / count)
    return [
        f"Differential privacy for one example more or less: epsilon {epsilon(made, delta):.2f} at delta {delta:g}, "
        f"for {sum(r.steps for r in made):,} noisy updates, each of which takes every example with a probability of "
        f"{rate:.2%} (Poisson sampling, Renyi accounting). It covers the networks. What is read from the data before "
        "the training, such as sizes, values, limits and shares, is taken as it is, and so is the choice of the best "
        "snapshot."
    ]
