"""Learning from few labels: the K + 1 loss against its definition, feature matching, consistency, the networks."""

import numpy as np
import pytest
import torch
from recipe_checks import check_recipe
from torch.nn import functional as F

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.kinds.images.classification.game import (
    SemiSupervised,
    balance_loss,
    entropy,
    fake_loss,
    feature_distance,
    label_loss,
    real_loss,
    sure_loss,
)
from ganworks.kinds.images.classification.networks import NormedConv, NormedLinear, Semi, SemiConv
from ganworks.kinds.images.classification.views import view

SPEC = Spec("images", (1, 8, 8), ("a", "b", "c"))
LOGITS = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)) * 3


def batch(count=6, seed=0):
    g = torch.Generator().manual_seed(seed)
    parts = {
        "x": torch.rand(count, 1, 8, 8, generator=g) * 2 - 1,
        "xl": torch.rand(count, 1, 8, 8, generator=g) * 2 - 1,
    }
    parts["y"] = torch.arange(count) % 3
    parts["prior"] = torch.tensor([0.5, 0.25, 0.25]).expand(count, 3)
    return Batch(lambda: parts, Draw(seed, count, slice(None)), size=count, num_classes=3)


def nets(networks=None, spec=SPEC):
    torch.manual_seed(0)
    return (networks or SemiConv(width=4, g_width=2)).build(spec)


def explicit():
    """The K + 1 classes written out: the last logit is 0."""
    return torch.cat([LOGITS, torch.zeros(7, 1)], 1).double().softmax(1)


