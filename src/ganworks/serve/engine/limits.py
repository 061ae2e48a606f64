"""How much one request may ask for, and how many may wait."""

from __future__ import annotations

from dataclasses import dataclass

from ganworks.core.machine.memory import spelled
from ganworks.serve.engine.errors import TooLargeError

_COPIES = 6  # of samples on their way into a file, as in `use.model`


@dataclass(frozen=True)
class Limits:
    """Limits of a service; the defaults suit one machine that several programs share.

    samples: of one answer that is held in memory. streamed: of one stream. slice: of one part of a stream.
    answer_bytes: memory that one answer, and the rows of all that are being made, may take. steps: samples of a walk.
    upload_bytes: of one file. pixels: of one uploaded picture. films: whether videos are taken, which hold a model for
    minutes. files: of one request for classes.
    waiting: requests that may wait for one model. patience: the share of its deadline that a request may be expected
    to wait; beyond, it is refused at once. window_s: seconds for which a batch waits for others that are about to
    come, when there were others just now.
    """

    samples: int = 10_000
    streamed: int = 1_000_000
    answer_bytes: int = 1 << 30
    upload_bytes: int = 64 << 20
    pixels: int = 25_000_000
    films: bool = False
    files: int = 256
    steps: int = 2_000
    waiting: int = 256
    patience: float = 0.4
    window_s: float = 0.003
    slice: int = 256

    def check_samples(self, n: int, row_bytes: int, most: int | None = None) -> None:
        """Raise TooLargeError for more samples, or more bytes of them, than one answer may hold. most: else samples."""
        most = self.samples if most is None else most
        fit = max(1, min(most, self.answer_bytes // max(1, _COPIES * row_bytes)))
        if n > fit:
            raise TooLargeError(f"n={n:,}: one answer may hold {fit:,} samples of this model. Ask for fewer at a time.")

    def check_upload(self, size: int, what: str = "The file") -> None:
        """Raise TooLargeError for an upload of more bytes than are taken."""
        if size > self.upload_bytes:
            raise TooLargeError(f"{what} has {spelled(size)}; at most {spelled(self.upload_bytes)} are taken.")

    def check_pixels(self, pixels: int, what: str = "The picture") -> None:
        """Raise TooLargeError for a picture of more pixels than are taken."""
        if pixels > self.pixels:
            raise TooLargeError(f"{what} has {pixels:,} pixels; at most {self.pixels:,} are taken. Make it smaller.")

    def check_files(self, count: int) -> None:
        """Raise TooLargeError for more files than one request may bring."""
        if count > self.files:
            raise TooLargeError(f"{count:,} files: one request may bring {self.files:,}. Send fewer at a time.")
