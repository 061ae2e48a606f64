"""A key of the service: what it is made of, what it allows, and how people write its limits.

A key is `gwk_ID_SECRET`: 12 hex digits by which it is found, and 256 random bits. What is kept of it is its SHA-256. A
slow hash would add nothing: it makes guessing passwords dear, and 256 random bits cannot be guessed at any speed; it
would only make each request slow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from ganworks.core.errors import UsageError, nearest

SCOPES = ("sample", "apply", "metrics", "admin")  # admin includes the others
USUAL = ("sample", "apply")
PIXELS_PER_UNIT = 4096  # a cost unit: this many pixels, rows or steps, e.g. one picture of 64 x 64
_FORM = re.compile(r"gwk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPANS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400}
_RATE = re.compile(rf"([1-9]\d{{0,11}})/({'|'.join(_SPANS)})")
_FOR = re.compile(r"([1-9]\d{0,5})(s|min|h|d)")


@dataclass(frozen=True)
class Rate:
    """So many in so many seconds."""

    count: int
    seconds: int

    def __str__(self) -> str:
        names = {1: "s", 60: "min", 3600: "h", 86_400: "day"}
        return f"{self.count}/{names.get(self.seconds, f'{self.seconds}s')}"


@dataclass(frozen=True)
class Key:
    """What is known of a key.

    id: 12 hex digits, no secret. models: those it may use; none: all. limit: requests. cost: cost units in a span of
    time. quota: cost units a day (UTC), kept over restarts. jobs: pieces of work at once, 0: as many as it likes.
    created, expires, revoked, used: seconds since 1970, or None.
    """

    id: str
    name: str
    scopes: tuple[str, ...] = USUAL
    models: tuple[str, ...] = ()
    limit: Rate | None = None
    cost: Rate | None = None
    quota: int = 0
    jobs: int = 0
    created: float = 0.0
    expires: float | None = None
    revoked: float | None = None
    used: float | None = None

    def allows(self, scope: str) -> bool:
        """Whether it may do what needs this scope; to see its models ("models") every key may."""
        return scope in ("public", "models", *self.scopes) or "admin" in self.scopes

    def may_use(self, model: str) -> bool:
        """Whether it may use the model of this name, which need not exist."""
        return not self.models or model in self.models

    def state(self, now: float) -> str:
        """'active', 'expired' or 'revoked', at a time in seconds since 1970."""
        if self.revoked is not None and self.revoked <= now:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


def mint() -> tuple[str, str]:
    """(id, key) of a new key."""
    id_ = secrets.token_hex(6)
    return id_, f"gwk_{id_}_{secrets.token_urlsafe(32)}"


def id_of(text: str) -> str:
    """The id in what a caller sent, or "" when it is no key of ours."""
    found = _FORM.fullmatch(text) if len(text) < 100 else None
    return found[1] if found else ""


def digest(key: str) -> bytes:
    """What is kept of a key: the SHA-256 of its UTF-8."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def same(one: bytes, other: bytes) -> bool:
    """Whether two digests are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one, other)


# How people write it --------------------------------------------------------------------------------------------------


def name_of(text: str) -> str:
    """The name of a key. Raises UsageError."""
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"A key is named with up to 64 letters, digits, dots, dashes and underscores, not {text[:80]!r}."
        )
    return text


def scopes_of(text: str) -> tuple[str, ...]:
    """ "sample,apply" -> ("sample", "apply"). Raises UsageError for an unknown scope."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for scope in found:
        if scope not in SCOPES:
            raise UsageError(f'There is no scope "{scope[:40]}". {nearest(scope, SCOPES)}')
    if not found:
        raise UsageError(f"scopes= is empty. Known: {', '.join(SCOPES)}.")
    return found


def models_of(text: str) -> tuple[str, ...]:
    """ "a,b" -> ("a", "b"): names of models, as the service calls them. Raises UsageError."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if text and not found:
        raise UsageError("models= is empty. Leave it out to allow all models.")
    for name in found:
        if "/" in name or "\\" in name:
            raise UsageError(f'models= takes names of models, as the service calls them, not paths: "{name[:60]}".')
    return found


def rate_of(text: str, what: str = "limit") -> Rate:
    """ "60/min" -> Rate(60, 60). Raises UsageError."""
    found = _RATE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{what} must be a number and a span of time such as 60/min, not {text[:40]!r}. Spans: "
                         "s, min, h, day.")  # fmt: skip
    return Rate(int(found[1]), _SPANS[found[2]])


def quota_of(text: str) -> int:
    """ "10000/day" -> 10000, in cost units a day. Raises UsageError."""
    rate = rate_of(text if "/" in text else f"{text}/day", "quota")
    if rate.seconds != 86_400:
        raise UsageError(f"quota is counted by the day, such as 10000/day, not {text[:40]!r}. For shorter spans there "
                         "is cost=1000/min.")  # fmt: skip
    return rate.count


def seconds_of(text: str, what: str) -> int:
    """ "30d" -> 2,592,000. Raises UsageError."""
    found = _FOR.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{what} must be a time such as 30d, 12h or 10min, not {text[:40]!r}.")
    return int(found[1]) * _SPANS[found[2]]
