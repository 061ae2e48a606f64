"""Decides on requests: who sent this, may they, and is there anything left of what they may use."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl

from ganworks.serve.access.buckets import Buckets
from ganworks.serve.access.keys import PIXELS_PER_UNIT, Key, Rate
from ganworks.serve.access.store import KeyStore
from ganworks.serve.access.ticket import RefusedError, Ticket

FAILURES = Rate(30, 60)  # wrong keys from one address before it is told to wait
_TOUCH = Rate(1, 10)  # how often the last use of a key is written
_IN_QUERY = {"key", "api_key", "apikey", "api-key", "x-api-key", "token", "access_token", "authorization", "bearer"}
_ASK = (("www-authenticate", 'Bearer realm="ganworks"'),)

Headers = Iterable[tuple[bytes, bytes]]


class Work:
    """A piece of work. done: the share of it that is done, from 0 to 1."""

    def __init__(self) -> None:
        self.done = 0.0


class Gate:
    """The keys of a service and what their owners used.

    store: the keys; None: there are none, and none is needed. required: whether a caller needs one.
    """

    def __init__(self, store: KeyStore | None, required: bool, buckets: Buckets | None = None):
        self.store, self.required = store, required
        self._requests, self._costs = buckets or Buckets(), Buckets()
        self._failures, self._touched = Buckets(), Buckets()
        self._working: Counter[str] = Counter()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="keys")

    def close(self) -> None:
        """Write what is left to write, and close the keys."""
        self._writer.shutdown()
        if self.store:
            self.store.close()

    # Who --------------------------------------------------------------------------------------------------------------

    def identify(self, headers: Headers, query: bytes, client: str) -> Key | None:
        """The key that came with a request; None when none is needed and none of ours came. Raises RefusedError."""
        if _key_in(query):
            raise RefusedError(
                400, "A key is never sent in an address, which is logged on its way: send it as the header "
                "`Authorization: Bearer KEY`. If this was a real key, replace it: `ganworks keys rotate NAME`.",
                "key_in_address",
            )  # fmt: skip
        sent = _sent(headers)
        if len(set(sent)) > 1:
            raise RefusedError(
                400, "Two different keys were sent. Send one, as `Authorization: Bearer KEY`.", "two_keys"
            )
        key = self._find(sent[0]) if sent else None
        if key is None and (self.required or (sent and sent[0].startswith("gwk_"))):
            raise self._unknown(bool(sent), client)
        if key and not self._touched.of(key.id, _TOUCH).take():
            self._writer.submit(self._touch, key.id)
        return key

    def welcomes(self, headers: Headers, query: bytes, model: str = "") -> bool:
        """Whether a caller may use a model, "" for any, as far as it is known without counting anything."""
        sent = {*_sent(headers)}
        if not sent and not query:
            return not self.required
        if len(sent) > 1 or _key_in(query):
            return False
        try:
            key = self._find(*sent) if sent else None
        except RefusedError:
            return False
        if key is None:
            return not self.required and not any(text.startswith("gwk_") for text in sent)
        return (key.allows("sample") or key.allows("apply")) and (not model or key.may_use(model))

    def _find(self, sent: str) -> Key | None:
        try:
            return self.store.find(sent) if self.store else None
        except sqlite3.Error as error:
            raise RefusedError(503, "The keys cannot be read now. Try again later.", "keys_unreadable", 5) from error

    def _unknown(self, sent: bool, client: str) -> RefusedError:
        if not sent:
            said = "This service needs a key: send the header `Authorization: Bearer KEY`. Its owner makes one with"
            return RefusedError(401, f"{said} `ganworks keys add NAME`.", "no_key", headers=_ASK)
        if wait := self._failures.of(client, FAILURES).take():
            return RefusedError(429, "Too many wrong keys came from this address. Wait.", "too_many_failures", wait)
        return RefusedError(401, "This key is unknown, was revoked or has expired.", "wrong_key", headers=_ASK)

    def _touch(self, id_: str) -> None:
        with suppress(sqlite3.Error, OSError):  # the last use is for people; nothing depends on it
            if self.store:
                self.store.touch(id_)

    # Whether ----------------------------------------------------------------------------------------------------------

    def check(self, key: Key | None, scope: str, model: str = "") -> None:
        """Raise RefusedError unless a caller may do what needs this scope, with this model, and now."""
        if key is None:
            return
        if not key.allows(scope):
            raise RefusedError(403, f'This key is not for that: it needs the scope "{scope}".', "wrong_scope")
        if model:
            self.check_model(key, model)
        if key.limit and (wait := self._requests.of(key.name, key.limit).take()):
            raise RefusedError(429, f"This key may ask {key.limit} times. Wait {_wait(wait)}.", "rate_limited", wait)

    def check_model(self, key: Key | None, model: str) -> None:
        """Raise RefusedError unless a caller may use this model, which need not exist."""
        if key is not None and not key.may_use(model):
            raise RefusedError(403, "This key is not for that model.", "wrong_model")

    def visible(self, key: Key | None, models: Iterable[str]) -> list[str]:
        """Those models that a caller may use."""
        return [model for model in models if key is None or key.may_use(model)]

    @asynccontextmanager
    async def work(self, ticket: Ticket, units: int) -> AsyncIterator[Work]:
        """A piece of work of so many cost units: counted while it runs; if it fails, what was not done is given
        back.
        """
        key, work = ticket.key, Work()
        if key is None:
            ticket.cost += units
            yield work
            return
        if key.jobs and self._working[key.name] >= key.jobs:
            said = f"This key may have {key.jobs} at work at once. Wait for one of them."
            raise RefusedError(429, said, "too_many_at_once", 1)
        self._working[key.name] += 1
        try:
            await self._pay(key, units)
            ticket.cost += units
            try:
                yield work
            except BaseException:
                left = units - math.ceil(units * min(1.0, work.done))
                ticket.cost -= left
                self._give_back(key, left)
                raise
        finally:
            self._working[key.name] -= 1
            if not self._working[key.name]:
                del self._working[key.name]

    async def _pay(self, key: Key, units: int) -> None:
        bucket = self._costs.of(key.name, key.cost) if key.cost else None
        if bucket and (wait := bucket.take(units)):
            said = f"This key may use {key.cost} cost units, and this needs {units:,}. Wait {_wait(wait)}."
            raise RefusedError(429, said, "cost_limited", wait)
        if not key.quota or self.store is None:
            return
        paying = asyncio.get_running_loop().run_in_executor(self._writer, self.store.spend, key.name, units, key.quota)
        try:
            spent = await asyncio.shield(paying)
        except (sqlite3.Error, OSError) as error:
            if bucket:
                bucket.put_back(units)
            raise RefusedError(
                503, "What this key used cannot be counted now. Try later.", "keys_unwritable", 5
            ) from error
        if spent is None:
            if bucket:
                bucket.put_back(units)
            said = f"The quota of this key, {key.quota:,} cost units a day, does not cover this one's {units:,}."
            raise RefusedError(429, f"{said} A new day begins at 0:00 UTC.", "quota_spent", _until_tomorrow())

    def _give_back(self, key: Key, units: int) -> None:
        if key.cost:
            self._costs.of(key.name, key.cost).put_back(units)
        if key.quota and units and self.store:
            self._writer.submit(self.store.spend, key.name, -units, 0)


def units_of(n: int, positions: int) -> int:
    """Cost units of n results of so many pixels, rows or steps each: at least 1."""
    return max(1, math.ceil(n * max(1, positions) / PIXELS_PER_UNIT))


def _sent(headers: Headers) -> list[str]:
    """The keys in the headers of a request."""
    found = []
    for name, value in headers:
        text = value.decode("latin-1").strip()
        if name == b"x-api-key":
            found.append(text)
        elif name == b"authorization" and text[:7].lower() == "bearer ":
            found.append(text[7:].strip())
    return found


def _key_in(query: bytes) -> bool:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return any(name.strip().lower() in _IN_QUERY or "gwk_" in value for name, value in pairs)


def _wait(seconds: float) -> str:
    return f"{math.ceil(seconds):,} s"


def _until_tomorrow() -> float:
    return 86_400 - time.time() % 86_400
