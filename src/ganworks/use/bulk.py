"""Writes many samples to disk; a restart continues where it stopped, and the bytes do not depend on restarts.

The work is a list of index ranges (shards). A shard is written, then one line with its range and SHA-256 is
appended to `done.jsonl` and flushed; a restart believes only lines whose files still have that digest and
writes the others again. The first line holds the settings, and other settings on the same folder are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.config import difference
from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError
from ganworks.core.limits import check_count, check_index, check_seed, check_truncation
from ganworks.core.machine import memory
from ganworks.core.machine.places import TakenError, place
from ganworks.core.schema.plain import read_json
from ganworks.files import atomic
from ganworks.files.provenance.content import Entries
from ganworks.files.provenance.signing import Signer
from ganworks.files.watermark.mark import Watermark
from ganworks.runs.lock import WRITTEN, FolderLock
from ganworks.use.job_record import JsonLines
from ganworks.use.model import Labels, Model
from ganworks.use.samples import (
    BULK,
    EPOCH,
    LIST,
    Pictures,
    Samples,
    make_folder,
    marked_beside,
    npz_bytes,
    refuse_changes,
    refuse_strangers,
)

Progress = Callable[[int, int], None] | None
_COPIES, _BESIDE = 8, 2000  # copies of a sample in two shards, one being made and one written; bytes beside each


@dataclass(frozen=True)
class Bulk:
    """The result of `generate`. made: samples generated now. kept: samples of earlier starts. seconds: this time."""

    out: Path
    count: int
    made: int
    kept: int
    seconds: float


def generate(
    model: Model,
    count: int,
    out: str | Path,
    seed: int = 0,
    labels: Labels = None,
    *,
    truncation: float = 1.0,
    start: int = 0,
    shard: int = 1000,
    form: str = "auto",
    mark: bool = True,
    watermark: Watermark | None = None,
    signer: Signer | None = None,
    on_progress: Progress = None,
) -> Bulk:
    """Samples `start` to `start + count - 1` of `seed` into a folder or zip; the same call goes on where it stopped.

    out: a folder (files named by index), or NAME.zip of such files. form: "npz" (shards `shard-00000.npz` with x,
    index, y), "zip", one of the maker's (PNGs for pictures; shards `shard-00000.csv` for a table), or "auto": zip by
    suffix, one file for each sample where the kind has that, else shards.
    shard: samples per line of progress. watermark, signer: as of `Samples`. on_progress(samples done, count).
    Raises TakenError, a UsageError, when `out` was begun with other settings (with the differences) or is in use by
    another process, GanworksError when the disk is full; what is finished stays and counts.
    """
    count, shard = check_count(count, "count"), check_count(shard, "shard")
    seed, truncation, start, out = check_seed(seed), check_truncation(truncation), check_index(start), place(out)
    form = _form(form, out, model)
    labels = model.label_table(labels)
    memory.check(min(shard, count), _COPIES * model.row_bytes + _BESIDE, "shard", "the samples of two shards")
    settings = {
        "model": model.fingerprint,
        "seed": seed,
        "truncation": truncation,
        "shard": shard,
        "form": form,
        "mark": mark,
        "device": model.device.type,
        "labels": None if labels is None else hashlib.sha256(labels.tobytes()).hexdigest()[:16],
        **{name: str(value) for name, value in model.options.items()},
        **({"start": start} if start else {}),
        **({"watermark": watermark.name} if watermark else {}),
        **({"signed": signer.name} if signer else {}),
    }
    model.wrap(np.zeros(0), seed=seed).written_with(watermark, signer).check_watermark(
        each(model) if form == "zip" else f".{form}"
    )
    folder = out.with_name(f".{out.name}.parts") if form == "zip" else out
    finished = form == "zip" and _is_finished_zip(out, settings, count)
    if finished and not folder.exists():
        return Bulk(out, count, 0, count, 0.0)
    make_folder(folder)
    begun, made = time.monotonic(), 0
    with FolderLock(folder, WRITTEN):
        atomic.sweep(folder)
        if not finished:
            record = JsonLines(folder / BULK)
            kept = _resume(record, settings, count, shard, each(model))
            job = _Job(model, folder, record, seed, labels, truncation, start, form, mark, watermark, signer)
            made = _work(job, kept, count, shard, on_progress)
            if mark and marked_beside(model.maker, f".{form}"):
                atomic.replace_file(folder / "mark.json", json.dumps(_note(settings, model, count), indent=1))
        if form == "zip":
            if not finished:
                _assemble(folder, out, settings, model, count)
            shutil.rmtree(folder)  # while it is locked: another process may wait for it
    return Bulk(out, count, made, count - made, time.monotonic() - begun)


def _form(form: str, out: Path, model: Model) -> str:
    maker = model.maker or (Pictures() if len(model.spec.shape) == 3 else None)
    each, forms = (maker.each[1:], [f[1:] for f in maker.forms]) if maker else ("", [])
    if form == "auto":
        form = "zip" if out.suffix.lower() == ".zip" else each or next(iter(forms), "npz")
    known = ["npz", *(["zip", each] if each else forms)]
    if form not in known:
        what = "" if maker else f"Samples of shape {model.spec.shape} are no pictures; "
        raise UsageError(f"{what}form={form!r} is unknown here; it can be auto, {', '.join(known)}.")
    suffixes = (".zip", ".npz", ".png", ".gif", ".webp", *(f".{known}" for known in forms))
    if form != "zip" and (out.suffix.lower() in suffixes or out.is_file()):
        raise UsageError(f"{out} must be the name of a folder for form={form!r}{', or end in .zip' if each else ''}.")
    return form


def each(model: Model) -> str:
    """The suffix of a sample's own file; "" when the samples belong in one file."""
    return (model.maker or Pictures).each


