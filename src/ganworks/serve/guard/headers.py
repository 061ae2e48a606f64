"""Headers that every answer carries, and paths of the server, which none carries."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ganworks

ALWAYS = (  # an answer of the application may say something else of the same name
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)
_PATH = re.compile(
    r"(?<![\w.:/<])(?!/v[12]/|/docs)(?:[A-Za-z]:)?(?:[/\\][^\s/\\:;,'\"()<>]+)+[/\\]([^\s/\\:;,'\"()<>]+)"
)
Pairs = tuple[tuple[bytes, bytes], ...]
_TLS = (b"strict-transport-security", b"max-age=31536000")
_NEVER = (b"server", b"x-powered-by")


def completed(headers: Iterable[tuple[bytes, bytes]], request: str, tls: bool = False) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that every answer carries. request: its id. tls: whether it came by TLS."""
    kept = [(name, value) for name, value in headers if name.lower() != b"x-request-id"]
    return [*secured(kept, (*ALWAYS, *([_TLS] if tls else []))), (b"x-request-id", request.encode())]


def secured(headers: Iterable[tuple[bytes, bytes]], usual: Pairs = ALWAYS) -> list[tuple[bytes, bytes]]:
    """Headers of an answer with those of `usual` that it has not, and without those that name the server."""
    kept = [(name, value) for name, value in headers if name.lower() not in _NEVER]
    there = {name.lower() for name, _ in kept}
    return [*kept, *(header for header in usual if header[0] not in there)]


def without_folders(text: str) -> str:
    """A text without the absolute paths in it, of which the last part is kept; addresses of ours stay."""
    return _PATH.sub(lambda found: found[1], text)


class Paths:
    """The folders of this machine that an error might name. places: name of a model -> where it lies."""

    def __init__(self, places: dict[str, Path]):
        found: dict[str, str] = {}
        for name, place in places.items():
            found[str(place)] = found[str(place.absolute())] = found[str(place.resolve())] = name
        for folder in (Path.cwd(), Path.home(), Path(tempfile.gettempdir()), Path(ganworks.__file__).parent):
            found.setdefault(str(folder), "...")
        texts = sorted((text for text in found if len(text) > 1), key=len, reverse=True)
        self._found = found
        self._pattern = re.compile("|".join(rf"(?<![\w/.-]){re.escape(text)}(?![\w-])" for text in texts))

    def without(self, body: bytes) -> bytes:
        """The body of an error, with the names of models in place of where they lie."""
        text = body.decode("utf-8", "surrogateescape")
        return self._pattern.sub(lambda m: self._found[m[0]], text).encode("utf-8", "surrogateescape")


class Held:
    """The body of an error, held until it is whole, so that it can be cleaned and measured."""

    def __init__(self, start: Any):
        self.start, self.body = start, bytearray()

    def messages(self, paths: Paths) -> tuple[Any, Any]:
        """The two messages of the answer."""
        body = paths.without(bytes(self.body))
        headers = [(name, value) for name, value in self.start["headers"] if name.lower() != b"content-length"]
        if self.body:  # that of an answer to HEAD says how long the body would be
            self.start = {**self.start, "headers": [*headers, (b"content-length", str(len(body)).encode())]}
        return self.start, {"type": "http.response.body", "body": body}
