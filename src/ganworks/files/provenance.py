"""Notes of provenance: the metadata of every file that ganworks writes say that a generator made it.

PNG, WebP, GIF, JPEG and TIFF carry the IPTC term `trainedAlgorithmicMedia` in XMP (images that a model changed:
`compositeWithTrainedAlgorithmicMedia`) and a JSON note with model, seed and index; arrays and archives carry the note
as an entry, films as their comment; tables (.csv) and texts (.txt) have it in a file beside them. A note informs honest
readers; anybody can remove it.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import Image, PngImagePlugin

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.files.array_files import load_member

SOURCE = "trainedAlgorithmicMedia"
_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_LARGEST = 4 * 2**20
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
