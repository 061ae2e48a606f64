"""Networks that turn mel frames into sound.

istft (the default): a trunk of ConvNeXt blocks at the frame rate predicts the logarithm of the magnitude and the phase
of each bin of a short-time Fourier transform, which is inverted (Kaneko et al. 2022, iSTFTNet, 2203.02395; Siuzdak
2023, Vocos, 2306.00814). There is nothing at the sample rate but the inverse transform: tens of times faster than
transposed convolutions on a processor. hifigan: the published generator, see `vocoder_hifigan`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.data.spec import Spec
from ganworks.errors import UsageError
from ganworks.layers.spectral import istft
from ganworks.networks.vocoder_critics import Critics
from ganworks.networks.vocoder_hifigan import SIZES, HifiGenerator, check_steps, fitting_steps

_LOUDEST = 9.0  # natural logarithm of the largest magnitude of a bin: full scale at n_fft 2,048 has 6.9
_MIDDLE, _SPREAD = -4.0, 3.0  # of log-mel frames, about


class Block(nn.Module):
    """ConvNeXt in one dimension (Liu et al. 2022, 2201.03545, figure 4): x [B, C, T] -> the same shape."""

    def __init__(self, width: int, kernel: int, inner: int, scale: float):
        super().__init__()
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.mix(x).transpose(1, 2))
        y = self.narrow(F.gelu(self.widen(y)))
        return x + (self.scale * y).transpose(1, 2)


class SpectralGenerator(nn.Module):
    """Log-mel frames [B, mels, T] -> samples [B, 1, T hop] float32.

    reach: frames on either side that a sample depends on.
    """

    def __init__(self, mels: int, n_fft: int, hop: int, width: int, blocks: int):
        super().__init__()
        self.first = nn.Conv1d(mels, width, 7, padding=3)
        self.before, self.after = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.blocks = nn.ModuleList(Block(width, 7, 3 * width, 1 / blocks) for _ in range(blocks))
        self.last = nn.Linear(width, n_fft + 2)
        self.n_fft, self.hop = n_fft, hop
        self.reach = 3 + 3 * blocks + math.ceil((n_fft + hop) / 2 / hop)
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)  # pyrefly: ignore
        nn.init.kaiming_normal_(self.first.weight)

    def forward(self, mel: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.before(self.first((mel - _MIDDLE) / _SPREAD).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        x = self.after(x.transpose(1, 2))
        with torch.autocast(x.device.type, enabled=False):
            magnitude, phase = self.last(x.float()).transpose(1, 2).chunk(2, 1)
            magnitude = magnitude.clamp(max=_LOUDEST).exp()
            spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
            return istft(spectrum, self.n_fft, self.hop, self.hop * mel.shape[2])[:, None]


@dataclass(frozen=True)
class Vocoder:
    """A generator G of sound from mel frames, and the discriminators D.

    kind: "istft" (fast) or "hifigan" (as published). size: of hifigan, "V1", "V2" or "V3". width, blocks: of istft.
    steps: factors of hifigan's transposed convolutions, whose product is the hop; (): chosen.
    d_width, d_most, d_scale: channels of the first layer of the period discriminators, the most of any layer, and
        those of the first layer of the scale discriminators; 32, 1024 and 128 are the published ones.
    """

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    kind: Literal["istft", "hifigan"] = "istft"
    size: Literal["V1", "V2", "V3"] = "V1"
    width: int = 160
    blocks: int = 6
    steps: tuple[int, ...] = ()
    d_width: int = 8
    d_most: int = 128
    d_scale: int = 8

    def __post_init__(self) -> None:
        if self.kind not in ("istft", "hifigan") or self.size not in SIZES:
            raise UsageError(f'kind must be "istft" or "hifigan" and size V1, V2 or V3, not {self.kind}, {self.size}.')
        if min(self.width, self.blocks) < 1:
            raise UsageError(f"width and blocks must be at least 1, not {self.width} and {self.blocks}.")

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """spec: source (mels, frames), facts mels, n_fft and hop. Raises UsageError for steps that miss the hop."""
        mels, n_fft, hop = (_fact(spec, name) for name in ("mels", "n_fft", "hop"))
        G: nn.Module
        if self.kind == "hifigan":
            size = SIZES[self.size]
            steps = check_steps(self.steps, hop) if self.steps else fitting_steps(hop, size.steps)
            G = HifiGenerator(mels, steps, size)
        else:
            G = SpectralGenerator(mels, n_fft, hop, self.width, self.blocks)
        return {"G": G, "D": Critics(self.d_width, self.d_most, self.d_scale)}


def _fact(spec: Spec, name: str) -> int:
    value: Any = spec.facts.get(name)
    if not isinstance(value, int) or not 1 <= value <= 65536:
        raise UsageError(f"A vocoder needs the fact {name} of its data, a number from 1 to 65,536, not {value!r}.")
    return value
