"""The sockets on which the service listens, opened before anything is loaded, and a sentence for each failure."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from ganworks.core.errors import UsageError

_BACKLOG = 256
_LONGEST = 100  # bytes of the path of a socket; systems take 104 to 108


def tcp(host: str, port: int) -> list[socket.socket]:
    """Listening sockets at all addresses of a host; port 0: a free one, the same for all. Raises UsageError."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"host={host[:80]} is no address of this machine and no name that leads to one ({_reason(error)}). "
            "127.0.0.1 is this machine alone, 0.0.0.0 all its addresses, :: those of IPv6 as well."
        ) from error
    opened: list[socket.socket] = []
    failed: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            opened.append(_open(family, kind, protocol, (address[0], port, *address[2:])))
            port = opened[0].getsockname()[1]
        except OSError as error:
            failed = error
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                break
    if failed is not None and (not opened or failed.errno in (errno.EADDRINUSE, errno.EACCES)):
        for one in opened:
            one.close()
        raise UsageError(_tcp_sentence(failed, host, port)) from failed
    return opened


def _open(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            with suppress(OSError):
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        one.bind(address)  # type: ignore[arg-type]
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    return one


def _tcp_sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Choose another: port={port + 1}, or port=0 for a free one."
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights that this user does not have: those below 1024 do. Choose another: port=8000."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"host={host} is no address of this machine. 127.0.0.1 is this machine alone, 0.0.0.0 all its addresses."
    return f"Cannot listen at {host}, port {port}: {_reason(error)}."


def unix(path: Path) -> socket.socket:
    """A listening unix socket that its owner alone can use. What a service that was killed left there is replaced.
    Raises UsageError.
    """
    if len(os.fsencode(path)) > _LONGEST:
        raise UsageError(f"uds={path}: the path of a socket has at most {_LONGEST} bytes. Choose a shorter one.")
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("uds= needs unix sockets, which this system does not have. Use host= and port=.")
    _make_way(path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        one.bind(str(path))
        one.listen(_BACKLOG)
    except OSError as error:
        one.close()
        raise UsageError(f"Cannot make the socket uds={path}: {_reason(error)}.") from error
    finally:
        os.umask(before)
    return one


def _make_way(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UsageError(f"uds={path}: there is a file of this name that is no socket. Name another place.")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"Cannot use uds={path}: {_reason(error)}.") from error
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asked.settimeout(1.0)
    try:
        asked.connect(str(path))
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot use uds={path}: {_reason(error)}.") from error
    else:
        raise UsageError(f"uds={path}: a service listens there already. Name another place, or end that one.")
    finally:
        asked.close()


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
