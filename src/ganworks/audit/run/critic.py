"""Membership inference through the discriminator: it has seen the training examples, and may score them higher.

Hayes et al. 2019 (LOGAN, arXiv 1705.07663, section 4). D is the one of the newest saved state; its scores are the
logits that the game itself reports of real examples in D's turn, with members and others mixed in each batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

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


def scores(
    run: Run, config: Any, data: Any, source: Any, members: np.ndarray, others: np.ndarray, work: Work
) -> tuple[np.ndarray, np.ndarray]:
    """D's scores of members [m] and of others [n], indices of the data set. Raises NotAskedError."""
    engine = saved_engine(run, config, data, source, work)
    rng = np.random.default_rng(key("critic", len(members)))
    asked = np.concatenate([members, others])
    total = np.zeros(len(asked))
    for attempt in range(TRIES):
        order = rng.permutation(len(asked))
        total[order] += _of_turn(engine, data, asked[order], attempt, work) / TRIES
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
    for name, net in engine.nets.items():
        net.requires_grad_(name.upper().startswith("D"))
    return engine


def _of_turn(engine: Engine, data: Any, indices: np.ndarray, attempt: int, work: Work) -> np.ndarray:
    """The logits [n] of real examples in the first turn that reports one for each of them."""
    batch, parts = engine.batch, []
    for start in range(0, len(indices), batch):
        work("Asking the discriminator", start, len(indices))
        part = indices[start : start + batch]
        filled = np.concatenate([part, indices[: batch - len(part)]]) if len(part) < batch else part
        filled = np.resize(filled, batch)
        parts.append(_logits(engine, data, filled, key("critic", attempt, start)).numpy()[: len(part)])
    work("Asking the discriminator", len(indices), len(indices))
    return np.concatenate(parts).astype(np.float64)


def _logits(engine: Engine, data: Any, indices: np.ndarray, seed: int) -> Tensor:
    batch = _batch(engine, data, indices, seed)
    with seeded(seed):
        for players, loss in engine.game.turns(0, 1.0):
            if not any(name.upper().startswith("D") for name in players):
                continue
            engine.freeze_all_but(players)
            said = engine.losses(loss, batch).get("_real")
            if said is None or len(said) != len(indices):
                continue
            return said.detach().float().flatten(1).mean(1).cpu() if said.dim() > 1 else said.detach().float().cpu()
    raise NotAskedError("the game has no turn in which a discriminator scores single examples.")


def _batch(engine: Engine, data: Any, indices: np.ndarray, seed: int) -> Batch:
    own = Draw(key(seed, "data"), len(indices), slice(None))
    values = engine.config.domain.batch(data, indices, own)
    values = {name: value.to(engine.device) for name, value in values.items()}
    draw = Draw(seed, len(indices), slice(None), engine.device)
    return Batch(lambda: values, draw, size=len(indices), progress=1.0, num_classes=engine.num_classes)
