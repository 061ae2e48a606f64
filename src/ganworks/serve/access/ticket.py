"""One request, from its first byte to its line in the log: who asked, for what, at what cost, with which end."""

from __future__ import annotations

import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from ganworks.core.errors import GanworksError
from ganworks.serve.access.keys import Key

_SECRET = re.compile(r"(gwk_[0-9a-f]{0,12})[^/ ]*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_current: ContextVar[Ticket | None] = ContextVar("ganworks_request", default=None)


class RefusedError(GanworksError):
    """The service does not do what was asked. status: of HTTP. retry_after: seconds until it is worth trying again.
    code: a word for programs. headers: further ones of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        retry_after: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ):
        super().__init__(message)
        self.status, self.code, self.retry_after, self.headers = status, code, retry_after, headers


@dataclass
class Ticket:
    """What is known of a request; whoever learns something enters it here.

    id: given by the caller if it is well formed, else made here. client: the address it came from. route: the address
    as the service declares it, e.g. /v1/models/{name}/sample, never what the caller wrote; that is
    `asked`, the path alone, which is for the console, with keys in it covered. started: on the monotonic
    clock. cost: in cost units. sha256: of the model. refused: how many requests a line tells of, which were refused
    unread.
    """

    id: str
    method: str
    client: str = ""
    route: str = ""
    asked: str = ""
    key: Key | None = None
    started: float = field(default_factory=time.monotonic)
    model: str = ""
    sha256: str = ""
    n: int = 0
    cost: int = 0
    status: int = 0
    size: int = 0
    ended: bool = False
    refused: int = 0

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self.started

    def enter(self) -> object:
        """Make it the request of this task and those it starts; returns what `leave` takes."""
        return _current.set(self)

    @staticmethod
    def leave(token: object) -> None:
        """Undo `enter`."""
        _current.reset(token)  # type: ignore[arg-type]  # pyrefly: ignore


def current() -> Ticket | None:
    """The request that is being answered here; None outside of any."""
    return _current.get()


def request_id(sent: str) -> str:
    """The id that a caller sent, if it is well formed: up to 64 letters, digits, dots, dashes and underscores; else a
    new one.
    """
    return sent if _ID.fullmatch(sent) else secrets.token_hex(8)


def covered(path: str) -> str:
    """The beginning of a path as a line can show it: of a key that stands in it, the id alone is left."""
    return _SECRET.sub(r"\1...", path[:200])[:100]
