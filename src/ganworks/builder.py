"""Makes engines, and the closures around them that look at data and write to the run: pictures, scores, headers."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import ganworks
from ganworks import calibrate, card, machine, weights
from ganworks.config import to_dict
from ganworks.data.feed import DataFeed
from ganworks.data.order import Order
from ganworks.data.pack import cache_folder
from ganworks.data.spec import key
from ganworks.engine import Engine
from ganworks.errors import UsageError
from ganworks.health import Watch, spread
from ganworks.metrics.evaluate import score
from ganworks.metrics.features import FeatureExtractor, score_key
from ganworks.metrics.reference import FEWEST, Reference
from ganworks.model import Model
from ganworks.run import Run
from ganworks.session import Session
from ganworks.settings import Budget, Config

_GRID = 64  # samples on a progress grid
_SCORED = 1000  # samples of a score during training
_RELABELLED = 200_000  # examples up to which data is packed again with its labels, for a sharper judge

Work = Callable[[str, int, int], None]  # (label, done, total)


@dataclass
class Job:
    """A training ready to start: `session.events()` runs it."""

    session: Session
    run: Run
    config: Config
    data: Any


class Builder:
    """Makes engines and the closures around them."""

    def __init__(self, config: Config, dataset: Any, source: Any, modules: Mapping[str, nn.Module], work: Work):
        self.config, self.data, self.source, self.modules, self.work = config, dataset, source, modules, work
        self.device = machine.pick_device(config.train.device)
        if config.train.threads:
            torch.set_num_threads(config.train.threads)
        self.budget = Budget.parse(config.train.budget)
        self.order = Order(len(dataset.train), key(config.train.seed, "order"))

    @cached_property
    def judging(self) -> tuple[FeatureExtractor, Reference]:
        """Prepared once for all sessions of this builder."""
        domain = self.config.domain
        return judging(domain, with_labels(domain, self.data, self.source), self.work)

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
        feed = DataFeed(self.data, self.order, self.config.domain.prepare, self.device)
        engine = Engine(
            self.nets(),
            self.config.game,
            self.config,
            feed,
            total,
            self.data.spec.num_classes,
            self.device,
            bf16,
        )
        if self.config.train.init:
            begin_from(engine, self.config.train.init)
        return engine

    def fresh(self, folder: Path, given: Mapping[str, Any]) -> Job:
        """Calibrate, write down the plan, begin."""
        self._refuse_unusable()
        probe = self.engine(False, 1)
        judging, showing = self._costs(self.session(probe, None, ()), probe)
        train = self.config.train
        cores = machine.cores() if self.device.type == "cpu" else torch.get_num_threads()
        pace = calibrate.choose(
            lambda bf16: self.engine(bf16, 10**9), train.precision, train.threads, cores, self.budget
        )
        plan = calibrate.plan(self.budget, pace, self.config.train.batch, judging, showing, len(self.config.train.ema))
        train = replace(
            self.config.train,
            score=self.config.train.score or plan.score,
            show=self.config.train.show or plan.show,
            precision=pace.name,
            threads=pace.threads,
        )
        self.config = replace(self.config, train=train)
        few = f"Only {len(self.data.held)} examples are held out, too few to judge samples by: no scores."
        notes = (
            *self.config.notes,
            *([] if judgeable(self.data) else [few]),
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
            "machine": machine.describe(self.device),
            "versions": {
                "ganworks": ganworks.__version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        run = Run.create(folder, self.config, self.data.spec, record)
        engine = self.engine(pace.bf16, plan.total)
        return Job(self.session(engine, run, notes), run, self.config, self.data)

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
        return Job(session, run, self.config, self.data)

    def _costs(self, session: Session, engine: Engine) -> tuple[float, float]:
        """Seconds of one score and of one sample grid, from the time of a grid of samples."""
        assert session.sample is not None
        start = time.perf_counter()
        samples = session.sample(engine.average(0))
        made = time.perf_counter()
        if session.judge is None:
            return 0.0, made - start
        extractor, _ = self.judging
        extractor(samples.numpy().astype(self.data.spec.dtype))
        return (time.perf_counter() - start) * _SCORED / len(samples) + 0.2, made - start

    def session(self, engine: Engine, run: Run | None, notes: tuple[str, ...]) -> Session:
        """An engine with its pictures, scores, header and watch."""
        spec, domain = self.data.spec, self.config.domain
        info = {"recipe": self.config.recipe, "seed": self.config.train.seed}
        model = Model(engine.nets["G"], spec, info, device=self.device)

        def load(tensors: Mapping[str, Tensor]) -> Model:
            model.generator.load_state_dict(tensors)
            return model

        def show(tensors: Mapping[str, Tensor], seen: int) -> str:
            columns = spec.num_classes if 2 <= spec.num_classes <= 16 else None  # one class, one column
            count = getattr(domain, "showing", _GRID) if columns is None else columns * max(1, round(_GRID / columns))
            name = f"samples/{seen:012d}.png"
            assert run is not None
            domain.show(rows(load(tensors), 0, count, seed=0)[0], columns=columns).save(run.path(name))
            run.adopt(name)
            return name

        def sample(tensors: Mapping[str, Tensor]) -> Tensor:
            return torch.from_numpy(rows(load(tensors), 0, _GRID, seed=0)[0].astype(np.float32))

        judge = None
        if self.config.train.judge and judgeable(self.data):
            extractor, reference = self.judging

            def judge(tensors: Mapping[str, Tensor], seen: int) -> tuple[dict[str, float], dict[str, float], str]:
                load(tensors)
                scores, floor = score(
                    lambda start, n: rows(model, start, n),
                    self.data,
                    extractor,
                    count=_SCORED,
                    reference=reference,
                )
                return scores, floor, score_key(extractor)

        def header(seen: int, half_life: float) -> dict[str, str]:
            facts = {
                "recipe": self.config.recipe,
                "networks": to_dict(self.config.networks),
                "seen": seen,
                "half_life": half_life,
                "domain": to_dict(domain),
                "data": {"fingerprint": self.data.fingerprint, "count": len(self.data.train)},
            }
            return card.header(spec, facts)

        few = self.data.train[np.linspace(0, len(self.data.train) - 1, min(_GRID, len(self.data.train))).astype(int)]
        watch = Watch(spread(torch.from_numpy(self.data.raw(few).astype(np.float32))))
        return Session(engine, run, notes, show if run else None, judge, header, sample, watch)


def given_plainly(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the user asked for, in plain types."""
    return {k: to_dict(v) for k, v in given.items()}


