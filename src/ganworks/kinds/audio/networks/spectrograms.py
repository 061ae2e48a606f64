"""Sound by way of spectrograms: image networks on log spectrograms, and the conversion to and from waves.

A picture is the log of a magnitude spectrogram, on a mel scale (the default) or on all bins with each bin
standardised (SpecGAN: Donahue, McAuley, Puckette 2019, arXiv 1802.04208, section 3.2). Any networks for images
[C, F, T] can serve as generator and discriminator. The inversion is part of the generator: bands become bins, initial
phases are those of steady tones at the peaks, and fast Griffin-Lim makes the phases consistent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import check, within
from ganworks.core.spec import Spec
from ganworks.kinds.audio import spectral
from ganworks.networks.compact import Compact

CLIP = 3.0  # standard deviations at which a standardised picture is clipped (SpecGAN)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _unmix(rate: int, n_fft: int, mels: int, device: torch.device) -> Tensor:
    """The pseudo-inverse of the mel filters, [n_fft / 2 + 1, mels]: bands -> bins."""
    return torch.linalg.pinv(spectral.mel_bank(rate, n_fft, mels).double()).float().to(device)


@dataclass(frozen=True)
class Front:
    """The conversion between waves [B, C, n] and pictures [B, C, F, T] in about [-1, 1].

    A full-scale tone has magnitude 1. mels: bands, 0 for all bins but the highest. floor: the magnitude that counts as
    silence; a mel picture is -1 there and 1 at full scale. means, deviations: those of the log magnitude of every bin,
    by which a picture of all bins is standardised. rounds: rounds of Griffin-Lim.
    """

    rate: int
    n_fft: int
    hop: int
    mels: int
    floor: float
    rounds: int
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()

    def size(self, samples: int) -> tuple[int, int]:
        """(F, T) of the picture of a wave of so many samples."""
        return self.mels or self.n_fft // 2, spectral.frame_count(samples, self.hop)

    def analyse(self, x: Tensor) -> Tensor:
        """Waves [B, C, n] -> pictures [B, C, F, T], float32."""
        with torch.autocast(x.device.type, enabled=False):
            magnitude = spectral.stft(x, self.n_fft, self.hop).abs() * (4 / self.n_fft)
            if not self.mels:
                mean, deviation = self._standard(x.device)
                log = magnitude[..., :-1, :].clamp_min(self.floor).log()
                return ((log - mean) / (CLIP * deviation)).clamp(-1, 1)
            bands = spectral.mel_bank(self.rate, self.n_fft, self.mels, device=x.device) @ magnitude
            silence = torch.tensor(self.floor).log()
            return 1 - 2 * bands.clamp_min(self.floor).log() / silence

    def synthesise(self, picture: Tensor, samples: int) -> Tensor:
        """Pictures [B, C, F, T] -> waves [B, C, samples] in [-1, 1], float32. The same picture gives the same wave."""
        with torch.autocast(picture.device.type, enabled=False):
            log = self._log(picture.float().clamp(-1, 1))
            hop = self.hop // 2
            if self.hop % 4 == 0:  # half the hop determines the phases better
                frames = spectral.frame_count(samples, hop)
                log = F.interpolate(log, (log.shape[2], frames), mode="bilinear", align_corners=False)
            else:
                hop = self.hop
            magnitude = (log.exp() - self.floor).clamp_min(0) * (self.n_fft / 4)
            wave = spectral.griffin_lim(magnitude, self.n_fft, hop, samples, self.rounds)
            return wave.clamp(-1, 1)

    def _log(self, picture: Tensor) -> Tensor:
        """Pictures -> log magnitudes of all bins [B, C, n_fft / 2 + 1, T], at least log(floor)."""
        silence = float(torch.tensor(self.floor).log())
        if not self.mels:
            mean, deviation = self._standard(picture.device)
            return F.pad(picture * (CLIP * deviation) + mean, (0, 0, 0, 1), value=silence).clamp_min(silence)
        bands = (silence * (1 - picture) / 2).exp() - self.floor
        bins = _unmix(self.rate, self.n_fft, self.mels, picture.device) @ bands
        return (bins.clamp_min(0) + self.floor).log()

    def _standard(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Means and deviations of all bins but the highest, [F, 1]."""
        return tuple(torch.tensor(v[:-1], device=device)[:, None] for v in (self.means, self.deviations))  # pyrefly: ignore


