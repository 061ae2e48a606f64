"""`POST /v1/provenance`: what an uploaded file says of its origin, and whether it holds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from ganworks.files.provenance.verifying import verify
from ganworks.files.watermark.mark import Watermark

LARGEST = 64 << 20  # bytes of an upload
_CHUNK = 1 << 20


def provenance_routes(watermark: Watermark | None = None, trust: str | None = None) -> APIRouter:
    """The route. watermark: is looked for in pictures, films and sounds. trust: a PEM file of trusted certificates."""
    router = APIRouter(tags=["provenance"])

    @router.post(
        "/v1/provenance",
        response_model=None,
        responses={413: {"description": "the file is too large"}},
        openapi_extra={"x-scope": "apply"},
    )
    async def provenance(file: UploadFile) -> dict[str, Any] | Response:
        """Look at one file: `outcome` is tampered, signed, marked, watermarked or unknown; `validation_state` that of
        its C2PA manifest: trusted, valid, invalid or not_present.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"upload{Path(file.filename or '').suffix.lower()[:12]}"
            if not await _stored(file, path):
                said = f"The file has more than {LARGEST >> 20} MB."
                return JSONResponse({"error": {"message": said, "type": "invalid_request_error"}}, 413)
            return await run_in_threadpool(answer, path, file.filename or "", watermark, trust)

    return router


def answer(path: Path, name: str, watermark: Watermark | None = None, trust: str | None = None) -> dict[str, Any]:
    """What the route says of a file that was uploaded under `name`."""
    found = verify(path, watermark, trust).as_json()
    state = found["signature"]["validation_state"]
    return {"object": "provenance", "validation_state": state, **found, "file": name}


async def _stored(file: UploadFile, path: Path) -> bool:
    """Copy an upload to a file; False when it is too large."""
    size = 0
    with path.open("wb") as target:
        while piece := await file.read(_CHUNK):
            size += len(piece)
            if size > LARGEST:
                return False
            target.write(piece)
    return True