def _apart(form: str, suffix: str) -> bool:
    """Whether each sample gets a file of its own."""
    return form == "zip" or f".{form}" == suffix


@dataclass(frozen=True)
class _Job:
    model: Model
    folder: Path
    record: JsonLines
    seed: int
    labels: np.ndarray | None
    truncation: float
    first: int
    form: str
    mark: bool
    watermark: Watermark | None = None
    signer: Signer | None = None

    def make(self, start: int, stop: int) -> Samples:
        """The samples of one shard."""
        labels = None if self.labels is None else self.labels[np.arange(start, stop) % len(self.labels)]
        stream = self.model.stream(stop - start, self.seed, labels, self.truncation, start)
        data = [rows for _, rows in stream]
        made = self.model.wrap(
            np.concatenate(data), seed=self.seed, start=start, labels=labels, truncation=self.truncation
        )
        return made.written_with(self.watermark, self.signer)

    def write(self, samples: Samples, number: int) -> str:
        """Write one shard and return the SHA-256 of its content.

        Files of single samples are not written atomically: an unfinished shard is written again.
        """
        if not _apart(self.form, each(self.model)):
            path = self.folder / f"shard-{number:05d}.{self.form}"
            npz, maker = self.form == "npz", self.model.maker or Pictures()
            content = npz_bytes(samples, self.mark) if npz else maker.encode(samples, path.suffix, self.mark)
            (_, content), *beside = samples.signed(path.name, content)
            for name, manifest in beside:
                atomic.write_file(self.folder / name, manifest)
            return atomic.replace_file(path, content)
        digest = hashlib.sha256()
        for name, content in samples.files(self.mark):
            atomic.write_file(self.folder / name, content)
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()


