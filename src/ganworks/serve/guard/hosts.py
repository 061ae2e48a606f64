"""Refuses what a browser was tricked into: names that lead here by a foreign DNS, and requests of foreign pages.

A page of any site can let a browser send requests to this machine. It cannot choose the headers Host and Origin: Host
is the name in the address (so a foreign name that was made to lead here is seen), Origin the page's own. There are no
headers that allow reading across origins (CORS), so that a page which gets past this cannot read the answer.
"""

from __future__ import annotations

import ipaddress
import re
import socket
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


class Hosts:
    """ASGI middleware. names: hosts by which the service may be called, besides those of this machine itself. open_to:
    whether others than this machine reach it, who may then call it by any of its addresses and by its own name.
    """

    def __init__(self, app: App, names: tuple[str, ...] = (), open_to_others: bool = False):
        self.app, self.open = app, open_to_others
        self.names = {name.strip("[]").rstrip(".").lower() for name in names}
        if open_to_others:
            self.names |= {socket.gethostname().lower(), *([] if not socket.getfqdn() else [socket.getfqdn().lower()])}

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
        headers = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        host, port = _parts(hosts[0]) if len(hosts) == 1 else ("", "")
        if not host:
            raise RefusedError(400, "A request needs one Host header, with a name or an address.", "bad_host")
        if not self._known(host):
            raise RefusedError(421, "This service is not known by that name. Its owner allows it with `ganworks serve "
                               "hosts=NAME`.", "unknown_host")  # fmt: skip
        if scope["method"] not in _READING:
            self._check_origin(headers, f"{host}:{port or _PORTS[scope.get('scheme', 'http')]}")

    def _known(self, host: str) -> bool:
        if is_local(host) or host in self.names:
            return True
        with suppress(ValueError):
            return self.open and bool(ipaddress.ip_address(host))  # an address is no name that a DNS could bend
        return False

    def _check_origin(self, headers: Any, own: str) -> None:
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        sites = [value for name, value in headers if name == b"sec-fetch-site"]
        if not origins and all(site in (b"same-origin", b"none") for site in sites):
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


@lru_cache(256)
def _parts(authority: bytes) -> tuple[str, str]:
    """(host, port) of an authority, in lower case and without brackets; ("", "") for what is none."""
    found = _FORM.fullmatch(authority.decode("latin-1"))
    if not found or int(found[2] or 0) > 65_535:
        return "", ""
    return found[1].strip("[]").rstrip(".").lower(), found[2] or ""