class SpectrogramGenerator(nn.Module):
    """z [B, z_dim], y [B] or None -> waves [B, C, n] in [-1, 1], from the spectrograms that `picture` makes."""

    def __init__(self, picture: nn.Module, front: Front, samples: int):
        super().__init__()
        self.picture, self.front, self.samples = picture, front, samples
        self.z_dim = int(picture.z_dim)  # pyrefly: ignore

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.front.synthesise(self.picture(z, y), self.samples)


class SpectrogramDiscriminator(nn.Module):
    """Waves [B, C, n], y [B] or None -> logits [B], those of `picture` on their spectrograms."""

    def __init__(self, picture: nn.Module, front: Front):
        super().__init__()
        self.picture, self.front = picture, front

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.picture(self.front.analyse(x), y)


@dataclass(frozen=True)
class Spectrogram:
    """Generator and discriminator of waves [C, n] of a known rate, by way of their spectrograms.

    picture: the image networks for the spectrograms, e.g. `Compact` or `DCGAN`.
    scale: frequency scale of the spectrograms: "mel", or "bins" as in SpecGAN.
    mels: mel bands of a spectrogram.
    n_fft: length of a window.
    hop: samples from one window to the next.
    floor: magnitude that counts as silence, full scale = 1.
    rounds: rounds of Griffin-Lim when waves are made.
    Raises UsageError for settings that do not fit each other or the data.
    """

    picture: Any = field(default_factory=Compact)
    scale: Literal["mel", "bins"] = "mel"
    mels: int = 64
    n_fft: Annotated[int, within(unit="samples")] = 256
    hop: Annotated[int, within(unit="samples")] = 128
    floor: Annotated[float, within(1e-7, 0.1)] = 1e-4
    rounds: Annotated[int, within(0, 1000)] = 16

    def __post_init__(self) -> None:
        check(self)
        spectral.check_frames(self.n_fft, self.hop)

    def front(self, spec: Spec) -> Front:
        """The conversion for the data in `spec`, whose facts hold the rate and, for "bins", their statistics."""
        if len(spec.shape) != 2 or "rate" not in spec.facts:
            raise UsageError(f"Spectrogram networks need waves [C, n] with a rate, not {spec.kind} {list(spec.shape)}.")
        rate = int(spec.facts["rate"])
        if self.scale == "mel":
            spectral.mel_bank(rate, self.n_fft, self.mels)
            return Front(rate, self.n_fft, self.hop, self.mels, self.floor, self.rounds)
        means, deviations = (tuple(spec.facts.get(name, ())) for name in ("bin_means", "bin_deviations"))
        if len(means) != self.n_fft // 2 + 1 or len(deviations) != len(means):
            raise UsageError(
                f"The data has statistics of its bins for n_fft={2 * max(0, len(means) - 1)}, "
                f"not for networks.n_fft={self.n_fft}."
            )
        return Front(rate, self.n_fft, self.hop, 0, self.floor, self.rounds, means, deviations)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """{"G": SpectrogramGenerator, "D": SpectrogramDiscriminator} with weights from torch's global generator."""
        front = self.front(spec)
        height, width = front.size(spec.shape[1])
        players = self.picture.build(Spec("images", (spec.shape[0], height, width), spec.classes, -1, 1, "float32"))
        return {
            "G": SpectrogramGenerator(players["G"], front, spec.shape[1]),
            "D": SpectrogramDiscriminator(players["D"], front),
        }
