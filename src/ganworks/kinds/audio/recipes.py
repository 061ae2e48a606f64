"""The recipes for generated sound: `audio` chooses for you, `wavegan` and `specgan` are the papers'."""

from __future__ import annotations

import math

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.audio.game import SpectrogramGame
from ganworks.kinds.audio.networks.spectrograms import Spectrogram
from ganworks.kinds.audio.networks.waves import WaveGAN
from ganworks.networks.compact import Compact
from ganworks.networks.dcgan import DCGAN

_FOREVER = 1e12  # a half-life so long that `ema_ramp` alone sets the average


def _window(rate: int) -> int:
    """About 32 ms: 256 samples at 8 kHz, 512 at 16 kHz."""
    return 2 ** round(math.log2(0.032 * rate))


def audio(facts: Facts) -> Config:
    """The default for sound: a GAN on mel spectrograms that are turned into waves, by class where there are classes.

    Paired relativistic loss with R1 and R2 (R3GAN, Huang et al. 2024, arXiv 2501.05441) on small dense networks, with
    augmentation of what the discriminator sees (arXiv 2006.10738; shift, stretch and gain). The discriminator has
    minibatch standard deviation within each class (arXiv 1710.10196): without it some speakers of a word are hardly
    ever generated. Spectrograms become waves in three steps: bands to bins, initial phases of steady tones at the
    peaks, fast Griffin-Lim. Made for minutes on a CPU, where the networks are half as wide; see `ganworks help
    audio`.
    """
    n_fft = _window(int(facts.spec.facts["rate"]))
    width, d_width = (16, 12) if facts.device == "cpu" else (32, 24)
    picture = Compact(width=width, d_width=d_width, z_dim=64, crowd=True)
    networks = Spectrogram(picture, mels=64, n_fft=n_fft, hop=n_fft // 2)
    adam = Optimizer(lr=2e-3, lr_end=4e-5, betas=(0.0, 0.99), beta2_start=0.9, warmup=0.02)
    game = SpectrogramGame(r1=2.0, r2=2.0, r1_end=0.5, r2_end=0.5, augment="shift,gain,stretch", augment_p=0.6)
    train = Train(batch=64, ema=(_FOREVER,), ema_ramp=0.02)
    return Config("audio", facts.domain, networks, game, g=adam, d=adam, train=train)


def wavegan(facts: Facts) -> Config:
    """WaveGAN: waves by transposed convolutions of 25 taps, phase shuffle in the discriminator, WGAN-GP.

    Paper: Donahue, McAuley, Puckette 2019 (arXiv 1802.04208): width 64, Adam 1e-4 (0.5, 0.9), batch 64, five critic
    turns, days on a GPU. Differences: the width is 16 on a CPU, labels are used where there are some, latents are
    normal, no filter is learned behind G, and weights are averaged. No budget is known here in which it beats class
    Gaussians of features (`ganworks help audio`).
    """
    adam = Optimizer(lr=1e-4, betas=(0.5, 0.9))
    game = Adversarial(loss="wasserstein", r1=0.0, r2=0.0, gp=10.0, n_critic=5)
    networks = WaveGAN(width=16 if facts.device == "cpu" else 64)
    train = Train(batch=64, ema=(_FOREVER,), ema_ramp=0.02)
    return Config("wavegan", facts.domain, networks, game, g=adam, d=adam, train=train)


def specgan(facts: Facts) -> Config:
    """SpecGAN: a DCGAN with WGAN-GP on log spectrograms whose bins are standardised, and Griffin-Lim.

    Paper: Donahue, McAuley, Puckette 2019 (arXiv 1802.04208), section 3.2. Differences: the spectrogram is
    as long as the data needs, the width is 16 on a CPU, labels are used where there are some, latents are normal, and
    weights are averaged. No budget is known here in which it beats class Gaussians of features (`ganworks help
    audio`).
    """
    adam = Optimizer(lr=1e-4, betas=(0.5, 0.9))
    game = SpectrogramGame(loss="wasserstein", r1=0.0, r2=0.0, gp=10.0, n_critic=5)
    picture = DCGAN(width=16 if facts.device == "cpu" else 64, norm="none", g_norm="none")
    networks = Spectrogram(picture, scale="bins", n_fft=256, hop=128)
    train = Train(batch=64, ema=(_FOREVER,), ema_ramp=0.02)
    return Config("specgan", facts.domain, networks, game, g=adam, d=adam, train=train)
