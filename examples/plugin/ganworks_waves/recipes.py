"""A recipe: a function of what is known of the data and the budget; its docstring is what `ganworks recipes` shows."""

from ganworks.core.settings import Config, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks_waves.networks import Plain


def waves(facts):
    """Small dense players with a softened non-saturating loss, for waves of a few hundred numbers."""
    adam = Optimizer(lr=1e-3)
    game = Adversarial(loss="waves:loss/softened", r1=0.1, r2=0.1)
    return Config("waves", facts.domain, Plain(), game, g=adam, d=adam, train=Train(batch=64))
