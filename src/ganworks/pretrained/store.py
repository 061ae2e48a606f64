"""The folder of networks that the user has: kept as safetensors in the cache, found by name, added and fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ganworks.core.errors import UsageError, nearest
from ganworks.files import weights
from ganworks.files.foreign.read import read
from ganworks.files.packing.cache import cache_folder
from ganworks.pretrained.architectures.backbone import ready
from ganworks.pretrained.architectures.table import KERAS
from ganworks.pretrained.known import KNOWN, Known, entry
from ganworks.pretrained.load import KERAS_FORM, Loaded, build, load

_KEPT = re.compile(r"(.+)-([0-9a-f]{8})\.safetensors")
_ORIGIN = "published_sha256"
_SUFFIXES = (".pth", ".pt", ".safetensors", ".h5", ".hdf5")


class Kept(NamedTuple):
    """A network in the folder: its file, architecture, and the first digits of the published file's hash."""

    path: Path
    architecture: str
    digits: str

    @property
    def key(self) -> str:
        """Its name beside scores."""
        return f"{self.architecture}:{self.digits}"

    def holds(self, known: Known | None) -> bool:
        """Whether this is that published file."""
        return known is not None and self.architecture == known.architecture and self.digits.startswith(known.digits)


def folder() -> Path:
    """Where networks are kept: the folder "features" in the cache ($GANWORKS_CACHE, or ~/.cache/ganworks)."""
    return cache_folder(None)[0] / "features"


def kept() -> list[Kept]:
    """The networks in the folder, by name."""
    found = ((path, _KEPT.fullmatch(path.name)) for path in sorted(folder().glob("*.safetensors")))
    return [Kept(path, match[1], match[2]) for path, match in found if match]


def add(path: str | Path) -> Kept:
    """Keep a copy of the network in a file, as safetensors; the file itself is not needed any more.

    Raises UsageError for a file that holds no known network, and for one whose content is not what its name promises.
    """
    path = Path(path)
    content = read(path)
    check_digits(path.stem, content.sha256, path)
    net, tensors = build(content, path)
    texts = {_ORIGIN: content.sha256, "published_as": path.name}
    if type(net) in KERAS.values():
        texts["about"] = KERAS_FORM
    found = Kept(
        folder() / f"{net.architecture}-{content.sha256[:8]}.safetensors", net.architecture, content.sha256[:8]
    )
    found.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    weights.write(found.path, tensors, texts)
    return found


def check_digits(name: str, sha256: str, where: str | Path) -> None:
    """Raise UsageError when a file has the name of a known one, but not its hash."""
    known = entry(name)
    if known is not None and not sha256.startswith(known.digits):
        raise UsageError(
            f"{where} is not the file {name} that was published: the SHA-256 of its content begins with {sha256[:8]}, "
            f"not with {known.digits}. It is cut off, changed or another file; get it again."
        )


def named(name: str, others: Iterable[str] = ()) -> Loaded:
    """The network of a name or in a file. others: further names that could have been meant, for the message.

    Raises UsageError when there is none, and says how to get a known one.
    """
    found = [k for k in kept() if name in (k.key, k.path.stem, k.architecture) or k.holds(entry(name))]
    if len(found) == 1:
        return _load(found[0])
    if found:
        raise UsageError(f'There are several networks "{name}". Name one: {", ".join(k.key for k in found)}.')
    if Path(name).suffix.lower() in _SUFFIXES or "/" in name or Path(name).is_file():
        return load(name)
    known = next((k for k in KNOWN if name in (k.name, k.architecture, f"{k.architecture}:{k.digits}")), None)
    if known is not None:
        how = f"`ganworks features get {known.name}` fetches it" if known.address else f"It is {known.note}"
        raise UsageError(
            f"{name} is not on this machine. {how} (about {known.megabytes} MB); `ganworks features add FILE` keeps "
            "one that you have."
        )
    words = [*others, *(k.key for k in kept()), *(k.name for k in KNOWN)]
    raise UsageError(f'There are no features "{name[:100]}" for this data, and no such file. {nearest(name, words)}')


def _load(found: Kept) -> Loaded:
    """A network from the folder, under the hash of the file that was published."""
    content = weights.load(found.path)
    origin = content.texts.get(_ORIGIN, "")
    if not content.sealed or origin[:8] != found.digits or len(origin) != 64:
        raise UsageError(f"{found.path} was not made by `ganworks features`. Remove it, and add the published file.")
    return Loaded(ready(build(content, found.path)[0]), origin)
