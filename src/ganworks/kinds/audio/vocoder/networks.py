"""Networks that turn mel frames into sound.

istft (the default): a source of pulses and noise, filtered at the frame rate. A trunk of ConvNeXt blocks (Vocos,
Siuzdak 2023, 2306.00814) predicts the pitch and, for every bin of a short-time Fourier transform, the magnitude (as a
correction of the pseudo-inverse of the mel filters) and the periodic share. Pulses at that pitch and noise give the
phases (HiFTNet, Li et al. 2023, 2309.09493): magnitudes do not determine where a period begins, and a convolution
cannot count periods. Rounds of Griffin and Lim's projection (1984) inside the network make neighbouring frames
consistent, and the network is trained through them. No learned layer runs at the sample rate, which makes it tens of
times faster on a CPU than transposed convolutions.

hifigan: the published generator, see `hifigan`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check, within
from ganworks.core.spec import Spec
from ganworks.kinds.audio.spectral import istft, stft
from ganworks.kinds.audio.vocoder.chunks import chunked
from ganworks.kinds.audio.vocoder.discriminators import VocoderDiscriminators
from ganworks.kinds.audio.vocoder.hifigan import SIZES, HifiGenerator, check_steps, fitting_steps
from ganworks.kinds.audio.vocoder.mel import from_log_mel

_LOUDEST = 9.0  # natural logarithm of the largest magnitude of a bin: full scale at n_fft 2,048 has 6.9
_MIDDLE, _SPREAD = -4.0, 3.0  # mean and deviation of log-mel frames, roughly
_QUIET = 1e-3  # the phases of smaller magnitudes are not kept
LOWEST, HIGHEST, CANDIDATES = 60.0, 500.0, 128  # Hz, of the pitch; how many candidates, evenly spaced in octaves
_SHARP = 30.0  # sharpness of the choice among the candidates


@dataclass(frozen=True)
class Frames:
    """The settings of mel frames, see `VocoderDomain`: frequencies in Hz, lengths in samples."""

    rate: int
    n_fft: int
    hop: int
    mels: int
    low: float
    high: float

    @staticmethod
    def of(spec: Spec) -> Frames:
        """Read from the facts of a spec; raises UsageError for facts that are missing or out of range."""
        values: dict[str, Any] = {}
        for field in fields(Frames):
            value: Any = spec.facts.get(field.name)
            if (
                not isinstance(value, int | float)
                or not 0 <= value <= 1_000_000
                or (field.name == "mels" and value < 1)
            ):
                raise UsageError(f"A vocoder needs the fact {field.name} of its data, a number, not {value!r}.")
            values[field.name] = value
        return Frames(**values)


class ConvNeXtBlock(nn.Module):
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


class AcousticParameters(NamedTuple):
    """The output of the trunk: magnitude [B, bins, T], periodic share [B, bins, T] in (0, 1), pitch [B, T] in Hz."""

    magnitude: Tensor
    periodic: Tensor
    pitch: Tensor


class ISTFTGenerator(nn.Module):
    """Log-mel frames [B, mels, T] -> samples [B, 1, T hop] float32. Noise comes from torch's global generator.

    rounds: rounds of the projection. reach: frames on either side on which a frame of `plan`, and one of `voice`,
    depends.
    """

    def __init__(self, frames: Frames, width: int, blocks: int, rounds: int):
        super().__init__()
        self.frames, self.rounds, bins = frames, rounds, frames.n_fft // 2 + 1
        self.first = nn.Conv1d(frames.mels + CANDIDATES, width, 7, padding=3)
        self.before, self.after = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.blocks = nn.ModuleList(ConvNeXtBlock(width, 7, 3 * width, 1 / blocks) for _ in range(blocks))
        self.last = nn.Linear(width, 2 * bins + CANDIDATES)
        self.reach = 3 + 3 * blocks, (rounds + 1) * -(-frames.n_fft // frames.hop) + 1
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)  # pyrefly: ignore
        nn.init.kaiming_normal_(self.first.weight)

    def plan(self, mel: Tensor) -> AcousticParameters:
        """The trunk: log-mel frames [B, mels, T] -> `AcousticParameters`.

        Its starting point is computed from the mel bands: the magnitudes of the pseudo-inverse of their filters, and
        how well each candidate for the pitch fits these.
        """
        f, device = self.frames, mel.device
        with torch.autocast(device.type, enabled=False):
            begin = from_log_mel(mel.float(), f.rate, f.n_fft, f.low, f.high)
            match = comb(f.rate, f.n_fft, device) @ begin / begin.sum(1, keepdim=True)
        x = self.first(torch.cat([(mel - _MIDDLE) / _SPREAD, match], 1))
        x = self.before(x.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        x = self.after(x.transpose(1, 2))
        with torch.autocast(device.type, enabled=False):
            change, periodic, choice = (
                self.last(x.float()).transpose(1, 2).split([*[f.n_fft // 2 + 1] * 2, CANDIDATES], 1)
            )
            magnitude = (begin.log() + change).clamp(max=_LOUDEST).exp()
            share = (_SHARP * match + choice).softmax(1)
            pitch = (pitch_candidates(device).log()[:, None] * share).sum(1).exp()
            return AcousticParameters(magnitude, periodic.sigmoid(), pitch)

    def source(self, pitch: Tensor) -> Tensor:
        """Pitch [B, T] in Hz -> pulses and noise [B, 2, T hop], both with power 1."""
        pulses = pulse_train(pitch, self.frames.rate, self.frames.hop)
        return torch.stack([pulses, torch.randn(pulses.shape).to(pulses.device)], 1)

    def voice(self, magnitude: Tensor, periodic: Tensor, source: Tensor) -> Tensor:
        """Magnitudes and periodic shares [B, bins, T], source [B, 2, T hop] -> samples [B, 1, T hop]."""
        n_fft, hop = self.frames.n_fft, self.frames.hop
        with torch.autocast(magnitude.device.type, enabled=False):
            pulses, noise = stft(source, n_fft, hop).unbind(1)
            goal = periodic * pulses + (1 - periodic) * noise
            spectrum = _with_phase(magnitude, goal)
            for _ in range(self.rounds):
                again = stft(istft(spectrum, n_fft, hop, source.shape[2]), n_fft, hop)
                spectrum = _with_phase(magnitude, again)
            return istft(spectrum, n_fft, hop, source.shape[2])[:, None]

    def pitched(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """(samples [B, 1, T hop], pitch [B, T] in Hz); no gradient reaches the pitch through the pulses."""
        magnitude, periodic, pitch = self.plan(mel)
        with torch.no_grad():
            source = self.source(pitch)
        return self.voice(magnitude, periodic, source), pitch

    def forward(self, mel: Tensor, y: Tensor | None = None) -> Tensor:
        return self.pitched(mel)[0]

    def long(self, mel: Tensor, chunk: int) -> Tensor:
        """As forward, in chunks of `chunk` frames; the pulses of all chunks come from one pass over the pitch."""
        if mel.shape[2] <= chunk:
            return self(mel)
        near, far = self.reach
        pitch = chunked(lambda x: self.plan(x).pitch[:, None], (mel,), (1,), chunk, near, 1)[:, 0]

        def work(x: Tensor, source: Tensor) -> Tensor:
            magnitude, periodic, _ = self.plan(x)
            return self.voice(magnitude, periodic, source)

        hop = self.frames.hop
        return chunked(work, (mel, self.source(pitch)), (1, hop), chunk, near + far, hop)


def pitch_candidates(device: torch.device) -> Tensor:
    """The candidates for the pitch, [CANDIDATES] in Hz, in rising order."""
    return LOWEST * (HIGHEST / LOWEST) ** torch.linspace(0, 1, CANDIDATES, device=device)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def comb(rate: int, n_fft: int, device: torch.device) -> Tensor:
    """[CANDIDATES, n_fft / 2 + 1]: magnitudes -> autocorrelation at the period of each candidate, over the window's.

    The transform is that of magnitudes instead of powers, which the loudest harmonic would dominate. The
    autocorrelation of the Hann window is that of Boersma 1993, equation 8.
    """
    lag = 1 / pitch_candidates(device).double()[:, None]
    at = torch.arange(n_fft // 2 + 1, device=device, dtype=torch.float64) * rate / n_fft
    x = (lag * rate / n_fft).clamp(max=1.0)
    turn = 2 * math.pi * x
    window = (1 - x) * (2 + turn.cos()) / 3 + turn.sin() / (2 * math.pi)
    return ((2 * math.pi * at * lag).cos() / window.clamp_min(0.1)).float()


def _with_phase(magnitude: Tensor, spectrum: Tensor) -> Tensor:
    return magnitude * spectrum / (spectrum.real.square() + spectrum.imag.square() + _QUIET**2).sqrt()


def pulse_train(pitch: Tensor, rate: int, hop: int) -> Tensor:
    """Pitch [B, T] in Hz -> band-limited pulses [B, T hop] float32 with power 1: all harmonics below rate / 2.

    They are the sum of cos(k phase) in closed form (the Dirichlet kernel); the phase is summed up in float64, so that
    hours of sound stay exact.
    """
    shape = pitch.shape[1] * hop
    f = F.interpolate(pitch.float()[:, None], size=shape, mode="linear", align_corners=False)[:, 0].double()
    phase = (2 * math.pi * f / rate).cumsum(1) % (2 * math.pi)
    count = (rate / 2 / f).floor().clamp_min(1)
    half = (phase / 2).sin()
    small = half.abs() < 1e-5
    kernel = torch.where(
        small, 2 * count + 1, ((count + 0.5) * phase).sin() / half.where(~small, torch.ones_like(half))
    )
    return ((kernel - 1) / 2 / (count / 2).sqrt()).float()


@dataclass(frozen=True)
class VocoderNetworks:
    """A generator G of sound from mel frames, and the discriminators D.

    kind: the generator, "istft" (fast) or "hifigan" (as published).
    size: variant of hifigan, "V1", "V2" or "V3".
    width: channels of istft's trunk.
    blocks: residual blocks of istft's trunk.
    rounds: rounds of Griffin and Lim's projection in istft.
    steps: upsampling factors of hifigan, whose product must be the hop; (): chosen.
    d_width: channels of the first layer of the period discriminators (published: 32).
    d_most: largest number of channels in the discriminators (published: 1024).
    d_scale: channels of the first layer of the scale discriminators (published: 128).
    """

    makes: ClassVar[dict[str, str]] = {"G": "apply"}

    kind: Literal["istft", "hifigan"] = "istft"
    size: Literal["V1", "V2", "V3"] = "V1"
    width: Width = 128
    blocks: Count = 5
    rounds: Annotated[int, within(0, 64)] = 2
    steps: tuple[int, ...] = ()
    d_width: int = 8
    d_most: int = 128
    d_scale: int = 8

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "D"} for a spec with the facts of `Frames`; UsageError for steps that miss the hop."""
        frames = Frames.of(spec)
        G: nn.Module
        if self.kind == "hifigan":
            size = SIZES[self.size]
            steps = check_steps(self.steps, frames.hop) if self.steps else fitting_steps(frames.hop, size.steps)
            G = HifiGenerator(frames.mels, steps, size)
        else:
            G = ISTFTGenerator(frames, self.width, self.blocks, self.rounds)
        return {"G": G, "D": VocoderDiscriminators(self.d_width, self.d_most, self.d_scale)}
