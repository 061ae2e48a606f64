"""`ganworks eval`: evaluates the networks of a run on held-out real data; writes eval.json and the folder eval/."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganworks.core.abilities.judging import ChoosesMetrics
from ganworks.core.chance import seeded
from ganworks.core.contracts import ChoosesExtractor, Evaluator, Work
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.limits import check_count, check_seed
from ganworks.metrics.panel.choose import chosen
from ganworks.runs.published import published
from ganworks.runs.run import Run
from ganworks.runs.taught import judged_by_teacher
from ganworks.training.privacy.promise import promised
from ganworks.use.before_after import draw_pairs


class NotKeptError(GanworksError):
    """An evaluation was made, and could not be written into the run's folder; `report` holds it."""

    def __init__(self, report: Any, folder: Path, error: GanworksError):
        super().__init__(f"The evaluation was made, but not kept. {error}")
        self.report, self.folder = report, folder


def evaluate_run(
    run: Run,
    *,
    data: Any = None,
    opened: Any = None,
    work: Work,
    count: int = 10_000,
    seed: int = 0,
    features: str = "",
    extractor: str = "",
    metrics: str = "",
) -> Any:
    """Evaluate the published networks of a run on `count` samples; returns what eval.json holds.

    data: what the run was trained on; None: the path in its plan. opened: the data set, if it is open already.
    features: the name of features, or the file or name of a published network; "": the default of the data. extractor:
    the same by its old name. metrics: names of further ones, "swd,is", or "all". Raises UsageError when the data is not
    found or is not the data of the run, or when features or metrics are unknown or do not apply, NotKeptError when it
    cannot be written.
    """
    if features and extractor:
        raise UsageError("features and extractor are two words for the same. Give features alone.")
    features = features or extractor
    count, seed = check_count(count, "count"), check_seed(seed)
    folder, plan, config = run.folder, run.plan(), run.config()
    source = plan["given"]["data"] if data is None else data
    if isinstance(source, str) and source == "<array>":
        raise UsageError("This run was trained on an array in memory; give it again with data=.")
    if opened is None:
        opened = config.domain.open(source, on_progress=lambda done, total: work("Reading the data", done, total))
    if opened.fingerprint != plan["data"]["fingerprint"]:
        raise UsageError(
            "This is not the data that the run was trained on (its fingerprint differs), so held-out and "
            "training examples cannot be told apart. Name the original with data=PATH; where it is the original, the "
            "version that trained the run read it otherwise: train anew."
        )
    found = published(folder)
    main = next(iter(found.values())).card
    about = {"seen": main.get("seen"), "half_life": main.get("half_life")}
    evaluator = config.domain.evaluator(opened, source, config, work)
    evaluator = _by(evaluator, features, config.recipe) if features else evaluator
    evaluator = _with(evaluator, metrics, config.recipe) if metrics else evaluator
    with workplace() as drawn, seeded(seed, "evaluate"):
        report = evaluator.evaluate(
            {name: entry.net.eval().requires_grad_(False) for name, entry in found.items()},
            count=count,
            seed=seed,
            pictures=drawn,
            progress=work,
            about=about,
        )
        if (shown := found.get("G")) is not None and shown.use == "apply":
            draw_pairs(shown, config.domain, opened, drawn)
        report.about |= _on_judge(plan, report)
        report.protocol += promised(config, len(opened.train), int(about["seen"] or plan["total"]), plan["total"])
        pictures = {f"eval/{path.name}": path.read_bytes() for path in sorted(drawn.glob("[!.]*.*"))}
    with keeping(report, folder):
        run.write({**pictures, "eval.json": json.dumps(report.to_dict(), indent=1)})
    return report


def _on_judge(plan: dict[str, Any], report: Any) -> dict[str, str]:
    """{"judge": what readers have to know of the judge before any number}; empty where there is nothing to say."""
    said = judged_by_teacher(plan, report.extractor, getattr(report, "extractor_sha256", ""))
    return {"judge": said} if said else {}


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for pictures that are being drawn, outside of the run, which may be read-only or written by others."""
    try:
        folder = tempfile.mkdtemp(prefix="ganworks-eval-")
    except OSError as error:
        raise GanworksError(
            f"There is no folder for temporary files, in which the pictures of an evaluation are drawn: "
            f"{error.strerror or error}. Name one with the environment variable TMPDIR."
        ) from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # TemporaryDirectory of Python 3.11 recurses where it may not remove


@contextmanager
def keeping(report: Any, folder: Path) -> Iterator[None]:
    """Turn what fails while a report is written into an error that holds the report."""
    try:
        yield
    except GanworksError as error:
        raise NotKeptError(report, folder, error) from error


def _by(evaluator: Evaluator, name: str, recipe: str) -> Evaluator:
    """The evaluator with the extractor of that name."""
    if not isinstance(evaluator, ChoosesExtractor):
        raise UsageError(f"features={name}: a run of {recipe} is judged in one way only. Leave features out.")
    return evaluator.with_extractor(name)


def _with(evaluator: Evaluator, metrics: str, recipe: str) -> Evaluator:
    """The evaluator with further metrics; of "all" those that do not apply are left out."""
    names = chosen(metrics)
    if not isinstance(evaluator, ChoosesMetrics):
        raise UsageError(f"metrics={metrics}: a run of {recipe} has scores of its own. Leave metrics out.")
    return evaluator.with_metrics(names, skip=metrics.strip().lower() == "all")
