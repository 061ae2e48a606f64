"""A published network from a file: told by the names and shapes in it, checked, and made ready for use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ganworks.core.errors import UsageError
from ganworks.files import weights
from ganworks.files.foreign.read import KERAS, read
from ganworks.files.weights import Content
from ganworks.pretrained.architectures.backbone import Backbone, ready
from ganworks.pretrained.architectures.table import ARCHITECTURES
from ganworks.pretrained.architectures.table import KERAS as IN_KERAS_FORM
from ganworks.pretrained.keras_names import to_torchvision

KERAS_FORM = "Keras form"  # what the text "about" of a safetensors file says where names leave the form open
_COUNTER = "num_batches_tracked"


class Loaded(NamedTuple):
    """A network for use, and the SHA-256 of the file that was published."""

    net: Backbone
    sha256: str

    @property
    def key(self) -> str:
        """Its name beside scores: the architecture and the first eight digits of the hash of its file."""
        return f"{self.net.architecture}:{self.sha256[:8]}"


def load(path: str | Path) -> Loaded:
    """The network in a file, folded and frozen.

    Raises UsageError for a file that is not sound, and for one that holds no network of a known architecture.
    """
    content = read(path)
    return Loaded(ready(build(content, path)[0]), content.sha256)


def build(content: Content, path: str | Path) -> tuple[Backbone, dict[str, Tensor]]:
    """(the network in the content of a file, as it was trained; the tensors that it takes from it).

    Names and shapes tell the architecture. Keras's form of it is told by the file's own kind, or, of safetensors with
    torchvision's names, by "Keras form" in their text "about".
    """
    named_by_keras = content.texts.get("form") == KERAS
    tensors = to_torchvision(content.tensors) if named_by_keras else content.tensors
    kind = told(tensors, path)
    if named_by_keras or KERAS_FORM.lower() in content.texts.get("about", "").lower():
        kind = IN_KERAS_FORM.get(kind, kind)
    with torch.random.fork_rng(devices=[]):  # building a layer draws weights, which are then replaced
        net = kind()
    wanted = {
        name: t.float() if t.is_floating_point() else t
        for name, t in tensors.items()
        if not name.startswith(kind.heads)
    }
    counters = {name: t for name, t in net.state_dict().items() if name.endswith(_COUNTER)}
    weights.load_into(net, {**wanted, **counters}, f"{path}, which looks like {kind.architecture},")
    return net, wanted


def told(tensors: Mapping[str, Tensor], path: str | Path) -> type[Backbone]:
    """The architecture whose telling names and shapes these tensors have. Raises UsageError when there is none."""
    for kind in ARCHITECTURES:
        if all(name in tensors and tuple(tensors[name].shape) == shape for name, shape in kind.probe):
            return kind
    first = ", ".join(sorted(tensors)[:3]) or "none of a known network"
    raise UsageError(
        f"{path} holds no network that is known here: {', '.join(kind.architecture for kind in ARCHITECTURES)}. Its "
        f"tensors are named {first} ...; names and shapes must be those of the published files."
    )
