"""Players of translation with a way back: two generators, and for each side a discriminator with a memory.

CycleGAN: Zhu et al. 2017 (1703.10593), residual generators; DualGAN: Yi et al. 2017 (1704.02510), U-Nets. The memory
is the image history of Shrivastava et al. 2017 (1612.07828, section 2.3), 50 images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.data.spec import Draw, Spec
from ganworks.errors import UsageError
from ganworks.networks.patchgan import PatchGAN, fitting_layers
from ganworks.networks.translator import Residual
from ganworks.networks.unet import Pix2Pix, UNet, levels_for


class Remembering(nn.Module):
    """A discriminator, images [B, C, H, W] -> what `net` returns, that keeps the last `size` generated images.

    They are buffers, float16, so that a training goes on exactly where it stopped. It replaces the oldest image where
    the paper's history replaces a random one.
    """

    def __init__(self, net: nn.Module, size: int, shape: tuple[int, ...]):
        super().__init__()
        self.net, self.size = net, size
        self.register_buffer("images", torch.zeros(size, *shape, dtype=torch.float16))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    @torch.no_grad()
    def remember(self, made: Tensor) -> None:
        """Write a batch [B, C, H, W] over the oldest images. Raises UsageError when it is larger than the memory."""
        count = len(made)
        if count > self.size:
            raise UsageError(f"networks.memory={self.size} is less than a batch of {count}; give at least {count}.")
        at = (self.written + torch.arange(count, device=made.device)) % self.size
        self.images[at] = made.to(self.images.dtype)
        self.written += count

    @torch.no_grad()
    def recall(self, count: int, draw: Draw, share: float = 0.5) -> Tensor:
        """The newest `count` images, each with probability `share` replaced by any that is remembered; float32."""
        rows = torch.arange(count, device=self.written.device)
        newest = (self.written - count + rows) % self.size
        known = self.written.clamp(max=self.size)
        numbers = draw.uniform(2)[:count]
        older = (numbers[:, 0] * known).long().clamp(max=self.size - 1)
        return self.images[torch.where(numbers[:, 1] < share, older, newest)].float()


class Dense(nn.Module):
    """src [B, C, H, W] -> tanh of one linear map from all its values to all of the result [B, C', H', W'].

    Nothing is local, so it can turn, mirror and move; nothing is nonlinear, so it cannot redraw one thing as another.
    Images of another size are brought to that of the training and back.
    """

    def __init__(self, source: tuple[int, ...], shape: tuple[int, ...]):
        super().__init__()
        self.source, self.shape = source, shape
        self.map = nn.Linear(math.prod(source), math.prod(shape))
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, src: Tensor, y: Tensor | None = None) -> Tensor:
        size, own = src.shape[2:], self.source[1:]
        if size != own:
            src = F.interpolate(src, own, mode="bilinear", antialias=True)
        out = self.map(src.flatten(1)).float().tanh().unflatten(1, self.shape)
        return out if size == own else F.interpolate(out, size, mode="bilinear", antialias=True)


def dense_judge(shape: tuple[int, ...], width: int) -> nn.Module:
    """Images [B, *shape] -> logits [B, 1]: fully connected, 8 x width and 4 x width units, LeakyReLU 0.2."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(math.prod(shape), 8 * width), nn.LeakyReLU(0.2),
        nn.Linear(8 * width, 4 * width), nn.LeakyReLU(0.2), nn.Linear(4 * width, 1),
    )  # fmt: skip


@dataclass(frozen=True)
class Cycle:
    """Two translators G (source to target) and G_back, two patch discriminators D (target) and D_back.

    generator: "residual" (CycleGAN), "unet" (DualGAN), or "dense": one linear map, for small images whose translation
        moves things far, with fully connected discriminators. `blocks`, `resample`, `init` and `residual` are for the
        first alone.
    width, blocks, resample, init, residual: of the translators, see `translator.Residual`.
    d_width, d_layers (at most; small images get fewer), d_norm: of the discriminators. memory: generated images that a
    discriminator keeps, at least a batch.
    """

    generator: Literal["residual", "unet", "dense"] = "residual"
    width: int = 64
    blocks: int = 9
    resample: Literal["strided", "filter"] = "strided"
    init: Literal["normal", "xavier"] = "normal"
    residual: bool = False
    d_width: int = 64
    d_layers: int = 3
    d_norm: Literal["instance", "none"] = "instance"
    memory: int = 50

    makes: ClassVar[dict[str, str]] = {"G": "apply", "G_back": "apply"}

    def __post_init__(self) -> None:
        if self.generator not in ("residual", "unet", "dense"):
            raise UsageError(f"generator must be residual, unet or dense, not {self.generator!r}.")
        if min(self.width, self.d_width, self.d_layers, self.memory) < 1:
            raise UsageError(f"width, d_width, d_layers and memory of {self} must be at least 1.")

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G", "G_back", "D", "D_back"} with fresh weights from torch's global generator."""
        if len(spec.shape) != 3 or len(spec.source) != 3:
            raise UsageError(f"These networks translate images, not {list(spec.source)} to {list(spec.shape)}.")
        return {
            "G": self._translator(spec.source, spec.shape),
            "G_back": self._translator(spec.shape, spec.source),
            "D": self._judge(spec.shape),
            "D_back": self._judge(spec.source),
        }

    def _translator(self, source: tuple[int, ...], shape: tuple[int, ...]) -> nn.Module:
        if self.generator == "dense":
            return Dense(source, shape)
        if self.generator == "residual":
            cfg = Residual(self.width, self.blocks, self.resample, init=self.init, residual=self.residual)
            return cfg.build(source[0], shape[0])
        cfg = Pix2Pix(width=self.width, dropout=0.0, up="resize")
        return UNet(source[0], shape[0], cfg, levels_for(*shape[1:]))

    def _judge(self, shape: tuple[int, ...]) -> Remembering:
        if self.generator == "dense":
            return Remembering(dense_judge(shape, self.d_width), self.memory, shape)
        layers = fitting_layers(*shape[1:], most=self.d_layers)
        return Remembering(PatchGAN(shape[0], self.d_width, layers, self.d_norm), self.memory, shape)
