"""The game of vocoders: HiFi-GAN's (Kong et al. 2020, 2010.05646, section 2.4), after a stage without discriminators.

In the first stage G learns from spectral distances alone: L1 between log-mel frames, and distances between short-time
Fourier transforms at several resolutions (Yamamoto et al. 2020, Parallel WaveGAN, 1910.11480, section 2.2). In the
second, least-squares discriminators and feature matching are added with the published weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import Tensor

from ganworks.core.contracts import Terms
from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Portion, Weight, check, within
from ganworks.core.spec import Batch
from ganworks.games.losses import Loss, loss
from ganworks.games.patches import discriminator_terms, feature_matching, generator_terms, per_example
from ganworks.games.stages import alone, phases
from ganworks.kinds.audio.spectral import check_frames, stft
from ganworks.kinds.audio.vocoder.mel import log_mel

FLOOR = 1e-3  # of magnitudes; at n_fft 256 a sine with 1 / 64,000 of full scale has this magnitude


@dataclass(frozen=True)
class Vocoding:
    """Settings of the game. batch["src"] is the input, log-mel frames; batch["x"] [B, 1, n] the sound.

    adversarial_from: fraction of the budget at which the discriminators join; 0: at once, as published; 1: never.
    loss: loss of the adversarial stage, a name from `losses.LOSSES`.
    gan: weight of the adversarial term, summed over the discriminators (published: 1).
    match: weight of feature matching, summed over the discriminators (published: 2).
    mel: weight of the L1 between log-mel frames (published: 45).
    spectral: weight of the distances between short-time Fourier transforms (published: 0).
    pitch: weight of the L1 between logarithms of the pitch, for generators that predict it (`pitched`); batch["pitch"]
        [B, T] is in Hz, 0 where there is none.
    rate: samples per second of the sound; the recipe takes it from the data.
    n_fft: length of the frames in the losses; the recipe takes it from the data.
    hop: samples from one frame to the next in the losses; the recipe takes it from the data.
    mels: mel bands in the losses, over all frequencies; the recipe takes them from the data.
    decay: weight decay, the share that each update takes from every weight (AdamW's 0.01 at a learning rate of 2e-4 is
        2e-6).
    """

    adversarial_from: Portion = 0.8
    loss: str = "least-squares"
    gan: Weight = 1.0
    match: Weight = 2.0
    mel: Weight = 45.0
    spectral: Weight = 15.0
    pitch: Weight = 10.0
    rate: Annotated[int, within(1000, 192_000, unit="Hz")] = 22050
    n_fft: Annotated[int, within(unit="samples")] = 1024
    hop: Annotated[int, within(unit="samples")] = 256
    mels: Annotated[int, within(1, 1024)] = 80
    decay: Annotated[float, within(0, below=0.01)] = 2e-6

    def __post_init__(self) -> None:
        check(self)
        loss(self.loss)
        check_frames(self.n_fft, self.hop)
        if not self.mel and not self.spectral:
            raise UsageError("mel and spectral cannot both be 0: no loss would tie the sound to its input.")

    @cached_property
    def _loss(self) -> Loss:
        return loss(self.loss)

    @property
    def phases(self) -> tuple[float, ...]:
        """The fractions of the budget at which a stage begins."""
        return phases(self.adversarial_from)

    def turns(self, step: int, progress: float) -> Iterator[tuple[tuple[str, ...], Any]]:
        """The turns of a step: G alone in the first stage; D, then G in the second."""
        if alone(progress, self.adversarial_from):
            yield ("G",), self.spectral_turn
        else:
            yield ("D",), self.discriminator_turn
            yield ("G",), self.generator_turn

    def after(self, nets: Mapping[str, Any], players: tuple[str, ...]) -> None:
        """Decoupled weight decay (Loshchilov and Hutter 2019, 1711.05101) of the players that have moved."""
        if self.decay:
            with torch.no_grad():
                for player in players:
                    torch._foreach_mul_(list(nets[player].parameters()), 1 - self.decay)

    def spectral_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """The terms mel, spectral and, where G predicts the pitch, pitch, each [B]."""
        return self._distances(*self._made(nets["G"], batch), batch)

    def discriminator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """The term d_loss [B]; _real and _fake are the mean logits [B]."""
        with torch.no_grad():
            fake = nets["G"](batch["src"])
        r, f = nets["D"](batch["x"]), nets["D"](fake)
        terms = len(r) * self._scale * discriminator_terms(self._loss, r, f)
        return {"d_loss": terms, "_real": per_example(r), "_fake": per_example(f)}

    def generator_turn(self, nets: dict[str, Any], batch: Batch) -> Terms:
        """The terms g_loss and match, and those of `spectral_turn`, each [B]; _fake is the mean logits [B]."""
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
        """2 for least squares, since the published loss has no factor of 1/2 (2010.05646, equations 1 and 2)."""
        return 2.0 if self.loss == "least-squares" else 1.0

    def _made(self, G: Any, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The sound of G [B, 1, n], and its pitch [B, T] in Hz if G predicts one, else None."""
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
    """made, real [B, n] -> [B]: spectral convergence plus L1 of log magnitudes (1910.11480, equations 4 and 5).

    Magnitudes are at least FLOOR, so that silence has finite distances and gradients.
    """
    power = [stft(v, n_fft, hop).abs().square() for v in (made, real)]
    m, r = (p.clamp_min(FLOOR**2).sqrt() for p in power)
    convergence = (m - r).flatten(1).norm(dim=1) / r.flatten(1).norm(dim=1)
    return convergence + (m.log() - r.log()).abs().flatten(1).mean(1)
