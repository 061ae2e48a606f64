"""Recipes of classifiers: from few labels and many images, or from few images and a generator of more."""

from __future__ import annotations

from dataclasses import replace

from ganworks.core.errors import UsageError
from ganworks.core.settings import Config, Facts, Optimizer, Train
from ganworks.kinds.images.classification.acgan_game import AuxiliaryClasses
from ganworks.kinds.images.classification.acgan_networks import ACGAN
from ganworks.kinds.images.classification.game import SemiSupervised
from ganworks.kinds.images.classification.networks import SemiConv
from ganworks.kinds.images.classification.probe import Probe

_FOREVER = 1e12  # a half-life that `ema_ramp` alone limits
_SOLE = ("consistency", "supervised")  # variants without a generator


def classify(facts: Facts) -> Config:
    """A classifier from images of which only some have labels.

    game.variant chooses: "consistency" (the default) is FixMatch (Sohn et al. 2020, arXiv 2001.07685) with affine views
    and cutout; "gan" is the K + 1 classes with feature matching of Salimans et al. 2016 (arXiv 1606.03498); "both" is
    the sum of their terms; "supervised" leaves the unlabelled images out. The network is small, with weight norm, Adam
    and averaged weights; `ganworks help classification` compares the variants. features=FILE trains a linear layer on
    the frozen features of a published network instead, which needs a handful of labels.
    """
    variant = str(facts.given.get("game.variant", "consistency"))
    alone = variant in _SOLE
    adam = Optimizer(lr=2e-3, lr_end=2e-5, betas=(0.5, 0.99), warmup=0.01)
    known = "the labels alone" if variant == "supervised" else f'the variant "{variant}"'
    notes = (f"Learns from {known}; game.variant chooses another.",)
    train = Train(batch=64, ema=(_FOREVER,), ema_ramp=0.05)
    if features := str(facts.given.get("game.features") or ""):
        if not alone:
            raise UsageError(f"features={features} takes no generator: game.variant is one of {', '.join(_SOLE)}.")
        return _through(features, Config("classify", facts.domain, None, SemiSupervised(), train=train, notes=notes))
    networks = SemiConv(generator="none" if alone else "dense")
    return Config("classify", facts.domain, networks, SemiSupervised(), g=adam, d=adam, train=train, notes=notes)


def _through(features: str, config: Config) -> Config:
    """The same with a linear layer on frozen features. Smaller batches: the network takes nearly all of the time."""
    game = replace(SemiSupervised(), features=features)
    if len(game.teachers) != 1:
        raise UsageError(f"features={features} names no network.")
    adam = Optimizer(lr=1e-3, lr_end=1e-5, betas=(0.9, 0.99))
    train = replace(config.train, batch=16)
    return replace(config, networks=Probe.of(game.teachers[0].net), game=game, g=adam, d=adam, train=train)


def acgan(facts: Facts) -> Config:
    """More images for a small labelled set: AC-GAN makes them by class, and a classifier learns from all of them.

    Paper: Odena, Olah and Shlens 2017 (arXiv 1610.09585). Different here: hinge loss, augmentation of what D sees
    (2006.10738), weight norm in D, and 28 to 64 pixels where the paper has 128. The report says how much the generated
    images improved the accuracy; on digits with 50 labels it was nothing, and G made nearly one image for each class:
    use `classify` for few labels (`ganworks help classification`).
    """
    if not facts.spec.num_classes:
        raise UsageError("acgan needs labels.")
    game = AuxiliaryClasses()
    g = Optimizer(lr=1e-3, lr_end=1e-5, betas=(0.0, 0.99), burn_in=game.start)
    d = Optimizer(lr=1e-3, lr_end=2e-5, betas=(0.0, 0.99), warmup=0.01)
    train = Train(batch=64, ema=(_FOREVER,), ema_ramp=0.05)
    return Config("acgan", facts.domain, ACGAN(), game, g=g, d=d, train=train)
