"""The watermark and the signature of the outputs of `apply`, and the notes that lie beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganworks.core.errors import UsageError
from ganworks.files import atomic
from ganworks.files.provenance.content import of_bytes
from ganworks.files.provenance.signing import BESIDE, Signer
from ganworks.files.rasters.stored import Raster
from ganworks.files.watermark.mark import Watermark
from ganworks.files.wav import read_pcm, wav_bytes

PLAIN = (".npy", ".bmp", ".ppm", ".pgm", ".pbm")  # outputs that have no place for a note: it lies beside them

Note = dict[str, Any] | None


@dataclass(frozen=True)
class Seals:
    """What outputs get beside their note. watermark, signer: None for none."""

    watermark: Watermark | None = None
    signer: Signer | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What records say of them; another key or certificate makes other outputs."""
        found = {"watermark": self.watermark.name} if self.watermark else {}
        return found | ({"signed": self.signer.name} if self.signer else {})

    def raster(self, raster: Raster) -> Raster:
        """A picture that a network made, with the watermark."""
        return self.watermark.raster(raster) if self.watermark else raster

    def sound(self, made: bytes, form: str, note: Note) -> bytes:
        """A sound that a network made, as the bytes of a file, with the watermark. UsageError for other files."""
        if self.watermark is None:
            return made
        if form != ".wav":
            self.refuse(f"{form} files")
        wave, rate = read_pcm(made, "the output")
        return wav_bytes(np.asarray(self.watermark.sound(wave, rate)), rate, note)

    def refuse(self, what: str) -> None:
        """Raise UsageError if a watermark is asked for, which files of this sort cannot carry."""
        if self.watermark:
            raise UsageError(f"{what} carry no watermark: pictures, films and sounds do. Leave watermark out.")

    def signed(self, target: Path, made: bytes, note: Note, parent: tuple[str, bytes]) -> tuple[bytes, bytes | None]:
        """(the output, its manifest if that is not inside): `parent`, the input, is its ingredient."""
        return (made, None) if self.signer is None else self.signer.signed(made, target.name, note, [parent])


def write_beside(target: Path, made: bytes, manifest: bytes | None, note: Note) -> None:
    """Write the note and the manifest of an output whose format has no place for them."""
    if manifest is not None:
        atomic.replace_file(target.with_name(target.name + BESIDE), manifest)
    if target.suffix.lower() not in PLAIN:
        return
    aside = target.with_name(f"{target.name}.mark.json")
    if note is None:
        aside.unlink(missing_ok=True)
        return
    said = {**note, "marked": True, "file": target.name, "content": of_bytes(made)}
    atomic.replace_file(aside, json.dumps(said, indent=1, default=str))
