"""Applies a trained network to files: one picture, a folder or zip of them, an animation, a video.

A domain of other files says what it `takes` and `gives` and does the work in `change`; see `Applier`.

Results are written whole or not at all. A folder records in `applied.jsonl` which output came from which input and
model, so that the same command goes on where it stopped and does again only what has changed.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.console.stop import told
from ganworks.core.console.text import printable
from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.machine.places import NoRoomError, place
from ganworks.files import atomic, provenance
from ganworks.files.array_files import load_npy
from ganworks.files.provenance import EDITED, films
from ganworks.files.provenance.signing import Signer
from ganworks.files.rasters import film as video
from ganworks.files.rasters.decode import SUFFIXES as PICTURES
from ganworks.files.rasters.decode import DecodeError
from ganworks.files.rasters.masks import mask_tensor
from ganworks.files.rasters.read import Picture
from ganworks.files.rasters.stored import Raster, reading_of
from ganworks.files.rasters.write import encode, form_of, lost
from ganworks.files.watermark.mark import Watermark
from ganworks.runs.lock import WRITTEN, FolderLock
from ganworks.use.applier import Applier
from ganworks.use.job_record import Item, Record, find_items, places, read_file, refuse_overwriting
from ganworks.use.marking.outputs import Seals, write_beside
from ganworks.use.samples import make_folder

STILLS = (*PICTURES, ".apng")
KNOWN = (*STILLS, ".npy", *video.SUFFIXES)
_SAME_WORDS = 8  # after so many failures with one message and no success, the command is wrong, not the inputs

Progress = Callable[[str, int, int], None] | None


@dataclass
class Outcome:
    """The result of `apply_files`. pairs: (input, output) of finished files; kept: how many were finished before.

    failed: (name, reason). left: how many files in the folder the model does not take; takes: suffixes of those that
    it does. said: (name, sentence for the user) of files that were done now.
    """

    out: Path
    pairs: list[tuple[Path, Path]] = field(default_factory=list)
    kept: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    left: int = 0
    takes: tuple[str, ...] = KNOWN
    said: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """How each file is treated: by which model, with which seed, options and masks; marked, watermarked, signed or not.

    suffix: that of the outputs, "" as the inputs. among_inputs: whether the masks lie in the folder of the inputs.
    """

    model: Applier
    seed: int
    options: dict[str, Any]
    mask: Path | None
    mark: bool
    suffix: str = ""
    among_inputs: bool = False
    seals: Seals = field(default_factory=Seals)

    @property
    def takes(self) -> tuple[str, ...]:
        """Suffixes of the files that the model takes."""
        return self.model.takes or KNOWN

    def renamed(self, names: list[str]) -> list[str]:
        """Names of the outputs: with the new suffix, which follows the old one where two names would be equal."""
        suffix, others = (self.model.gives, self.takes) if self.model.takes else (self.suffix, STILLS)
        if not suffix:
            return names
        new = [name if not name.lower().endswith(others) else str(Path(name).with_suffix(suffix)) for name in names]
        often = Counter(new)
        return [b if often[b] == 1 else f"{a}{suffix}" for a, b in zip(names, new, strict=True)]

    def check(self) -> None:
        """Raise UsageError for options that only pictures have, or a form that cannot be written."""
        gives = self.model.gives
        if gives and (self.mask is not None or self.suffix not in ("", gives)):
            raise UsageError(
                f"This model writes {gives} files, and there is nothing to mask: leave format and mask out."
            )
        if self.suffix and not gives:
            form_of(self.suffix)

    def facts(self, content: str, mask: Path | None) -> dict[str, Any]:
        """Everything that determines an output: the same facts give the same bytes."""
        shown = {name: str(value) for name, value in sorted(self.options.items())}
        found = {"input": content, "model": self.model.fingerprint, "seed": self.seed, "marked": self.mark, **shown}
        found |= self.seals.facts
        return found if mask is None else {**found, "mask": atomic.sha256(mask)}

    def note(self, facts: dict[str, Any]) -> dict[str, Any] | None:
        """The provenance mark of an output; None when it stays unmarked."""
        about = {name: value for name, value in facts.items() if name not in ("marked", "signed")}
        recipe = self.model.info.get("recipe")
        return provenance.note(recipe=recipe, **about, edited=True, digitalSourceType=EDITED) if self.mark else None

    def mask_of(self, name: str) -> Path | None:
        """The mask of an input: the file that was given, or NAME or NAME_mask.png in the folder that was given."""
        if self.mask is None or self.mask.is_file():
            return self.mask
        stem = Path(name).with_suffix("")
        names = [Path(name), *(stem.with_suffix(s) for s in PICTURES), stem.with_name(f"{stem.name}_mask.png")]
        beside = [n for n in names if n.stem.endswith("_mask") or not self.among_inputs]
        for candidate in beside:
            if (self.mask / candidate).is_file():
                return self.mask / candidate
        raise UsageError(f'"{printable(name)}" has no mask in {self.mask}: neither its own name nor {names[-1].name}.')


def apply_files(
    model: Applier,
    source: str | Path,
    out: str | Path | None = None,
    *,
    seed: int = 0,
    mark: bool = True,
    mask: str | Path | None = None,
    form: str = "",
    watermark: Watermark | None = None,
    signer: Signer | None = None,
    on_progress: Progress = None,
    **options: Any,
) -> Outcome:
    """Apply a model to one file (a picture, an animation, a video ...), or to all files of a folder or zip.

    out: a file or folder for one input, a folder for many; None: the folder `applied`. Names and forms are kept; the
    form is that of an `out` that is a file, or `form` ("png", "tif", ...) for all stills of a folder. mask: a file, or
    a folder with one for each input; white is what is filled in. watermark: put into what is made. signer: signs the
    files, each with its input as an ingredient.
    on_progress(label, done, total). Raises UsageError for wrong use, DecodeError when a single input cannot be read;
    of many, those that fail are named in the outcome and the others are done.
    """
    source, out = Path(source), place("applied" if out is None else out)
    mask = None if mask is None else Path(mask)
    if mask is not None and not mask.exists():
        raise UsageError(f"There is no mask {mask}.")
    if not source.exists():
        raise UsageError(f'There is nothing at "{printable(str(source))}" to apply the model to.')
    many = source.is_dir() or source.suffix.lower() == ".zip"
    beside = mask is not None and mask.is_dir() and source.is_dir() and mask.resolve() == source.resolve()
    suffix, seals = f".{form.lower().lstrip('.')}" if form else "", Seals(watermark, signer)
    job = Job(model, seed, options, mask, mark, suffix, beside, seals)
    job.check()
    with told(lambda: f"Interrupted. What is finished is in {out}; the same command goes on."):
        return _many(job, source, out, on_progress) if many else _single(job, source, out, on_progress)


def _single(job: Job, source: Path, out: Path, on_progress: Progress) -> Outcome:
    gives, takes = job.model.gives, job.takes
    target = out if out.suffix and not out.is_dir() else out / job.renamed([source.name])[0]
    if source.suffix.lower() not in takes:
        what = (
            f"no file that this model takes, {_also(takes)}"
            if gives
            else f"neither a picture nor a video by its name ({', '.join(takes)})"
        )
        raise UsageError(f'"{printable(source.name)}" is {what}.')
    if gives and target.suffix.lower() != gives:
        raise UsageError(f"This model writes {gives} files, not {target.suffix}: give out=NAME{gives}.")
    refuse_overwriting(target, places([source, *([job.mask] if job.mask else [])]))
    make_folder(target.parent)
    outcome = Outcome(out, [(source, target)], takes=takes)
    _make(job, Item(source.name, source, lambda: read_file(source)), target, None, source.name, outcome, on_progress)
    return outcome


# Many -----------------------------------------------------------------------------------------------------------------


def _many(job: Job, source: Path, out: Path, on_progress: Progress) -> Outcome:
    takes = job.takes
    if out.suffix.lower() in (*takes, job.model.gives or ".") and not out.is_dir():
        raise UsageError(f"{out} is the name of one file, but {source} holds many. Give a folder: out=applied.")
    if source.is_dir() and out.resolve() == source.resolve():
        raise UsageError(f"out={out} is the folder of the inputs, which are never overwritten. Choose another.")
    own = [folder for folder in (out, job.mask) if folder is not None and folder.is_dir()]
    items, left = find_items(source, takes, own, lambda name: job.among_inputs and Path(name).stem.endswith("_mask"))
    if not items:
        what = f"nothing that this model takes, {_also(takes)}"
        what = what if job.model.gives else f"no pictures; their names end in {', '.join(STILLS)}"
        raise UsageError(f'"{printable(str(source))}" holds {what}.')
    make_folder(out)
    with FolderLock(out, WRITTEN):
        return _all(job, items, Outcome(out, left=left, takes=takes), on_progress)


def _all(job: Job, items: list[Item], outcome: Outcome, on_progress: Progress) -> Outcome:
    """All items into a folder that is locked."""
    out = outcome.out
    for folder in (out, *(path for path in out.rglob("*") if path.is_dir())):
        atomic.sweep(folder)
    record = Record(out)
    inputs = places({item.path for item in items})
    names = job.renamed([item.name for item in items])
    for done, (item, name) in enumerate(zip(items, names, strict=True)):
        target = out / name
        if on_progress:
            on_progress("Applying", done, len(items))
        try:
            refuse_overwriting(target, inputs)
            outcome.kept += _make(job, item, target, record, name, outcome, on_progress if _film(job, item) else None)
            outcome.pairs.append((item.path, target))
        except GanworksError as error:
            outcome.failed.append(
                (printable(item.name), error.reason if isinstance(error, DecodeError) else str(error))
            )
            if isinstance(error, NoRoomError):
                outcome.failed += [(printable(left.name), "not begun.") for left in items[done + 1 :]]
                break
            _stop_if_hopeless(outcome, error, len(items))
    if on_progress:
        on_progress("Applying", len(items), len(items))
    return outcome


def _also(takes: tuple[str, ...]) -> str:
    return f"whose names end in {', '.join(takes)}"


def _stop_if_hopeless(outcome: Outcome, error: GanworksError, count: int) -> None:
    """Raise the error of pictures that all failed with the same words: an option is wrong, or the model is."""
    reasons = {reason for _, reason in outcome.failed}
    enough = len(outcome.failed) >= min(_SAME_WORDS, max(count, 2))
    if enough and not outcome.pairs and len(reasons) == 1 and not isinstance(error, DecodeError):
        raise error


# One ------------------------------------------------------------------------------------------------------------------


def _film(job: Job, item: Item) -> bool:
    """Whether an input is a video, to whose frames a network of pictures is applied."""
    return not job.model.takes and item.name.lower().endswith(video.SUFFIXES)


def _make(
    job: Job, item: Item, target: Path, record: Record | None, name: str, outcome: Outcome, on_progress: Progress
) -> bool:
    """Make one output, called `name` in the record; True when it was there already. Raises GanworksError."""
    mask, film = job.mask_of(item.name), _film(job, item)
    if film:
        if target.suffix.lower() not in video.SUFFIXES:
            raise UsageError(f"A video stays a video: {nearest(target.suffix.lower(), video.SUFFIXES)}")
        if item.path.suffix.lower() == ".zip":
            raise DecodeError(printable(item.name), "a video inside a zip; unpack it first.")
    data = b"" if film else item.read()
    content = atomic.sha256(item.path) if film else hashlib.sha256(data).hexdigest()
    facts = job.facts(content, mask)
    if record is not None:
        if record.finished(name, facts):
            return True
        if target.exists() and not record.owns(name):
            raise UsageError(f"{target} is there already and was not made by `ganworks apply`. Choose another folder.")
    make_folder(target.parent)
    if film:
        if record is None:
            provenance.refuse_strange(target)
        else:
            record.add(name, facts, None)  # begun: after a kill, the file there counts as ours
        missing = _convert(job, item, target, mask, facts, on_progress)
        outcome.said += [(item.name, said) for said in missing]
        if record is not None:
            record.add(name, facts, atomic.sha256(target))
        return False
    made, told_now = _made(job, item, data, target, mask, facts, on_progress)
    outcome.said += [(item.name, said) for said in told_now]
    made, manifest = job.seals.signed(target, made, job.note(facts), (item.name, data))
    if record is None:
        provenance.replace_result(target, made)
    else:
        record.add(name, facts, hashlib.sha256(made).hexdigest())
        atomic.replace_file(target, made)
    write_beside(target, made, manifest, job.note(facts))
    return False


def _made(
    job: Job, item: Item, data: bytes, target: Path, mask: Path | None, facts: dict[str, Any], on_progress: Progress
) -> tuple[bytes, list[str]]:
    """The content of one output, and sentences for the user."""
    if job.model.takes:
        note = job.note(facts)
        made, said = job.model.change(data, item.name, job.seed, note, **job.options)
        return job.seals.sound(made, job.model.gives, note), [said] if said else []
    if item.name.lower().endswith(".npy"):
        return _array(job, item, data, target, mask), []
    return _picture(job, item, data, target, mask, facts, on_progress)


def _picture(
    job: Job, item: Item, data: bytes, target: Path, mask: Path | None, facts: dict[str, Any], on_progress: Progress
) -> tuple[bytes, list[str]]:
    """The encoded output of one picture or animation; how its pixels were read where that may surprise, and what its
    format loses.
    """
    found = job.model.read(data, printable(item.name))
    options = _with_mask(job, mask, found)
    frames = []
    for done, frame in enumerate(found.frames):
        frames.append(job.seals.raster(job.model.raster(frame, job.seed, **options)))
        if on_progress:
            on_progress(printable(item.name), done + 1, len(found.frames))
    about = replace(found.about, form=form_of(target.suffix or f".{found.about.form.lower()}"))
    said = [reading_of(found.frames[0], job.model.known), *lost(frames, about.form)]
    return encode(frames, about, job.note(facts)), [sentence for sentence in said if sentence]


def _array(job: Job, item: Item, data: bytes, target: Path, mask: Path | None) -> bytes:
    """The output of one array of any number of channels, which has no place for a mark."""
    job.seals.refuse("Arrays")
    if target.suffix.lower() != ".npy":
        raise UsageError(f"{item.name} is an array, and so is what comes of it: give out=NAME.npy.")
    try:
        array = load_npy(io.BytesIO(data), item.name)
    except UsageError as error:
        raise DecodeError(printable(item.name), f"damaged or no array ({printable(str(error))[:160]}).") from error
    buffer = io.BytesIO()
    made = job.model.values(array, job.seed, **job.options, **({} if mask is None else {"mask": mask}))
    np.save(buffer, np.ascontiguousarray(made), allow_pickle=False)
    return buffer.getvalue()


def _with_mask(job: Job, mask: Path | None, found: Picture) -> dict[str, Any]:
    return job.options if mask is None else {**job.options, "mask": mask_tensor(mask, found.frames[0].size)}


def _convert(
    job: Job,
    item: Item,
    target: Path,
    mask: Path | None,
    facts: dict[str, Any],
    on_progress: Progress,
) -> list[str]:
    """One video, written frame by frame; what it lost, in sentences."""
    ready: dict[tuple[int, int], dict[str, Any]] = {}

    def run(frame: Any) -> Any:
        raster = Raster(frame)
        if raster.size not in ready:
            extra = {} if mask is None else {"mask": mask_tensor(mask, raster.size)}
            ready[raster.size] = {**job.options, **extra}
        return job.seals.raster(job.model.raster(raster, job.seed, **ready[raster.size])).colour

    def progress(done: int, count: int) -> None:
        if on_progress:
            on_progress(printable(item.name), done, count)

    note = job.note(facts)
    with atomic.replacing(target) as file:
        said = video.convert(item.path, file, target.suffix, run, note=films.comment(note), on_frame=progress)
        films.finish(file, target.suffix, note)
    if job.seals.signer is not None:
        made, manifest = job.seals.signed(target, target.read_bytes(), note, (item.name, item.read()))
        atomic.replace_file(target, made)
        write_beside(target, made, manifest, note)
    return said


def pairs_of(outcome: Outcome, most: int = 12) -> Iterator[tuple[Path, Path]]:
    """The finished stills among the results, the first `most` of them."""
    stills = [(a, b) for a, b in outcome.pairs if b.suffix.lower() in STILLS and a.suffix.lower() in STILLS]
    yield from stills[:most]
