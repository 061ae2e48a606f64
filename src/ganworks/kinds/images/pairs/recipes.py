"""Recipes of paired translation: pix2pix, pix2pixHD and SPADE, sized for the machine and the budget.

A width is the number of channels of the first layer at full size. The papers train for 200 epochs on a GPU; here the
widest networks are chosen that still see each pair a hundred times within the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.pairs.game import PairedTranslation
from ganworks.kinds.images.pairs.pix2pixhd import Pix2PixHD
from ganworks.kinds.images.pairs.spade import SPADENetworks
from ganworks.kinds.images.pairs.unet import Pix2Pix

WIDTHS = (16, 24, 32, 48, 64)
EPOCHS, FEWEST, MOST = 100, 20_000, 200_000  # times that each pair should be seen; in examples, at least and at most
FEW, SHIFT = 5_000, 12  # pairs below which they are augmented more; they are shifted by up to side / SHIFT
ZOOM, TINT = 0.25, 0.3  # further augmentation where label maps are made: the photo may change in size and colour
UTILISATION = 0.3  # share of the measured convolution speed that training steps reach on a CPU
GFLOP = {"pix2pix": 1.4, "pix2pixhd": 5.0, "spade": 7.0}  # per example at 64 pixels, both networks 32 wide, all turns
_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits


@dataclass(frozen=True)
class ChosenWidth:
    """Width of the networks, examples that they are expected to see, and the reasons, in sentences."""

    width: int
    examples: int
    notes: tuple[str, ...]


def scale(facts: Facts, recipe: str) -> ChosenWidth:
    """The widest networks that see enough examples within the budget.

    A budget in examples says nothing of the time: the width is then 64, as published, or 32 for small runs on a CPU.
    """
    pixels = facts.spec.shape[1] * facts.spec.shape[2]
    enough = min(MOST, max(FEWEST, EPOCHS * facts.count))
    if facts.budget.examples:
        width = 64 if facts.device != "cpu" or facts.budget.examples * pixels > 10**10 else 32
        return ChosenWidth(width, facts.budget.examples, ())

    def reachable(width: int) -> int:
        cost = GFLOP[recipe] * (width / 32) ** 2 * pixels / 64**2
        return int(facts.budget.seconds * facts.gflops * UTILISATION / cost)

    width = max((w for w in WIDTHS if reachable(w) >= enough), default=WIDTHS[0])
    said = f"Width {width} for both networks: the budget shows them about {reachable(width):,} pairs"
    if reachable(width) < enough:
        said += f", fewer than the {enough:,} that it needs; train for longer, or at a smaller size"
    return ChosenWidth(width, reachable(width), (said + ".",))


def domain(facts: Facts) -> Any:
    """The user's domain, with augmentation for few pairs: shifts, and zoom and tint where the target is a label map."""
    if facts.count >= FEW:
        return facts.domain
    wanted: dict[str, Any] = {"crop": min(facts.spec.shape[1:]) // SHIFT}
    if "target_palette" in facts.spec.facts:
        wanted |= {"zoom": ZOOM, "tint": TINT}
    return replace(facts.domain, **{k: v for k, v in wanted.items() if f"domain.{k}" not in facts.given})


def pix2pix(facts: Facts) -> Config:
    """pix2pix: a U-Net, with a discriminator that scores each patch and 100 times the L1 distance to the truth.

    Paper: Isola, Zhu, Zhou, Efros 2017 (arXiv 1611.07004), followed where there is a GPU: U-Net of 54.4 M parameters at
    256 pixels, 70x70 PatchGAN of 2.77 M (smaller patches for smaller images), Adam 2e-4 (0.5, 0.999), batch 1.
    Different here: instance norm in place of batch norm, so that the network is the same in training and in use;
    averaged weights; the rate falls as a half cosine, where the paper has it constant and then a straight line; D's
    loss is not halved, which Adam does not notice; a target that is a label map is made from one logit per colour,
    trained by cross-entropy without a discriminator. On a CPU the networks are narrower, with Adam 5e-4 and batch 8.
    """
    chosen = scale(facts, "pix2pix")
    labels = "target_palette" in facts.spec.facts
    game = PairedTranslation(gan=0.0 if labels else 1.0, ce=1.0 if labels else 0.0)
    published = facts.device != "cpu" and not labels
    lr, warmup = (2e-4, 0.0) if published else (1e-3 if labels else 5e-4, 0.01)
    adam = Optimizer(lr=lr, lr_end=0.0, betas=(0.5, 0.999), warmup=warmup)
    networks = Pix2Pix(width=chosen.width, d_width=chosen.width)
    train = Train(batch=1 if published else 8, ema=(_FOREVER,), ema_ramp=0.05)
    return Config("pix2pix", domain(facts), networks, game, g=adam, d=adam, train=train, notes=chosen.notes)


def pix2pixhd(facts: Facts) -> Config:
    """pix2pixHD: a residual generator, patch discriminators at two scales, and feature matching in place of L1.

    Paper: Wang, Liu, Zhu, Tao, Kautz, Catanzaro 2018 (arXiv 1711.11585), followed where there is a GPU: least squares,
    feature matching x10, Adam 2e-4 (0.5, 0.999), batch 1, a global generator of 182.5 M parameters at 256 pixels or
    more; networks.enhancer=on networks.width=64 adds the local enhancer. Different here: no VGG loss, whose weights do
    not come with this package; no maps of instances; no features drawn for each object; averaged weights; terms are
    means over the scales, where the authors' code sums the adversarial one. On a CPU the networks are narrower, with
    four blocks, transposed 4x4 convolutions, scale and shift in the norms, and batch 4.
    """
    chosen = scale(facts, "pix2pixhd")
    game = PairedTranslation(loss="least-squares", l1=0.0, fm=10.0, ce=_ce(facts))
    adam = Optimizer(lr=2e-4, lr_end=0.0, betas=(0.5, 0.999), warmup=0.01)
    networks = Pix2PixHD(width=chosen.width, d_width=chosen.width, blocks=9 if chosen.width >= 48 else 4)
    if facts.device != "cpu":
        networks = replace(networks, blocks=9, norm="plain", up="deconv3")
    train = Train(batch=4 if facts.device == "cpu" else 1, ema=(_FOREVER,), ema_ramp=0.05)
    return Config("pix2pixhd", domain(facts), networks, game, g=adam, d=adam, train=train, notes=chosen.notes)


def spade(facts: Facts) -> Config:
    """SPADE (GauGAN): the label map scales and shifts every norm; hinge loss and feature matching at two scales.

    Paper: Park, Liu, Wang, Zhu 2019 (arXiv 1903.07291): Adam (0, 0.9), 1e-4 for G and 4e-4 for D, feature matching x10,
    spectral norm in both networks. At width 64 the networks are those of the authors' code: G has 96.5 M parameters at
    256 pixels with 151 classes. Different here: 10 times the L1 distance takes the place of the VGG loss; instance norm
    that of synchronised batch norm; D sees the label map as colours; no image encoder; batch 8 (paper: 32); averaged
    weights. On a CPU the networks are narrower, and G lacks a block and the spectral norm of its blocks.
    """
    chosen = scale(facts, "spade")
    game = PairedTranslation(loss="hinge", l1=10.0, fm=10.0, ce=_ce(facts))
    g, d = (Optimizer(lr=lr, lr_end=0.0, betas=(0.0, 0.9), warmup=0.01) for lr in (1e-4, 4e-4))
    networks = SPADENetworks(width=max(8, chosen.width // 2), hidden=2 * chosen.width, d_width=chosen.width)
    if chosen.width == WIDTHS[-1]:
        networks = SPADENetworks(middle=2, g_spectral=True, d_norm="plain")
    train = Train(batch=8, ema=(_FOREVER,), ema_ramp=0.05)
    return Config("spade", domain(facts), networks, game, g=g, d=d, train=train, notes=chosen.notes)


def _ce(facts: Facts) -> float:
    """Weight of the cross-entropy where label maps are made: it is then about as large as the other terms."""
    return 10.0 if "target_palette" in facts.spec.facts else 0.0
