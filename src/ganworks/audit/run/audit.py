"""`ganworks audit RUN`: what a trained run gives away of the examples that it was trained on.

Held-out examples were fixed before the training, by their content. Every question is asked of training examples and,
in the same way, of held-out ones: only what differs between them comes from the training.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganworks.audit.run import critic, members, records, verdict
from ganworks.audit.run.comparing import Space
from ganworks.audit.run.copying import Copying, copying
from ganworks.audit.run.roc import Telling, curve, telling
from ganworks.core.abilities.auditing import HoldsRecords, KnowsLikelihood
from ganworks.core.chance import seeded
from ganworks.core.console.text import counted
from ganworks.core.contracts import ShowsExamples, Work
from ganworks.core.errors import UsageError
from ganworks.core.limits import check_count, check_seed
from ganworks.metrics.scoring import plain
from ganworks.report.page.audits import NAMES
from ganworks.runs.run import Run
from ganworks.training.privacy.promise import promised
from ganworks.use.model import Model

MOST_TRAINING = 50_000  # training examples in which copies are searched
LEAST_MADE = 100


@dataclass
class RunAudit:
    """What an audit of a run found; `to_dict` is RUN/audit/audit.json.

    grade: "gives away", "trace", "nothing found" or "cannot tell". sentences: the verdict and what it rests on.
    attacks: name -> what each tells of membership. curves: name -> [(share of false alarms, share of members found)].
    copies: of samples and of unseen examples; None where nothing can be sampled. gains: attacks on records. returns:
    records that come back. not_asked: what could not be asked, and why. compared_by: the space in which distances are
    taken.
    """

    grade: str
    sentences: list[str]
    attacks: dict[str, Telling]
    curves: dict[str, list[tuple[float, float]]]
    copies: Copying | None
    gains: list[records.Gain]
    returns: list[dict[str, Any]]
    not_asked: list[str]
    compared_by: str
    meaning: list[str]
    protocol: list[str]
    about: dict[str, Any]
    seconds: float = 0.0
    pictures: dict[str, bytes] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON, without the pictures."""
        return plain(_plain({k: v for k, v in vars(self).items() if k != "pictures"}))


