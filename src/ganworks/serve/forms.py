"""The forms of an answer: media types, what a request may choose, and files in pieces."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganworks.core.contracts import DecodesSamples
from ganworks.core.errors import UsageError, nearest
from ganworks.files import provenance
from ganworks.files.provenance.content import Entries
from ganworks.files.shown import picture
from ganworks.use.samples import EPOCH, Pictures, Samples, forms_of, marked_beside

MEDIA = {
    ".png": "image/png",
    ".apng": "image/apng",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".avi": "video/x-msvideo",
    ".mov": "video/quicktime",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".zip": "application/zip",
}
LINES = ".jsonl"
_IN_PIECES = (".csv", ".txt", LINES, ".zip")  # forms of which a part of the samples is a part of the file


@dataclass(frozen=True)
class Form:
    """The form of an answer. suffix: of the file. own: whether it is one sample's own file."""

    suffix: str
    own: bool = False

    @property
    def media(self) -> str:
        """The value of Content-Type."""
        return media_of(self.suffix)

    @property
    def in_pieces(self) -> bool:
        """Whether the file can be sent while later samples are made."""
        return self.suffix in _IN_PIECES


class NotAcceptableError(UsageError):
    """None of the forms that a request accepts can be made."""

    status = 406


def media_of(name: str) -> str:
    """The media type of a file by its name."""
    return MEDIA.get(f".{name.lower().rpartition('.')[2]}", "application/octet-stream")


def forms_here(maker: Any, pictures: bool) -> tuple[str, ...]:
    """Suffixes that a model's samples can be sent as, the usual one first.

    maker: the model's maker or None. pictures: whether samples of a model without a maker are pictures.
    """
    if maker is None and not pictures:
        return (".npz",)
    each = maker.each if maker is not None else ""
    lines = (LINES,) if isinstance(maker, DecodesSamples) and not each else ()
    return (*forms_of(maker or Pictures()), *lines)


def choose(asked: str, accept: str, forms: Iterable[str], each: str, n: int) -> Form:
    """The form of an answer with n samples.

    asked: the request's `format` ("png", ".png" or ""), which goes before accept, the value of its Accept header. each:
    the suffix of a sample's own file or "". Without a wish, one sample is its own file, several are a zip of
    such files, and samples that belong together are one file of the usual form. Raises UsageError.
    """
    forms = tuple(forms)
    usual = Form(each, own=True) if each and n == 1 else Form(".zip" if each else forms[0])
    if asked:
        suffix = f".{asked.lower().lstrip('.')}"
        if suffix not in forms:
            known = nearest(suffix[1:21], [form[1:] for form in forms])
            raise UsageError(f"format: this model's samples cannot be sent as {asked[:20]!r}. {known}")
        return Form(suffix)
    for wish in _wishes(accept):
        if wish in ("*/*", _bare(usual.media)) or (wish.endswith("/*") and usual.media.startswith(wish[:-1])):
            return usual
        for suffix in forms:
            if wish == _bare(media_of(suffix)) or (wish.endswith("/*") and media_of(suffix).startswith(wish[:-1])):
                return Form(suffix)
    if accept.strip():
        known = ", ".join(dict.fromkeys(_bare(media_of(suffix)) for suffix in forms))
        raise NotAcceptableError(f"Accept: this model's samples can be sent as {known}, not as {accept[:80]!r}.")
    return usual


def _bare(media: str) -> str:
    return media.partition(";")[0]


def _wishes(accept: str) -> list[str]:
    """The media types of an Accept header, the most wanted first."""
    found = []
    for place, part in enumerate(accept[:2000].split(",")):
        media, *details = (piece.strip().lower() for piece in part.split(";"))
        share = next((d[2:] for d in details if d.startswith("q=")), "1")
        weight = float(share) if re.fullmatch(r"[01](\.\d{0,3})?", share) else 1.0
        if media and weight > 0:
            found.append((-weight, place, media))
    return [media for _, _, media in sorted(found)]


def file_name(*parts: Any, suffix: str) -> str:
    """A name for a file that is sent: digits-image-1-seed-3.png."""
    stem = "-".join(re.sub(r"[^A-Za-z0-9._-]+", "_", str(part)) for part in parts).strip("._-")
    return f"{stem[:120] or 'samples'}{suffix}"


def note_header(samples: Samples, suffix: str, count: int | None = None) -> dict[str, str]:
    """The note of provenance as a header, for a file that has no place for it. count: of all samples, None: these."""
    if not marked_beside(samples.maker, suffix) and suffix != LINES:
        return {}
    note = samples.note()
    if count is not None and len(samples.indices):
        first = int(samples.indices[0])
        note = {**note, "indices": [first, first + count - 1], "count": count}
    return {"x-ganworks-mark": json.dumps(note, default=str)}


# Encoding ------------------------------------------------------------------------------------------------------------


def encode(samples: Samples, form: Form, **options: Any) -> bytes:
    """All samples as one file of this form, marked: the bytes that `ganworks sample ... out=FILE` writes.

    options: those of the maker's `encode`, such as columns.
    """
    if form.own:
        return next(samples.files())[1]
    return lines_of(samples) if form.suffix == LINES else samples.content(form.suffix, **options)


