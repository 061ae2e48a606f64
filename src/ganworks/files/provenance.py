"""Notes of provenance: the metadata of every file that ganworks writes say that a generator made it.

PNG, WebP, GIF, JPEG and TIFF carry the IPTC term `trainedAlgorithmicMedia` in XMP (images that a model changed:
`compositeWithTrainedAlgorithmicMedia`) and a JSON note with model, seed and index; arrays and archives carry the note
as an entry, films as their comment; tables (.csv) and texts (.txt) have it in a file beside them. A note informs honest
readers; anybody can remove it.

By the note, and by the records that folders of results keep, ganworks knows what it made: that is not taken for data,
and nothing else is overwritten.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import Image, PngImagePlugin

from ganworks.core.errors import UsageError
from ganworks.core.machine.places import TakenError
from ganworks.core.schema.plain import read_json
from ganworks.files.array_files import load_member
from ganworks.files.atomic import replace_file

SOURCE = "trainedAlgorithmicMedia"
_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_LARGEST = 4 * 2**20
_HEAD, _TAIL = 4096, 8192  # bytes at both ends of a file in which the note stands
_NOTED = re.compile(rb"Software\0ganworks|software(?:\"|&quot;): ?(?:\"|&quot;)ganworks")
_NOTED_IN = (".png", ".apng", ".webp", ".gif", ".jpg", ".jpeg", ".tif", ".tiff")
_NOTED_LATE = (".webp", ".tif", ".tiff")
_RUN = frozenset(("manifest.json", "plan.json", "config.yaml"))
_RECORDS = {  # a folder of results keeps one of these files, with this among its first bytes
    "samples.json": b'"ganworks"',
    "done.jsonl": b'{"settings": ',
    "applied.jsonl": b'{"output": ',
    "examples.json": b'"ganworks"',
}
_FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")


def note(**facts: Any) -> dict[str, Any]:
    """The note that a file carries: the program, that the content is generated, and `facts` (model, seed, index,
    label).
    """
    facts = {name: fact for name, fact in facts.items() if fact not in (None, "")}
    return {"software": "ganworks", "generated": True, "digitalSourceType": SOURCE, **facts}


def xmp(mark: dict[str, Any]) -> str:
    """The note as an XMP packet with IPTC's digital source type."""
    term = quoteattr(_TERMS + str(mark.get("digitalSourceType", SOURCE)))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f"Iptc4xmpExt:DigitalSourceType={term} dc:source={quoteattr(json.dumps(mark))}/></rdf:RDF>"
        '</x:xmpmeta><?xpacket end="w"?>'
    )


def encode(frames: list[Image.Image], form: str, mark: dict[str, Any] | None, fps: float = 12.0) -> bytes:
    """Encode an image as "png", "webp" or "gif"; several frames make a looping animation.

    mark: a note to store, or None. fps: frames per second of an animation.
    """
    options: dict[str, Any] = {}
    if len(frames) > 1:
        options = {"save_all": True, "append_images": frames[1:], "duration": round(1000 / fps), "loop": 0}
    if form == "webp":
        options |= {"lossless": True, "quality": 50}
    if mark is not None and form == "png":
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", "ganworks")
        info.add_itxt("ganworks", json.dumps(mark))
        info.add_itxt("XML:com.adobe.xmp", xmp(mark))
        options["pnginfo"] = info
    elif mark is not None and form == "webp":
        options["xmp"] = xmp(mark).encode()
    elif mark is not None:
        options["comment"] = json.dumps(mark).encode()
    buffer = io.BytesIO()
    frames[0].save(buffer, format=form.upper(), **options)
    return buffer.getvalue()


