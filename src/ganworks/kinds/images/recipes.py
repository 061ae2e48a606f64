"""The recipe `image`, which chooses its settings from the data and the budget."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.images import sizing
from ganworks.networks.compact import Compact

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits


def image(facts: Facts) -> Config:
    """The default: looks at the data and the budget, chooses sizes and settings to suit, and gives its reasons.

    Method: paired relativistic loss with R1 and R2 on every step (R3GAN, Huang et al. 2024, arXiv 2501.05441) on
    small residual networks with dense convolutions; batch norm in the generator, none in the discriminator. Made for
    minutes on a CPU: docs/benchmarks.md compares it with the tutorial DCGAN on MNIST and Fashion-MNIST.
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
    game = Adversarial(
        loss="relativistic",
        r1=chosen["gamma"],
        r2=chosen["gamma"],
        r1_end=chosen["gamma_end"],
        r2_end=chosen["gamma_end"],
        burn_in=1.0,
        augment=chosen["augment"],
    )
    networks = Compact(
        width=chosen["width"], d_width=chosen.get("d_width", 0), blocks=chosen["blocks"], z_dim=chosen["z_dim"]
    )
    train = Train(batch=chosen["batch"], precision=chosen["precision"], ema=(_FOREVER,), ema_ramp=chosen["ema_ramp"])
    return Config("image", facts.domain, networks, game, g=adam, d=adam, train=train, notes=tuple(reasons))
