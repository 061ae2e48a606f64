"""The verbs in Python. The command line calls these and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeVar, overload

from torch import nn

from ganworks.core import registry
from ganworks.core.config import from_dict
from ganworks.core.console.stop import told
from ganworks.core.console.text import counted
from ganworks.core.console.voice import hold_descriptors, say
from ganworks.core.contracts import Work, uses_of
from ganworks.core.errors import UsageError
from ganworks.core.events import Event, Finished
from ganworks.core.settings import Config, Facts
from ganworks.files import weights
from ganworks.files.recognise import Found, is_source, recognise
from ganworks.report.contest import Contest
from ganworks.report.page.pages import write_pages
from ganworks.report.terminal.meters import Meters
from ganworks.report.terminal.progress import Display
from ganworks.runs import published
from ganworks.runs.folders import describe_data
from ganworks.runs.published import Published, file_of, load_net, read_card
from ganworks.runs.run import Run
from ganworks.training.parts import refuse_unlike
from ganworks.training.setup import TrainingJob, assemble
from ganworks.use.applier import Applier
from ganworks.use.model import Model
from ganworks.use.predictor import Predictor

Recipe = Callable[[Facts], Config]
Trained = Model | Applier | Predictor
Asked = TypeVar("Asked", Model, Applier, Predictor)
_USES: dict[type, str] = {Model: "sample", Applier: "apply", Predictor: "predict"}


def _silent(label: str, done: int, total: int) -> None:
    """Report nothing about preparation."""


def _quiet(recipe: str, folder: Path) -> None:
    """Say nothing about a training that begins."""


def _job(recipe: str | Recipe | Found | None, data: Any, out: Any, settings: dict[str, Any], work: Work) -> TrainingJob:
    hold_descriptors()
    if data is None and isinstance(recipe, str) and recipe not in registry.recipes() and is_source(recipe):
        recipe, data = None, recipe
    if data is None:
        raise UsageError(f"Say what to train on: data=PATH of {registry.nouns()}, or data=digits for a first try.")
    modules = {name: settings.pop(name) for name in list(settings) if isinstance(settings[name], nn.Module)}
    if isinstance(recipe, str) or callable(recipe):
        return assemble(recipe, data, out, settings, modules, work)
    found = recipe or recognise(data)
    return assemble(found.recipe, data, out, settings, modules, work, found.because, told=recipe is not None)


def train(
    recipe: str | Recipe | Found | None = None,
    data: Any = None,
    out: str | Path | None = None,
    *,
    on_work: Work = _silent,
    **settings: Any,
) -> Iterator[Event]:
    """Train and yield events (ganworks.core.events); leaving the loop saves the run, and the same call resumes it.

    recipe: a name from `ganworks recipes`, or a function of your own with its domain=; None: the one that fits the
    data (see `ganworks.files.recognise`). data: a path, "digits", an array [N, ...] or a pair (x, y), a list of texts,
    a DataFrame. out: the run folder. settings: `budget="10m"`, `size=64`, `loss="hinge"`, `**{"networks.width": 64}`,
    or modules `G=`, `D=`. on_work(label, done, total) is told how far preparation is. Raises UsageError for wrong use.
    """
    job = _job(recipe, data, out, settings, on_work)
    try:
        yield from job.session.events()
        write_pages(job.run.folder, job.run)
    finally:
        job.run.close()


def mirror(folder: Path) -> Any:
    """The listener that writes events for TensorBoard to FOLDER/tensorboard."""
    from ganworks.report.terminal.tensorboard import Mirror

    return Mirror(folder / "tensorboard")


@overload
def fit(
    recipe: str | Recipe | Found | None = None,
    data: Any = None,
    out: str | Path | None = None,
    *,
    evaluate: bool = True,
    tensorboard: bool = False,
    returns: type[Asked],
    **settings: Any,
) -> Asked: ...
@overload
def fit(
    recipe: str | Recipe | Found | None = None,
    data: Any = None,
    out: str | Path | None = None,
    *,
    evaluate: bool = True,
    tensorboard: bool = False,
    returns: None = None,
    **settings: Any,
) -> Trained: ...
def fit(
    recipe: str | Recipe | Found | None = None,
    data: Any = None,
    out: str | Path | None = None,
    *,
    evaluate: bool = True,
    tensorboard: bool = False,
    returns: type | None = None,
    **settings: Any,
) -> Trained:
    """Train with a progress bar, evaluate, write the report, and return the model (see `load`).

    Arguments as for `train`. evaluate=False leaves the evaluation out. tensorboard=True mirrors the events to
    RUN/tensorboard (extra `log`). returns: as for `load`; the UsageError comes before the training.
    Raises KeyboardInterrupt after Ctrl-C; the run is saved, and the same call resumes it.
    """
    with Meters() as meters, told(lambda: "Interrupted before the training began. The same command starts again."):
        job = _job(recipe, data, out, settings, meters)
    folder, last = job.run.folder, None
    try:
        _warn(job, data if isinstance(recipe, str) or data is not None else recipe)
        _promise(job, returns)
        with (
            told(lambda: f"Ended at once. {folder} is as it was last saved; the same command goes on from there."),
            meters,
            Display() as display,
            mirror(folder) if tensorboard else nullcontext(display) as second,
        ):
            for last in job.session.events():
                display(last)
                if tensorboard:
                    second(last)
    finally:
        job.run.close()
    if isinstance(last, Finished) and last.reason == "interrupted":
        with told(lambda: f"Saved at {counted(last.seen, 'example')} in {folder}; the same command goes on."):
            write_pages(folder, job.run)
            raise KeyboardInterrupt
    with told(lambda: f"The training is finished and saved in {folder}; the same command goes on with its evaluation."):
        if job.session.stop.asked:  # during the last step
            raise KeyboardInterrupt
        if evaluate and job.config.train.judge and job.judged:
            from ganworks.use.evaluate import evaluate_run

            with Meters() as meters:
                evaluate_run(job.run, data=data, opened=job.data, work=meters)
        write_pages(folder, job.run)
        return load(folder) if returns is None else load(folder, returns=returns)


def _warn(job: TrainingJob, data: Any) -> None:
    """Say in one line when a quick look at the data of a new training finds faults; it takes a few seconds at most."""
    if job.run.counters() is not None:
        return
    from ganworks.audit.glance import warning
    from ganworks.core.chance import untouched_random_state

    plan = job.run.plan()
    seconds = plan["total"] * max(plan["pace"]["costs"], default=0.0)
    with untouched_random_state():
        said = warning(job.config.domain, job.data, data, seconds)
    if said:
        say(said)


def _promise(job: TrainingJob, returns: type | None) -> None:
    """Raise UsageError when the networks of a training are not for the class that the caller wants back."""
    made = uses_of(job.config.networks)
    if returns is not None and _use(returns) not in made.values():
        fitting = " or ".join(cls.__name__ for cls, use in _USES.items() if use in made.values())
        raise UsageError(f"returns={returns.__name__}: {job.config.recipe} trains no such model, but {fitting}.")


def _use(returns: type) -> str:
    if returns not in _USES:
        raise UsageError(f"returns must be one of {', '.join(cls.__name__ for cls in _USES)}, not {returns!r}.")
    return _USES[returns]


@overload
def load(path: str | Path, device: str = "auto", *, returns: type[Asked]) -> Asked: ...
@overload
def load(path: str | Path, device: str = "auto", *, returns: None = None) -> Trained: ...
def load(path: str | Path, device: str = "auto", *, returns: type | None = None) -> Trained:
    """What was trained, from a run folder or a published file: no data is needed.

    A `Model` makes samples, an `Applier` turns pictures or files into others, a `Predictor` classifies pictures. Of
    several networks of a run the main one is loaded. returns: one of these classes, to load the network of that use
    and to tell a type checker the class of the result. Raises UsageError when there is no such network.
    """
    if returns is not None:
        _use(returns)
        return returns.load(path, device=device)  # pyrefly: ignore
    found = _main(Path(path))
    if found.use == "sample":
        return Model(found.net, found.spec, {**found.card, "path": str(found.file)}, device=device)
    classes = {"apply": Applier, "predict": Predictor}
    if found.use not in classes:
        raise UsageError(f"{found.file} is for {found.use[:40]!r}, which this ganworks does not know. Update ganworks.")
    return classes[found.use](found, device=device)


def _main(path: Path) -> Published:
    """The published network of a run that its networks' `makes` names first, or the one in a file."""
    for name in published.names(path) if path.is_dir() else []:
        file = path / name
        networks = from_dict(Any, read_card(weights.read_texts(file), file)["networks"], f"{file}: networks")
        return load_net(path, file_of(next(iter(uses_of(networks)))))
    return load_net(path)