def read(path: str | Path) -> dict[str, Any] | None:
    """The note in a PNG, WebP, GIF, JPEG, TIFF, WAV, npz, zip or film; None if there is none.

    Films need PyAV: raises UsageError without it, and for a film that cannot be read.
    """
    path = Path(path)
    if (beside := path.with_name(f"{path.name}.mark.json")).is_file():
        return read_json(beside.read_bytes(), str(beside)) if beside.stat().st_size <= _LARGEST else None
    if path.suffix == ".wav":
        from ganworks.files.wav import read_note

        return read_note(path.read_bytes())
    if path.suffix.lower() in _FILMS:
        from ganworks.files.rasters.film import note_of

        return _from_comment(note_of(path))
    if path.suffix == ".npz":
        mark = load_member(path, "mark")
        return None if mark is None else read_json(str(mark), str(path))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            if "mark.json" not in archive.namelist() or archive.getinfo("mark.json").file_size > _LARGEST:
                return None
            return read_json(archive.read("mark.json"), str(path))
    with Image.open(path, formats=("PNG", "WEBP", "GIF", "JPEG", "TIFF")) as image:
        if image.format in ("WEBP", "JPEG", "TIFF"):
            packet = getattr(image, "tag_v2", {}).get(700) or image.info.get("xmp", b"")
            return _from_xmp(packet.decode(errors="replace"))
        text = image.info.get("ganworks") or image.info.get("comment")
        return read_json(text, str(path)) if text else None


def _from_comment(text: str) -> dict[str, Any] | None:
    """The note in the comment of a film; None if the comment is of other origin."""
    try:
        found = read_json(text, "the comment")
    except UsageError:
        return None
    return found if isinstance(found, dict) and "digitalSourceType" in found else None


def _from_xmp(packet: str) -> dict[str, Any] | None:
    _, _, rest = packet.partition("dc:source=")
    if not rest:
        return None
    text = rest[1:].partition(rest[0] + "/>")[0]
    for entity, sign in (("&quot;", '"'), ("&apos;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, sign)
    return read_json(text, "the XMP packet")


def is_run(names: AbstractSet[str]) -> bool:
    """Whether a folder that holds files of these names is a run."""
    return names >= _RUN


def is_result_folder(folder: Path, names: AbstractSet[str]) -> bool:
    """Whether a folder that holds files of these names is one of samples, of applied pictures or of examples."""
    return any(name in names and said in _ends(folder / name) for name, said in _RECORDS.items())


def is_result(path: Path, names: AbstractSet[str] = frozenset()) -> bool:
    """Whether ganworks wrote a picture, by the note in it, or another file, by the note beside it.

    names: the files of its folder, where they are known.
    """
    beside = [f"{path.name}.{word}.json" for word in ("mark", "unmarked")]
    noted = any(name in names if names else path.with_name(name).is_file() for name in beside)
    if noted or path.name.endswith((".mark.json", ".unmarked.json")):
        return True
    return path.suffix.lower() in _NOTED_IN and bool(_NOTED.search(_ends(path)))


def _ends(path: Path) -> bytes:
    """The first bytes of a file, and the last ones where a note may stand there; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if len(head) < _HEAD or path.suffix.lower() not in _NOTED_LATE:
                return head
            file.seek(max(_HEAD, file.seek(0, os.SEEK_END) - _TAIL))
            return head + file.read(_TAIL)
    except OSError:
        return b""


def refuse_strange(path: Path, made: bool | None = None) -> None:
    """Raise TakenError when there is a file that ganworks did not write. made: whether it did, where that is known."""
    if not os.path.lexists(path) or path.is_dir():
        return
    if made is None:
        made = is_result(path) or _noted(path)
    if not made:
        said = f"{path} is there already, and nothing says that ganworks wrote it."
        raise TakenError(f"{said} Name another file, or move it away.")


def _noted(path: Path) -> bool:
    """Whether a file holds a note, or says that it was to have none."""
    try:
        if path.suffix == ".npz" and load_member(path, "marked") is not None:
            return True
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return bool({"mark.json", "samples.json"} & set(archive.namelist()))
        return read(path) is not None
    except Exception:  # what somebody else wrote may raise anything
        return False


def replace_result(path: Path, content: bytes) -> None:
    """Write a whole file; TakenError, and nothing is changed, when there is one that ganworks did not write.

    A file of the same bytes may be of any origin.
    """
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        refuse_strange(path)
    replace_file(path, content)
