"""The recipes `r3gan` and `stylegan2`: the published presets by image size, and small forms of them for CPUs.

The published networks are taken where there is a GPU, or when their width is asked for; else a small form. The notes of
the run say which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from ganworks.core.schema.convert import convert
from ganworks.core.schema.declare import Width
from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.core.spec import Spec
from ganworks.games.adversarial import Adversarial
from ganworks.games.styles import StyleAdversarial
from ganworks.kinds.images.r3gan import R3GAN, stages
from ganworks.kinds.images.sizing import FEW, REPEATS, SizingFacts, policy
from ganworks.kinds.images.stylegan2 import StyleGAN2

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits
SMALL_BATCH = 64  # of r3gan's small form


class Sized(Protocol):
    """A preset for images of up to `side` pixels."""

    @property
    def side(self) -> int: ...


Preset = TypeVar("Preset", bound=Sized)


def preset_for(presets: Sequence[Preset], side: int) -> Preset:
    """The preset of the smallest size that is not below `side`, else the largest."""
    return next((preset for preset in presets if side <= preset.side), presets[-1])


def published(facts: Facts, width: int) -> bool:
    """Whether the published networks are taken: on a GPU, or where at least their width is asked for."""
    if facts.device != "cpu" or "networks.widths" in facts.given:
        return True
    name = "networks.width"
    return name in facts.given and convert(Width, facts.given[name], name) >= width


# R3GAN ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class R3GANPreset:
    """A preset of R3GAN's public code. name: its data. side: pixels. burn_in: share of the budget in which gamma,
    learning rate, beta2 and augmentation move. gamma falls to a tenth."""

    name: str
    side: int
    batch: int
    gamma: float
    half_life: float
    augment_p: float
    burn_in: float
    width: int = 768
    group_size: int = 16


R3GAN_PRESETS = (
    R3GANPreset("CIFAR-10", 32, 512, 0.05, 5e6, 0.55, 20 / 250),
    R3GANPreset("FFHQ-64", 64, 256, 2.0, 5e5, 0.3, 20 / 100),
    R3GANPreset("FFHQ-256", 256, 256, 150.0, 5e5, 0.3, 20 / 200),
)
MANY = 1_000_000  # images from which the presets of ImageNet are taken
MANY_PRESETS = (
    R3GANPreset("ImageNet-32", 32, 4096, 0.5, 5e7, 0.5, 200 / 1000, 1536, 32),
    R3GANPreset("ImageNet-64", 64, 4096, 1.0, 5e7, 0.4, 200 / 1000, 1536, 32),
)


def gamma_at(side: int, presets: Sequence[R3GANPreset] = R3GAN_PRESETS) -> float:
    """Gamma at the start for images of `side` pixels: the presets' own, and on a power law between and beyond them."""
    if side <= presets[0].side:
        return presets[0].gamma
    below, above = next((pair for pair in pairwise(presets) if side <= pair[1].side), presets[-2:])
    power = math.log(above.gamma / below.gamma) / math.log(above.side / below.side)
    return round(below.gamma * (side / below.side) ** power, 4)