def compare(
    recipes: Sequence[str],
    data: Any,
    out: str | Path | None = None,
    *,
    seeds: Sequence[int] = (0,),
    on_run: Callable[[str, Path], None] = _quiet,
    **settings: Any,
) -> Contest:
    """Train recipes with the same budget and seeds on the same data, and put them side by side.

    out: a folder for the runs, comparison.csv and comparison.png; by default runs/<data>-comparison. settings: as for
    `train`, for all recipes. on_run(recipe, folder) is told of each training. Calling it again goes on. Raises
    UsageError for recipes of different kinds of data, before anything is trained.
    """
    refuse_unlike(recipes, {name: value for name, value in settings.items() if name not in ("evaluate", "tensorboard")})
    stem = Path(describe_data(data)).name.split(".")[0].strip("<>") or "data"
    whole = Path(f"runs/{stem.replace(':', '-')}-comparison" if out is None else out)
    runs: dict[str, list[Path]] = {}
    for recipe in recipes:
        for seed in seeds:
            folder = whole / (recipe if len(seeds) == 1 else f"{recipe}-{seed}")
            on_run(recipe, folder)
            fit(recipe, data, folder, seed=seed, **settings)
            runs.setdefault(recipe, []).append(folder)
    contest = Contest(runs)
    contest.write(whole)
    return contest


