"""The secret key of a watermark, and the signs that it draws.

A key is stretched from a file's bytes by scrypt (RFC 7914), so that a passphrase costs an attacker time, and its signs
are bits of SHAKE-256 (FIPS 202): the same on every machine and in every version.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ganworks.core.errors import UsageError

_SALT = b"ganworks watermark 1"
_SHORTEST, _LONGEST = 12, 1 << 16  # bytes of a key file


@dataclass(frozen=True)
class Key:
    """A watermark key. secret: 32 bytes; they are never shown and never written."""

    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.name})"

    @property
    def name(self) -> str:
        """Eight hexadecimal digits that tell keys apart and do not reveal them."""
        return hashlib.sha256(b"name" + self.secret).hexdigest()[:8]

    def signs(self, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
        """float32 of -1 and 1, independent for each purpose and for each place."""
        return _signs(self.secret, purpose, shape)


@lru_cache(16)
def _signs(secret: bytes, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape))
    raw = hashlib.shake_256(secret + purpose.encode()).digest(-(-count // 8))
    bits = np.unpackbits(np.frombuffer(raw, np.uint8))[:count]
    return (2 * bits.astype(np.float32) - 1).reshape(shape)


@lru_cache(8)
def _stretched(content: bytes) -> bytes:
    return hashlib.scrypt(content, salt=_SALT, n=2**14, r=8, p=1, dklen=32)


def load_key(path: str | Path) -> Key:
    """The key in a file: random bytes or a passphrase, 12 bytes at least; white space at its end does not count.

    Raises UsageError for a file that cannot be read, or is too short or too long.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1).rstrip()
    except OSError as error:
        raise UsageError(f"The watermark key {path} cannot be read: {error.strerror or error}.") from error
    if not _SHORTEST <= len(content) <= _LONGEST:
        raise UsageError(
            f"The watermark key {path} holds {len(content):,} bytes; it must hold {_SHORTEST} to {_LONGEST:,}. "
            "`ganworks verify newkey=FILE` makes one."
        )
    return Key(_stretched(content))


def new_key() -> bytes:
    """The content of a new key file: 32 random bytes in hexadecimal digits, and a line break."""
    return os.urandom(32).hex().encode() + b"\n"