def r3gan(facts: Facts) -> Config:
    """R3GAN: a ResNet without normalisation, trained by the paired loss with R1 and R2 on every step.

    Paper: Huang, Gokaslan, Kuleshov, Tompkin 2024 (arXiv 2501.05441): CIFAR-10 FID 1.96 after 250 M images on 8 GPUs
    for 4 days. On a GPU, or with networks.width=768, it takes the published networks (768 wide; G 20.78 M and D 21.28 M
    parameters for CIFAR-10) and the preset of its public code for the image size: batch, gamma (0.05 at 32 pixels, 2 at
    64, 150 at 256, falling to a tenth), learning rate 2e-4 to 5e-5, beta2 0.9 to 0.99, rising augmentation; from a
    million images of up to 64 pixels on, those of ImageNet, 1536 wide. On a CPU it takes a small form, 64 wide with
    batch 64; `image` learns more in minutes. Different here: the schedules span the same share of your budget as of the
    paper's, the augmentation is DiffAugment's (arXiv 2006.10738), not ADA's, averages lengthen with what was seen, and
    images are not mirrored (domain.flip=on mirrors them).
    """
    side = max(facts.spec.shape[1:])
    presets = MANY_PRESETS if facts.count >= MANY and side <= MANY_PRESETS[-1].side else R3GAN_PRESETS
    preset = preset_for(presets, side)
    full = published(facts, preset.width)
    gamma = gamma_at(side, presets)
    adam = Optimizer(lr=2e-4, lr_end=5e-5, betas=(0.0, 0.99), beta2_start=0.9, burn_in=preset.burn_in)
    game = Adversarial(
        loss="relativistic",
        r1=gamma,
        r2=gamma,
        r1_end=gamma / 10,
        r2_end=gamma / 10,
        burn_in=preset.burn_in,
        augment=policy(_facts(facts)),
        augment_p=preset.augment_p,
        augment_ramp=preset.burn_in,
    )
    train = Train(batch=preset.batch if full else SMALL_BATCH, ema=(preset.half_life,))
    networks = _r3gan_networks(preset, facts.spec) if full else R3GAN()
    what = f"the published networks, {preset.width} wide, with the preset for {preset.name}"
    if full:
        note = f"{what[0].upper()}{what[1:]}."
    else:
        note = (
            f"The small form, {networks.width} wide with batch {train.batch}, as there is no GPU: "
            f"networks.width={preset.width} asks for {what}; then give batch={preset.batch}, too."
        )
    return Config("r3gan", facts.domain, networks, game, g=adam, d=adam, train=train, notes=(note,))


def _r3gan_networks(preset: R3GANPreset, spec: Spec) -> R3GAN:
    """The published networks: the widths of ImageNet's are the same on all maps, the others' halve above 32 pixels."""
    count = stages(*spec.shape[1:])
    widths = (preset.width,) * count if preset.width > R3GAN_PRESETS[0].width else ()
    return R3GAN(preset.width, widths, group_size=preset.group_size, fp32_stages=max(1, count - 4))


def _facts(facts: Facts) -> SizingFacts:
    channels, height, width = facts.spec.shape
    return SizingFacts(facts.count, height, width, channels)


# StyleGAN2 --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StylePreset:
    """A preset of the public code of 2006.06676. side: pixels. gamma: of R1; 0: 0.0002 pixels / batch, its heuristic.
    ramp: largest half-life of the average, as a share of what was seen. mixing, path: of `StyleAdversarial`.
    """

    name: str
    side: int
    batch: int
    gamma: float
    half_life: float
    lr: float = 0.0025
    wide_to: int = 32
    mapping: int = 8
    group: int = 8
    residual: bool = True
    ramp: float = 1.0
    mixing: float = 0.9
    path: float = 2.0


STYLE_PRESETS = (
    StylePreset("cifar", 32, 64, 0.01, 5e5, wide_to=64, mapping=2, group=32, residual=False, ramp=0.05, mixing=0.0,
                path=0.0),
    StylePreset("auto", 128, 32, 0.0, 1e4, mapping=2, group=4, ramp=0.05),
    StylePreset("paper256", 256, 64, 1.0, 2e4),
    StylePreset("paper512", 512, 64, 0.5, 2e4, wide_to=64),
    StylePreset("paper1024", 1024, 32, 2.0, 1e4, lr=0.002, wide_to=64, group=4),
)  # fmt: skip
FULL_WIDTH = 512
R1_EVERY, PATH_EVERY = 16, 4  # steps from one turn with penalties to the next, as in the public code (paper: 16, 8)
SMALL_WIDTHS = (16, 24, 32, 48, 64, 96, 128)
SMALL_SIZE = 64  # of latent and style in the small form
# What the small form changes in a preset; it has no noise either. CIFAR-10, and cats and dogs, at 32 pixels, 100 CPU
# seconds each, by eye: with noise and batch 32 at rate 0.0025, grain covers all samples; so, there is none.
SMALL_STYLE: dict[str, Any] = {"batch": 16, "lr": 0.005, "gamma": 0.5, "half_life": _FOREVER, "ramp": 0.05,
                               "wide_to": 16, "mapping": 2, "group": 4, "residual": True}  # fmt: skip
SMALL_GFLOP = 0.6  # per example at 32 x 32 pixels and width 32, all turns; a third of it is not convolutions
SMALL_NEED = 50_000  # examples that networks of width 32 should see before wider ones are worth it