def apply(run: str | Path, image: Any, out: str | Path | None = None, *, seed: int = 0, **options: Any) -> Any:
    """Apply a trained translator, restorer or vocoder; no training data is needed.

    image: a picture, array or tensor; the result is returned (see `Applier.apply`). With `out`: a file, folder or
    video; results are written there, and an `Outcome` is returned (see `use.file_jobs.apply_files`). options: label=,
    tile=, mask=, ...
    """
    model = Applier.load(run, reverse=bool(options.pop("reverse", False)))
    if out is None:
        return model.apply(image, seed, **options)
    from ganworks.use.file_jobs import apply_files

    return apply_files(model, image, out, seed=seed, **options)


def predict(run: str | Path, data: Any) -> Any:
    """The classes of pictures by a trained classifier, with probabilities; see `Predictor.predict`."""
    return Predictor.load(run).predict(data)


def evaluate(run: str | Path, data: Any = None, *, on_work: Work = _silent, **options: Any) -> Any:
    """Evaluate a run on held-out real data; writes eval.json, eval/*.png and the report. See `ganworks eval`.

    options: count=, seed=, features= (their name, see `metrics.features`, or the file of a published network), metrics=
    (names of further ones). Returns what eval.json holds, as an object with `to_dict()`. Raises UsageError, and
    `use.evaluate.NotKeptError`, which holds it, when it cannot be written.
    """
    from ganworks.use.evaluate import evaluate_run, keeping

    opened = Run.open(run)
    with told(lambda: "Interrupted. Scores are kept when all are measured; the same command measures them again."):
        found = evaluate_run(opened, data=data, work=on_work, **options)
        with keeping(found, opened.folder):
            write_pages(opened.folder, opened)
    return found


def evaluate_sets(
    real: Any, made: Any, out: str | Path | None = None, *, on_work: Work = _silent, **options: Any
) -> Any:
    """Judge a set of pictures or points beside a real one, whoever made it. See `ganworks eval REAL MADE`.

    out: a new folder for eval.json and pictures. options: count=, seed=, features=, metrics=, settings= of the domain.
    Returns a `metrics.scoring.Report`. Raises UsageError.
    """
    from ganworks.use.judging.sets import evaluate_sets, evaluate_sets_into

    if out is None:
        return evaluate_sets(real, made, work=on_work, **options)
    return evaluate_sets_into(Path(out), real, made, work=on_work, **options)


def audit(
    path: Any,
    recipe: str | None = None,
    out: str | Path | None = None,
    *,
    features: str = "",
    on_work: Work = _silent,
    **settings: Any,
) -> Any:
    """What is wrong with data: copies, labels, outliers, patches, personal data, ... See `ganworks audit`.

    recipe: the recipe to read the data for; None: the one that fits. out: a folder for audit.html, audit.json and
    exclude.csv; None: nothing is written. features: a published network to look through. settings: those of the
    domain. Returns a `audit.examine.DataAudit`: `findings`, `lines`, `out`. Raises UsageError.
    """
    from ganworks.audit.examine import audit_data, keep

    found = audit_data(path, recipe, features, settings, on_work)
    if out is not None:
        keep(found, out)
    return found


def look(path: str | Path, recipe: str | None = None, **settings: Any) -> Any:
    """What a data source holds: count, classes, duplicates, what cannot be read, notes. See `ganworks data`.

    recipe: the recipe to read the data for; None: the one that fits. settings: those of its domain. Returns
    `use.findings.Findings`: `lines`, `facts`, `data` and, of pictures, `sheet`.
    """
    from ganworks.use.look import kind_of, open_any

    return open_any(path, kind_of(recipe or recognise(path).recipe), settings)
