"""The game of vocoders: HiFi-GAN's (Kong et al. 2020, 2010.05646, section 2.4), after a stage without discriminators.

First G learns the spectrogram alone: L1 between log-mel frames, and distances of short-time Fourier transforms at
several resolutions (Yamamoto et al. 2020, Parallel WaveGAN, 1910.11480, section 2.2). Then least-squares
discriminators and feature matching are added, with the published weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ganworks.core.contracts import Terms
from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.patches import discriminator_terms, feature_matching, generator_terms, per_example
from ganworks.games.stages import alone, check_start, phases
from ganworks.kinds.audio.spectral import stft
from ganworks.kinds.audio.vocoder.mel import log_mel

FLOOR = 1e-3  # of magnitudes: the sine with 1 / 64,000 of full scale has it at n_fft 256


@dataclass(frozen=True)
class Vocoding:
    """Settings of the game. batch["src"] is the input, log-mel frames; batch["x"] [B, 1, n] the sound.

    adversarial_from: fraction of the budget at which the discriminators join; 0: at once, as published; 1: never.
    loss: of the adversarial stage. gan, match, mel: weights of the adversarial term and of feature matching, each
        summed over the discriminators, and of the L1 between log-mel frames: 1, 2 and 45 when published.
    spectral: weight of the distances between short-time Fourier transforms; 0 when published. pitch: weight of the
        L1 between logarithms of the pitch, for generators that tell theirs (`pitched`); batch["pitch"] [B, T] is in Hz
        and 0 where there is none.
    rate, n_fft, hop, mels: of the frames that are compared, over all frequencies; the recipe takes them from the data.
    decay: share of every weight that each update takes away; AdamW's .01 at a learning rate of 2e-4 is 2e-6.
    """

    adversarial_from: float = 0.8
    loss: str = "least-squares"
    gan: float = 1.0
    match: float = 2.0
    mel: float = 45.0
    spectral: float = 15.0
    pitch: float = 10.0
    rate: int = 22050
    n_fft: int = 1024
    hop: int = 256
    mels: int = 80
    decay: float = 2e-6

    def __post_init__(self) -> None:
        loss(self.loss)
        check_start(self.adversarial_from)
        for name in ("gan", "match", "mel", "spectral", "pitch"):
            if not 0 <= getattr(self, name) <= 1e6:
                raise UsageError(f"{name} must lie between 0 and 1e6, not {getattr(self, name)}.")
        if not self.mel and not self.spectral:
            raise UsageError("mel and spectral cannot both be 0: nothing would tie the sound to its input.")
        if not 0 <= self.decay < 0.01:
            raise UsageError(f"decay is the share that one update takes away, 0 to 0.01, not {self.decay}.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @property
    def phases(self) -> tuple[float, ...]:
        """Fractions of the budget where the turns change."""
        return phases(self.adversarial_from)

    def turns(self, step: int, progress: float) -> Iterator[tuple[tuple[str, ...], Any]]:
        """G alone in the first stage; D, then G in the second."""
        if alone(progress, self.adversarial_from):
            yield ("G",), self.spectral_turn
        else:
            yield ("D",), self.discriminator_turn
            yield ("G",), self.generator_turn

    def after(self, nets: Mapping[str, Any], players: tuple[str, ...]) -> None:
        """Weight decay apart from the gradient (Loshchilov and Hutter 2019, 1711.05101)."""
        if self.decay:
            with torch.no_grad():
                for player in players:
                    torch._foreach_mul_(list(nets[player].parameters()), 1 - self.decay)

    def spectral_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """mel, spectral and, where G tells its pitch, pitch, each [B]."""
        return self._distances(*self._made(nets["G"], batch), batch)

    def discriminator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """d_loss [B]; _real and _fake are the logits."""
        with torch.no_grad():
            fake = nets["G"](batch["src"])
        r, f = nets["D"](batch["x"]), nets["D"](fake)
        terms = len(r) * self._scale * discriminator_terms(self._loss, r, f)
        return {"d_loss": terms, "_real": per_example(r), "_fake": per_example(f)}

    def generator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """g_loss and match, and the terms of `spectral_turn`, each [B]."""
        D, x = nets["D"], batch["x"]
        fake, pitch = self._made(nets["G"], batch)
        with torch.no_grad():
            wanted = D.features(x)
        found = D.features(fake)
        count, logits = len(found), [maps[-1] for maps in found]
        adversarial = generator_terms(self._loss, [maps[-1] for maps in wanted], logits)
        return {
            "g_loss": self.gan * count * self._scale * adversarial,
            "match": self.match * count * feature_matching(wanted, found),
            **self._distances(fake, pitch, batch),
            "_fake": per_example(logits),
        }

    @property
    def _scale(self) -> float:
        """The published least squares have no factor of 1/2 (2010.05646, equations 1 and 2)."""
        return 2.0 if self.loss == "least-squares" else 1.0

    def _made(self, G: Any, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Sound [B, 1, n], and the pitch [B, T] of a generator that tells it."""
        told = getattr(G, "pitched", None) if self.pitch else None
        return told(batch["src"]) if told else (G(batch["src"]), None)

    def _distances(self, made: Tensor, pitch: Tensor | None, batch: Batch) -> Terms:
        terms, real = {}, batch["x"]
        if self.mel:
            m, r = (log_mel(v[:, 0], self.rate, self.n_fft, self.hop, self.mels) for v in (made, real))
            terms["mel"] = self.mel * (m - r).abs().flatten(1).mean(1)
        if self.spectral:
            sizes = (self.n_fft // 2, self.n_fft, self.n_fft * 2)
            found = [spectral_distance(made[:, 0], real[:, 0], n, n // 4) for n in sizes]
            terms["spectral"] = self.spectral * torch.stack(found).mean(0)
        if pitch is not None:
            wanted = batch["pitch"]
            apart = (pitch.log() - wanted.clamp_min(1.0).log()).abs() * (wanted > 0)
            terms["pitch"] = self.pitch * apart.mean(1)
        return terms


def spectral_distance(made: Tensor, real: Tensor, n_fft: int, hop: int) -> Tensor:
    """[B, n] twice -> [B]: spectral convergence plus L1 of log magnitudes (1910.11480, equations 4 and 5).

    Magnitudes are held above FLOOR, so that silence has finite distances and gradients.
    """
    power = [stft(v, n_fft, hop).abs().square() for v in (made, real)]
    m, r = (p.clamp_min(FLOOR**2).sqrt() for p in power)
    convergence = (m - r).flatten(1).norm(dim=1) / r.flatten(1).norm(dim=1)
    return convergence + (m.log() - r.log()).abs().flatten(1).mean(1)
