"""What a type checker sees of ganworks; it is checked, never run. See tests/test_typing.py."""

from collections.abc import Iterator
from typing import Any, assert_type

import ganworks as gw
from ganworks.core.contracts import Domain, Evaluator, Game, Networks
from ganworks.core.events import Event
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.images.domain import Images
from ganworks.networks.mlp import MLP
from ganworks.use.sample_evaluator import SampleEvaluator
from ganworks.use.samples import Samples


def results() -> None:
    assert_type(gw.fit("image", data="digits"), gw.Model | gw.Applier | gw.Predictor)
    assert_type(gw.fit("image", data="digits", returns=gw.Model, budget=64), gw.Model)
    assert_type(gw.load("run"), gw.Model | gw.Applier | gw.Predictor)
    assert_type(gw.load("run", returns=gw.Applier, device="cpu"), gw.Applier)
    assert_type(gw.load("run", returns=gw.Predictor).predict("photos").labels.tolist(), Any)
    assert_type(gw.load("run", returns=gw.Model).sample(4), Samples)
    assert_type(gw.train("image", data="digits"), Iterator[Event])


def narrowed() -> None:
    model = gw.load("run")
    if isinstance(model, gw.Model):
        assert_type(model.sample(4), Samples)


def kept(images: Images, adversarial: Adversarial, mlp: MLP, evaluator: SampleEvaluator) -> None:
    """The parts of this package keep the contract, with their types."""
    domain: Domain = images
    game: Game = adversarial
    networks: Networks = mlp
    scores: Evaluator = evaluator
    print(domain, game, networks, scores)