def test_real_and_fake_losses_are_those_of_an_explicit_softmax_over_k_plus_1_classes():
    chances = explicit()
    torch.testing.assert_close(real_loss(LOGITS.double()), -(1 - chances[:, -1]).log().float(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fake_loss(LOGITS.double()), -chances[:, -1].log().float(), rtol=1e-5, atol=1e-5)


def test_label_loss_is_the_explicit_one_given_that_the_example_is_real():
    y, chances = torch.tensor([0, 1, 2, 0, 1, 2, 0]), explicit()
    given = chances[torch.arange(7), y] / (1 - chances[:, -1])
    torch.testing.assert_close(label_loss(LOGITS, y), -given.log().float(), rtol=1e-5, atol=1e-5)


def test_no_softmax_before_the_cross_entropy():
    """Softmax twice bounds the loss at log(K - 1 + e) - 1 from below; a sure and right answer must cost nothing."""
    sure = torch.tensor([[50.0, 0.0, 0.0]])
    assert label_loss(sure, torch.tensor([0])).item() < 1e-6
    assert F.cross_entropy(sure.softmax(1), torch.tensor([0])).item() > 0.5
    wrong = label_loss(sure, torch.tensor([1]))
    assert wrong.item() == pytest.approx(50, abs=0.01), "being sure and wrong must cost much"


def test_losses_stay_finite_for_large_logits():
    for scale in (1e4, -1e4):
        x = LOGITS * scale
        assert real_loss(x).isfinite().all() and fake_loss(x).isfinite().all() and entropy(x).isfinite().all()


def test_entropy_of_even_and_of_sure_answers():
    assert entropy(torch.zeros(1, 4)).item() == pytest.approx(torch.tensor(4.0).log().item())
    assert entropy(torch.tensor([[100.0, 0.0]])).item() == pytest.approx(0, abs=1e-6)


def test_feature_distance_is_of_the_means():
    real, fake = torch.tensor([[0.0, 2.0], [2.0, 2.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert feature_distance(real, fake).tolist() == [2.0, 2.0]  # means (1, 2) and (1, 0): (0 + 4) / 2
    assert feature_distance(real, real.flip(0)).tolist() == [0.0, 0.0]


def test_balance_is_zero_for_the_expected_shares_and_grows_when_a_class_is_swallowed():
    prior = torch.tensor([[0.5, 0.5]]).expand(4, 2)
    sure = torch.tensor([[40.0, 0.0], [40.0, 0.0], [0.0, 40.0], [0.0, 40.0]], requires_grad=True)
    assert balance_loss(sure, prior).tolist() == pytest.approx([0.0] * 4, abs=1e-6)
    three = torch.tensor([[3.0, 0.0], [3.0, 0.0], [3.0, 0.0], [0.0, 3.0]], requires_grad=True)
    share = three.softmax(1)[:, 0].mean().item()
    wanted = 0.5 * np.log(0.5 / share) + 0.5 * np.log(0.5 / (1 - share))
    found = balance_loss(three, prior)
    assert found[0].item() == pytest.approx(wanted, abs=1e-6)
    found.mean().backward()
    assert (three.grad[:, 1] < 0).all(), "descent makes the class that is missing more likely"
    assert balance_loss(sure[:2], torch.tensor([[1.0, 0.0]] * 2))[0].item() == pytest.approx(0, abs=1e-6)


def test_only_sure_answers_teach_and_not_through_the_weak_view():
    weak = torch.tensor([[4.0, 0.0], [0.1, 0.0]], requires_grad=True)
    strong = torch.tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    loss, mask = sure_loss(weak, strong, 0.95)
    assert mask.tolist() == [1.0, 0.0] and loss[1] == 0
    assert loss[0].item() == pytest.approx(F.cross_entropy(strong[:1], torch.tensor([0])).item())
    loss.sum().backward()
    assert weak.grad is None and strong.grad[1].abs().sum() == 0


@pytest.mark.parametrize("variant", ["gan", "consistency", "both", "supervised"])
def test_turns_and_terms_of_every_variant(variant):
    game, players = SemiSupervised(variant=variant, entropy=0.1), nets()
    seen = {}
    for who, loss in game.turns(0):
        terms = loss(players, batch())
        assert all(v.shape == (6,) for v in terms.values())
        seen[who] = {k for k in terms if not k.startswith("_")}
    wanted = (
        {"label"}
        | ({"consistency", "balance"} if game.consists else set())
        | ({"d_real", "d_fake"} if game.plays else set())
    )
    assert seen["C",] == wanted | (set() if variant == "supervised" else {"entropy"})
    assert (("G",) in seen) == (variant in ("gan", "both"))


@pytest.mark.parametrize("matching", ["features", "realness"])
def test_the_generator_learns_from_the_classifier(matching):
    """Its gradient is not zero, and changes with the classifier."""
    game, grads = SemiSupervised(variant="gan", matching=matching), []
    for seed in (0, 1):
        players = nets()
        torch.manual_seed(seed)
        players["C"] = SemiConv(width=4, g_width=2).build(SPEC)["C"]
        game.generator_turn(players, batch())["g_loss"].mean().backward()
        grads.append(torch.cat([p.grad.flatten() for p in players["G"].parameters() if p.grad is not None]))
    assert all(g.abs().sum() > 0 for g in grads) and not torch.allclose(*grads)


def test_the_unlabelled_images_matter_in_all_variants_but_one():
    for variant in ("gan", "consistency", "both", "supervised"):
        game, sums = SemiSupervised(variant=variant, confidence=0.0), []
        for other in (False, True):
            players, given = nets(), batch()
            given["y"]  # loads
            if other:
                given["x"] = -given["x"]
            terms = game.classifier_turn(players, given)
            sums.append(sum(float(v.detach().sum()) for k, v in terms.items() if not k.startswith("_")))
        assert (sums[0] == sums[1]) == (variant == "supervised"), variant


def test_weight_norm_does_not_see_the_length_of_v():
    torch.manual_seed(0)
    for layer, x in ((NormedLinear(5, 3), torch.randn(2, 5)), (NormedConv(2, 3, 3), torch.randn(2, 2, 6, 6))):
        before = layer(x)
        with torch.no_grad():
            layer.weight.mul_(7)
        torch.testing.assert_close(layer(x), before)
        with torch.no_grad():
            layer.g.mul_(2)
        torch.testing.assert_close(layer(x), 2 * before)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 30), (1, 28, 28), (4, 64, 48)])
@pytest.mark.parametrize("generator", ["dense", "compact"])
def test_players_of_any_size(shape, generator):
    spec = Spec("images", shape, ("a", "b"))
    players = nets(SemiConv(width=4, g_width=2, generator=generator), spec)
    x = players["G"](torch.randn(3, 64))
    assert x.shape == (3, *shape) and x.abs().max() <= 1
    logits, features = players["C"].both(x)
    assert logits.shape == (3, 2) and logits.dtype == torch.float32
    torch.testing.assert_close(players["C"](x), logits)
    torch.testing.assert_close(players["C"].features(x), features)
    logits.sum().backward()
    assert all(p.grad is not None for p in players["C"].parameters())


def test_the_published_dense_pair():
    players = nets(Semi(), Spec("images", (1, 28, 28), tuple("0123456789")))
    assert [layer.out_features for layer in players["C"].layers] == [1000, 500, 250, 250, 250]
    x = torch.rand(2, 1, 28, 28) * 2 - 1
    assert not torch.equal(players["C"](x), players["C"](x)), "noise while training"
    players["C"].eval()
    assert torch.equal(players["C"](x), players["C"](x)), "none in use"
    assert players["G"](torch.randn(2, 100)).shape == (2, 1, 28, 28)


def test_without_classes_there_is_nothing_to_classify():
    with pytest.raises(UsageError, match="two classes"):
        nets(spec=Spec("images", (1, 8, 8)))


def test_views_are_keyed_stay_in_range_and_do_nothing_at_zero():
    x = batch(16)["x"]
    one, two, other = (view(x, Draw(seed, 16, slice(None))) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert one.shape == x.shape and one.abs().max() <= 1
    assert view(x, Draw(1, 16, slice(None)), 0.0) is x
    half = (view(x, Draw(1, 16, slice(None)), 0.1) - x).abs().mean()
    assert half < (one - x).abs().mean()


def test_views_are_the_same_under_autocast():
    x = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    plain = view(x, Draw(1, 4, slice(None)))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(view(x, Draw(1, 4, slice(None))), plain)


def test_views_keep_an_image_upright():
    """On average a view is the image: no mirror, no quarter turn, no drift."""
    x = torch.full((1, 1, 15, 15), -1.0)
    x[..., 2:6, 3:7] = 1
    mean = view(x.expand(2000, -1, -1, -1), Draw(0, 2000, slice(None))).mean(0)
    at = mean[0].add(1).div(2)
    rows, columns = (at.sum(1) * torch.arange(15)).sum() / at.sum(), (at.sum(0) * torch.arange(15)).sum() / at.sum()
    assert rows < 6.6 and columns < 7 and mean[0, 3:5, 4:6].min() > mean[0, 9:, 9:].max() + 0.5


@pytest.mark.parametrize("variant", ["consistency", "both"])
def test_recipe(variant, tmp_path):
    found = check_recipe(
        "classify", "digits", tmp_path, **{"game.variant": variant, "networks.width": 4, "networks.g_width": 1}
    )
    assert set(found) == ({"C"} if variant == "consistency" else {"C", "G"})
    assert found["C"].use == "predict"


def test_wrong_settings():
    with pytest.raises(UsageError, match="confidence"):
        SemiSupervised(confidence=1.5)
    with pytest.raises(UsageError, match="widths"):
        SemiConv(width=0)
