"""The convolutions of VGG19, for a perceptual loss; the user supplies the weights in a safetensors file.

Simonyan and Zisserman 2014 (1409.1556), configuration E. No weights come with ganworks, and the games that can use
VGG19 work without it. Names and shapes are those of the usual ImageNet weights ("features.0.weight", ...), so that such
a file can be used as it is; the classifier in it, if any, is not read.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.files import weights

WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512)  # 0: halve
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1
# The layers that are compared (before their ReLU) and their weights: Real-ESRGAN (2107.10833), section 4.1
LAYERS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}


class VGG19(nn.Module):
    """Images [B, 1 or 3, H, W] in [-1, 1], sides of 16 pixels or more -> {layer: features before its ReLU}.

    The layers are those of `LAYERS`; "conv1_2" is [B, 64, H, W].
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.names: dict[int, str] = {}
        block, number, inputs = 1, 0, 3
        for width in WIDTHS:
            if not width:
                layers.append(nn.MaxPool2d(2))
                block, number = block + 1, 0
                continue
            number += 1
            self.names[len(layers)] = f"conv{block}_{number}"
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = (x.expand(-1, 3, -1, -1) / 2 + 0.5 - self.mean) / self.std
        found = {}
        for index, layer in enumerate(self.features):
            x = layer(x)
            if self.names.get(index) in LAYERS:
                found[self.names[index]] = x
        return found


def load_vgg(path: str | Path) -> VGG19:
    """VGG19 with the weights of a safetensors file, frozen. Raises UsageError when the file does not hold them."""
    net = VGG19()
    tensors, _ = weights.read(path)
    wanted = net.state_dict()
    wrong = [k for k, v in wanted.items() if k not in tensors or tensors[k].shape != v.shape]
    if wrong:
        raise UsageError(
            f'"{path}" does not hold the weights of VGG19: {", ".join(wrong[:4])} missing or of another shape. '
            "It needs features.0.weight to features.34.bias, as the usual ImageNet weights have them."
        )
    net.load_state_dict({k: tensors[k].float() for k in wanted})
    return net.eval().requires_grad_(False)


def perceptual(net: VGG19, made: Tensor, real: Tensor) -> Tensor:
    """[B]: weighted L1 distance between VGG19's features of made and real images; no gradient reaches `real`."""
    with torch.no_grad():
        wanted = net(real)
    found = net(made)
    distances = [LAYERS[k] * (found[k].float() - wanted[k].float()).abs().flatten(1).mean(1) for k in LAYERS]
    return torch.stack(distances).sum(0)
