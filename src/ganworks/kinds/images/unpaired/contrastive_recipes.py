"""Recipes of contrastive unpaired translation: one generator, no cycle."""

from __future__ import annotations

from dataclasses import replace

from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.unpaired.contrastive_game import ContrastiveGame
from ganworks.kinds.images.unpaired.contrastive_networks import ContrastiveNetworks

_PUBLISHED = Optimizer(lr=2e-4, lr_end=2e-6, betas=(0.5, 0.999))
_SMALL = replace(_PUBLISHED, lr=3e-4, lr_end=3e-6)


def cut(facts: Facts) -> Config:
    """CUT: translation between two sets of images without pairs; a contrastive loss on patches preserves the content.

    Paper: Park et al. 2020 (arXiv 2007.15651): least squares, PatchNCE on five layers and the same on real targets,
    residual generator with low-pass filters, Adam 2e-4 (0.5, 0.999), batch 1. On a CPU a smaller network, fewer
    patches and batch 2, so that minutes suffice at 64 pixels. Where the target is a label map (domain.labels=on), D is
    given coordinates, and has R1 in place of its norms, which would hide the share of each class from it.
    """
    return _config("cut", facts, ContrastiveGame())


def fastcut(facts: Facts) -> Config:
    """FastCUT: CUT without PatchNCE on real targets, with ten times the weight on that of sources, some mirrored.

    Paper: Park et al. 2020 (arXiv 2007.15651), section 4.1. On a CPU the networks are smaller, as in `cut`.
    """
    return _config("fastcut", facts, ContrastiveGame(nce=5.0, identity=0.0, flip=0.5))


def sincut(facts: Facts) -> Config:
    """SinCUT: one image in the style of another; trainA/ and trainB/ hold one image each, and training takes crops.

    Paper: Park et al. 2020 (arXiv 2007.15651), section 4.4: negatives from the whole batch, R1, and an L1 distance
    between real crops of the target and G's output for them, PatchNCE x4. Different here: the residual generator and
    the patch discriminator of `cut` in place of StyleGAN2's; with them the rate is 5e-4 (published 2e-3, which their
    scaled weights bear), the batch 8 (published 16), R1 10 (published 1), 32 places of each of five layers (published 1
    of three), and five times the weight on that distance, so that the colours are learned sooner. The published values:
    lr=2e-3 batch=16 game.r1=1 game.patches=1 game.l1=1.
    """
    adam = Optimizer(lr=5e-4, lr_end=5e-6, betas=(0.0, 0.99))
    game = ContrastiveGame(loss="non-saturating", nce=4.0, identity=0.0, l1=5.0, negatives="batch", patches=32, r1=10.0)
    networks = ContrastiveNetworks(norm="none")
    if facts.device == "cpu":
        networks = replace(networks, width=16, blocks=3, d_width=32)
    return Config("sincut", facts.domain, networks, game, g=adam, d=adam, train=_train(8))


def _config(name: str, facts: Facts, game: ContrastiveGame) -> Config:
    networks = ContrastiveNetworks()
    if any(facts.spec.facts.get("palettes", ())):
        networks, game = replace(networks, norm="none", places=True), replace(game, r1=1.0)
    if facts.device != "cpu":
        return Config(name, facts.domain, networks, game, g=_PUBLISHED, d=_PUBLISHED, train=_train(1))
    networks = replace(networks, width=24, blocks=4, d_width=32)
    notes = ("The generator is small, as there is no GPU: networks.width=64 networks.blocks=9 is the published one.",)
    game = replace(game, patches=64)
    return Config(name, facts.domain, networks, game, g=_SMALL, d=_SMALL, train=_train(2), notes=notes)


def _train(batch: int) -> Train:
    return Train(batch=batch, ema=(1e12,), ema_ramp=0.02)
