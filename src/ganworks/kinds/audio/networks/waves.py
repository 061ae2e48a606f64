"""WaveGAN: waves from latents by transposed convolutions, and a discriminator with phase shuffle.

Donahue, McAuley, Puckette 2019, "Adversarial audio synthesis", arXiv 1802.04208, section 3.1 and appendix D. For
16,384 samples, one channel and width 64 the layers are those of the paper. Differences: any length (the smallest map
has 8 to 31 samples, every stage has stride 4, and the excess is cropped), and labels, which are concatenated to the
latent in G (Mirza and Osindero 2014) and enter D by projection (Miyato and Koyama 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check, within
from ganworks.core.spec import Spec

STRIDE, KERNEL = 4, 25


def stage_plan(samples: int) -> tuple[int, int]:
    """(stages of stride 4, length of the smallest map) for a wave: 16,384 -> (5, 16), 8,192 -> (5, 8)."""
    count, base = 0, samples
    while base > 31:
        count, base = count + 1, -(-base // STRIDE)
    return count, base


def phase_shuffle(x: Tensor, most: int) -> Tensor:
    """Each example of [B, C, n] shifted by -most..most samples with reflected ends (1802.04208, section 3.3).

    The shifts are drawn from torch's global generator, which the engine seeds for every turn.
    """
    if not most:
        return x
    shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
    n = x.shape[-1]
    place = torch.arange(n, device=x.device) + shift
    place = place.abs()
    place = torch.where(place >= n, 2 * (n - 1) - place, place)
    return x.gather(2, place[:, None].expand_as(x))


class WaveGenerator(nn.Module):
    """Latents [B, z_dim], labels [B] or None -> waves [B, C, n] in [-1, 1]."""

    def __init__(self, net: WaveGAN, spec: Spec):
        super().__init__()
        count, base = stage_plan(spec.shape[1])
        self.z_dim, self.samples = net.z_dim, spec.shape[1]
        self.classes = nn.Embedding(spec.num_classes, net.embed) if spec.num_classes else None
        widths = [*(net.width * 2**n for n in reversed(range(count))), spec.shape[0]]
        self.top = (widths[0], base)
        self.project = nn.Linear(net.z_dim + (net.embed if spec.num_classes else 0), widths[0] * base)
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(a, b, KERNEL, STRIDE, padding=11, output_padding=1) for a, b in pairwise(widths)
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        if self.classes is not None:
            z = torch.cat([z, self.classes(_needed(y)).to(z.dtype)], 1)
        x = self.project(z).unflatten(1, self.top)
        for up in self.ups:
            x = up(x.relu())
        start = (x.shape[2] - self.samples) // 2
        return x[:, :, start : start + self.samples].float().tanh()


class WaveDiscriminator(nn.Module):
    """Waves [B, C, n], labels [B] or None -> logits [B] float32, with phase shuffle after every layer but the last."""

    def __init__(self, net: WaveGAN, spec: Spec):
        super().__init__()
        count, base = stage_plan(spec.shape[1])
        self.built, self.shuffle = base * STRIDE**count, net.shuffle
        widths = [spec.shape[0], *(net.width * 2**n for n in range(count))]
        self.downs = nn.ModuleList(nn.Conv1d(a, b, KERNEL, STRIDE, padding=11) for a, b in pairwise(widths))
        self.out = nn.Linear(widths[-1] * base, 1)
        self.classes = nn.Embedding(spec.num_classes, widths[-1]) if spec.num_classes else None
        if self.classes is not None:
            nn.init.normal_(self.classes.weight, std=widths[-1] ** -0.5)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        left = (self.built - x.shape[2]) // 2
        x = F.pad(x, (left, self.built - x.shape[2] - left))
        for number, down in enumerate(self.downs, 1):
            x = F.leaky_relu(down(x), 0.2)
            if number < len(self.downs):
                x = phase_shuffle(x, self.shuffle)
        x = x.float()
        logits = self.out(x.flatten(1))[:, 0]
        if self.classes is not None:
            logits = logits + (self.classes(_needed(y)) * x.mean(2)).sum(1)
        return logits


def _needed(y: Tensor | None) -> Tensor:
    if y is None:
        raise UsageError("This network was trained with classes; give one label per example.")
    return y


@dataclass(frozen=True)
class WaveGAN:
    """Generator and discriminator for waves [C, n] of at least 128 samples.

    width: channels of the longest map, doubled at each stage (paper: 64).
    z_dim: size of the latent (paper: 100, uniform; here normal).
    embed: size of a label's embedding in G.
    shuffle: largest shift of the phase shuffle (paper: 2).
    """

    width: Width = 64
    z_dim: Count = 100
    embed: Count = 32
    shuffle: Annotated[int, within(0, 4, unit="samples")] = 2

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": WaveGenerator, "D": WaveDiscriminator} with fresh weights from torch's global generator."""
        if len(spec.shape) != 2 or spec.shape[1] < 128:
            raise UsageError(f"WaveGAN makes waves [C, n] of at least 128 samples, not shape {list(spec.shape)}.")
        return {"G": WaveGenerator(self, spec), "D": WaveDiscriminator(self, spec)}
