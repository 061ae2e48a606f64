"""HiFi-GAN's discriminators of sound (Kong et al. 2020, 2010.05646, section 2.3).

The multi-period discriminator folds the samples into images with one period in each row. The multi-scale
discriminator (MelGAN, 1910.06711) sees the sound itself and smoothed versions of it. All convolutions have weight norm,
but spectral norm on the sound itself. The published widths are `width` 32 up to `most` 1024.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from ganworks.core.errors import UsageError

SLOPE = 0.1
PERIODS = (2, 3, 5, 7, 11)
SCALES = 3
LEAST = 8  # channels in a group, as published: smaller groups are slower
# of the layers on one scale: width over the first layer's, kernel, stride, groups
LAYERS = ((1, 15, 1, 1), (1, 41, 2, 4), (2, 41, 2, 16), (4, 41, 4, 16), (8, 41, 4, 16), (8, 41, 1, 16), (8, 5, 1, 1))


def _groups(before: int, after: int, most: int) -> int:
    """The groups of a convolution: up to `most`, with at least LEAST channels in each."""
    return max(g for g in range(1, most + 1) if g == 1 or (before % g == after % g == 0 and before >= LEAST * g))


def _run(convs: nn.ModuleList, x: Tensor) -> list[Tensor]:
    """The maps of every layer, the logits last, in float32.

    Each map is made channels-last again: weight norm makes contiguous weights, and conv2d would follow their layout.
    """
    maps = []
    for conv in convs[:-1]:
        x = F.leaky_relu(conv(x).contiguous(memory_format=torch.channels_last), SLOPE)
        maps.append(x)
    with torch.autocast(x.device.type, enabled=False):
        return [*maps, convs[-1](x.float())]


class PeriodDiscriminator(nn.Module):
    """Samples [B, 1, n], folded into rows of `period` -> maps [B, C, rows, period] of each layer, the logits last.

    width 32, most 1024: 8,221,154 parameters with weight norm.
    """

    def __init__(self, period: int, width: int = 32, most: int = 1024):
        super().__init__()
        self.period = period
        widths = [1, *(min(most, width * n) for n in (1, 4, 16, 32, 32))]
        strides = (3, 3, 3, 3, 1)
        convs = [nn.Conv2d(a, b, (5, 1), (s, 1), (2, 0)) for a, b, s in zip(widths, widths[1:], strides, strict=False)]
        convs.append(nn.Conv2d(widths[-1], 1, (3, 1), 1, (1, 0)))
        self.convs = nn.ModuleList(weight_norm(conv) for conv in convs)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.pad(x, (0, -x.shape[2] % self.period), "reflect")
        return _run(self.convs, x.unflatten(2, (-1, self.period)))


class ScaleDiscriminator(nn.Module):
    """Samples [B, 1, n] -> maps [B, C, 1, m] of each layer, the logits last.

    The maps are images of one row: CPUs convolve those, channels-last, two to five times as fast as sequences.
    width 128, most 1024: 9,874,306 parameters with weight norm.
    """

    def __init__(self, width: int = 128, most: int = 1024, spectral: bool = False):
        super().__init__()
        norm, convs, before = spectral_norm if spectral else weight_norm, [], 1
        for times, kernel, stride, groups in LAYERS:
            after = min(most, width * times)
            parts = _groups(before, after, groups)
            convs.append(nn.Conv2d(before, after, (1, kernel), (1, stride), (0, kernel // 2), groups=parts))
            before = after
        convs.append(nn.Conv2d(before, 1, (1, 3), 1, (0, 1)))
        self.convs = nn.ModuleList(norm(conv) for conv in convs)

    def forward(self, x: Tensor) -> list[Tensor]:
        return _run(self.convs, x[:, :, None])


class VocoderDiscriminators(nn.Module):
    """Samples [B, 1, n] -> the logits of each discriminator, first those of the periods, then those of the scales.

    scale_width: channels of the first layer on each scale (published: 4 times `width`). Raises UsageError for widths
    below 1.
    """

    def __init__(self, width: int = 32, most: int = 1024, scale_width: int = 128):
        super().__init__()
        if min(width, most, scale_width) < 1:
            raise UsageError(f"The widths of discriminators must be at least 1, not {width}, {most}, {scale_width}.")
        self.periods = nn.ModuleList(PeriodDiscriminator(p, width, most) for p in PERIODS)
        self.scales = nn.ModuleList(ScaleDiscriminator(scale_width, most, spectral=k == 0) for k in range(SCALES))

    def features(self, x: Tensor) -> list[list[Tensor]]:
        """The maps of every layer, one list for each discriminator with the logits last."""
        found = [period(x) for period in self.periods]
        for k, scale in enumerate(self.scales):
            x = F.avg_pool1d(x, 4, 2, 2) if k else x
            found.append(scale(x))
        return found

    def forward(self, x: Tensor) -> list[Tensor]:
        """The logits of every discriminator."""
        return [maps[-1] for maps in self.features(x)]