def begin_from(engine: Engine, source: str) -> None:
    """Warm start: all players from a run's newest state, or G alone from a generator.safetensors.

    Optimisers and counters start fresh. Raises UsageError when the networks are not the same.
    """
    path = Path(source)
    if path.is_dir():
        found = Run.open(path).load_state()
        if found is None:
            raise UsageError(f"init={source}: this run has no saved state yet.")
        engine.load_weights(found[0], source)
        return
    tensors, _ = weights.read(path)
    weights.load_into(engine.nets["G"], tensors)
    engine.restart_averages("G")


def rows(model: Model, start: int, count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples start..start+count-1 of a seed as the metrics want them: (array as on disk, labels or None)."""
    made = np.concatenate([part for _, part in model.stream(count, seed, start=start)])
    return made, model.label_list(None, np.arange(start, start + count))


def with_labels(domain: Any, data: Any, source: Any) -> Any:
    """The data set to judge by: the same examples with their labels, where labels=off left some out.

    An unconditional generator is better judged by a classifier than by random features. The split into training
    and held-out examples follows from their contents, so it is the same one.
    """
    unused = data.labels is None and getattr(domain, "labels", None) in (False, "off")
    if not unused or len(data) > _RELABELLED:
        return data
    other = replace(domain, labels=True).open(source)
    same = (
        other.labels is not None and np.array_equal(other.train, data.train) and np.array_equal(other.held, data.held)
    )
    return other if same else data


def judgeable(data: Any) -> bool:
    """Whether enough is held out to judge samples by."""
    return len(data.held) >= FEWEST


def judging(domain: Any, data: Any, work: Work) -> tuple[FeatureExtractor, Reference]:
    """The feature extractor for a data set and its view of the real data; both are cached beside the packed data."""
    cache = cache_folder(None)[0]
    extractor = domain.extractor(data, cache, work)
    return extractor, Reference.of(data, extractor, cache, progress=work)
