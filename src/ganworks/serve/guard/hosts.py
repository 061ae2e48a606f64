"""Refuses what a browser was tricked into: names that lead here by a foreign DNS, and requests of foreign pages.

A page of any site can let a browser send requests to this machine. It cannot choose the headers Host and Origin: Host
is the name in the address (so a foreign name that was made to lead here is seen), Origin the page's own. There are no
headers that allow reading across origins (CORS), so that a page which gets past this cannot read the answer.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from ganworks.serve.access.ticket import RefusedError
from ganworks.serve.guard.answer import App, refuse

LOCAL = ("localhost", "127.0.0.1", "::1")
_FORM = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_READING = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": "80", "https": "443"}


@lru_cache(256)
def is_local(host: str) -> bool:
    """Whether a name or address is this machine as only itself sees it."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


class Names:
    """The names by which a server may be called, and the pages that may ask it.

    names: besides those of this machine itself. any_address: whether any address in numbers is a name, too; no DNS
    could bend it. verb: the command that takes `hosts=`.
    """

    def __init__(self, names: Iterable[str] = (), any_address: bool = False, verb: str = "serve"):
        self.any_address, self.verb = any_address, verb
        self.names = {name.strip("[]").rstrip(".").lower() for name in names}

    def check_host(self, scope: Any) -> str:
        """The host and port that a request names, "localhost:8000". Raises RefusedError for a foreign one."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        host, port = _parts(hosts[0]) if len(hosts) == 1 else ("", "")
        if not host:
            raise RefusedError(400, "A request needs one Host header, with a name or an address.", "bad_host")
        if not self._known(host):
            raise RefusedError(421, "This service is not known by that name. Its owner allows it with `ganworks "
                               f"{self.verb} hosts=NAME`.", "unknown_host")  # fmt: skip
        return f"{host}:{port or _PORTS[scope.get('scheme', 'http')]}"

    def _known(self, host: str) -> bool:
        if is_local(host) or host in self.names:
            return True
        with suppress(ValueError):
            return self.any_address and bool(ipaddress.ip_address(host))
        return False

    def check_site(self, headers: Any, own: str) -> None:
        """Raise RefusedError for a request that a page of another site made a browser send. own: see `check_host`.

        What a browser says of itself (Sec-Fetch-Site, which no page can set) counts first, then the Origin.
        """
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        if all(site in (b"same-origin", b"none") for site in sites):
            if not origins or (sites and b"none" not in sites):
                return
            if len(origins) == 1 and self._same(origins[0], own):
                return
        raise RefusedError(403, "A page of another site may not ask this of the service.", "foreign_origin")

    def _same(self, origin: str, own: str) -> bool:
        scheme, _, authority = origin.partition("://")
        host, port = _parts(authority.encode("latin-1"))
        if not host or scheme not in _PORTS:
            return False
        if f"{host}:{port or _PORTS[scheme]}" == own:
            return True
        behind_tls = f"{host}:{port or '80'}" == own  # a proxy that ends TLS passes http on, with the same Host
        return behind_tls or (not is_local(host) and host in self.names and not port)


class Hosts:
    """ASGI middleware. names: hosts by which the service may be called, besides those of this machine itself. open_to:
    whether others than this machine reach it, who may then call it by any of its addresses and by its own name.
    """

    def __init__(self, app: App, names: tuple[str, ...] = (), open_to_others: bool = False):
        own = [name for name in (socket.gethostname(), socket.getfqdn()) if name] if open_to_others else []
        self.app, self.names = app, Names((*names, *own), open_to_others)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with an error, or let the application answer."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except RefusedError as error:
                return await refuse(error, scope, receive, send)
        return await self.app(scope, receive, send)

    def lets_in(self, scope: Any) -> bool:
        """Whether a request would be passed on."""
        try:
            self._check(scope)
        except RefusedError:
            return False
        return True

    def _check(self, scope: Any) -> None:
        host = self.names.check_host(scope)
        if scope["method"] not in _READING:
            self.names.check_site(scope["headers"], host)


@lru_cache(256)
def _parts(authority: bytes) -> tuple[str, str]:
    """(host, port) of an authority, in lower case and without brackets; ("", "") for what is none."""
    found = _FORM.fullmatch(authority.decode("latin-1"))
    if not found or int(found[2] or 0) > 65_535:
        return "", ""
    return found[1].strip("[]").rstrip(".").lower(), found[2] or ""