def stylegan2(facts: Facts) -> Config:
    """StyleGAN2: a mapping network turns latents into styles, and styles modulate every convolution of the generator.

    Paper: Karras, Laine, Aittala, Hellsten, Lehtinen, Aila 2020 (arXiv 1912.04958), and for classes and presets Karras
    et al. 2020 (arXiv 2006.06676): FFHQ at 1024 pixels FID 2.84, CIFAR-10 by class 2.42. Non-saturating loss; R1 on
    every 16th step and path lengths on every 4th, each in a turn of its own, with rate and betas of Adam to suit; style
    mixing 0.9; `sample truncation=0.7` moves styles to their saved mean. On a GPU, or with networks.width=512, it takes
    the published networks (512 wide; G 30.4 M and D 29.0 M parameters at 1024 pixels) and the preset for the image
    size: cifar up to 32 pixels (no path lengths, no mixing, a D without residual paths), auto up to 128, paper256,
    paper512, paper1024. On a CPU it takes a small form: 16 to 128 wide, as the budget allows, latents and styles of 64,
    2 mapping layers, no noise (it would be seen as grain for long), batch 16, a rate of 0.005 that falls, gamma 0.5;
    `image` learns more in minutes. Different here: bfloat16 in place of float16, mixing for each example, and
    DiffAugment (arXiv 2006.10738), for few images, in place of ADA.
    """
    preset = preset_for(STYLE_PRESETS, max(facts.spec.shape[1:]))
    if published(facts, FULL_WIDTH):
        note = f"The published networks: preset {preset.name}."
        return _style_config(facts, preset, _style_networks(preset), (note,))
    width, examples = small_width(facts)
    small = replace(preset, **SMALL_STYLE)
    networks = replace(_style_networks(small), width=width, z_dim=SMALL_SIZE, w_dim=SMALL_SIZE, noise=False)
    note = (
        f"The small form, {width} wide with batch {small.batch}, as there is no GPU; it sees about {examples:,} "
        f"examples. networks.width={FULL_WIDTH} asks for the published networks with the preset {preset.name}."
    )
    config = _style_config(facts, small, networks, (note,), examples)
    g, d = (replace(side, lr_end=side.lr / 10) for side in (config.g, config.d))
    return replace(config, g=g, d=d)


def small_width(facts: Facts) -> tuple[int, int]:
    """The widest small form that sees enough examples within the budget, and how many it sees."""
    if facts.budget.examples:
        return (64 if facts.budget.examples > 10 * SMALL_NEED else 32), facts.budget.examples
    pixels = facts.spec.shape[1] * facts.spec.shape[2]

    def seen(width: int) -> int:
        return int(facts.budget.seconds * facts.gflops / (SMALL_GFLOP * (width / 32) ** 2 * pixels / 32**2))

    enough = [w for w in SMALL_WIDTHS if seen(w) >= SMALL_NEED * w / 32]
    width = max(enough, default=SMALL_WIDTHS[0])
    return width, max(1, seen(width))


def _style_networks(preset: StylePreset) -> StyleGAN2:
    return StyleGAN2(FULL_WIDTH, preset.wide_to, mapping=preset.mapping, residual=preset.residual, group=preset.group)


def _style_config(
    facts: Facts, preset: StylePreset, networks: StyleGAN2, notes: tuple[str, ...], examples: int = 0
) -> Config:
    """The training of a preset. examples: expected to be seen; 0: so many that D could memorise few images."""
    height, width = facts.spec.shape[1:]
    gamma = preset.gamma or 0.0002 * height * width / preset.batch
    crowded = facts.count < FEW and (not examples or examples > REPEATS * facts.count)
    augment = policy(_facts(facts)) if crowded else ""
    game = StyleAdversarial(
        loss="non-saturating",
        r1=round(gamma, 6),
        r2=0.0,
        penalty_every=R1_EVERY,
        augment=augment,
        mixing=preset.mixing,
        path=preset.path,
        path_every=PATH_EVERY,
    )
    if augment:
        notes += (f"Augmentation {augment}, as D could memorise {facts.count:,} images.",)
    adam = Optimizer(lr=preset.lr, betas=(0.0, 0.99))
    g, d = adam.lazily(PATH_EVERY if preset.path else 1), adam.lazily(R1_EVERY)
    train = Train(batch=preset.batch, ema=(preset.half_life,), ema_ramp=preset.ramp)
    return Config("stylegan2", facts.domain, networks, game, g=g, d=d, train=train, notes=notes)
