"""Runs models for many requests at once: everything below HTTP.

`engine` answers what `serve.asks` holds; `models` keeps networks in memory; `lanes` queue and pack what is asked of
one model, into places that `places` has measured to give the same bytes; `worker` is the thread that runs them.
"""

from ganworks.serve.engine.engine import Engine
from ganworks.serve.engine.errors import (
    BusyError,
    CannotLoadError,
    ClosedError,
    ServiceError,
    TooLargeError,
    TooLateError,
    UnknownModelError,
    WrongUseError,
)
from ganworks.serve.engine.limits import Limits

__all__ = [
    "BusyError",
    "CannotLoadError",
    "ClosedError",
    "Engine",
    "Limits",
    "ServiceError",
    "TooLargeError",
    "TooLateError",
    "UnknownModelError",
    "WrongUseError",
]
