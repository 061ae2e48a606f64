"""Runs models for many requests at once: everything below HTTP.

`engine` answers what `serve.asks` holds; `models` keeps networks in memory; `lanes` queue and pack what is asked of
one model, into places that `places` has measured to give the same bytes; `worker` is the thread that runs them.
"""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from ganworks.serve.engine.engine import Engine

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


def __getattr__(name: str) -> Any:
    """The engine, which imports torch, at its first use: who needs the errors alone goes without."""
    if name != "Engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ganworks.serve.engine.engine import Engine

    return Engine
