"""From names to a training that is ready to start: settings, data, recipe, run folder, engine, session."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import ganworks
from ganworks.core import registry
from ganworks.core.abilities.encoding import options_of
from ganworks.core.abilities.teaching import keeps_teachers, players_of, taught_by
from ganworks.core.chance import seeded
from ganworks.core.config import find_class, override, refuse_incomplete, to_dict
from ganworks.core.console.text import counted
from ganworks.core.contracts import Evaluator, Nets, Watched, Work, facts_for_card, phases_of, uses_of
from ganworks.core.errors import UsageError
from ganworks.core.machine import devices
from ganworks.core.machine.places import place
from ganworks.core.order import Order
from ganworks.core.schema.words import expand, refuse_early
from ganworks.core.settings import Budget, Config, Facts
from ganworks.core.spec import key
from ganworks.files.packing.feed import DataFeed
from ganworks.files.rasters.write import encoded
from ganworks.games.hooks import packs_of
from ganworks.layers.mixing import mixing
from ganworks.networks.building import build
from ganworks.runs import published, taught
from ganworks.runs.folders import describe_data, find_folder, given_plainly
from ganworks.runs.run import Run
from ganworks.training import calibration, parts, speed, trial
from ganworks.training.engine import Engine
from ganworks.training.health import Watch
from ganworks.training.pacing import Pacing
from ganworks.training.privacy.promise import promised, refuse_leaks
from ganworks.training.session import Session, Weights
from ganworks.training.warm_start import begin_from


@dataclass
class TrainingJob:
    """A training ready to start: `session.events()` runs it."""

    session: Session
    run: Run
    config: Config
    data: Any
    judged: bool = True  # whether enough examples are held out to score with


class Builder:
    """Builds the engine and the session of one training."""

    def __init__(
        self, config: Config, dataset: Any, source: Any, modules: Mapping[str, nn.Module], work: Work, told: str = ""
    ):
        self.config, self.data, self.source, self.modules, self.work = config, dataset, source, modules, work
        self.told = told  # a note that the user has read
        self.passed_over: list[str] = []  # notes on the run whose weights it begins from
        self.device = devices.pick_device(config.train.device)
        if config.train.threads:
            devices.use_threads(config.train.threads)
        self.budget = Budget.parse(config.train.budget)
        self.order = Order(len(dataset.train), key(config.train.seed, "order"))

    @cached_property
    def _most(self) -> int:
        """The largest number of parameters that fits, before there are any."""
        return trial.most_numbers(self.config.train)

    @cached_property
    def evaluator(self) -> Evaluator:
        """What shows and scores the trained players; prepared once."""
        return self.config.domain.evaluator(self.data, self.source, self.config, self.work)

    @property
    def makes(self) -> dict[str, str]:
        """Published player -> its use, the main one first."""
        return uses_of(self.config.networks)

    def nets(self) -> dict[str, nn.Module]:
        """New players, initialised from the seed; copies of the caller's own modules take the place of theirs."""
        with seeded(self.config.train.seed, "init"):
            refusal, pack = (lambda: trial.too_large(self.config.train)), packs_of(self.config.game)
            nets = build(self.config.networks, self.data.spec, self._most, refusal, pack)
            nets |= players_of(self.config.game, self.data.spec)
        if unknown := set(self.modules) - set(nets):
            raise UsageError(f"{sorted(unknown)} are no players of this game; it has {sorted(nets)}.")
        for name, module in self.modules.items():
            nets[name] = copy.deepcopy(module)
        return nets

    def engine(self, bf16: bool, total: int, resumes: bool = False) -> Engine:
        """A new engine for a budget of `total` examples. resumes: a saved state takes the place of its weights."""
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
        if self.config.train.init and not resumes:
            self.passed_over = begin_from(engine, self.config, self.data.spec, self.config.train.init)
        return engine

    def _as_taken(self) -> list[str]:
        """What the data are taken for, where that is decided by looking at them, and what was odd in reading them."""
        facts = self.data.summary
        taken = [*(f"Taken for {line}" for line in facts["taken"]), *facts["notes"][:12]] if facts.get("taken") else []
        return taken + [
            f"{text} ({counted(times, 'time')})" for text, times in list(facts.get("warnings", {}).items())[:12]
        ]

    def fresh(self, folder: Path, given: Mapping[str, Any]) -> TrainingJob:
        """Calibrate, write the plan, and create the run.

        One engine measures the cost of a score and the speed of fp32, another the speed of bf16, so that neither
        precision starts from the state of the other. The training gets a new one.
        """
        self._refuse_unusable()
        teachers = taught_by(self.config.game, self.data.spec)
        judging, showing, pace = self._measure()
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
        engine = self.engine(pace.bf16, plan.total)
        held = counted(len(self.data.held), "example is", "examples are")
        few = f"Only {held} held out, too few to choose by scores: the newest is published."
        notes = (
            *self.config.notes,
            *taught.notes(teachers, keeps_teachers(self.config.game)),
            *self._as_taken(),
            *([] if self.evaluator.ready else [few]),
            *self._sliced(engine),
            *promised(self.config, len(self.data.train), plan.total, plan.total),
            f"{pace.name} on {self.device.type} ({counted(pace.threads, 'thread')}): "
            f"{pace.speed:,.0f} examples/s measured, so "
            f"{plan.total:,} examples take about {plan.seconds:,.0f} s.",
        )
        record = {
            "notes": notes,
            "total": plan.total,
            "given": given_plainly(given),
            "bf16": pace.bf16,
            "pace": {"costs": pace.costs, "looking": plan.looking},
            "data": {**self.data.summary, "fingerprint": self.data.fingerprint},
            "parameters": {name: sum(p.numel() for p in net.parameters()) for name, net in engine.nets.items()},
            **({"teachers": teachers} if teachers else {}),
            "machine": devices.describe(self.device),
            "versions": {
                "ganworks": ganworks.__version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        run = Run.create(folder, self.config, self.data.spec, record)
        return TrainingJob(
            self.session(engine, run, [*notes, *self.passed_over]), run, self.config, self.data, self.evaluator.ready
        )

    def _sliced(self, engine: Engine) -> list[str]:
        """A note where the slices of a batch (train.accumulate) do not add up to the whole."""
        found = {name: mixing(net) for name, net in engine.nets.items()} if engine.slices > 1 else {}
        layers = ", ".join(f"{' and '.join(kinds)} in {name}" for name, kinds in found.items() if kinds)
        if not layers:
            return []
        return [
            f"accumulate={engine.slices}: {layers} take together the {engine.batch // engine.slices} examples of a "
            f"slice, not the {engine.batch} of a batch, so that the training differs from that of whole batches."
        ]

    def _refuse_unusable(self) -> None:
        if not len(self.data.train):
            raise UsageError("There is nothing to train on. `ganworks data PATH` shows what was found.")

    def resumed(self, run: Run) -> TrainingJob:
        """Go on from the newest good state of a run that this process holds."""
        plan, found = run.plan(), run.load_state()
        taught.refuse_others(plan, self.config.game, self.data.spec)
        engine = self.engine(plan["bf16"], plan["total"], resumes=found is not None)
        notes = list(plan["notes"])
        if found is not None:
            _, counters, warnings = found
            notes += [f"Resumed at {counters['seen']:,} of {plan['total']:,} examples.", *warnings]
        if plan["versions"]["torch"] != torch.__version__:
            notes.append(
                f"Begun with torch {plan['versions']['torch']}, going on with {torch.__version__}: "
                "the result may differ in the last bits."
            )
        session = self.session(engine, run, notes)
        if found is not None:
            session.resume(found[0], found[1])
        run.trim_log(engine.clock.seen)
        return TrainingJob(session, run, self.config, self.data, self.evaluator.ready)

    def _measure(self) -> tuple[float, float, calibration.Pace]:
        """Seconds of one score and of one picture, and the speed of the training; UsageError for a batch too large."""
        train, probe = self.config.train, self.engine(False, 10**9)
        refuse_leaks(probe)
        need, batch = trial.attempt(probe), train.batch
        if need is not None:
            trial.refuse_too_large(need, probe)
            batch = need.lighter(batch)

        def part(bf16: bool) -> Engine:
            engine = self.engine(True, 10**9) if bf16 else probe
            engine.batch, engine.slices = batch, train.accumulate if batch == train.batch else 1
            return engine

        self.work("Trying a score", 0, 1)
        judging, showing = self._costs(probe)
        self.work("Trying a score", 1, 1)
        cores = devices.cores() if self.device.type == "cpu" else torch.get_num_threads()
        self.work("Measuring the speed", 0, 1)
        pace = calibration.choose(part, train.precision, train.threads, cores, self.budget)
        self.work("Measuring the speed", 1, 1)
        trial.refuse_too_slow(train.batch, pace.speed, self.budget)
        return judging, showing, pace

    def _costs(self, engine: Engine) -> tuple[float, float]:
        """Seconds of one score and of one picture."""
        judging, showing = self.evaluator.costs(self._shadow(engine)(engine.averages(0)))
        return (judging if self.config.train.judge else 0.0), showing

    def _shadow(self, engine: Engine) -> Callable[[Weights], Nets]:
        """A function that loads averaged weights into copies of the published players and returns the copies."""
        nets = {name: copy.deepcopy(engine.nets[name]).eval().requires_grad_(False) for name in engine.averaged}

        def load(weights: Weights) -> Nets:
            for name, tensors in weights.items():
                nets[name].load_state_dict(tensors)
            return nets

        return load

    def session(self, engine: Engine, run: Run | None, notes: Sequence[str]) -> Session:
        """The session of an engine: notes (but those already told), pictures, scores, file headers, health checks."""
        evaluator, load = self.evaluator, self._shadow(engine)
        teachers = list(taught_by(self.config.game, self.data.spec))

        def show(weights: Weights, seen: int) -> str:
            assert run is not None
            with seeded("show"):
                shown = evaluator.show(load(weights))
            suffix, content = shown if isinstance(shown, tuple) else (".png", encoded(shown, "PNG"))
            name = f"samples/{seen:012d}{suffix}"
            run.write({name: content})
            return name

        def score(weights: Weights) -> Any:
            self.work("Scoring", 0, 1)
            with seeded("score"):
                found = evaluator.score(load(weights))
            self.work("Scoring", 1, 1)
            return found

        def sample(weights: Weights) -> Watched | None:
            with seeded("watch"):
                return evaluator.sample(load(weights))

        def header(player: str, seen: int, half_life: float) -> dict[str, str]:
            use = self.makes.get(player, "sample")
            facts = {
                "recipe": self.config.recipe,
                "networks": to_dict(self.config.networks),
                "player": player,
                "use": use,
                "main": player == next(iter(self.makes)),
                "seen": seen,
                "half_life": half_life,
                "domain": to_dict(self.config.domain),
                **facts_for_card(self.config.domain),
                **({"options": options_of(self.config.domain, engine.nets[player])} if use == "sample" else {}),
                "data": {"fingerprint": self.data.fingerprint, "count": len(self.data.train)},
                **({"teachers": teachers} if teachers else {}),
            }
            return published.header(self.data.spec, facts)

        real = evaluator.examples()
        return Session(
            engine,
            run,
            tuple(note for note in notes if note != self.told),
            show if run else None,
            score if self.config.train.judge and evaluator.ready else None,
            header,
            sample,
            None if real is None else Watch(real, self.config, self.data.spec.classes),
            evaluator.objective,
            evaluator.noise,
            pacing=self._pacing(engine, run),
        )

    def _pacing(self, engine: Engine, run: Run | None) -> Pacing | None:
        """What keeps a budget of time; None where the budget is in examples, or their number is accounted for."""
        plan = run.plan() if run is not None and self.budget.seconds and not engine.private else None
        if plan is None or "pace" not in plan:
            return None
        pace = plan["pace"]
        return Pacing(self.budget.seconds, phases_of(engine.game), pace["costs"], pace["looking"], plan["total"])


def _alone() -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError(
            "This version's `train` runs in one process; start it without torchrun. The engine itself shares a batch "
            "between processes (ganworks.training.engine.Engine with ganworks.training.processes.join())."
        )


def assemble(
    recipe: str | Callable[[Facts], Config],
    data: Any,
    out: Any,
    settings: Mapping[str, Any],
    modules: Mapping[str, nn.Module],
    work: Work,
    why: str = "",
    told: bool = False,
) -> TrainingJob:
    """A training from names and settings; it resumes when `out` already holds this training.

    why: the sentence that says why this recipe was chosen for the data; it becomes the first note of the run.
    told: the user has read that sentence, so that the training does not begin with it.
    """
    function, domain_path = registry.recipe_function(recipe)
    values = expand(settings, find_class(domain_path) if domain_path else None)
    name = recipe if isinstance(recipe, str) else function.__name__
    given = {
        "recipe": name,
        "data": describe_data(data),
        **values,
        **{k: type(m).__qualname__ for k, m in modules.items()},
    }
    _alone()
    refuse_early(values)
    words, values = parts.named(values), parts.resolve(values)
    folder = place(find_folder(data, name, given) if out is None else out)
    old = Run.open(folder) if Run.exists(folder) else None

    def opened(kept: Any = None) -> tuple[Any, Any]:  # a run goes on with the settings that its data were read with
        with parts.fitting({k: w for k, w in words.items() if k == "domain"}, f"the data {describe_data(data)}"):
            domain = _domain(domain_path, values, kept)
            return domain, domain.open(data, on_progress=lambda done, total: work("Reading the data", done, total))

    if old is not None:
        with old.kept():  # locked before anything of it is read, so that no other trainer changes it in between
            dataset = opened(old.config().domain)[1]
            old.refuse_changes(given, dataset.fingerprint)
            if old.spec() != dataset.spec:
                raise UsageError(f"{folder} was trained on {old.spec()}, but the data now is {dataset.spec}.")
            return Builder(old.config(), dataset, data, modules, work, told=why if told else "").resumed(old)
    domain, dataset = opened()
    with parts.fitting(words, f"the recipe {name} on examples of shape {dataset.spec.shape}"):
        config = parts.noted(_configure(function, domain, dataset, values), words)
        parts.refuse_misfits(config, dataset.spec, words)
        config = replace(config, notes=(why, *config.notes)) if why else config
        return Builder(config, dataset, data, modules, work, told=why if told else "").fresh(folder, given)


def _domain(path: str, values: Mapping[str, Any], kept: Any = None) -> Any:
    """The caller's own domain, that of the run (kept), or the recipe's, with the settings that the user gave."""
    own = values.get("domain") or kept
    if own is None and not path:
        raise UsageError("A recipe of your own needs its domain: domain=MyDomain().")
    return override(own or find_class(path)(), {k[7:]: v for k, v in values.items() if k.startswith("domain.")})


def _configure(function: Callable[[Facts], Config], domain: Any, dataset: Any, values: Mapping[str, Any]) -> Config:
    where = devices.pick_device(str(values.get("train.device", "auto")))
    measured = speed.speeds(where)
    budget = Budget.parse(values.get("train.budget", "10m"))
    facts = Facts(dataset.spec, len(dataset.train), budget, where.type, max(measured.values()), domain, dict(values))
    config = override(function(facts), {k: v for k, v in values.items() if k.split(".")[0] != "domain"})
    refuse_incomplete(config, "The settings")
    return config
