"""Who may ask the studio: the token, the names of the host, requests of other sites, and the headers of every answer.

A page of another site can make a browser send requests here. It has no token: the cookie is sent with requests of this
site alone (SameSite=Strict), and a request that changes something must come from this site by its Origin and be of a
kind that other sites cannot send without asking first. A name of another site that leads to this machine (DNS
rebinding) is refused by the list of hosts.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ganworks.core.console.text import json_text

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

LOCAL = ("localhost", "127.0.0.1", "::1")
CSP = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD")
_ADDRESS = re.compile(r"(?:https?:)?//(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?")
_KEPT_DAYS = 30


class Guard:
    """An ASGI application in front of the studio's.

    token: whoever brings it may ask. hosts: names by which the studio may be called, beside those of this machine; with
    any_address also every IP address. root_path: the path under which a proxy shows the studio, such as "/gan".
    """

    def __init__(
        self, app: App, token: str, *, hosts: tuple[str, ...] = (), any_address: bool = False, root_path: str = ""
    ):
        self.app, self._token, self.any_address = app, token.encode(), any_address
        self.hosts = {*LOCAL, *(host.lower() for host in hosts)}
        self.root = "/" + root_path.strip("/") if root_path.strip("/") else ""
        name = hashlib.sha256(b"name " + self._token).hexdigest()[:12]
        self._cookie, self._proof = f"ganworks-{name}", hmac.new(self._token, b"cookie", "sha256").hexdigest()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        if self.root and path == self.root:
            await _answer(send, 307, {"location": f"{self.root}/"})
            return
        if self.root and path.startswith(f"{self.root}/"):
            path = path[len(self.root) :]
        scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        if refused := self._refused(scope, headers):
            await _refuse(send, *refused)
            return
        if (answer := self._entering(scope)) is not None:
            await _answer(send, 303, answer)
            return
        if path.startswith("/api/") and not self._known(headers):
            why = "Give the token that the studio printed when it was started: it is at the end of the address."
            await _refuse(send, 401, why)
            return
        await self.app(scope, receive, _with_headers(send, path))

    def _refused(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """(status, why) of a request that is not served, whoever sends it."""
        host = headers.get("host", "")
        if not self._is_host(_name_of(f"//{host}")):
            name = host.partition(":")[0][:80]
            return 421, f'The studio is not known as "{name}". If a proxy calls it so, start it with hosts={name}.'
        site, changes = headers.get("sec-fetch-site", ""), scope["method"] not in _SAFE
        if not scope["path"].startswith("/api/"):
            return (405, "Only GET is possible here.") if changes else None
        if site not in ("", "none", "same-origin"):
            return 403, "Requests of other sites are refused."
        origin = headers.get("origin", "")
        if origin and site != "same-origin" and not self._is_own(origin, host):
            return 403, "Requests of other sites are refused."
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if changes and not (
            kind == "application/json" or (kind == "multipart/form-data" and headers.get("x-ganworks") == "1")
        ):
            return 415, "Send JSON (content-type: application/json), or a form with files and the header X-Ganworks: 1."
        return None

    def _is_host(self, name: str) -> bool:
        if name in self.hosts:
            return True
        with suppress(ValueError):
            return self.any_address and bool(ipaddress.ip_address(name))
        return False

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an Origin is the studio's: the host that the request names, or one of the listed names."""
        return urlsplit(origin).netloc.lower() == host.lower() or _name_of(origin) in self.hosts - {*LOCAL}

    def _entering(self, scope: Scope) -> dict[str, str] | None:
        """The headers that let a browser in which brings the token in the address of the page; None for others."""
        if scope["path"] != "/" or scope["method"] != "GET":
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if "token" not in query:
            return None
        given = query.pop("token")[-1]
        rest = f"?{urlencode(query, doseq=True)}" if query else ""
        entered = {"set-cookie": self.cookie()} if self.is_token(given) else {}
        return {"location": f"./{rest}", **entered}

    def cookie(self) -> str:
        """The Set-Cookie header that lets a browser in."""
        return (
            f"{self._cookie}={self._proof}; HttpOnly; SameSite=Strict; Path={self.root or ''}/; "
            f"Max-Age={_KEPT_DAYS * 86_400}"
        )

    def is_token(self, given: str) -> bool:
        """Whether a text is the token, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def _known(self, headers: dict[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() in ("bearer", "token") and self.is_token(given.strip()):
            return True
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self._proof.encode())


def _name_of(url: str) -> str:
    """The host of an address without its port; "" for what is none, to the letter."""
    found = _ADDRESS.fullmatch(url)
    return (found[1] or found[2]).lower() if found else ""


def _with_headers(send: Any, path: str) -> Any:
    """`send` that adds the headers of every answer; an answer that brings one of them keeps its own."""
    kept = {"cache-control": "no-store" if path.startswith("/api/") else "no-cache"}

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            added = [(n.encode(), v.encode()) for n, v in {**_HEADERS, **kept}.items() if n.encode() not in there]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending


async def _answer(send: Any, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    everything = {**_HEADERS, "cache-control": "no-store", "content-length": str(len(body)), **headers}
    listed = [(name.encode(), value.encode("latin-1", "replace")) for name, value in everything.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Any, status: int, why: str) -> None:
    body = json_text({"error": {"message": why}}).encode()
    await _answer(send, status, {"content-type": "application/json"}, body)