def lines_of(samples: Samples) -> bytes:
    """One JSON value for each row of a table, each text or each series, in lines; what is missing is null."""
    items = samples.items
    if hasattr(items, "to_json"):
        return _frame_lines(items).encode()
    names = None if samples.labels is None else [samples.spec.classes[k] for k in samples.labels]
    lines = []
    for k, item in enumerate(items):
        about = {"index": int(samples.indices[k]), **({"label": names[k]} if names else {})}
        if isinstance(item, str):
            lines.append(json.dumps({**about, "text": item}, ensure_ascii=False))
        else:
            lines.append(f'{json.dumps(about, ensure_ascii=False)[:-1]}, "rows": {_rows_of(item)}}}')
    return "".join(f"{line}\n" for line in lines).encode()


def _frame_lines(frame: Any) -> str:
    if not len(frame):
        return ""
    text = frame.to_json(orient="records", lines=True, date_format="iso", double_precision=15, force_ascii=False)
    return text if text.endswith("\n") else f"{text}\n"


def _rows_of(item: Any) -> str:
    """The rows of one series as JSON: a list of tables, or without pandas the columns by name."""
    if hasattr(item, "to_json"):
        return f"[{','.join(_frame_lines(item).splitlines())}]"
    plain = {name: _plain(values) for name, values in item.items()} if isinstance(item, dict) else _plain(item)
    return json.dumps(plain, ensure_ascii=False)


def _plain(values: Any) -> Any:
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return [value if np.isfinite(value) else None for value in array.tolist()]
    return array.tolist()


async def pieces(parts: AsyncIterator[Samples], form: Form) -> AsyncIterator[bytes]:
    """The file of `encode` in pieces, of samples that come in parts: the same bytes."""
    if form.suffix == ".zip":
        async for piece in _zip_pieces(parts):
            yield piece
        return
    head: bytes | None = None
    async for part in parts:
        content = await asyncio.to_thread(encode, part, form)
        if head is None:
            head = head_of(content, form)
            yield content
        else:
            yield content.removeprefix(head)


def head_of(content: bytes, form: Form) -> bytes:
    """The line that names the columns of a CSV file, with its end; nothing for other forms."""
    if form.suffix != ".csv":
        return b""
    quoted = False
    for place, byte in enumerate(content):
        quoted ^= byte == ord('"')
        if byte == ord("\n") and not quoted:
            return content[: place + 1]
    return content


async def _zip_pieces(parts: AsyncIterator[Samples]) -> AsyncIterator[bytes]:
    sink, every, entries = Sink(), [], Entries()
    with zipfile.ZipFile(sink, "w") as archive:
        async for part in parts:
            every.append(part)
            for name, content in await asyncio.to_thread(list, part.files()):
                entries.add(name, [content])
                archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
            every[-1] = replace(part, data=np.broadcast_to(part.data[:1], part.data.shape))  # its rows are gone
            yield sink.taken()
        for name, content in _whole(every).lists(entries):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    yield sink.taken()


def _whole(parts: list[Samples]) -> Samples:
    """Parts together, without their rows."""
    first = parts[0]
    indices = np.concatenate([part.indices for part in parts])
    labels = None if first.labels is None else np.concatenate([np.asarray(part.labels) for part in parts])
    return replace(first, data=np.broadcast_to(first.data[:1], (len(indices), *first.data.shape[1:])), indices=indices,
                   labels=labels)  # fmt: skip


def joined(parts: list[Samples]) -> Samples:
    """Parts of one ask as one."""
    return parts[0] if len(parts) == 1 else replace(_whole(parts), data=np.concatenate([p.data for p in parts]))


class Sink(io.RawIOBase):
    """What a zip is written to: its last bytes can be written again, until they are taken."""

    def __init__(self) -> None:
        self._base, self._buffer = 0, io.BytesIO()

    def seekable(self) -> bool:
        """True: a zip in a file that can be sought has no records after its entries."""
        return True

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place in the whole file."""
        return self._base + self._buffer.tell()

    def seek(self, place: int, how: int = io.SEEK_SET) -> int:
        """Go to a place that is not taken yet."""
        self._buffer.seek(place - self._base if how == io.SEEK_SET else place, how)
        return self.tell()

    def write(self, content: Any) -> int:
        """Some bytes."""
        return self._buffer.write(content)

    def taken(self) -> bytes:
        """The bytes that have been written since the last call."""
        found = self._buffer.getvalue()
        self._base += len(found)
        self._buffer = io.BytesIO()
        return found


def single_files(samples: Samples, suffix: str) -> list[bytes]:
    """Each sample's own file, of its own size: suffix as the maker's own files, or ".webp" (lossless) for pictures."""
    maker = samples.maker or Pictures()
    if suffix == maker.each:
        return [content for _, content in samples.files()]
    if samples.maker is not None:
        return [samples[k].content(suffix) for k in range(len(samples))]
    spec, form = samples.spec, suffix[1:]
    return [provenance.encode([picture(x, spec)], form, samples.note(k)) for k, x in enumerate(samples.data)]
