"""Why the engine does not answer. Each error has a `reason`, a word that a protocol turns into a status."""

from __future__ import annotations

from ganworks.core.errors import GanworksError, UsageError


class ServiceError(GanworksError):
    """A request that was not answered. reason: one word for programs. seconds: after which to try again, or None."""

    reason = "failed"

    def __init__(self, message: str, seconds: float | None = None):
        super().__init__(message)
        self.seconds = seconds


class UnknownModelError(ServiceError, UsageError):
    """The service has no model of that name."""

    reason = "unknown_model"


class WrongUseError(ServiceError, UsageError):
    """The model is there but is for another use, as a translator is not for sampling."""

    reason = "wrong_use"


class TooLargeError(ServiceError, UsageError):
    """More than one request may ask for: see `Limits`."""

    reason = "too_large"


class BusyError(ServiceError):
    """The queue is full, or the answer would come after the deadline. `seconds`: when to try again."""

    reason = "busy"


class TooLateError(ServiceError):
    """The deadline passed before the answer was made."""

    reason = "too_late"


class CannotLoadError(ServiceError):
    """The model's files cannot be loaded; the sentence says why. Other models are not concerned."""

    reason = "cannot_load"


class ClosedError(ServiceError):
    """The service is ending and takes nothing more."""

    reason = "closing"
