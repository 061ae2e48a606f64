"""Marks of provenance: the metadata of every file that ganworks writes say that a generator made it.

PNG, WebP, GIF, JPEG, TIFF, WAV, MP4 and MOV carry IPTC's term `trainedAlgorithmicMedia` in XMP (what a model changed:
`compositeWithTrainedAlgorithmicMedia`) and a JSON note with model, seed, index and a digest of the content; FLAC and
other films carry the note as their comment, arrays, archives and Parquet as an entry, and what has no place (.csv,
.txt, .npy, .bmp, ...) in NAME.mark.json beside it. A note informs honest readers; anybody can remove it. What holds
against others: `signing` (C2PA) and `files.watermark`.
"""

from ganworks.files.provenance.content import same
from ganworks.files.provenance.note import EDITED, SOURCE, note
from ganworks.files.provenance.pictures import encode
from ganworks.files.provenance.reading import marks, marks_in, read
from ganworks.files.provenance.results import (
    is_result,
    is_result_folder,
    is_run,
    refuse_strange,
    replace_result,
)
from ganworks.files.provenance.xmp import read_xmp, xmp

__all__ = [
    "EDITED",
    "SOURCE",
    "encode",
    "is_result",
    "is_result_folder",
    "is_run",
    "marks",
    "marks_in",
    "note",
    "read",
    "read_xmp",
    "refuse_strange",
    "replace_result",
    "same",
    "xmp",
]
