"""Membership inference through the networks: a discriminator has seen the training examples, and may score them higher.

Hayes et al. 2019 (LOGAN, arXiv 1705.07663, section 4). D is the one of the newest saved state; its scores are the
logits that the game itself reports of real examples in D's turn, with members and others mixed in each batch. A
generator that knows the likelihood of examples is asked for it in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganworks.core.abilities.auditing import KnowsLikelihood
from ganworks.core.chance import seeded
from ganworks.core.contracts import Work
from ganworks.core.errors import GanworksError
from ganworks.core.spec import Batch, Draw, key
from ganworks.runs.run import Run
from ganworks.training.engine import Engine
from ganworks.training.privacy.promise import DrawsExamples
from ganworks.training.setup import Builder

MOST = 2000  # members, and others
TRIES = 2  # draws of the augmentation and of the fakes beside an example


class NotAskedError(Exception):
    """Why the discriminator cannot be asked; a sentence."""


Ask = Callable[[Engine, Batch], Tensor]  # (players, batch) -> scores [B]


def scores(
    engine: Engine, ask: Ask, data: Any, members: np.ndarray, others: np.ndarray, work: Work
) -> tuple[np.ndarray, np.ndarray]:
    """What networks say of members [m] and of others [n], indices of the data set. Raises NotAskedError."""
    rng = np.random.default_rng(key("critic", len(members)))
    asked = np.concatenate([members, others])
    total = np.zeros(len(asked))
    for attempt in range(TRIES):
        order = rng.permutation(len(asked))
        total[order] += _in_batches(engine, ask, data, asked[order], attempt, work) / TRIES
    return total[: len(members)], total[len(members) :]


def saved_engine(run: Run, config: Any, data: Any, source: Any, work: Work) -> Engine:
    """The players of the newest saved state."""
    if isinstance(config.domain, DrawsExamples) and config.domain.draws:
        raise NotAskedError(f"the discriminator's batches cannot be chosen: {config.domain.draws}")
    try:
        found, plan = run.load_state(), run.plan()
        if found is None:
            raise NotAskedError("the run has saved no state, and so no discriminator.")
        engine = Builder(config, data, source, {}, work).engine(False, plan["total"], resumes=True)
        engine.load(found[0], found[1])
    except GanworksError as error:
        raise NotAskedError(f"the saved state cannot be used: {error}") from error
    return engine


def _in_batches(engine: Engine, ask: Ask, data: Any, indices: np.ndarray, attempt: int, work: Work) -> np.ndarray:
    """Scores [n]; the last batch is filled up with others, as batches have one size in a training."""
    size, parts = engine.batch, []
    for start in range(0, len(indices), size):
        work("Asking the networks", start, len(indices))
        part = indices[start : start + size]
        seed = key("critic", attempt, start)
        with seeded(seed):
            said = ask(engine, _batch(engine, data, np.resize(np.concatenate([part, indices]), size), seed))
        parts.append(said.detach().double().cpu().numpy()[: len(part)])
    work("Asking the networks", len(indices), len(indices))
    return np.concatenate(parts)


def logits(engine: Engine, batch: Batch) -> Tensor:
    """The logits [B] of real examples in the first turn of D that reports one for each of them."""
    for players, loss in engine.game.turns(0, 1.0):
        if any(name.upper().startswith("D") for name in players):
            engine.freeze_all_but(players)
            said = engine.losses(loss, batch).get("_real")
            if said is not None and len(said) == batch.size:
                return said.flatten(1).mean(1) if said.dim() > 1 else said
    raise NotAskedError("the game has no turn in which a discriminator scores single examples.")


def likelihood(engine: Engine, batch: Batch) -> Tensor:
    """How likely the generator finds examples [B], as its game says."""
    game = engine.game
    with torch.no_grad():
        said = game.likelihood_of(engine.nets, batch) if isinstance(game, KnowsLikelihood) else None
    if said is None:
        raise NotAskedError("it knows the likelihood of no example.")
    return said


def _batch(engine: Engine, data: Any, indices: np.ndarray, seed: int) -> Batch:
    own = Draw(key(seed, "data"), len(indices), slice(None))
    values = engine.config.domain.batch(data, indices, own)
    values = {name: value.to(engine.device) for name, value in values.items()}
    draw = Draw(seed, len(indices), slice(None), engine.device)
    return Batch(lambda: values, draw, size=len(indices), progress=1.0, num_classes=engine.num_classes)
