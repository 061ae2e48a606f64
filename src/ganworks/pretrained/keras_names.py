"""From the names and shapes of Keras's MobileNetV2 to torchvision's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_WEIGHTS = {
    "kernel": "weight", "depthwise_kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip
_BLOCK = re.compile(r"(?:block_(\d+)|expanded_conv)_(expand|depthwise|project)(_BN)?")
_ENDS = {"Conv1": "features.0.0", "bn_Conv1": "features.0.1", "Conv_1": "features.18.0", "Conv_1_bn": "features.18.1"}


def to_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of Keras's MobileNetV2 ("Conv1/kernel") by torchvision's names; layers of other names are left out.

    Kernels [h, w, in, out] become [out, in, h, w], of a depthwise layer [h, w, in, 1] become [in, 1, h, w].
    """
    found = {}
    for name, tensor in tensors.items():
        layer, _, weight = name.partition("/")
        place = _place(layer)
        if place and weight in _WEIGHTS:
            order = (2, 3, 0, 1) if "depthwise" in layer else (3, 2, 0, 1)
            turned = tensor.permute(*order) if tensor.ndim == 4 else tensor
            found[f"{place}.{_WEIGHTS[weight]}"] = turned.contiguous()
    return found


def _place(layer: str) -> str:
    """features.N.conv.M of a layer of block N - 1; "" for one of another network."""
    if layer in _ENDS:
        return _ENDS[layer]
    match = _BLOCK.fullmatch(layer)
    if match is None:
        return ""
    block, norm = int(match[1] or 0), int(bool(match[3]))
    if match[2] == "project":
        return f"features.{block + 1}.conv.{(2 if block else 1) + norm}"
    return f"features.{block + 1}.conv.{1 if block and match[2] == 'depthwise' else 0}.{norm}"