def _work(job: _Job, kept: set[int], count: int, shard: int, on_progress: Progress) -> int:
    """Generate and write all shards not in `kept`; one shard is written while the next is made."""
    done = sum(min(count, (n + 1) * shard) - n * shard for n in kept)
    made = 0
    waiting: tuple[int, int, int, Future[str]] | None = None

    def finish() -> None:
        nonlocal made, waiting
        if waiting is None:
            return
        number, start, stop, digest = waiting
        line = {"shard": number, "start": start, "stop": stop, "sha256": digest.result()}
        job.record.add(line)
        waiting, made = None, made + stop - start
        if on_progress:
            on_progress(done + made, count)

    if on_progress:
        on_progress(done, count)
    try:
        with ThreadPoolExecutor(1) as writer:
            for number in range(-(-count // shard)):
                if number in kept:
                    continue
                start, stop = job.first + number * shard, job.first + min(count, (number + 1) * shard)
                samples = job.make(start, stop)
                finish()
                waiting = (number, start, stop, writer.submit(job.write, samples, number))
            finish()
    except KeyboardInterrupt as interrupt:
        finish()  # what was being written is whole
        raise KeyboardInterrupt(
            f"Interrupted. {done + made:,} of {counted(count, 'sample is', 'samples are')} in {job.folder}; "
            "the same command goes on."
        ) from interrupt
    return made


# The record of what is done -----------------------------------------------------------------------


def _resume(record: JsonLines, settings: dict[str, Any], count: int, shard: int, suffix: str) -> set[int]:
    """Numbers of the shards that are finished and intact; starts the record when there is none."""
    folder, lines, begin = record.path.parent, record.lines, settings.get("start", 0)
    if not lines:
        first = f"{begin:08d}{suffix}" if _apart(settings["form"], suffix) else f"shard-{0:05d}.{settings['form']}"
        refuse_strangers(folder, (LIST, first))
        record.add({"settings": settings})
        return set()
    refuse_changes(difference(lines[0].get("settings", {}), settings), folder)
    entries = {line["shard"]: line for line in lines[1:] if "shard" in line}
    most = max((line["stop"] - begin for line in entries.values()), default=0)
    if most > count:
        raise UsageError(
            f"{folder} already holds {counted(most, 'sample')}, more than count={count}. Choose another folder."
        )
    whole = {n for n, line in entries.items() if line["stop"] - begin == min(count, (n + 1) * shard)}
    return {n for n in whole if _digest(folder, settings["form"], entries[n], suffix) == entries[n]["sha256"]}


def _digest(folder: Path, form: str, line: dict[str, Any], suffix: str) -> str:
    try:
        if not _apart(form, suffix):
            return atomic.sha256(folder / f"shard-{line['shard']:05d}.{form}")
        digest = hashlib.sha256()
        for index in range(line["start"], line["stop"]):
            digest.update(hashlib.sha256((folder / f"{index:08d}{suffix}").read_bytes()).digest())
        return digest.hexdigest()
    except OSError:
        return ""


# One zip ------------------------------------------------------------------------------------------


def _assemble(folder: Path, out: Path, settings: dict[str, Any], model: Model, count: int) -> None:
    """Put the finished files into `out`, uncompressed, in order, with fixed dates, so that the bytes are the same."""
    suffix, begin = each(model), settings.get("start", 0)
    note = _note(settings, model, count)
    size = sum((folder / f"{index:08d}{suffix}").stat().st_size + 300 for index in range(begin, begin + count))
    with atomic.replacing(out, size) as file, zipfile.ZipFile(file, "w") as archive:
        digest = Entries()
        for index in range(begin, begin + count):
            name = f"{index:08d}{suffix}"
            content = (folder / name).read_bytes()
            digest.add(name, [content])
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
        digest.add("settings.json", [json.dumps(settings, indent=1).encode()])
        note |= {"content": str(digest)} if settings["mark"] else {}
        for name, table in (("mark.json", note), ("settings.json", settings)):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), json.dumps(table, indent=1))


def _note(settings: dict[str, Any], model: Model, count: int) -> dict[str, Any]:
    """The note of provenance of all samples."""
    first = {"start": settings["start"]} if "start" in settings else {}
    return model.wrap(np.zeros(0), seed=settings["seed"]).note() | first | {"count": count, "marked": settings["mark"]}


def _is_finished_zip(out: Path, settings: dict[str, Any], count: int) -> bool:
    """Whether `out` holds these samples. Raises TakenError when it is something else."""
    if not os.path.lexists(out):
        return False
    try:
        with zipfile.ZipFile(out) as archive:
            old = dict(read_json(archive.read("settings.json"), str(out)))
            have = read_json(archive.read("mark.json"), str(out))["count"]
            changed = difference({**old, "count": have}, {**settings, "count": count})
    except Exception as error:  # a zip that somebody else wrote may raise anything
        raise TakenError(f"{out} exists and was not written by a bulk generation. Choose another name.") from error
    refuse_changes(changed, out)
    return True
