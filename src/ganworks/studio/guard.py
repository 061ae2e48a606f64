"""Who may ask the studio: the token, the names of the host, requests of other sites, and the headers of every answer.

A page of another site can make a browser send requests here. It has no token: the cookie is sent with requests of this
site alone (SameSite=Strict), and a request that changes something must come from this site by its Origin and be of a
kind that other sites cannot send without asking first. A name of another site that leads to this machine (DNS
rebinding) is refused by the list of hosts. Hosts, sites, sizes and headers are seen to by the service's own guard.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode

from ganworks.serve.access.ticket import RefusedError
from ganworks.serve.guard.answer import answer, refuse, route_path
from ganworks.serve.guard.bodies import Bodies
from ganworks.serve.guard.headers import ALWAYS, secured
from ganworks.serve.guard.hosts import Names

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

CSP = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_OWN = {b"content-security-policy": CSP.encode()}
_SAFE = ("GET", "HEAD")
_PUBLIC = ("/static/", "/vendor/")  # what the page is made of; everything else needs the token
_BODY = 1 << 20  # bytes of a body that is no form
_KEPT_DAYS = 30


class Guard:
    """An ASGI application in front of the studio's.

    token: whoever brings it may ask. hosts: names by which the studio may be called, beside those of this machine; with
    any_address also every IP address. root_path: the path under which a proxy shows the studio, such as "/gan".
    """

    def __init__(
        self, app: App, token: str, *, hosts: tuple[str, ...] = (), any_address: bool = False, root_path: str = ""
    ):
        self.app, self._small, self._token = app, Bodies(app, _BODY), token.encode()
        self.names = Names(hosts, any_address, "studio")
        self.root = "/" + root_path.strip("/") if root_path.strip("/") else ""
        name = hashlib.sha256(b"name " + self._token).hexdigest()[:12]
        self._cookie, self._proof = f"ganworks-{name}", hmac.new(self._token, b"cookie", "sha256").hexdigest()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        path = route_path({**scope, "root_path": self.root})
        shown = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        sending = _with_headers(send, path)
        try:
            self._check(shown)
            if self.root and scope["path"] == self.root:
                await _moved(sending, 307, f"{self.root}/")
            elif (found := self._entering(shown)) is not None:
                await _moved(sending, 303, *found)
            else:
                self._check_token(shown)
                await (self.app if _kind(shown).startswith("multipart/") else self._small)(shown, receive, sending)
        except RefusedError as error:
            await refuse(error, shown, receive, sending)

    def _check(self, scope: Scope) -> None:
        """Raise RefusedError for a request that is not served, whoever sends it."""
        host, changes = self.names.check_host(scope), scope["method"] not in _SAFE
        if not _private(scope["path"]):
            if changes:
                raise RefusedError(405, "Only GET is possible here.", "method_not_allowed")
            return
        self.names.check_site(scope["headers"], host)
        kind = _kind(scope)
        if changes and not (
            kind == "application/json" or (kind == "multipart/form-data" and _header(scope, b"x-ganworks") == "1")
        ):
            why = "Send JSON (content-type: application/json), or a form with files and the header X-Ganworks: 1."
            raise RefusedError(415, why, "unsupported_media_type")

    def _check_token(self, scope: Scope) -> None:
        if _private(scope["path"]) and not self._known(scope):
            why = "Give the token that the studio printed when it was started: it is at the end of the address."
            raise RefusedError(401, why, "no_token")

    def _entering(self, scope: Scope) -> tuple[str, ...] | None:
        """(address, cookie) of the answer to the address of the page with a token: with no cookie for a wrong one.

        None for every other address.
        """
        if scope["path"] != "/" or scope["method"] != "GET":
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if "token" not in query:
            return None
        given = query.pop("token")[-1]
        rest = f"?{urlencode(query, doseq=True)}" if query else ""
        return (f"./{rest}", self.cookie()) if self.is_token(given) else (f"./{rest}",)

    def cookie(self) -> str:
        """The Set-Cookie header that lets a browser in."""
        return (
            f"{self._cookie}={self._proof}; HttpOnly; SameSite=Strict; Path={self.root or ''}/; "
            f"Max-Age={_KEPT_DAYS * 86_400}"
        )

    def is_token(self, given: str) -> bool:
        """Whether a text is the token, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def _known(self, scope: Scope) -> bool:
        kind, _, given = _header(scope, b"authorization").partition(" ")
        if kind.lower() in ("bearer", "token") and self.is_token(given.strip()):
            return True
        try:
            found = SimpleCookie(_header(scope, b"cookie", "; ")).get(self._cookie)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self._proof.encode())


def _private(path: str) -> bool:
    return path != "/" and not path.startswith(_PUBLIC)


def _header(scope: Scope, wanted: bytes, between: str = ", ") -> str:
    """All headers of a name as one, in the way that HTTP joins them."""
    return between.join(value.decode("latin-1") for name, value in scope["headers"] if name == wanted)


def _kind(scope: Scope) -> str:
    return _header(scope, b"content-type").partition(";")[0].strip().lower()


def _with_headers(send: Any, path: str) -> Any:
    """`send` that adds the headers of every answer; an answer that brings one of them keeps its own."""
    kept = {} if _private(path) else {b"cache-control": b"no-cache"}
    usual = tuple({**dict(ALWAYS), **_OWN, **kept}.items())

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": secured(message["headers"], usual)}
        await send(message)

    return sending


async def _moved(send: Any, status: int, location: str, cookie: str = "") -> None:
    headers = [("location", location), ("cache-control", "no-store")]
    await answer(send, status, b"", headers=[*headers, ("set-cookie", cookie)] if cookie else headers)
