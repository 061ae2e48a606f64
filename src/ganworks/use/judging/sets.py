"""`ganworks eval REAL MADE`: how near one set of examples is to another, whoever made them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ganworks.core.chance import seeded
from ganworks.core.config import find_class, override
from ganworks.core.console.text import counted
from ganworks.core.contracts import Work
from ganworks.core.errors import UsageError
from ganworks.core.limits import check_count, check_seed
from ganworks.core.machine.places import TakenError, place
from ganworks.core.spec import Spec
from ganworks.files import atomic
from ganworks.files.recognise import recognise
from ganworks.metrics.panel.choose import chosen
from ganworks.metrics.panel.examined import Examined
from ganworks.metrics.reference import FEWEST
from ganworks.metrics.scoring import Report, evaluate
from ganworks.use.evaluate import workplace
from ganworks.use.look import kind_of
from ganworks.use.sample_evaluator import further, seen_by
from ganworks.use.samples import make_folder

_HELD = 0.5  # of the real set: one half in place of training data, the other of unseen data


@runtime_checkable
class OpensAlike(Protocol):
    """A domain of which two sets can be compared, with the features of `ExtractsFeatures`."""

    def alike(self, spec: Spec) -> Any:
        """The domain that opens another set in the form of this spec, all of it as training examples."""


def evaluate_sets(
    real: Any,
    made: Any,
    *,
    work: Work,
    count: int = 10_000,
    seed: int = 0,
    features: str = "",
    metrics: str = "",
    pictures: Path | None = None,
    settings: dict[str, Any] | None = None,
) -> Report:
    """Judge the first `count` examples of one set beside another: the scores of `ganworks eval RUN`.

    real, made: whatever the kind of data opens; made ones are brought to the size and channels of real ones. metrics:
    as for a run. pictures: an existing folder for pictures. settings: of the domain, such as size=. Raises UsageError
    for kinds whose sets cannot be compared, and for fewer than 20 real or 10 made examples.
    """
    count, seed = check_count(count, "count"), check_seed(seed)
    domain = _domain(real, settings or {})
    one = domain.open(real, on_progress=lambda done, total: work("Reading the real set", done, total))
    if len(one.held) < FEWEST:
        raise UsageError(
            f"{real} holds {counted(len(one), 'example')}, too few to judge by: half of them stand for "
            f"training data, the others for unseen data, and that takes {2 * FEWEST}."
        )
    alike = domain.alike(one.spec)
    other = alike.open(made, on_progress=lambda done, total: work("Reading the other set", done, total))
    if other.spec.shape != one.spec.shape:
        raise UsageError(f"{made} holds examples of shape {other.spec.shape}, {real} of shape {one.spec.shape}.")
    rows = np.random.default_rng(seed).permutation(len(other))[:count]
    labels = _labels(one, other)
    names = chosen(metrics)

    def sample(start: int, n: int) -> tuple[np.ndarray, np.ndarray | None]:
        some = rows[start : start + n]
        return other.raw(some), None if labels is None else labels[some]

    with seeded(seed, "evaluate"):
        extractor, reference = seen_by(domain, one, work, features)
        report = evaluate(
            sample,
            one,
            extractor,
            count=len(rows),
            seed=seed,
            reference=reference,
            pictures=pictures,
            progress=work,
            about={"real": one.fingerprint, "made": other.fingerprint},
        )
        examined = Examined(sample, one, extractor, len(rows), seed, work)
        further(report, names, examined, skip=metrics.strip().lower() == "all")
    report.protocol.append(
        f"Half of the real set ({len(one.train):,}) stands in place of training data: copies are searched in it alone, "
        "so that of copies of all real examples half are found."
    )
    return report


def evaluate_sets_into(out: Path, real: Any, made: Any, *, work: Work, **options: Any) -> Report:
    """`evaluate_sets`, with eval.json and pictures in a folder, which must be new or empty.

    Raises TakenError before the work when the folder holds something, GanworksError when it cannot be written.
    """
    out = place(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TakenError(f"{out} exists already. Give another out=, in which the scores and pictures are kept.")
    with workplace() as drawn:
        report = evaluate_sets(real, made, work=work, pictures=drawn, **options)
        make_folder(out)
        for path in sorted(drawn.glob("[!.]*.*")):
            atomic.replace_file(out / path.name, path.read_bytes())
    atomic.replace_file(out / "eval.json", json.dumps(report.to_dict(), indent=1))
    return report


def _domain(real: Any, settings: dict[str, Any]) -> Any:
    """The domain of the real set, by which half of it is held out."""
    found = recognise(real)
    domain = find_class(kind_of(found.recipe))()
    if not isinstance(domain, OpensAlike):
        raise UsageError(
            f"{found.because} Sets of pictures and of points can be judged; for {found.recipe}, evaluate a run."
        )
    return override(domain, {"held_out": _HELD, **settings})


def _labels(one: Any, other: Any) -> np.ndarray | None:
    """Labels of the other set by the numbers of the first one's classes; None unless both have the same names."""
    if one.labels is None or other.labels is None or set(one.spec.classes) != set(other.spec.classes):
        return None
    places = np.array([one.spec.classes.index(name) for name in other.spec.classes])
    return places[np.asarray(other.labels)]
