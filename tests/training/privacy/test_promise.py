"""Differentially private training: batches as they are accounted for, refusals, an epsilon in every kind."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from toys import POINTS, engine

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.order import Order
from ganworks.core.settings import Config, Optimizer, Train
from ganworks.files.packing.feed import DataFeed
from ganworks.games.adversarial import Adversarial
from ganworks.metrics.dp_accountant import Releases, epsilon
from ganworks.training.privacy.promise import _joined, promised, releases

NOISY = Optimizer(clip_each=1.0, noise=1.0)
PRIVATE = {"d.clip_each": 1.0, "d.noise": 1.0, "batch": 8, "budget": 16, "train.judge": False, "train.threads": 1}


def test_every_place_is_drawn_with_the_same_probability_on_its_own():
    order = Order(40, 3)
    drawn = np.zeros((4000, 40), bool)
    for at in range(4000):
        drawn[at, order.chance(at, 10)] = True
    assert (order.chance(7, 10) == order.chance(7, 10)).all()
    sizes = drawn.sum(1)
    assert abs(sizes.mean() - 10) < 0.2 and abs(sizes.var() - 7.5) < 0.7, "of a fixed size it is no Poisson sample"
    assert np.abs(drawn.mean(0) - 0.25).max() < 0.03
    together = np.corrcoef(drawn.T) - np.eye(40)
    assert np.abs(together).max() < 0.08
    assert len(order.chance(0, 40)) == 40 and len(order.chance(0, 99)) == 40


def test_the_noisy_updates_are_counted_as_the_game_makes_them():
    config = Config("toy", None, None, Adversarial(n_critic=2), Optimizer(), NOISY, Train(batch=10, ema=(1.0,)))
    assert releases(config, 100, 95, 200) == [Releases(0.1, 1.0, 20)]
    (said,) = promised(config, 100, 95, 200)
    assert f"epsilon {epsilon([Releases(0.1, 1.0, 20)], 1e-3):.2f} at delta 0.001" in said and "Poisson" in said
    bare = Config("toy", None, None, Adversarial(), Optimizer(), Optimizer(clip_each=1.0), Train(batch=10, ema=(1.0,)))
    assert promised(bare, 100, 95, 200)[0].startswith("No differential privacy")
    assert promised(Config("toy", None, None, Adversarial()), 100, 95, 200) == []


@pytest.mark.parametrize(
    ("recipe", "more", "said"),
    [
        ("dcgan", {}, "BatchNorm2d.*depends on others.*without batch norm"),
        ("image", {"networks.crowd": True}, "depends on others.*networks.crowd=off"),
        ("image", {"networks.crowd": False}, "G would learn from examples without noise.*g.clip_each"),
        ("cut", {}, "drawn apart"),
    ],
    ids=["batch-norm", "minibatch", "paired-loss", "unpaired"],
)
def test_what_would_not_be_private_is_refused(tmp_path, recipe, more, said):
    """The defect: clipped gradients of losses in which examples depend on each other were called private."""
    photos = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    data = (photos, photos[::-1].copy()) if recipe == "cut" else photos
    with pytest.raises(UsageError, match=said):
        list(gw.train(recipe, data, tmp_path / "r", **PRIVATE, **more))


def test_images_state_their_epsilon(tmp_path):
    photos = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1), np.uint8)
    settings = {**PRIVATE, "networks.crowd": False, "game.loss": "non-saturating", "networks.width": 4}
    begun, *_ = gw.train("image", photos, tmp_path / "r", **settings)
    assert any("epsilon" in note and "one example more or less" in note for note in begun.notes)


class Nothing:
    """A feed that draws no example."""

    def chance(self, at, size):
        return np.zeros(0, np.int64)

    at = some = chance


def test_a_turn_without_examples_adds_noise_alone(monkeypatch, tmp_path):

    made = engine(optimizer=NOISY, nets={"G": nn.Linear(2, 2), "D": nn.Linear(2, 1)})
    made.private, made.feed = {"D"}, Nothing()
    monkeypatch.setattr(Adversarial, "turns", lambda *_: iter([(("D",), lambda nets, batch: 1 / 0)]))
    before = made.flats["D"].data.clone()
    made.step()
    assert torch.isfinite(made.flats["D"].data).all() and not torch.equal(before, made.flats["D"].data)


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        (lambda nets, batch: {"own": nets["D"](batch["x"])[:, 0]}, ""),
        (lambda nets, batch: {"moment": nets["D"](batch["x"])[:, 0] - batch["x"].mean()}, "moment"),
        (lambda nets, batch: {"whole": nets["D"](batch["x"]).mean()}, "whole"),
    ],
    ids=["own", "moment", "scalar"],
)
def test_a_loss_in_which_examples_meet_is_found_by_trial(loss, found):
    data = SimpleNamespace(spec=None, train=np.arange(50))
    feed = DataFeed(data, Order(50, 0), lambda _, places, draw: {"x": POINTS[places]}, torch.device("cpu"))
    made = engine(optimizer=NOISY, nets={"D": nn.Linear(2, 1)})
    made.feed = feed
    assert _joined(made, 0, loss) == found
