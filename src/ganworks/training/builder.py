"""Makes engines, and the closures around them that look at data and write to the run: pictures, scores, headers."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import ganworks
from ganworks.core import devices
from ganworks.core.config import to_dict
from ganworks.core.contracts import Evaluator, Nets, Work, facts_for_card, uses_of
from ganworks.core.errors import UsageError
from ganworks.core.order import Order
from ganworks.core.settings import Budget, Config
from ganworks.core.spec import key
from ganworks.files import weights
from ganworks.files.atomic import replace_file
from ganworks.files.packing.feed import DataFeed
from ganworks.runs import published
from ganworks.runs.run import Run
from ganworks.training import calibration
from ganworks.training.engine import Engine
from ganworks.training.health import Watch, spread
from ganworks.training.session import Session, Weights


@dataclass
class Job:
    """A training ready to start: `session.events()` runs it."""

    session: Session
    run: Run
    config: Config
    data: Any
    judged: bool = True  # whether there is enough to judge by


class Builder:
    """Makes engines and the closures around them."""

    def __init__(self, config: Config, dataset: Any, source: Any, modules: Mapping[str, nn.Module], work: Work):
        self.config, self.data, self.source, self.modules, self.work = config, dataset, source, modules, work
        self.device = devices.pick_device(config.train.device)
        if config.train.threads:
            torch.set_num_threads(config.train.threads)
        self.budget = Budget.parse(config.train.budget)
        self.order = Order(len(dataset.train), key(config.train.seed, "order"))

    @cached_property
    def evaluator(self) -> Evaluator:
        """Looks at what the trained players make; prepared once for all sessions of this builder."""
        return self.config.domain.evaluator(self.data, self.source, self.config, self.work)

    @property
    def makes(self) -> dict[str, str]:
        """The players that are of use after the training, the main one first, and what for."""
        return uses_of(self.config.networks)

    def nets(self) -> dict[str, nn.Module]:
        """Fresh players, initialised from the seed; the caller's own modules in place of named ones."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(self.config.train.seed, "init"))
            nets = self.config.networks.build(self.data.spec)
        unknown = set(self.modules) - set(nets)
        if unknown:
            raise UsageError(f"{sorted(unknown)} are no players of this game; it has {sorted(nets)}.")
        for name, module in self.modules.items():
            nets[name] = copy.deepcopy(module)
        return nets

    def engine(self, bf16: bool, total: int) -> Engine:
        feed = DataFeed(self.data, self.order, self.config.domain.batch, self.device)
        engine = Engine(
            self.nets(),
            self.config.game,
            self.config,
            feed,
            total,
            self.data.spec.num_classes,
            self.device,
            bf16,
            averaged=tuple(self.makes),
        )
        if self.config.train.init:
            begin_from(engine, self.config.train.init)
        return engine

    def fresh(self, folder: Path, given: Mapping[str, Any]) -> Job:
        """Calibrate, write down the plan, begin."""
        self._refuse_unusable()
        probe = self.engine(False, 1)
        judging, showing = self._costs(probe)
        train = self.config.train
        cores = devices.cores() if self.device.type == "cpu" else torch.get_num_threads()
        pace = calibration.choose(
            lambda bf16: self.engine(bf16, 10**9), train.precision, train.threads, cores, self.budget
        )
        plan = calibration.plan(
            self.budget, pace, self.config.train.batch, judging, showing, len(self.config.train.ema)
        )
        train = replace(
            self.config.train,
            score=self.config.train.score or plan.score,
            show=self.config.train.show or plan.show,
            precision=pace.name,
            threads=pace.threads,
        )
        self.config = replace(self.config, train=train)
        few = f"Only {len(self.data.held)} examples are held out, too few to judge by: no scores."
        notes = (
            *self.config.notes,
            *([] if self.evaluator.ready else [few]),
            f"{pace.name} on {self.device.type} ({pace.threads} thread{'s' * (pace.threads > 1)}): "
            f"{pace.speed:,.0f} examples/s measured, so "
            f"{plan.total:,} examples take about {plan.seconds:,.0f} s.",
        )
        record = {
            "notes": notes,
            "total": plan.total,
            "given": given_plainly(given),
            "bf16": pace.bf16,
            "data": {**self.data.summary, "fingerprint": self.data.fingerprint},
            "machine": devices.describe(self.device),
            "versions": {
                "ganworks": ganworks.__version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        run = Run.create(folder, self.config, self.data.spec, record)
        engine = self.engine(pace.bf16, plan.total)
        return Job(self.session(engine, run, notes), run, self.config, self.data, self.evaluator.ready)

    def _refuse_unusable(self) -> None:
        if not len(self.data.train):
            raise UsageError("There is nothing to train on. `ganworks data PATH` shows what was found.")

    def resumed(self, run: Run) -> Job:
        """Go on from the newest good state."""
        run.__enter__()
        plan = run.plan()
        engine = self.engine(plan["bf16"], plan["total"])
        found = run.load_state()
        notes = list(plan["notes"])
        session = self.session(engine, run, ())
        if found is not None:
            tensors, counters, warnings = found
            session.resume(tensors, counters)
            notes += [f"Resumed at {counters['seen']:,} of {plan['total']:,} examples.", *warnings]
        if plan["versions"]["torch"] != torch.__version__:
            notes.append(
                f"Begun with torch {plan['versions']['torch']}, going on with {torch.__version__}: "
                "the result may differ in the last bits."
            )
        run.trim_log(engine.clock.seen)
        session.notes = tuple(notes)
        return Job(session, run, self.config, self.data, self.evaluator.ready)

    def _costs(self, engine: Engine) -> tuple[float, float]:
        """Seconds of one score and of one picture."""
        judging, showing = self.evaluator.costs(self._shadow(engine)(engine.averages(0)))
        return (judging if self.config.train.judge else 0.0), showing

    def _shadow(self, engine: Engine) -> Callable[[Weights], Nets]:
        """Copies of the published players, ready to use, that take on averaged weights."""
        nets = {name: copy.deepcopy(engine.nets[name]).eval().requires_grad_(False) for name in engine.averaged}

        def load(weights: Weights) -> Nets:
            for name, tensors in weights.items():
                nets[name].load_state_dict(tensors)
            return nets

        return load

    def session(self, engine: Engine, run: Run | None, notes: tuple[str, ...]) -> Session:
        """An engine with its pictures, scores, header and watch."""
        evaluator, load = self.evaluator, self._shadow(engine)

        def show(weights: Weights, seen: int) -> str:
            assert run is not None
            shown = evaluator.show(load(weights))
            suffix, content = shown if isinstance(shown, tuple) else (".png", None)
            name = f"samples/{seen:012d}{suffix}"
            if content is None:
                shown.save(run.path(name))
            else:
                replace_file(run.path(name), content)
            run.adopt(name)
            return name

        def header(player: str, seen: int, half_life: float) -> dict[str, str]:
            facts = {
                "recipe": self.config.recipe,
                "networks": to_dict(self.config.networks),
                "player": player,
                "use": self.makes.get(player, "sample"),
                "main": player == next(iter(self.makes)),
                "seen": seen,
                "half_life": half_life,
                "domain": to_dict(self.config.domain),
                **facts_for_card(self.config.domain),
                "data": {"fingerprint": self.data.fingerprint, "count": len(self.data.train)},
            }
            return published.header(self.data.spec, facts)

        real = evaluator.examples()
        return Session(
            engine,
            run,
            notes,
            show if run else None,
            (lambda weights: evaluator.score(load(weights))) if self.config.train.judge and evaluator.ready else None,
            header,
            lambda weights: evaluator.sample(load(weights)),
            None if real is None else Watch(spread(real)),
            evaluator.objective,
            evaluator.noise,
        )


def given_plainly(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the user asked for, in plain types."""
    return {k: to_dict(v) for k, v in given.items()}


def begin_from(engine: Engine, source: str) -> None:
    """Warm start: all players from a run's newest state, or one from a published file such as generator.safetensors.

    Optimisers and counters start fresh. Raises UsageError when the networks are not the same.
    """
    path = Path(source)
    if path.is_dir():
        found = Run.open(path).load_state()
        if found is None:
            raise UsageError(f"init={source}: this run has no saved state yet.")
        engine.load_weights(found[0], source)
        return
    tensors, texts = weights.read(path)
    player = json.loads(texts.get("ganworks", "{}")).get("player", "G")
    if player not in engine.nets:
        raise UsageError(f"init={source} holds {player}; this game has {', '.join(engine.nets)}.")
    weights.load_into(engine.nets[player], tensors)
    if player in engine.averaged:
        engine.restart_averages(player)
