"""Errors as answers: one shape, the right status, never a traceback and never a path of the server."""

from __future__ import annotations

import logging
import math
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as PlainHTTPException

from ganworks.core.errors import GanworksError, UsageError, nearest
from ganworks.core.machine import memory
from ganworks.core.machine.places import NoRoomError
from ganworks.files.rasters.decode import DecodeError
from ganworks.serve.engine.errors import ServiceError
from ganworks.serve.guard.headers import without_folders

_TYPES = {  # the `type` of an error, as clients of the OpenAI API know it
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_CODES = {
    400: "invalid_value",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "busy",
    503: "unavailable",
    504: "deadline_exceeded",
}
_REASONS = {  # of the engine -> status and code
    "unknown_model": (404, "model_not_found"),
    "wrong_use": (400, "wrong_use"),
    "too_large": (413, "too_large"),
    "busy": (429, "busy"),
    "too_late": (504, "deadline_exceeded"),
    "cannot_load": (503, "cannot_load"),
    "closing": (503, "ending"),
}
_LONGEST = 2000  # characters of a message
_log = logging.getLogger("ganworks.serve")


class ApiError(HTTPException):
    """An answer that is an error. status: of HTTP. code: a word for programs. param: the value that is wrong."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        param: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ):
        super().__init__(status, message, headers or {})
        self.status, self.message, self.param = status, message, param
        self.code, self.more = code or _CODES.get(status, "error"), more


def no_model(name: str, known: list[str]) -> ApiError:
    """The error for a model that is not served."""
    said = f'There is no model "{name[:100]}" here. {nearest(name, known or ("none",))}'
    return ApiError(404, said, "model_not_found", "model")


def plain(message: str) -> str:
    """A message without paths of the server, of which the last part is kept, and of a bounded length."""
    return without_folders(message)[:_LONGEST]


def described() -> dict[int | str, dict[str, Any]]:
    """The errors of every route, for the page of the API."""
    shape = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    said = {
        400: "A value that the model does not take",
        404: "No such model, job or version",
        406: "None of the forms that Accept names can be made",
        409: "Not in this state",
        413: "Larger than this service takes",
        415: "A media type that is not read here",
        422: "A body that is not as described",
        429: "Too much at once; Retry-After says when to come back",
        503: "The model cannot be used now",
        504: "Not finished within the deadline",
    }
    return {status: {"description": text, "content": shape} for status, text in said.items()}


SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}


def answer(error: ApiError, path: str = "") -> Response:
    """The response for an error; below /v2 in the shape of that protocol, whose errors are one text."""
    said = plain(error.message)
    kind = _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    body: dict[str, Any] = {"message": said, "type": kind, "param": error.param, "code": error.code, **error.more}
    shaped: Any = said if path.startswith("/v2") else body
    return JSONResponse({"error": shaped}, error.status, dict(error.headers or {}))


def from_exception(error: Exception) -> ApiError:
    """The answer for what went wrong, whatever it is."""
    if isinstance(error, ApiError):
        return error
    status = getattr(error, "status", None)  # which errors of access and of jobs bring
    if isinstance(status, int):
        headers = {**dict(getattr(error, "headers", ())), **_again(status, getattr(error, "retry_after", None))}
        return ApiError(status, str(error), getattr(error, "code", ""), headers=headers)
    if isinstance(error, ServiceError):
        status, code = _REASONS.get(error.reason, (503, "model_failed"))
        return ApiError(status, str(error), code, headers=_again(status, error.seconds))
    if isinstance(error, DecodeError):
        return ApiError(422, f"{error}", "unreadable")
    if isinstance(error, UsageError):
        share = getattr(error, "share", None)
        if share is not None:
            return ApiError(422, str(error), "conditions_not_met", "where", share=share)
        return ApiError(400, str(error))
    if isinstance(error, NoRoomError):
        return ApiError(503, "The disk of the service is full. Try again later.", "no_space")
    if isinstance(error, GanworksError):
        return ApiError(503, str(error), "model_failed")
    if isinstance(error, MemoryError | RuntimeError) and memory.is_spent(error):
        return ApiError(
            503, "The memory ran out. Ask for less at a time.", "out_of_memory", headers={"retry-after": "5"}
        )
    _log.error("A request failed, which is a defect.", exc_info=error)
    return ApiError(500, "The service failed at this request, which is a defect of it.", "internal_error")


def _again(status: int, seconds: float | None) -> dict[str, str]:
    """The header that says when to come back, for answers that ask for it."""
    return {"retry-after": str(max(1, math.ceil(seconds or 1)))} if status in (429, 503) else {}


def from_validation(error: RequestValidationError) -> ApiError:
    """What is wrong with a body, in one sentence; what was sent is not repeated."""
    said, first = [], None
    for entry in error.errors()[:4]:
        place = [str(part)[:60] for part in entry["loc"][1:]] or [str(part) for part in entry["loc"]]
        first = first or ".".join(place)
        said.append(f"{'.'.join(place)}: {str(entry['msg'])[:300]}")
    text = "; ".join(said).encode("utf-8", "replace").decode()
    return ApiError(422, f"{text}.", param=(first or "body").encode("utf-8", "replace").decode())


def _from_http(error: PlainHTTPException) -> ApiError:
    said = {
        404: "There is nothing at this address. /docs lists what there is.",
        405: "This address does not take that method. /docs lists what there is.",
    }
    return ApiError(
        error.status_code, said.get(error.status_code, str(error.detail)), headers=dict(error.headers or {})
    )


def install(app: FastAPI) -> None:
    """Let an app answer all its errors in this way."""

    async def handle(request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            return answer(from_validation(error), request.url.path)
        if isinstance(error, PlainHTTPException) and not isinstance(error, ApiError):
            return answer(_from_http(error), request.url.path)
        return answer(from_exception(error), request.url.path)

    for kind in (
        Exception,
        ApiError,
        GanworksError,
        RequestValidationError,
        PlainHTTPException,
        MemoryError,
        RuntimeError,
    ):
        app.add_exception_handler(kind, handle)
