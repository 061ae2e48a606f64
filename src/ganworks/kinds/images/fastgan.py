"""FastGAN: small maps gate the channels of large ones, and the discriminator rebuilds what it sees.

Liu, Zhu, Song, Elgammal 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
2101.04775. Written from the paper. As there: gated linear units and batch norm, noise in every second stage, latents,
skip-layer excitation from a map to one sixteen times as large, spectral norm in both players, 5x5 patch logits from a
map of 8x8, decoders of that map and of a quarter of the one before. Differences: images of any size; the second,
smaller scale at which the published D looks at images of 256 pixels and more is left out; what is rebuilt is compared
by mean absolute differences, where the paper compares in features of VGG16; in use, noise is a map that was drawn with
the weights, so that a latent has one image; classes, which the paper does not have, are concatenated to the latent in G
and projected in D (1802.05637).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check
from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.core.spec import Spec
from ganworks.games.self_supervised import SelfSupervised
from ganworks.kinds.images.r3gan import base_map, stages
from ganworks.layers.strided import center_crop, center_pad
from ganworks.layers.weights.spectral import SpectralConv2d, SpectralEmbedding, SpectralLinear

G_LADDER = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125}  # channels over the width
D_LADDER = {8: 16, 16: 8, 32: 4, 64: 2, 128: 1, 256: 0.5, 512: 0.25, 1024: 0.125}
REBUILT = 128  # pixels, at most, of what the decoders make
PATCHES = 8  # pixels of the map from which the logits come
SLOPE = 0.2
WIDTH, SMALL = 64, 16  # as published, and on a CPU


def channels(ladder: dict[int, float], side: int, width: int) -> int:
    """Channels of a map of nominally `side` pixels."""
    return max(2, int(width * ladder[min(side, 1024)]))


class Noise(nn.Module):
    """x + strength * noise: drawn anew for each example in training, in use a map that was drawn with the weights."""

    def __init__(self, size: tuple[int, int]):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, *size))

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device) if self.training else self.noise
        return x + (self.strength * noise).to(x.dtype)


class Up(nn.Module):
    """[B, I, h, w] -> [B, O, 2h, 2w]: doubled, 3x3 convolution, (noise,) batch norm, GLU; twice where `noisy`."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], *, noisy: bool):
        super().__init__()
        layers: list[nn.Module] = [nn.Upsample(scale_factor=2, mode="nearest")]
        for k in range(2 if noisy else 1):
            layers.append(SpectralConv2d(outputs if k else inputs, 2 * outputs, 3, bias=False))
            layers += [Noise(size)] if noisy else []
            layers += [nn.BatchNorm2d(2 * outputs), nn.GLU(1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Excitation(nn.Module):
    """Skip-layer excitation: a small map [B, I, h, w] gates the channels of a large one [B, O, H, W]."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.gather = SpectralConv2d(inputs, outputs, 4, bias=False, padding=0)
        self.gate = SpectralConv2d(outputs, outputs, 1, bias=False)

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        x = F.silu(self.gather(F.adaptive_avg_pool2d(small, 4)))
        return large * torch.sigmoid(self.gate(x))


class FastGenerator(nn.Module):
    """Latents [B, z_dim], labels [B] or None -> images [B, C, H, W] in [-1, 1]."""

    def __init__(self, cfg: FastGAN, spec: Spec):
        super().__init__()
        depth, self.height, self.width = spec.shape
        count = stages(self.height, self.width)
        rows, columns = base_map(self.height, self.width, count)
        self.z_dim = cfg.z_dim
        self.label = nn.Embedding(spec.num_classes, cfg.embed) if spec.num_classes else None
        widths = [channels(G_LADDER, 4 * 2**k, cfg.width) for k in range(count)]
        inputs = cfg.z_dim + (cfg.embed if spec.num_classes else 0)
        self.base = (2 * widths[0], rows, columns)
        self.first = SpectralLinear(inputs, math.prod(self.base), bias=False)
        self.norm = nn.Sequential(nn.BatchNorm2d(2 * widths[0]), nn.GLU(1))
        self.ups = nn.ModuleList(
            Up(widths[k - 1], widths[k], (rows * 2**k, columns * 2**k), noisy=k % 2 == 1) for k in range(1, count)
        )
        self.gates = nn.ModuleList(Excitation(widths[k - 4], widths[k]) for k in range(4, count))
        self.last = SpectralConv2d(widths[-1], depth, 3, bias=False)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.label is not None:
            if y is None:
                raise UsageError("This generator was trained with classes; give one label per latent.")
            z = torch.cat([z, self.label(y).to(z.dtype)], 1)
        x = self.norm(self.first(z).unflatten(1, self.base))
        maps = [x]
        for k, up in enumerate(self.ups, 1):
            x = up(x)
            x = self.gates[k - 4](maps[k - 4], x) if k >= 4 else x
            maps.append(x)
        return center_crop(torch.tanh(self.last(x)), self.height, self.width)


class Down(nn.Module):
    """[B, I, h, w] -> [B, O, h/2, w/2]: the mean of a strided convolution with one more, and of a pooled short cut."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.main = nn.Sequential(
            *(SpectralConv2d(inputs, outputs, 4, bias=False, stride=2, padding=1), nn.BatchNorm2d(outputs)),
            *(nn.LeakyReLU(SLOPE), SpectralConv2d(outputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs)),
            nn.LeakyReLU(SLOPE),
        )
        self.short = nn.Sequential(
            *(nn.AvgPool2d(2), SpectralConv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self.short(x)) / 2


class Decoder(nn.Module):
    """A map [B, I, h, w], pooled to 8x8 -> images [B, C, 8 * 2**doublings, ...] in [-1, 1]."""

    def __init__(self, inputs: int, depth: int, width: int, doublings: int):
        super().__init__()
        layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(PATCHES)]
        before = inputs
        for k in range(doublings):
            after = channels(G_LADDER, 16 * 2**k, width // 2)
            layers += [Up(before, after, (0, 0), noisy=False)]
            before = after
        self.body = nn.Sequential(*layers, SpectralConv2d(before, depth, 3, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class FastDiscriminator(nn.Module):
    """Images [B, C, H, W], labels [B] or None -> mean logits of 5x5 patches [B]. It `RebuildsExamples`."""

    def __init__(self, cfg: FastGAN, spec: Spec):
        super().__init__()
        depth, height, width = spec.shape
        halvings = max(1, stages(height, width) - 2)  # down to a map of about 8 pixels
        scale, side = 2**halvings, PATCHES
        self.built = (max(side, -(-height // scale)) * scale, max(side, -(-width // scale)) * scale)
        widths = [channels(D_LADDER, side * 2 ** (halvings - k), cfg.d_width or cfg.width) for k in range(halvings + 1)]
        self.first = nn.Sequential(SpectralConv2d(depth, widths[0], 3, bias=False), nn.LeakyReLU(SLOPE))
        self.downs = nn.ModuleList(Down(a, b) for a, b in pairwise(widths))
        self.gates = nn.ModuleList(Excitation(widths[k - 4], widths[k]) for k in range(4, halvings + 1))
        self.judge = nn.Sequential(
            *(SpectralConv2d(widths[-1], widths[-1], 1, bias=False), nn.BatchNorm2d(widths[-1])),
            *(nn.LeakyReLU(SLOPE), SpectralConv2d(widths[-1], 1, 4, bias=False, padding=0)),
        )
        self.label = SpectralEmbedding(spec.num_classes, widths[-1]) if spec.num_classes else None
        doublings = max(1, int(math.log2(min(REBUILT, *self.built) / PATCHES)))
        self.whole = Decoder(widths[-1], depth, cfg.width, doublings)
        self.part = Decoder(widths[-2], depth, cfg.width, doublings)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The maps of images [B, C, H, W], largest first."""
        found = [self.first(center_pad(x, *self.built))]
        for k, down in enumerate(self.downs, 1):
            x = down(found[-1])
            found.append(self.gates[k - 4](found[k - 4], x) if k >= 4 else x)
        return found

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.patches(x, y).flatten(1).mean(1)

    def patches(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits of patches [B, 1, 5, 5] float32; of images that are not square another number."""
        return self._logits(self.maps(x)[-1], y)

    def _logits(self, last: Tensor, y: Tensor | None) -> Tensor:
        logits = self.judge(last).float()
        if self.label is None:
            return logits
        if y is None:
            raise UsageError("This discriminator was made for classes; give one label per image.")
        return logits + (self.label(y) * last.float().mean((2, 3))).sum(1)[:, None, None, None]

    def examine(self, x: Tensor, y: Tensor | None, quarter: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """(logits, [(the image rebuilt from the last map, the image), (a quarter from that of the map before, it)])."""
        maps = self.maps(x)
        seen = center_pad(x, *self.built)
        whole, part = self.whole(maps[-1]), self.part(_quarter(maps[-2], quarter))
        wanted = [F.interpolate(image, whole.shape[2:], mode="area") for image in (seen, _quarter(seen, quarter))]
        return self._logits(maps[-1], y), [(whole, wanted[0]), (part, wanted[1])]


def _quarter(x: Tensor, which: Tensor) -> Tensor:
    """The quarters [B, C, H/2, W/2] of images [B, C, H, W]; which [B]: 0 to 3, row by row."""
    height, width = x.shape[2] // 2, x.shape[3] // 2
    parts = [x[:, :, i : i + height, j : j + width] for i in (0, height) for j in (0, width)]
    made = parts[0]
    for k, part in enumerate(parts[1:], 1):
        made = torch.where((which == k)[:, None, None, None], part, made)
    return made


@dataclass(frozen=True)
class FastGAN:
    """Generator and discriminator of FastGAN for images [C, H, W] of any size.

    width: channels of G's map of 128 pixels; those of 64, 16 and 4 pixels have 2, 4 and 16 times as many.
    d_width: the same of D; None: as in G.
    z_dim: size of the latent.
    embed: size of a label's embedding in G.
    """

    width: Width = 64
    d_width: Width | None = None
    z_dim: Count = 256
    embed: Count = 32

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G", "D"} with fresh weights from torch's global generator. Raises UsageError for other data than images."""
        if len(spec.shape) != 3 or min(spec.shape[1:]) < PATCHES:
            raise UsageError(f"The fastgan networks make images of 8 pixels and more, not shape {list(spec.shape)}.")
        return {"G": FastGenerator(self, spec), "D": FastDiscriminator(self, spec)}


def fastgan(facts: Facts) -> Config:
    """FastGAN: for few photos. Small maps gate the channels of large ones, and D has to rebuild what it sees.

    Paper: Liu, Zhu, Song, Elgammal 2021 (arXiv 2101.04775): 100 portraits at 256 pixels in hours on one GPU, FID 41.05
    where StyleGAN2 has 80.2. Hinge loss on patches with margins of 0.8 to 1, DiffAugment (colour and translation), Adam
    2e-4 with betas (0.5, 0.999), batch 8, an average with decay 0.999. On a GPU, or with networks.width=64, as wide as
    published; on a CPU 16 wide. Different here: what D rebuilds is compared by mean absolute differences, not in
    features of VGG16, D looks at one scale, and images may have any size and classes.
    """
    width = WIDTH if facts.device != "cpu" else SMALL
    adam = Optimizer(lr=2e-4, betas=(0.5, 0.999))
    policy = "color,translation" if facts.spec.shape[0] == 3 else "translation"
    game = SelfSupervised(augment=policy)
    train = Train(batch=8, ema=(8 * math.log(2) / 0.001,))
    said = "" if width == WIDTH else f"{width} wide, as there is no GPU: networks.width={WIDTH} is the published width."
    notes = (said,) if said else ()
    return Config("fastgan", facts.domain, FastGAN(width), game, g=adam, d=adam, train=train, notes=notes)
