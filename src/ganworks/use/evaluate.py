"""`ganworks eval`: evaluates the networks of a run on held-out real data; writes eval.json and the folder eval/."""

from __future__ import annotations

import json
from typing import Any

from ganworks.core.contracts import ChoosesExtractor, Evaluator, Work
from ganworks.core.errors import UsageError
from ganworks.core.limits import check_count, check_seed
from ganworks.runs.published import published
from ganworks.runs.run import Run
from ganworks.use.before_after import draw_pairs


def evaluate_run(
    run: Run,
    *,
    data: Any = None,
    opened: Any = None,
    work: Work,
    count: int = 10_000,
    seed: int = 0,
    extractor: str = "",
) -> Any:
    """Evaluate the published networks of a run on `count` samples; returns what eval.json holds.

    data: what the run was trained on; None: the path in its plan. opened: the data set, if it is open already.
    extractor: the name of the feature extractor; "": the default of the data. Raises UsageError when the data is not
    found or is not the data of the run, or when the extractor is unknown.
    """
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
            "training examples cannot be told apart. Name the original with data=PATH."
        )
    found = published(folder)
    main = next(iter(found.values())).card
    about = {"seen": main.get("seen"), "half_life": main.get("half_life")}
    evaluator = config.domain.evaluator(opened, source, config, work)
    report = (_by(evaluator, extractor, config.recipe) if extractor else evaluator).evaluate(
        {name: entry.net.eval().requires_grad_(False) for name, entry in found.items()},
        count=count,
        seed=seed,
        pictures=folder / "eval",
        progress=work,
        about=about,
    )
    if (shown := found.get("G")) is not None and shown.use == "apply":
        draw_pairs(shown, config.domain, opened, folder / "eval")
    run.write("eval.json", json.dumps(report.to_dict(), indent=1))
    for path in sorted((folder / "eval").glob("[!.]*.*")):
        run.adopt(f"eval/{path.name}")
    run.seal()
    return report


def _by(evaluator: Evaluator, name: str, recipe: str) -> Evaluator:
    """The evaluator with the extractor of that name."""
    if not isinstance(evaluator, ChoosesExtractor):
        raise UsageError(f"extractor={name}: a run of {recipe} is judged in one way only. Leave extractor out.")
    return evaluator.with_extractor(name)
