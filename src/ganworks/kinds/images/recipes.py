"""The image recipes on modern networks: `image` chooses its settings from data and budget, `r3gan` is the paper's."""

from __future__ import annotations

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.images import sizing
from ganworks.kinds.images.r3gan import R3GAN
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


def r3gan(facts: Facts) -> Config:
    """R3GAN with the paper's networks and schedules; the penalties' gamma follows the image size.

    Paper: Huang, Gokaslan, Kuleshov, Tompkin 2024 (arXiv 2501.05441): CIFAR-10 FID 1.96 after 250 M images on
    8 GPUs for 4 days. On a small machine use `image`.
    """
    size = max(facts.spec.shape[1:])
    small = size <= 32
    gamma = 0.05 if small else 2.0 * (size / 64) ** 2
    adam = Optimizer(lr=2e-4, lr_end=5e-5, betas=(0.0, 0.99), beta2_start=0.9, burn_in=0.1)
    game = Adversarial(loss="relativistic", r1=gamma, r2=gamma, r1_end=gamma / 10, r2_end=gamma / 10, burn_in=0.1)
    train = Train(batch=512 if small else 256, ema=(5_000_000.0 if small else 500_000.0,))
    return Config("r3gan", facts.domain, R3GAN(), game, g=adam, d=adam, train=train)
