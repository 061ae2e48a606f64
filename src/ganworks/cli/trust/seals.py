"""watermark=KEYFILE and sign=CERT.pem,KEY.pem, the same in every verb that writes or serves files."""

from __future__ import annotations

import os

from ganworks.cli.words import Options
from ganworks.files.provenance.signing import Signer
from ganworks.files.watermark.mark import Watermark

WATERMARK_VARIABLE = "GANWORKS_WATERMARK"


def seals_of(options: Options) -> tuple[Watermark | None, Signer | None]:
    """(the watermark, the signer) that options ask for; the key of the watermark may be named by GANWORKS_WATERMARK.

    Raises UsageError for keys that cannot be read.
    """
    key = options.get("watermark", os.environ.get(WATERMARK_VARIABLE, ""))
    watermark = Watermark.load(key) if key not in ("", "off") else None
    return watermark, Signer.load(options["sign"]) if "sign" in options else None