def _plain(value: Any) -> Any:
    """Dataclasses within lists and dicts as dicts."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in vars(value).items()} if hasattr(value, "__dataclass_fields__") else value


@dataclass
class _Case:
    """A run with its data open, and what is gathered about it."""

    run: Run
    config: Any
    data: Any
    source: Any
    work: Work
    seed: int
    attacks: dict[str, Telling] = field(default_factory=dict)
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    copies: Copying | None = None
    gains: list[records.Gain] = field(default_factory=list)
    returns: list[dict[str, Any]] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)
    compared_by: str = ""
    count: int = 0
    pictures: dict[str, bytes] = field(default_factory=dict)

    def tell(self, name: str, inside: np.ndarray, outside: np.ndarray) -> None:
        """Keep what the scores of members and of others tell."""
        self.attacks[name], self.curves[name] = telling(inside, outside), curve(inside, outside)


def audit_run(
    path: Any,
    *,
    data: Any = None,
    count: int = 10_000,
    seed: int = 0,
    identifiers: Sequence[str] = (),
    work: Work = lambda label, done, total: None,
) -> RunAudit:
    """Audit the run in a folder on `count` samples; nothing is written (see `report.keep`).

    data: what the run was trained on; None: the path in its plan. identifiers: of a table, the columns by which others
    know a record. Raises UsageError when the folder is no run, and when the data is not found or not that of the run.
    """
    began, count, seed = time.monotonic(), check_count(count, "count"), check_seed(seed)
    if count < LEAST_MADE:
        raise UsageError(f"count={count}: an audit needs {LEAST_MADE} samples at least; 10,000 are usual.")
    case = _opened(Run.open(path), data, work, seed)
    held = len(case.data.held)
    if min(held, len(case.data.train)) < verdict.FEWEST:
        case.not_asked.append(
            f"Membership: {counted(held, 'example was', 'examples were')} held out; an audit needs "
            f"{verdict.FEWEST}. Train with a larger domain.held_out."
        )
    with seeded(seed, "audit"):
        _by_samples(case, count, list(identifiers))
        _by_networks(case)
    return _concluded(case, time.monotonic() - began)


def _opened(run: Run, data: Any, work: Work, seed: int) -> _Case:
    plan, config = run.plan(), run.config()
    source = plan["given"]["data"] if data is None else data
    if isinstance(source, str) and source == "<array>":
        raise UsageError("This run was trained on an array in memory; give it again with data=.")
    opened = config.domain.open(source, on_progress=lambda done, total: work("Reading the data", done, total))
    if opened.fingerprint != plan["data"]["fingerprint"]:
        raise UsageError(
            "This is not the data that the run was trained on (its fingerprint differs): who was a member is not known "
            "of other data. Name the original with data=PATH."
        )
    return _Case(run, config, opened, source, work, seed)


# By what the generator makes ------------------------------------------------------------------------------------


def _by_samples(case: _Case, count: int, identifiers: list[str]) -> None:
    """Copies, black-box membership inference and attacks on records."""
    try:
        model = Model.load(case.run.folder)
    except UsageError as error:
        case.not_asked.append(f"What it makes: {error}")
        return
    if not hasattr(case.data, "raw"):
        case.not_asked.append("What it makes: examples of this kind cannot be compared with samples.")
        return
    rows = _sampled(model, count, case)
    space = Space.of(case.config.domain, case.data)
    case.compared_by, case.count = space.name, count
    train_rows = np.random.default_rng(case.seed).permutation(case.data.train)[:MOST_TRAINING]
    train = space.real(train_rows, case.work, "Reading training examples")
    held = space.real(np.asarray(case.data.held), case.work, "Reading held-out examples")
    made = np.concatenate([space.made(rows[k : k + 512]) for k in range(0, len(rows), 512)])
    if len(held) >= 2 and len(train) >= 3:
        case.work("Searching copies", 0, 1)
        case.copies = copying(train, held, made)
        _draw_pairs(case, rows, train_rows)
    if min(len(held), len(train)) >= verdict.FEWEST:
        _by_distances(case, train, held, made)
    if isinstance(case.config.domain, HoldsRecords):
        case.work("Attacking records", 0, 1)
        domain, parts = case.config.domain, (train_rows, np.asarray(case.data.held), rows)
        train, held, made = (domain.records(case.data, part) for part in parts)
        case.gains, case.returns = records.all_attacks(train, held, made, identifiers, case.seed)
    elif identifiers:
        raise UsageError("identifiers= names columns; the examples of this run are no records.")


def _sampled(model: Model, count: int, case: _Case) -> np.ndarray:
    parts = []
    for first, rows in model.stream(count, seed=case.seed + 1):
        case.work("Sampling", first, count)
        parts.append(rows)
    case.work("Sampling", count, count)
    return np.concatenate(parts)


def _by_distances(case: _Case, train: np.ndarray, held: np.ndarray, made: np.ndarray) -> None:
    sides = members.sides(train, held, case.seed)
    if min(len(sides.members), len(sides.others)) < verdict.FEWEST:
        case.not_asked.append(
            "Membership by samples: nearly all held-out examples equal training examples, so that there is nobody to "
            "tell from whom."
        )
        return
    inside, outside = train[sides.members], held[sides.others]
    case.work("Membership inference", 0, 3)
    case.tell("nearest", *members.by_distance(inside, outside, made))
    for step, (name, score) in enumerate((("calibrated", members.calibrated), ("density", members.density)), 1):
        case.work("Membership inference", step, 3)
        case.tell(name, *members.by_reference(score, inside, outside, made, case.seed))
    case.work("Membership inference", 3, 3)


def _draw_pairs(case: _Case, rows: np.ndarray, train_rows: np.ndarray) -> None:
    """The samples nearest to a training example above that example, where examples are pictures."""
    spec = case.data.spec
    if len(spec.shape) != 3 or not isinstance(case.config.domain, ShowsExamples) or case.copies is None:
        return
    near = case.copies.near[:8]
    real = case.data.raw(train_rows[[place for _, place, _ in near]])
    both = np.concatenate([rows[[k for k, _, _ in near]], real])
    from ganworks.files.rasters.write import encoded

    case.pictures["nearest.png"] = encoded(case.config.domain.show(both, columns=len(near)), "PNG")


# By its networks -------------------------------------------------------------------------------------------------


def _by_networks(case: _Case) -> None:
    rng = np.random.default_rng(case.seed)
    inside, outside = (rng.permutation(rows)[: critic.MOST] for rows in (case.data.train, case.data.held))
    if min(len(inside), len(outside)) < verdict.FEWEST:
        return
    try:
        engine = critic.saved_engine(case.run, case.config, case.data, case.source, case.work)
    except critic.NotAskedError as why:
        case.not_asked.append(f"Membership by the networks: {why}")
        return
    for name, ask, what in (
        ("likelihood", critic.likelihood, "by the generator's likelihood"),
        ("critic", critic.logits, "by the discriminator"),
    ):
        if name == "likelihood" and not isinstance(case.config.game, KnowsLikelihood):
            continue
        try:
            case.tell(name, *critic.scores(engine, ask, case.data, inside, outside, case.work))
        except critic.NotAskedError as why:
            case.not_asked.append(f"Membership {what}: {why}")


# The result -----------------------------------------------------------------------------------------------------


def _concluded(case: _Case, seconds: float) -> RunAudit:
    tellings = list(case.attacks.values())
    grade = verdict.grade_of(tellings, case.copies, case.gains, case.returns)
    said = [verdict.HEADLINES[grade]]
    if tellings:
        said.append(verdict.of_power(max(tellings, key=lambda t: t.others)))
    for name, told in case.attacks.items():
        said += verdict.of_attack(NAMES[name], told)
    said += verdict.of_copies(case.copies) if case.copies else []
    said += [*map(verdict.of_gain, case.gains), *(row["says"] for row in case.returns)]
    said += [f"Not asked. {why}" for why in case.not_asked]
    plan = case.run.plan()
    counters = case.run.counters() or {}
    seen = int(counters.get("seen", plan["total"]))
    promise = promised(case.config, len(case.data.train), seen, plan["total"])
    return RunAudit(
        grade,
        [*said, *promise, verdict.CAVEAT],
        case.attacks,
        case.curves,
        case.copies,
        case.gains,
        case.returns,
        case.not_asked,
        case.compared_by,
        [*promise, verdict.CAVEAT],
        _protocol(case),
        {
            "run": case.run.folder.name,
            "recipe": case.config.recipe,
            "seen": seen,
            "train": len(case.data.train),
            "held": len(case.data.held),
            "count": case.count,
            "seed": case.seed,
            "fingerprint": case.data.fingerprint,
        },
        round(seconds, 2),
        case.pictures,
    )


def _protocol(case: _Case) -> list[str]:
    data = case.data
    out = [
        f"{len(data.train):,} training and {len(data.held):,} held-out examples, divided by their content before the "
        "training; an example that stands on both sides is left out.",
        "Intervals are 95 %. An attack counts as better than guessing where chance alone does as well in fewer than 1 "
        "of 500 audits, each attack by itself.",
    ]
    if case.compared_by:
        out.append(f"{case.count:,} samples; distances between {case.compared_by}.")
    if "calibrated" in case.attacks:
        out.append(
            f"Reference of the calibrated attacks: the other held-out examples, in {members.FOLDS} folds. An attacker "
            "who has more data of the same kind, or models trained on them, may do better."
        )
    return out
