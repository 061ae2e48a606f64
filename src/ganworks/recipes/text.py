"""Recipes for texts."""

from __future__ import annotations

from ganworks.games.text import Sequences
from ganworks.games.text_gumbel import SoftTokens
from ganworks.networks.text import TextNets
from ganworks.settings import Config, Facts, Optimizer, Train


def text(facts: Facts) -> Config:
    """Texts: an LSTM by maximum likelihood, then a critic that chooses between what it writes."""
    game = Sequences(critic_from=0.7, adversarial_from=1.0)
    g = Optimizer(lr=3e-3, lr_end=3e-5, betas=(0.9, 0.99), warmup=0.02, burn_in=0.7)
    d = Optimizer(lr=1e-3, lr_end=1e-4, betas=(0.5, 0.99))
    networks = TextNets(candidates=4)
    train = Train(batch=64, ema=(2000.0,))
    return Config("text", facts.domain, networks, game, g=g, d=d, train=train)


def seqgan(facts: Facts) -> Config:
    """SeqGAN (Yu et al. 2017, arXiv 1609.05473)."""
    g = Optimizer(lr=3e-3, lr_end=1e-4, betas=(0.9, 0.99), warmup=0.02, burn_in=0.6)
    d = Optimizer(lr=5e-4, betas=(0.5, 0.99))
    game = Sequences(critic_from=0.6, adversarial_from=0.7, rollouts=4, anchor=0.0)
    networks = TextNets(hidden=256, embed=128, dropout=0.3, d_widths=(1, 2, 3, 4, 5, 6, 8, 10), d_dropout=0.25)
    return Config("seqgan", facts.domain, networks, game, g=g, d=d, train=Train(batch=64, ema=(2000.0,)))


def relgan(facts: Facts) -> Config:
    """RelGAN (Nie et al., ICLR 2019)."""
    g = Optimizer(lr=1e-3, lr_end=1e-4, betas=(0.9, 0.99), warmup=0.02, burn_in=0.7)
    d = Optimizer(lr=1e-4, betas=(0.9, 0.99))
    game = SoftTokens(critic_from=0.7, adversarial_from=0.7, d_steps=1)
    networks = TextNets(
        core="memory", embed=128, dropout=0.0, dropout_in=0.0, critic="views", d_widths=(2, 3, 4, 5), d_maps=100
    )
    return Config("relgan", facts.domain, networks, game, g=g, d=d, train=Train(batch=64, ema=(2000.0,)))
