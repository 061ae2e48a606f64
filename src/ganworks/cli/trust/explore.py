"""`ganworks explore`: what a generator has learned, as pictures and short films."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganworks.cli.words import Options, decimal, import_own, only, whole
from ganworks.core.console.text import counted
from ganworks.core.console.voice import say
from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.limits import check_count, check_seed
from ganworks.core.machine.places import place
from ganworks.files.provenance import read
from ganworks.report.terminal.meters import Meters
from ganworks.use.exploring import directions, paths
from ganworks.use.exploring.pictures import beside, fitted, rows_of
from ganworks.use.exploring.project import project
from ganworks.use.exploring.space import Space
from ganworks.use.model import Model

_ALL = ("out", "seed", "label", "labels", "device")
_STEPS = 16


def explore(places: list[str], options: Options) -> None:
    """ganworks explore RUN [WHAT [WORDS]] key=value ..."""
    import_own(options)
    if not places:
        raise UsageError("`ganworks explore` needs a run: ganworks explore runs/photos-image-1")
    source, *words = places
    what, *words = words or [""]
    if what not in WHAT:
        raise UsageError(f'There is nothing called "{what}" to explore. {nearest(what, [w for w in WHAT if w])}')
    work, own = WHAT[what]
    only(options, (*_ALL, *own), "explore")
    model = Model.load(source, device=options.get("device", "auto"))
    if len(model.spec.shape) != 3 or model.maker is not None:
        raise UsageError(
            f"`ganworks explore` shows pictures, and {source} makes {model.spec.kind}. "
            f"`ganworks sample {source} interpolate=1,2,3` walks through what it makes."
        )
    work(model, words, options)


def _seed(options: Options) -> int:
    return check_seed(whole(options.get("seed", "0"), "seed"))


def _seeds(options: Options) -> list[int]:
    first = _seed(options)
    text = options.get("seeds")
    return [whole(word, "seeds") for word in text.split(",")] if text else [first + k for k in range(4)]


def _steps(options: Options) -> int:
    return check_count(whole(options.get("steps", str(_STEPS)), "steps"), "steps", 1000)


def _none(words: list[str], what: str) -> None:
    if words:
        raise UsageError(f"`ganworks explore RUN {what}` takes no more words, and got {' '.join(words)[:60]!r}.")


def _save(samples: Any, out: str, said: str, **how: Any) -> Path:
    path = place(out)
    samples.save(path, **how)
    say(f"{said}: {path}")
    return path


def everything(model: Model, words: list[str], options: Options) -> None:
    """A walk, the classes and the directions, in one folder."""
    _none(words, "")
    folder = place(options.pop("out")) if "out" in options else _own_folder(model)
    folder.mkdir(parents=True, exist_ok=True)
    walk(model, [], {**options, "out": str(folder / "walk.webp")})
    if model.spec.num_classes > 1:
        classes(model, [], {**options, "out": str(folder / "classes.webp")})
    along(model, [], {**options, "out": str(folder / "directions.png")})
    say("", "More: sums of samples (sum), a picture of your own (project); `ganworks explore --help` shows how.")


def _own_folder(model: Model) -> Path:
    """explored/, or explored-2/ and so on where that holds what another model made."""
    for number in range(1, 1000):
        folder = Path("explored" if number == 1 else f"explored-{number}")
        if not folder.exists() or _made_by(folder / "walk.webp") == model.fingerprint:
            return folder
    raise UsageError("explored to explored-999 are all taken. Name a place with out=.")


def _made_by(film: Path) -> str | None:
    """The model in the note of a film; None for one without, and for what is no film."""
    with suppress(OSError, ValueError, GanworksError):
        return (read(film) or {}).get("model")
    return None


def walk(model: Model, words: list[str], options: Options) -> None:
    """A closed walk through seeds."""
    _none(words, "walk")
    space, seeds = Space(model, options.get("label")), _seeds(options)
    made = paths.loop(space, seeds, _steps(options))
    _save(made, options.get("out", "walk.webp"), f"A walk through the {space.name} of seeds {_list(seeds)}")


def classes(model: Model, words: list[str], options: Options) -> None:
    """The same latent as every class, and what lies between."""
    _none(words, "classes")
    text = options.get("labels")
    labels: list[str | int] = [*text.split(",")] if text else [*range(min(10, model.spec.num_classes))]
    made = paths.between_classes(model, labels, _seed(options), _steps(options))
    names = [model.classes[k] if isinstance(k, int) else k for k in labels]
    _save(made, options.get("out", "classes.webp"), f"Seed {_seed(options)} from class to class, {_list(names)}")


def along(model: Model, words: list[str], options: Options) -> None:
    """Rows along the strongest directions."""
    _none(words, "directions")
    space, count = Space(model, options.get("label")), whole(options.get("count", "8"), "count")
    found = directions.find(space, options.get("method", ""), count)
    reach = decimal(options.get("reach", "3"), "reach")
    steps = 7
    made = paths.along(space, found, _seed(options), reach, steps)
    names = [f"{k + 1}: {share:.0%}" for k, share in enumerate(found.shares.tolist())]
    path = place(options.get("out", "directions.png"))
    rows_of(made, names, [f"{reach * (2 * k / (steps - 1) - 1):+.1f}" for k in range(steps)], path)
    say(
        f"{counted(len(names), 'direction')} of the {space.name}, strongest first, from -{reach:g} to {reach:g} "
        f"standard deviations through seed {_seed(options)}: {path}"
    )


def summed(model: Model, words: list[str], options: Options) -> None:
    """Arithmetic on samples."""
    text = " ".join(words)
    made = paths.summed(Space(model, options.get("label")), text)
    _save(made, options.get("out", "sum.png"), f"The samples of {text}, the sum last", columns=len(made))


def projected(model: Model, words: list[str], options: Options) -> None:
    """The sample that comes nearest to a picture."""
    if len(words) != 1:
        raise UsageError("Name one picture: ganworks explore RUN project photo.png")
    space, picture = Space(model, options.get("label")), fitted(Path(words[0]), model.spec)
    steps = check_count(whole(options.get("steps", "200"), "steps"), "steps", 10_000)
    with Meters() as meters:
        found = project(space, picture, steps, told=lambda done, total: meters("Looking for the picture", done, total))
    path = place(options.get("out", "projected.png"))
    beside(picture, found, path)
    say(
        f"The picture, the nearest sample found, and their difference: {path}",
        f"Error {found.error:.3f} of the range ({found.psnr:.1f} dB); the nearest of 512 samples "
        f"{found.start_error:.3f}, samples in the mean {found.typical_error:.3f}.",
        f"Its {space.name[:-1]} lies {found.distance:.2f} times as far from the mean as those of samples"
        + ("." if found.distance < 1.2 else ": it is not what this generator usually makes."),
    )


def _list(words: list[Any]) -> str:
    return ", ".join(map(str, words))


Work = Callable[[Model, list[str], Options], None]
WHAT: dict[str, tuple[Work, tuple[str, ...]]] = {
    "": (everything, ("seeds", "steps", "method", "count", "reach")),
    "walk": (walk, ("seeds", "steps")),
    "classes": (classes, ("steps",)),
    "directions": (along, ("method", "count", "reach")),
    "sum": (summed, ()),
    "project": (projected, ("steps",)),
}
