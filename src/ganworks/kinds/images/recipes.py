"""The recipe `image`, which chooses its settings from the data and the budget."""

from __future__ import annotations

from dataclasses import replace

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.games.projected import Projected
from ganworks.kinds.images import sizing
from ganworks.networks.compact import Compact

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits
_LEAST_SIDE = 64  # pixels to which small pictures are enlarged on a CPU before a published network looks at them


def image(facts: Facts) -> Config:
    """The default: looks at the data and the budget, chooses sizes and settings to suit, and gives its reasons.

    Method: paired relativistic loss with R1 and R2 on every step (R3GAN, Huang et al. 2024, arXiv 2501.05441) on
    small residual networks with dense convolutions; batch norm in the generator, none in the discriminator. Made for
    minutes on a CPU: docs/benchmarks.md compares it with the tutorial DCGAN on MNIST and Fashion-MNIST.
    features=FILE adds the discriminator of `projected`, on features of a published network, beside its own.
    """
    channels, height, width = facts.spec.shape
    seen = sizing.SizingFacts(
        count=facts.count,
        height=height,
        width=width,
        channels=channels,
        gflops=facts.gflops,
        classes=facts.spec.num_classes,
        examples=facts.budget.examples,
        seconds=facts.budget.seconds,
    )
    chosen, reasons = sizing.choose(seen)
    adam = Optimizer(
        lr=chosen["lr"],
        lr_end=chosen["lr_end"],
        betas=(0.0, chosen["beta2"]),
        beta2_start=chosen["beta2_start"],
        warmup=chosen["warmup"],
    )
    settings = {
        "loss": "relativistic",
        "r1": chosen["gamma"],
        "r2": chosen["gamma"],
        "r1_end": chosen["gamma_end"],
        "r2_end": chosen["gamma_end"],
        "burn_in": 1.0,
        "augment": chosen["augment"],
    }
    features = str(facts.given.get("game.features") or "")
    game = (
        Projected(**settings, features=features, side=_side(facts), own=True) if features else Adversarial(**settings)
    )
    networks = Compact(
        width=chosen["width"], d_width=chosen.get("d_width", 0), blocks=chosen["blocks"], z_dim=chosen["z_dim"]
    )
    train = Train(batch=chosen["batch"], precision=chosen["precision"], ema=(_FOREVER,), ema_ramp=chosen["ema_ramp"])
    return Config("image", facts.domain, networks, game, g=adam, d=adam, train=train, notes=tuple(reasons))


def projected(facts: Facts) -> Config:
    """A discriminator on the features of published networks: features=FILE, or several; for few photos.

    Paper: Sauer, Chitta, Muller, Geiger 2021 (arXiv 2111.01007): random mixing of channels and scales, hinge loss on
    four scales, DiffAugment, no penalty, Adam 2e-4. Different here: the networks are those that you have (published:
    EfficientNet-Lite), maps are scaled to the same size before they are mixed, G is the small one of `image`, and on a
    CPU pictures are looked at as they are, not at 224 pixels. Judge such a run by other features than its teacher's.
    """
    seen = sizing.SizingFacts(facts.count, *facts.spec.shape[1:], channels=facts.spec.shape[0], gflops=facts.gflops)
    seen = replace(seen, examples=facts.budget.examples, seconds=facts.budget.seconds)
    width = sizing.generator_width(sizing.best_width(seen))
    features = str(facts.given.get("game.features") or "")
    game = Projected(loss="hinge", r1=0.0, r2=0.0, augment="color,translation,cutout", features=features)
    if facts.spec.shape[0] != 3:
        game = replace(game, augment="translation,cutout")
    adam = Optimizer(lr=2e-4, betas=(0.0, 0.99))
    return Config(
        *("projected", facts.domain, Compact(width=width), replace(game, side=_side(facts))),
        g=adam,
        d=adam,
        train=Train(batch=64, ema=(10_000.0,), ema_ramp=0.05),
    )


def _side(facts: Facts) -> int:
    """The side at which published networks look at pictures: their own (0), or on a CPU a smaller one, for speed."""
    return max(_LEAST_SIDE, *facts.spec.shape[1:]) if facts.device == "cpu" else 0
