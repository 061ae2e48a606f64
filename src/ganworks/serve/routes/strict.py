"""Routes that read bodies strictly, and give up what they do when the client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import Request as Plain

from ganworks.core.errors import UsageError
from ganworks.core.schema.plain import read_json
from ganworks.serve.routes.errors import ApiError

T = TypeVar("T")
_LONGEST_NUMBER = 400  # digits


class ClientGoneError(Exception):
    """The client has closed the connection; nobody reads the answer."""


class StrictRequest(Request):
    """A request whose JSON has each key once, and no NaN."""

    async def json(self) -> Any:
        """The body as a value; ApiError for anything but JSON."""
        return strict_json(await self.body())


def strict_json(raw: bytes) -> Any:
    """The value of a JSON text. Raises ApiError 400 when it is none, and for keys that are given twice."""
    try:
        return read_json(raw, "The body", _once)
    except UsageError as error:
        raise ApiError(400, str(error), "invalid_json") from error


def plain_values(found: Any, name: str) -> dict[str, Any]:
    """A JSON table of texts, switches and finite numbers, up to 50 of them. Raises ApiError for anything else."""
    good = isinstance(found, dict) and len(found) <= 50
    if not good or not all(isinstance(v, str | bool) or _is_number(v) for v in found.values()):
        said = f'{name} must be a JSON table of texts, switches and finite numbers, such as {{"tile": 256}}.'
        raise ApiError(422, said, param=name)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e300


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key is given twice")
    return table


class StrictRoute(APIRoute):
    """A route that takes the media type of its body alone, uncompressed."""

    def get_route_handler(self) -> Callable[[Plain], Coroutine[Any, Any, Response]]:
        """The handler, which reads JSON strictly."""
        handle = super().get_route_handler()
        wanted = "multipart/form-data" if _takes_form(self) else "application/json"

        async def strict(request: Plain) -> Response:
            if self.body_field is not None:
                check_type(request, wanted)
            try:
                return await handle(StrictRequest(request.scope, request.receive))
            except ClientGoneError:
                return Response(status_code=499)  # which nobody reads

        return strict


def _takes_form(route: APIRoute) -> bool:
    fields = route.dependant.body_params
    return any(type(field.field_info).__name__ in ("File", "Form") for field in fields)


def check_type(request: Plain, wanted: str) -> None:
    """Raise ApiError 415 unless a body is of the media type `wanted`, and not compressed."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise ApiError(415, f"This address reads {wanted}, not {given[:80] or 'a body without a Content-Type'}.")
    packed = request.headers.get("content-encoding", "identity").lower()
    if packed != "identity":
        raise ApiError(415, f"Bodies are read uncompressed, not as {packed[:40]}: leave Content-Encoding out.")


async def while_there(request: Plain, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; it is cancelled when the client closes the connection. Raises ClientGoneError then."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(request: Plain) -> None:
    await request.body() if not request._stream_consumed else None
    while (await request.receive())["type"] != "http.disconnect":
        pass
