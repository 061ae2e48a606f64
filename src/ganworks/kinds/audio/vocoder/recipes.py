"""The recipe of vocoders."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.audio.vocoder.game import Vocoding
from ganworks.kinds.audio.vocoder.networks import VocoderNetworks


def vocoder(facts: Facts) -> Config:
    """A vocoder: mel frames to sound, at any sample rate; `ganworks apply` takes sound files or mel arrays.

    Generator: a network at the frame rate (Vocos, Siuzdak 2023, arXiv 2306.00814) predicts the pitch and a filter, and
    the filter shapes pulses and noise in the frequency domain (HiFTNet, Li et al. 2023, arXiv 2309.09493); it is many
    times faster than real time on a CPU. Losses: spectral distances alone for the first 80 % of the budget, then those
    of HiFi-GAN (Kong et al. 2020, arXiv 2010.05646) with small multi-period and multi-scale discriminators. Spoken
    digits at 8 kHz, 40k examples (10 minutes of one core): spectral distance .47 on unseen recordings, Griffin-Lim .51.
    HiFi-GAN as published: networks.kind=hifigan networks.size=V1 (or V2, V3) networks.d_width=32 networks.d_most=1024
    networks.d_scale=128 game.adversarial_from=0 game.spectral=0 g.lr=2e-4 d.lr=2e-4.
    Differences that remain: the learning rate of G falls by a half cosine, not by .999 an epoch, and a file is padded
    with silence, not with its reflection.
    """
    made = {name: facts.spec.facts[name] for name in ("rate", "n_fft", "hop", "mels")}
    g = Optimizer(lr=1e-3, lr_end=1e-5, betas=(0.8, 0.99), warmup=0.01)
    d = Optimizer(lr=3e-4, betas=(0.8, 0.99))
    train = Train(batch=16, ema=(2_000.0,))
    return Config("vocoder", facts.domain, VocoderNetworks(), Vocoding(**made), g=g, d=d, train=train)
