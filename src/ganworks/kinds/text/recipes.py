"""Recipes for texts: a language model with a critic, SeqGAN, RelGAN."""

from __future__ import annotations

from typing import Any

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.text.games.gumbel import SoftTokens
from ganworks.kinds.text.games.sequences import Sequences
from ganworks.kinds.text.networks.language import TextNets

LARGE, SOME = 5000, 1000  # training texts


def sizes(facts: Facts) -> dict[str, Any]:
    """Widths by the number of texts: networks that are too wide memorise few texts and are slower."""
    if facts.count >= LARGE:
        return {"embed": 256, "hidden": 512}
    return {"embed": 128, "hidden": 256} if facts.count >= SOME else {"embed": 64, "hidden": 128}


def train_settings(facts: Facts) -> Train:
    """64 texts a step where the budget has many steps, else fewer; averages over the last 30 steps or so."""
    examples = facts.budget.examples or 10**6
    batch = 64 if examples >= 100_000 else 32 if examples >= 20_000 else 16
    return Train(batch=batch, ema=(2000.0,))


def text(facts: Facts) -> Config:
    """Texts: an LSTM trained by maximum likelihood, and a critic that chooses among the texts it writes.

    The LSTM writes at temperature 0.9: its texts read better than at 1 but repeat each other. The critic learns to tell
    them from real texts. For each text that is asked for, the LSTM writes four and one is drawn, with probabilities in
    proportion to exp(critic). That is the residual energy model of Deng et al. 2020 (arXiv 2004.11714) with a
    discriminator (arXiv 1406.2661) as the energy. The critic does not change the LSTM; `ganworks help text`
    says more.
    """
    game = Sequences(critic_from=0.7, adversarial_from=1.0)
    g = Optimizer(lr=3e-3, lr_end=3e-5, betas=(0.9, 0.99), warmup=0.02, burn_in=0.7)
    d = Optimizer(lr=1e-3, betas=(0.5, 0.99))
    width = sizes(facts)
    networks = TextNets(
        **width, candidates=4, temperature=0.9, d_embed=width["embed"], d_widths=(1, 2, 3, 4), d_dropout=0.3
    )
    return Config("text", facts.domain, networks, game, g=g, d=d, train=train_settings(facts))


def seqgan(facts: Facts) -> Config:
    """SeqGAN: an LSTM trained by maximum likelihood, then by REINFORCE on the discriminator's rewards.

    The reward of a token is the mean probability of "real" that the discriminator gives to completions of the text up
    to that token. Paper: Yu et al. 2017 (arXiv 1609.05473). Differences: 2 completions of each prefix (paper: 16); the
    mean over the batch is subtracted from the rewards; D and G take turns; tied embeddings and dropout. The evaluation
    says what the adversarial stage adds to maximum likelihood.
    """
    g = Optimizer(lr=3e-3, lr_end=1e-4, betas=(0.9, 0.99), warmup=0.02, burn_in=0.8)
    d = Optimizer(lr=5e-4, betas=(0.5, 0.99))
    game = Sequences(critic_from=0.8, adversarial_from=0.9, rollouts=2, anchor=0.0)
    networks = TextNets(**sizes(facts), d_widths=(1, 2, 3, 4, 5, 6, 8, 10), d_dropout=0.25)
    return Config("seqgan", facts.domain, networks, game, g=g, d=d, train=train_settings(facts))


def relgan(facts: Facts) -> Config:
    """RelGAN: a relational memory trained by maximum likelihood, then through Gumbel-softmax by a discriminator.

    Paper: Nie, Narodytska and Patel, ICLR 2019: Gumbel-softmax (arXiv 1611.01144), a relativistic loss, a discriminator
    with 64 embedded views, and an inverse temperature that grows from 1 to 100 (game.sharpness) at the end of the
    budget. Differences: 100 feature maps for each window (paper: 300), one D turn for each of G. The evaluation says
    what the adversarial stage adds to maximum likelihood.
    """
    g = Optimizer(lr=1e-3, lr_end=1e-4, betas=(0.9, 0.99), warmup=0.02, burn_in=0.8)
    d = Optimizer(lr=1e-4, betas=(0.9, 0.99))
    game = SoftTokens(critic_from=0.9, adversarial_from=0.9)
    networks = TextNets(
        core="memory", embed=128, dropout=0.3, dropout_in=0.1, critic="views", d_widths=(2, 3, 4, 5), d_maps=100
    )
    return Config("relgan", facts.domain, networks, game, g=g, d=d, train=train_settings(facts))
