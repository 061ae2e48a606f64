"""Samples of a generator: an array with its seed, to be shown and saved, marked as generated.

Their maker writes the files: a domain that `MakesFiles`, or `Pictures` for all others.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ganworks.core.config import difference
from ganworks.core.contracts import DecodesSamples
from ganworks.core.errors import UsageError, nearest
from ganworks.core.machine.places import TakenError, explain, place
from ganworks.core.schema.plain import as_json, read_json
from ganworks.core.spec import Spec
from ganworks.files import provenance
from ganworks.files.atomic import replace_file
from ganworks.files.provenance import replace_result
from ganworks.files.provenance.content import Entries, of_archive, of_bytes
from ganworks.files.provenance.signing import BESIDE, Signer
from ganworks.files.rasters.arrange import Frame, arrange
from ganworks.files.shown import enlarged, picture
from ganworks.files.watermark.mark import Watermark
from ganworks.runs.lock import WRITTEN, FolderLock

EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed date makes archives with the same content the same bytes
LIST, BULK = "samples.json", "done.jsonl"  # what folders of samples say about them: those of `save`, those of bulk
_SPAN = ("indices", "count", "samples")  # what may differ between samples that belong together


@runtime_checkable
class MarksBeside(Protocol):
    """A maker of files that have no place for the note of provenance, which goes to NAME.mark.json."""

    @property
    def plain(self) -> tuple[str, ...]:
        """Suffixes of such files."""


@runtime_checkable
class CarriesWatermark(Protocol):
    """A maker whose `encode` puts the samples' `watermark` into some of its files."""

    @property
    def watermarked(self) -> tuple[str, ...]:
        """Suffixes of such files."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Generated examples.

    data: [n, *spec.shape] in the data's own range and type (images: uint8 [n, C, H, W]).
    seed, indices [n]: sample `indices[k]` of `seed` is `data[k]`. labels: [n] int64, or None without classes.
    facts: what the files' marks say about the model. maker: what writes the files; None: `Pictures`.
    watermark: put into pictures, clips and sounds when they are written. signer: signs the files.
    """

    data: np.ndarray
    spec: Spec
    seed: int | None = None
    indices: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    labels: np.ndarray | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    maker: Any = None
    watermark: Watermark | None = None
    signer: Signer | None = None

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, which: int | slice | np.ndarray) -> Samples:
        keep = slice(which, which + 1 or None) if isinstance(which, int) else which
        labels = None if self.labels is None else self.labels[keep]
        return replace(self, data=self.data[keep], indices=self.indices[keep], labels=labels)

    def __iter__(self) -> Iterator[Samples]:
        return (self[k] for k in range(len(self)))

    def numpy(self) -> np.ndarray:
        """[n, *shape] in the data's own range and type."""
        return self.data

    @property
    def items(self) -> Any:
        """The samples as what they are: pictures, texts, a table, sounds ...; see the domain's `decode`."""
        return self.maker.decode(self) if isinstance(self.maker, DecodesSamples) else self.images()

    def images(self) -> list[Image.Image]:
        """One picture per sample. Channels other than 1, 3 or 4 are set below each other in grey."""
        return [picture(x, self.spec) for x in self.data]

    def grid(self, columns: int | None = None) -> Image.Image:
        """All samples in one picture, row by row, tiny ones enlarged so that a person sees them.

        columns: by default about a square, or one column per class.
        """
        pictures = [enlarged(image) for image in self.images()]
        if columns is None:
            columns = self.spec.num_classes if self.spec.num_classes > 1 else ceil(len(pictures) ** 0.5)
        columns = max(1, min(columns, len(pictures)))
        return arrange(pictures, columns, Frame(pictures[0].size, mode=pictures[0].mode))

    def show(self) -> None:
        """Open the grid in the system's picture viewer."""
        self.grid().show()

    def _repr_png_(self) -> bytes:
        return provenance.encode([self.grid()], "png", self.note())

    def note(self, k: int | None = None) -> dict[str, Any]:
        """The provenance mark of all samples, or of the sample in row `k` alone."""
        if k is None:
            span = [int(self.indices[0]), int(self.indices[-1])] if len(self.indices) else None
            return provenance.note(**self._said, seed=self.seed, indices=span, count=len(self))
        label = None if self.labels is None else int(self.labels[k])
        return provenance.note(**self._said, seed=self.seed, index=int(self.indices[k]), label=label)

    @property
    def _said(self) -> dict[str, Any]:
        return self.facts | ({"watermark": self.watermark.name} if self.watermark else {})

    def files(self, mark: bool = True) -> Iterator[tuple[str, bytes]]:
        """(name, content) per sample, named by index: PNGs, or what the maker writes one by one; signed, where there is
        a signer, with the manifest as a further file where the format has no place for it.
        """
        maker = self.maker or Pictures()
        self.check_watermark(maker.each)
        for k, index in enumerate(self.indices):
            content = maker.encode(self[k], maker.each, mark) if self.maker else maker.single(self, k, mark)
            yield from self.signed(f"{index:08d}{maker.each}", content, k)

    def written_with(self, watermark: Watermark | None, signer: Signer | None) -> Samples:
        """The same samples, whose files get a watermark and a signature."""
        return replace(self, watermark=watermark, signer=signer)

    def check_watermark(self, suffix: str) -> None:
        """Raise UsageError when a watermark is asked for that files of this suffix cannot carry."""
        maker: Any = self.maker or Pictures()
        if self.watermark and not (isinstance(maker, CarriesWatermark) and suffix in maker.watermarked):
            raise UsageError(
                f"{suffix or 'These'} files of this model carry no watermark: pictures, clips and sounds do. "
                "Leave watermark out, or choose another form."
            )

    def signed(self, name: str, content: bytes, k: int | None = None) -> Iterator[tuple[str, bytes]]:
        """(name, content) of a file, signed where there is a signer, and of a manifest that lies beside it."""
        if self.signer is None:
            yield name, content
            return
        content, manifest = self.signer.signed(content, name, self.note(k))
        yield name, content
        if manifest is not None:
            yield f"{name}{BESIDE}", manifest

    def content(self, suffix: str, mark: bool = True, **options: Any) -> bytes:
        """All samples as the bytes of one file: what `save` writes to a name of that suffix, signed where the form has
        a place for it. Raises UsageError.
        """
        return next(self._whole(f"samples{suffix}", suffix, mark, options))[1]

    def _whole(self, name: str, suffix: str, mark: bool, options: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
        """(name, content) of one file of all samples, and of the manifest that lies beside it, if one does."""
        maker = self.maker or Pictures()
        self._check_form(suffix)
        self.check_watermark(maker.each if suffix == ".zip" else suffix)
        if suffix == ".npz":
            made = npz_bytes(self, mark)
        elif suffix == ".zip":
            made = zip_bytes([*self.files(mark), (LIST, _list(self, mark, _rows(self)))], self.note() if mark else None)
        else:
            made = maker.encode(self, suffix, mark, **options)
        yield from self.signed(name, made)

    def lists(self, entries: Entries) -> Iterator[tuple[str, bytes]]:
        """(name, content) of what follows the samples in a zip: their list, and the note with the digest of all."""
        made = _list(self, True, _rows(self))
        entries.add(LIST, [made])
        yield LIST, made
        yield "mark.json", json.dumps(self.note() | {"content": str(entries)}).encode()

    def _check_form(self, suffix: str) -> None:
        maker = self.maker or Pictures()
        if suffix not in forms_of(maker):
            more = f" A name without a suffix is a folder of {maker.each[1:].upper()}s." if maker.each else ""
            raise UsageError(f"Cannot write samples as {suffix!r}. {nearest(suffix, forms_of(maker))}{more}")

    def save(self, path: str | Path, *, mark: bool = True, **options: Any) -> list[Path]:
        """Write to a folder of one file each, or by suffix: .npz, .zip, or a form of the maker.

        Pictures: a folder of PNGs, .png (a grid; columns=), .gif, .webp or .apng (an animation; fps=).
        mark: False leaves the note out of the files and records that in `samples.json`, or beside a single
        file in `NAME.unmarked.json`. The note of a .csv or .txt is in `NAME.mark.json`. A folder holds samples of one
        seed and one setting: further ones are added, others refused. Returns the files written. Raises UsageError for
        an unknown suffix, TakenError for a folder that holds others or in which another process is writing.
        """
        path, maker = place(path), self.maker or Pictures()
        suffix = path.suffix.lower()
        folder = path.is_dir() or not suffix
        if folder and not maker.each:
            raise UsageError(f"These samples belong in one file: name one that ends in {' or '.join(forms_of(maker))}.")
        if folder:
            return self._save_folder(path, mark)
        make_folder(path.parent)
        (_, content), *beside = self._whole(path.name, suffix, mark, options)
        replace_result(path, content)
        for name, manifest in beside:
            replace_file(path.with_name(name), manifest)
        more = [path.with_name(name) for name, _ in beside]
        if suffix == ".zip" or (mark and not marked_beside(maker, suffix)):
            return [path, *more]
        marked, unmarked = (path.with_name(f"{path.name}.{word}.json") for word in ("mark", "unmarked"))
        aside, stale = (marked, unmarked) if mark else (unmarked, marked)
        said = {"marked": mark, "file": path.name, **self.note()} | ({"content": of_bytes(content)} if mark else {})
        replace_file(aside, json.dumps(said, indent=1, default=str))
        stale.unlink(missing_ok=True)
        return [path, aside, *more]

    def _save_folder(self, folder: Path, mark: bool) -> list[Path]:
        make_folder(folder)
        with FolderLock(folder, WRITTEN):
            rows = {row["file"]: row for row in _rows(self)}
            kept = self._kept(folder, mark, rows)
            replace_file(folder / LIST, _list(self, mark, kept))  # what the folder is for, should this be interrupted
            for name, content in [*self.files(mark), *_mark(self, mark)]:
                replace_file(folder / name, content)
            every = {row["file"]: row for row in kept} | rows
            replace_file(folder / LIST, _list(self, mark, [every[name] for name in sorted(every)]))
        return [folder / name for name in (*rows, LIST, *(["mark.json"] if mark else []))]

    def _kept(self, folder: Path, mark: bool, rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """The list of the samples that a folder holds already; TakenError when these do not belong to them."""
        refuse_strangers(folder, (BULK, *([] if (folder / LIST).exists() else rows)))
        if not (folder / LIST).exists():
            return []
        try:
            old = dict(read_json((folder / LIST).read_bytes(), LIST))
            kept = {str(row["file"]): row for row in old["samples"]}
        except (OSError, UsageError, ValueError, KeyError, TypeError) as error:
            raise TakenError(f"{folder / LIST} is damaged or of another program. Choose another folder.") from error
        new = as_json(_facts(self, mark, []))
        known, own = ({n: v for n, v in facts.items() if n not in _SPAN} for facts in (old, new))
        changed = difference(known, own)
        if not changed and any(kept.get(name, row) != row for name, row in rows.items()):
            changed = ["labels: others for the same samples"]
        if not changed and self.seed is None and "interpolation" not in self.facts:
            changed = ["latents: your own, which may be others"]
        refuse_changes(changed, folder)
        return list(kept.values())


def forms_of(maker: Any) -> tuple[str, ...]:
    """Suffixes of the single files that a maker's samples can be written to, the usual one first."""
    return (*maker.forms, ".npz", *([".zip"] if maker.each else []))


def marked_beside(maker: Any, suffix: str) -> bool:
    """Whether the note of a file of this suffix lies beside it."""
    return isinstance(maker, MarksBeside) and suffix in maker.plain


class Pictures:
    """The maker of pictures: a PNG of each, a grid of all, or an animation."""

    forms: ClassVar[tuple[str, ...]] = (".png", ".gif", ".webp", ".apng")
    each: ClassVar[str] = ".png"
    watermarked: ClassVar[tuple[str, ...]] = forms

    def encode(self, samples: Samples, suffix: str, mark: bool, columns: int | None = None, fps: float = 12.0) -> bytes:
        """A grid as .png, all in turn as .gif, .webp or .apng."""
        note = samples.note() if mark else None
        if suffix == ".png":
            return provenance.encode([_watermarked(samples.grid(columns), samples)], "png", note)
        moving = [_watermarked(enlarged(image), samples) for image in samples.images()]
        return provenance.encode(moving, "png" if suffix == ".apng" else suffix[1:], note, fps)

    def single(self, samples: Samples, k: int, mark: bool) -> bytes:
        """Sample `k` alone as a PNG of its own size."""
        image = _watermarked(picture(samples.data[k], samples.spec), samples)
        return provenance.encode([image], "png", samples.note(k) if mark else None)


def _watermarked(image: Image.Image, samples: Samples) -> Image.Image:
    return samples.watermark.image(image) if samples.watermark else image


def _rows(samples: Samples) -> list[dict[str, Any]]:
    """What the list says about each sample: its file, its index, its class."""
    each = (samples.maker or Pictures).each
    rows = [{"file": f"{i:08d}{each}", "index": int(i)} for i in samples.indices]
    for row, label in zip(rows, samples.labels if samples.labels is not None else [], strict=False):
        row |= {"label": int(label), "class": samples.spec.classes[label]}
    return rows


def _facts(samples: Samples, mark: bool, rows: list[dict[str, Any]]) -> dict[str, Any]:
    indices = [row["index"] for row in rows]
    span = {"indices": [min(indices), max(indices)], "count": len(rows)} if rows else {"indices": None, "count": 0}
    return {"marked": mark, **samples.note(), **span, "samples": rows}


def _list(samples: Samples, mark: bool, rows: list[dict[str, Any]]) -> bytes:
    """The content of samples.json."""
    return json.dumps(_facts(samples, mark, rows), indent=1).encode()


def _mark(samples: Samples, mark: bool) -> Iterator[tuple[str, bytes]]:
    if mark:
        yield "mark.json", json.dumps(samples.note()).encode()


def refuse_strangers(folder: Path, names: Iterable[str]) -> None:
    """Raise TakenError when a folder holds something of one of these names, which other work put there."""
    for name in names:
        if os.path.lexists(folder / name):
            raise TakenError(f"{folder} holds {name} already, from other work. Choose another place.")


def refuse_changes(changed: list[str], where: Path) -> None:
    """Raise TakenError when samples are to be made with other settings than those that are there. changed: see
    `core.config.difference`.
    """
    if changed:
        lines = [f"{where} was begun with other settings:", *changed]
        raise TakenError("\n  ".join([*lines, "Use the old settings to go on, or another place."]))


def make_folder(folder: Path) -> None:
    """Create a folder; UsageError when that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(str(explain(error, folder))) from error


def npz_bytes(samples: Samples, mark: bool = True) -> bytes:
    """An .npz with x [n, ...], index [n], y [n] and classes when there are labels, and the note as `mark`."""
    arrays: dict[str, np.ndarray] = {"x": samples.data, "index": samples.indices}
    if samples.labels is not None:
        arrays |= {"y": samples.labels, "classes": np.array(samples.spec.classes)}
    if not mark:
        arrays["marked"] = np.array(False)
    buffer, inner = io.BytesIO(), io.BytesIO()
    np.savez(buffer, **arrays)  # pyrefly: ignore
    if mark:
        note = samples.note() | {"content": of_archive(buffer)}
        np.save(inner, np.array(json.dumps(note)), allow_pickle=False)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(zipfile.ZipInfo("mark.npy", EPOCH), inner.getvalue())
    return buffer.getvalue()


def zip_bytes(entries: list[tuple[str, bytes]], note: dict[str, Any] | None = None) -> bytes:
    """An uncompressed zip (PNGs are compressed already); the same entries give the same bytes. note: goes into
    mark.json, with a digest of the entries.
    """
    buffer, digest = io.BytesIO(), Entries()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries:
            digest.add(name, [content])
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
        if note is not None:
            archive.writestr(zipfile.ZipInfo("mark.json", EPOCH), json.dumps(note | {"content": str(digest)}))
    return buffer.getvalue()
