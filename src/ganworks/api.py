"""The verbs in Python. The command line calls these and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import nn

from ganworks.core import registry
from ganworks.core.config import from_dict
from ganworks.core.contracts import Work, uses_of
from ganworks.core.errors import UsageError
from ganworks.core.events import Event, Finished
from ganworks.core.settings import Config, Facts
from ganworks.files import weights
from ganworks.files.recognise import Found, is_source, recognise
from ganworks.report.page.html import write_report
from ganworks.report.page.model_card import write_card
from ganworks.report.terminal.meters import Meters
from ganworks.report.terminal.progress import Display
from ganworks.runs.published import Published, file_of, load_net, read_card
from ganworks.runs.run import Run
from ganworks.training.assemble import assemble
from ganworks.training.builder import Job
from ganworks.use.applier import Applied
from ganworks.use.model import Model
from ganworks.use.predictor import Predictor

Recipe = Callable[[Facts], Config]


def _silent(label: str, done: int, total: int) -> None:
    """Preparation goes unreported."""


def _job(recipe: str | Recipe | Found | None, data: Any, out: Any, settings: dict[str, Any], work: Work) -> Job:
    if data is None and isinstance(recipe, str) and recipe not in registry.recipes() and is_source(recipe):
        recipe, data = None, recipe
    if data is None:
        raise UsageError(f"Say what to train on: data=PATH of {registry.nouns()}, or data=digits for a first try.")
    modules = {name: settings.pop(name) for name in list(settings) if isinstance(settings[name], nn.Module)}
    if isinstance(recipe, str) or callable(recipe):
        return assemble(recipe, data, out, settings, modules, work)
    found = recipe or recognise(data)
    job = assemble(found.recipe, data, out, settings, modules, work, found.because)
    if recipe is not None:  # it was told already
        job.session.notes = tuple(note for note in job.session.notes if note != found.because)
    return job


def publish(folder: Path) -> Path:
    """Write the pages that people read, report.html and the model card README.md; returns the report."""
    pages = write_report(folder), write_card(folder)
    run = Run.open(folder)
    for page in pages:
        run.adopt(page.name)
    run.seal()
    return pages[0]


def train(
    recipe: str | Recipe | Found | None = None,
    data: Any = None,
    out: str | Path | None = None,
    *,
    on_work: Work = _silent,
    **settings: Any,
) -> Iterator[Event]:
    """Train and yield events (ganworks.core.events); leaving the loop saves the run, the same call goes on with it.

    recipe: a name from `ganworks recipes`, or a function of your own with its domain=; None: the one that fits the
    data (see `ganworks.files.recognise`). data: a path, "digits", an array [N, ...] or a pair (x, y), a list of texts,
    a DataFrame. out: the run folder. settings: `budget="10m"`, `size=64`, `loss="hinge"`, `**{"networks.width": 64}`,
    or modules `G=`, `D=`. on_work(label, done, total) hears of preparation. Raises UsageError for wrong use.
    """
    job = _job(recipe, data, out, settings, on_work)
    try:
        yield from job.session.events()
        publish(job.run.folder)
    finally:
        job.run.close()


def mirror(folder: Path) -> Any:
    """Where events go for TensorBoard: FOLDER/tensorboard."""
    from ganworks.report.terminal.tensorboard import Mirror

    return Mirror(folder / "tensorboard")


def fit(
    recipe: str | Recipe | Found | None = None,
    data: Any = None,
    out: str | Path | None = None,
    *,
    evaluate: bool = True,
    tensorboard: bool = False,
    **settings: Any,
) -> Model | Applied | Predictor:
    """Train with a progress bar, evaluate, write the report, and return the model (see `load`).

    Arguments as for `train`. evaluate=False leaves the evaluation out. tensorboard=True mirrors the events to
    RUN/tensorboard (extra `log`). Raises KeyboardInterrupt after Ctrl-C; the run is saved and the same call goes on.
    """
    with Meters() as meters:
        job = _job(recipe, data, out, settings, meters)
    last: Event | None = None
    try:
        with Display() as display, mirror(job.run.folder) if tensorboard else nullcontext(display) as second:
            for last in job.session.events():
                display(last)
                if tensorboard:
                    second(last)
    finally:
        job.run.close()
    if isinstance(last, Finished) and last.reason == "interrupted":
        publish(job.run.folder)
        raise KeyboardInterrupt(f"Saved at {last.seen:,} examples in {job.run.folder}; the same command goes on.")
    if evaluate and job.config.train.judge and job.judged:
        from ganworks.use.evaluate import evaluate_run

        with Meters() as meters:
            evaluate_run(job.run.folder, data=data, opened=job.data, work=meters)
    publish(job.run.folder)
    return load(job.run.folder)


def load(path: str | Path, device: str = "auto") -> Model | Applied | Predictor:
    """What was trained, from a run folder or a published file: no data is needed.

    A `Model` makes samples, an `Applied` turns pictures into pictures, a `Predictor` names the class of pictures;
    of a run with several networks the one that its training is for.
    """
    found = _main(Path(path))
    if found.use == "sample":
        return Model(found.net, found.spec, {**found.card, "path": str(found.file)}, device=device)
    uses = {"apply": Applied, "predict": Predictor}
    if found.use not in uses:
        raise UsageError(f"{found.file} is for {found.use[:40]!r}, which this ganworks does not know. Update ganworks.")
    return uses[found.use](found, device=device)


def _main(path: Path) -> Published:
    """The published network of a run that its networks' `makes` names first, or the one in a file."""
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else []:
        networks = from_dict(Any, read_card(weights.read_texts(file), file)["networks"], f"{file}: networks")
        return load_net(path, file_of(next(iter(uses_of(networks)))))
    return load_net(path)


def apply(run: str | Path, image: Any, out: str | Path | None = None, *, seed: int = 0, **options: Any) -> Any:
    """Put pictures through a trained translator or restorer; no training data is needed.

    image: a picture, array or tensor, returned changed (see `Applied.apply`); with `out`, a file, folder or video,
    written there (see `applying.apply_files`), and what was done is returned. options: label=, tile=, mask=, ...
    """
    model = Applied.load(run, reverse=bool(options.pop("reverse", False)))
    if out is None:
        return model.apply(image, seed, **options)
    from ganworks.use.file_jobs import apply_files

    return apply_files(model, image, out, seed=seed, **options)


def predict(run: str | Path, data: Any) -> Any:
    """The classes of pictures by a trained classifier, with probabilities; see `Predictor.predict`."""
    return Predictor.load(run).predict(data)


def evaluate(run: str | Path, data: Any = None, *, on_work: Work = _silent, **options: Any) -> Any:
    """Judge a run against held-out real data; writes eval.json, eval/*.png and the report. See `ganworks eval`."""
    from ganworks.use.evaluate import evaluate_run

    found = evaluate_run(Path(run), data=data, work=on_work, **options)
    publish(Path(run))
    return found


def look(path: str | Path, recipe: str | None = None, **settings: Any) -> Any:
    """What a data source holds: count, classes, duplicates, what cannot be read, notes. See `ganworks data`.

    recipe: None recognises it. settings: those of its domain. Returns `use.findings.Findings`: `lines`, `facts`, `data`
    and, of pictures, `sheet`.
    """
    from ganworks.use.look import kind_of, open_any

    return open_any(path, kind_of(recipe or recognise(path).recipe), settings)
