"""What a file says of its origin, and whether that holds: its note, its signature, its watermark, its content.

| outcome | |
|---|---|
| tampered | the signature does not match the bytes, or the digest in the note not the content |
| signed | a C2PA manifest that holds; `signature.state` says whether its certificate is trusted |
| marked | a note of ganworks, or IPTC's term for generated content by any program |
| watermarked | the watermark of the key that was given, and nothing of the above |
| unknown | none of these: it may be of any origin |
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganworks.core.console.text import printable
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.schema.plain import read_json
from ganworks.files.provenance import content
from ganworks.files.provenance.note import EDITED, SOURCE
from ganworks.files.provenance.reading import marks
from ganworks.files.provenance.signatures import Signature, signature_of
from ganworks.files.provenance.xmp import Packet
from ganworks.files.watermark.chance import Finding
from ganworks.files.watermark.mark import Watermark

GENERATED = (SOURCE, EDITED, "algorithmicMedia", "compositeSynthetic")
_NAMED = 1 << 31  # bytes of a file that are decoded to check a digest


@dataclass
class Verdict:
    """What is known of one file. outcome: see above. said: what could not be looked at, and why, in sentences."""

    path: Path
    outcome: str = "unknown"
    marks: Packet = field(default_factory=Packet)
    signature: Signature = field(default_factory=Signature)
    watermark: Finding | None = None
    matches: bool | None = None
    said: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain values."""
        signed, found = self.signature, self.watermark
        return {
            "file": str(self.path),
            "outcome": self.outcome,
            "digital_source_type": self.marks.term or signed.term or None,
            "note": self.marks.note,
            "content_matches": self.matches,
            "signature": {
                "validation_state": signed.state,
                "by": signed.by or None,
                "program": signed.program or None,
                "reasons": list(signed.reasons),
            },
            "watermark": None if found is None else {"found": found.found, "p": found.p, "where": found.place},
            "said": self.said,
        }


def verify(path: Path, watermark: Watermark | None = None, trust: str | None = None) -> Verdict:
    """What a file of any origin says of itself. trust: a PEM file of certificates that are trusted.

    Never raises for what the file holds: that is said in the verdict.
    """
    verdict = Verdict(path)
    _guarded(verdict, "its note", lambda: setattr(verdict, "marks", marks(path)))
    _guarded(verdict, "its signature", lambda: setattr(verdict, "signature", signature_of(path, trust)))
    said = str((verdict.marks.note or {}).get("content", ""))
    if said:
        _guarded(verdict, "its content", lambda: setattr(verdict, "matches", content.same(said, digest(path, said))))
        if verdict.matches is None and not any("PyAV" in line or "soundfile" in line for line in verdict.said):
            verdict.matches = False
    if watermark is not None:
        _guarded(verdict, "its watermark", lambda: setattr(verdict, "watermark", watermark.find(path)))
    verdict.outcome = _outcome(verdict)
    return verdict


def _outcome(verdict: Verdict) -> str:
    if verdict.matches is False or verdict.signature.state == "invalid":
        return "tampered"
    if verdict.signature.state in ("trusted", "valid"):
        return "signed"
    if verdict.marks.note is not None or verdict.marks.term in GENERATED:
        return "marked"
    return "watermarked" if verdict.watermark is not None and verdict.watermark.found else "unknown"


def _guarded(verdict: Verdict, what: str, work: Any) -> None:
    """Do a part of the work; what a strange or damaged file raises becomes a sentence."""
    try:
        work()
    except GanworksError as error:
        verdict.said.append(f"{what[0].upper()}{what[1:]} cannot be read: {printable(str(error))[:300]}")
    except MemoryError:
        verdict.said.append(f"{what[0].upper()}{what[1:]} cannot be read: not enough memory.")
    except Exception as error:  # libraries raise anything for what is no file of theirs
        verdict.said.append(f"{what[0].upper()}{what[1:]} cannot be read: {printable(str(error))[:200]}.")


def digest(path: Path, said: str) -> str:
    """The digest of a file in the form of the one that its note holds, see `content`.

    Raises UsageError, DecodeError and errors of libraries for files that cannot be read.
    """
    form = said.partition(":")[0]
    if form == "packets":
        return content.of_film(path)
    if form == "bytes":
        return content.of_bytes(path)
    if form == "entries":
        try:
            return content.of_archive(path)
        except zipfile.BadZipFile as error:
            raise UsageError(f"{path.name} is no zip ({error}).") from error
    if path.stat().st_size > _NAMED:
        raise UsageError(f"{path.name} has more than {_NAMED >> 30} GB.")
    data = path.read_bytes()
    if form == "samples":
        from ganworks.files.wav import read_pcm

        return content.of_sound(*read_pcm(data, path.name))
    if form == "pages":
        return content.of_parquet(data)
    if form == "texts":
        return content.of_json(read_json(data, path.name)["samples"])
    return content.of_picture(data, path.name)
