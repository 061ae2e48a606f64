"""Token buckets on the monotonic clock: how much of a rate is left to whom."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from ganworks.serve.access.keys import Rate


class Bucket:
    """Holds `rate.count` tokens at most, and refills evenly. clock: seconds that never go back."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic):
        self.rate, self._clock = rate, clock
        self.tokens, self._at = float(rate.count), clock()

    def take(self, tokens: float = 1.0) -> float:
        """Take tokens, and return 0; or take none, and return the seconds until there are enough.

        Somebody who asks for more than the bucket holds gets them when it is full, and waits for all of them after
        that: the bucket goes below zero.
        """
        now = self._clock()
        each = self.rate.count / self.rate.seconds
        self.tokens = min(float(self.rate.count), self.tokens + (now - self._at) * each)
        self._at = now
        needed = min(tokens, float(self.rate.count))
        if self.tokens + 1e-9 < needed:
            return (needed - self.tokens) / each
        self.tokens -= tokens
        return 0.0

    def put_back(self, tokens: float) -> None:
        """Give back what was taken for work that was not done."""
        self.tokens = min(float(self.rate.count), self.tokens + tokens)


class Buckets:
    """A bucket for each name; the names that were not seen for longest are forgotten above `most`."""

    def __init__(self, most: int = 4096, clock: Callable[[], float] = time.monotonic):
        self._most, self._clock = most, clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def of(self, name: str, rate: Rate) -> Bucket:
        """The bucket of a name, full at first, and anew when its rate has changed."""
        bucket = self._buckets.get(name)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[name] = Bucket(rate, self._clock)
        self._buckets.move_to_end(name)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket
