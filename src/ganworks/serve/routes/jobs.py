"""Long work over HTTP: its state, its events, its result, and its end; for the key alone that asked for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from ganworks.serve.jobs import ENDED, Job, events_of
from ganworks.serve.routes.errors import described, from_exception, plain
from ganworks.serve.routes.strict import StrictRoute
from ganworks.serve.service import service_of

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictRoute, responses=described())
_STREAM = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}


def shown(request: Request, job: Job) -> dict[str, Any]:
    """A job as plain values."""
    here = f"{request.scope.get('root_path', '')}/v1/jobs/{job.id}"
    found: dict[str, Any] = {
        "id": job.id,
        "object": "job",
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "created": int(job.created),
        "kept_seconds": service_of(request).limits.keep_s,
        "links": {"self": here, "events": f"{here}/events"},
    }
    if job.state == "done":
        found["links"]["result"] = f"{here}/result"
        found["result"] = {"name": job.name, "media_type": job.media, "bytes": job.file.stat().st_size}
    if job.error is not None:
        error = from_exception(job.error)
        found["error"] = {"message": plain(error.message), "code": error.code, "status": error.status}
    return found


def accepted(request: Request, job: Job) -> Response:
    """202 and the job."""
    said = shown(request, job)
    return JSONResponse(said, 202, {"location": said["links"]["self"], "x-ganworks-job": job.id})


@router.get("/{job_id}", openapi_extra={"x-scope": "models"})
async def state(job_id: str, request: Request) -> dict[str, Any]:
    """How far a job is, and where its result lies."""
    return shown(request, service_of(request).jobs.get(job_id))


@router.delete("/{job_id}", openapi_extra={"x-scope": "models"})
async def cancel(job_id: str, request: Request) -> dict[str, Any]:
    """Stop a job; the result of one that is finished is removed."""
    return shown(request, await service_of(request).jobs.cancel(job_id))


@router.get("/{job_id}/result", openapi_extra={"x-scope": "models"}, response_class=Response,
            responses={200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}})  # fmt: skip
async def result(job_id: str, request: Request) -> Response:
    """The file that a job has made; 409 while it is at work."""
    job = service_of(request).jobs.result(job_id)
    return FileResponse(job.file, media_type=job.media, filename=job.name, headers=job.headers)


@router.get("/{job_id}/events", openapi_extra={"x-scope": "models"}, response_class=StreamingResponse,
            responses={200: _STREAM})  # fmt: skip
async def events(job_id: str, request: Request) -> Response:
    """Server-sent events: queued, running, progress, done, failed, cancelled. A client that comes back says the id of
    the last one in Last-Event-ID.
    """
    job = service_of(request).jobs.get(job_id)
    last = request.headers.get("last-event-id", "")
    after = int(last) if re.fullmatch(r"\d{1,15}", last) else 0
    if job.state in ENDED and after >= job.position:
        return Response(status_code=204)  # which tells a browser not to come again
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}

    async def stream() -> AsyncIterator[str]:
        async for event in events_of(job, after):
            yield event

    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)
