"""The game of pairs, its judge, and the three recipes, trained, interrupted and applied."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_checks import check_recipe

from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget, Facts
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.losses import LOSSES
from ganworks.games.patches import dice, focal_frequency
from ganworks.kinds.images.pairs import measures as paired
from ganworks.kinds.images.pairs.domain import Pairs
from ganworks.kinds.images.pairs.game import PairedTranslation, PairView
from ganworks.kinds.images.pairs.recipes import pix2pix, scale
from ganworks.kinds.images.pairs.unet import Pix2Pix
from ganworks.kinds.images.shared.palette import colour_table, nearest_colour

PALETTE = [[0, 0, 170], [255, 255, 0], [255, 0, 0]]
SPEC = Spec("pairs", (3, 32, 32), source=(3, 32, 32))
TO_LABELS = Spec("pairs", (3, 32, 32), source=(3, 32, 32), facts={"target_palette": PALETTE})


def batch(seed=0, size=3):
    generator = torch.Generator().manual_seed(seed)
    src, x = (torch.rand(size, 3, 32, 32, generator=generator) * 2 - 1 for _ in range(2))
    return Batch(lambda: {"src": src, "x": x}, Draw(seed, size, slice(None)), size=size)


def nets(spec=SPEC, **settings):
    torch.manual_seed(0)
    return Pix2Pix(**{"width": 4, "d_width": 4, "dropout": 0.0, "d_norm": "none", **settings}).build(spec)


def turns(game):
    return [players for players, _ in game.turns(0)]


def test_terms_are_what_they_say():
    players, b = nets(), batch()
    terms = PairedTranslation(l1=100.0, gan=2.0).generator_turn(players, b)
    made = players["G"](b["src"])
    assert torch.allclose(terms["l1"], 100 * (made - b["x"]).abs().mean((1, 2, 3)), rtol=1e-5)
    logits = players["D"](torch.cat([b["src"], made], 1))
    expected = 2 * torch.nn.functional.softplus(-logits).mean((1, 2, 3))
    assert torch.allclose(terms["g_loss"], expected, rtol=1e-5)
    assert set(terms) == {"l1", "g_loss", "_fake"}


def test_the_discriminator_is_shown_pairs():
    """Its loss depends on the source beside the target, not on the target alone."""
    players, b = nets(), batch()
    for p in players["D"].parameters():
        p.data.mul_(20)  # at the initial weights of 0.02 all logits are alike
    game = PairedTranslation()
    loss = game.discriminator_turn(players, b)["d_loss"]
    other = Batch(lambda: {"src": b["src"].flip(0), "x": b["x"]}, b.draw, size=3)
    assert loss.shape == (3,) and not torch.allclose(loss, game.discriminator_turn(players, other)["d_loss"])
    loss.sum().backward()
    assert all(p.grad is None for p in players["G"].parameters())
    assert all(p.grad is not None for p in players["D"].parameters())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("fm", [0.0, 10.0])
def test_every_loss_moves_both_players(name, fm):
    players, b = nets(scales=2, d_layers=1), batch()
    game = PairedTranslation(loss=name, fm=fm, l1=0.0, r1=1.0)
    assert set(game.discriminator_turn(players, b)) == {"d_loss", "r1", "_real", "_fake"}
    terms = game.generator_turn(players, b)
    assert set(terms) == {"g_loss", "_fake"} | ({"features"} if fm else set())
    sum(v.sum() for k, v in terms.items() if k[0] != "_").backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in players["G"].parameters())


def test_without_an_adversarial_term_d_does_not_move():
    assert turns(PairedTranslation(gan=0.0)) == [("G",)] and turns(PairedTranslation(n_critic=2)) == [
        ("D",),
        ("D",),
        ("G",),
    ]
    terms = PairedTranslation(gan=0.0).generator_turn({"G": nets()["G"]}, batch())
    assert set(terms) == {"l1"}


def test_label_maps_are_held_to_their_likelihood():
    players, b = nets(TO_LABELS), batch()
    terms = PairedTranslation(ce=3.0, gan=0.0).generator_turn(players, b)
    chances = players["G"].logits(b["src"]).softmax(1)
    true = nearest_colour(b["x"], colour_table(PALETTE))
    by_hand = -chances.gather(1, true[:, None]).log().mean((1, 2, 3))
    assert set(terms) == {"ce"} and torch.allclose(terms["ce"], 3 * by_hand, rtol=1e-4)
    assert "l1" in PairedTranslation(ce=3.0, gan=0.0).generator_turn(nets(), b)  # a network without logits


def test_further_losses_of_pictures_and_label_maps():
    game, players, b = PairedTranslation(gan=0.0, l1=0.0, ffl=3.0), nets(), batch()
    torch.testing.assert_close(
        game.generator_turn(players, b)["ffl"], 3 * focal_frequency(players["G"](b["src"]), b["x"]), rtol=1e-4, atol=0
    )
    to_labels = nets(TO_LABELS)
    terms = PairedTranslation(gan=0.0, ce=1.0, dice=2.0, ffl=1.0).generator_turn(to_labels, b)
    truth = nearest_colour(b["x"], to_labels["G"].table)
    torch.testing.assert_close(terms["dice"], 2 * dice(to_labels["G"].logits(b["src"]), truth), rtol=1e-4, atol=0)
    assert set(terms) == {"ce", "dice"}, "a map of classes has no frequencies"


def test_r1_is_the_gradient_with_respect_to_the_target():
    players, b = nets(), batch()
    x = b["x"].clone().requires_grad_()
    logits = PairView(players["D"], b["src"])(x)
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    r1 = PairedTranslation(r1=4.0).discriminator_turn(players, b)["r1"]
    assert torch.allclose(r1, 2 * gradient.square().sum((1, 2, 3)), rtol=1e-4)


def test_source_and_target_are_augmented_alike():
    seen = PairedTranslation(augment="translation,cutout")._seen(batch())
    x = torch.rand(3, 3, 32, 32)
    both = seen(x, x)
    assert torch.equal(both[:, :3], both[:, 3:]) and not torch.equal(both[:, :3], x)
    assert torch.equal(seen(x, x), both)


def test_wrong_settings_are_explained():
    for wrong in ({"loss": "l3"}, {"gan": -1.0}, {"gan": 0.0, "l1": 0.0}, {"augment": "color"}, {"n_critic": 0}):
        with pytest.raises(UsageError):
            PairedTranslation(**wrong)


def test_patch_distance_sees_blur_noise_and_nothing_else():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (60, 3, 6, 6)).astype(np.uint8)
    images = coarse.repeat(8, 2).repeat(8, 3)
    images = (images // 2 + rng.integers(0, 100, (60, 1, 48, 48))).astype(np.uint8)
    true, others = images[:30], images[30:]
    patches = paired.Patches.of(true)
    blurred = ((true[:, :, :, :-1].astype(int) + true[:, :, :, 1:]) // 2).astype(np.uint8)
    noisy = np.clip(true.astype(int) + rng.integers(-60, 61, true.shape), 0, 255).astype(np.uint8)
    near, far = patches.distance(others), patches.distance(blurred)
    assert patches.distance(true) < 1e-6 < near < 0.1 * far and patches.distance(noisy) > 10 * near
    flat = np.broadcast_to(true.mean((0, 2, 3), keepdims=True), true.shape).astype(np.uint8)
    assert patches.distance(flat) > 0.5


def test_overlap_by_hand():
    true = np.array([[[0, 0], [1, 1]]])
    made = np.array([[[0, 1], [1, 1]]])
    counts = paired.label_confusion(made, true, 3)
    assert counts[0].tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert paired.accuracy(counts)[0] == 0.75
    assert np.isnan(paired.overlaps(counts[0])[2]) and paired.miou(counts) == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Photos of coloured boxes and their label maps, side by side."""
    folder = tmp_path_factory.mktemp("pairs")
    for k in range(48):
        rng = np.random.default_rng(k)
        index = rng.integers(0, 3, (4, 4)).repeat(8, 0).repeat(8, 1)
        shade = np.array([[60, 60, 60], [120, 130, 120], [200, 200, 220]])[index] + rng.integers(-20, 20, (32, 32, 3))
        both = np.concatenate([shade.clip(0, 255), np.array(PALETTE)[index]], 1).astype(np.uint8)
        part = "train" if k < 40 else "test"
        (folder / part).mkdir(exist_ok=True)
        Image.fromarray(both).save(folder / part / f"{k}.png")
    return folder


TINY = {
    "pix2pix": {"networks.width": 8, "networks.d_width": 8},
    "pix2pixhd": {"networks.width": 8, "networks.d_width": 8, "networks.blocks": 1, "networks.scales": 1},
    "spade": {"networks.width": 4, "networks.hidden": 8, "networks.d_width": 8, "networks.z_dim": 4},
}


@pytest.mark.parametrize(("recipe", "direction"), [("pix2pix", "AtoB"), ("pix2pixhd", "BtoA"), ("spade", "BtoA")])
def test_recipes(recipe, direction, data, tmp_path):
    found = check_recipe(recipe, data, tmp_path, direction=direction, size=16, **TINY[recipe])
    assert set(found) == {"G"} and found["G"].use == "apply"
    assert ("target_palette" in found["G"].spec.facts) == (direction == "AtoB")


@pytest.mark.parametrize(
    ("direction", "scores"), [("AtoB", {"accuracy", "miou"}), ("BtoA", {"l1", "psnr", "patch_fd"})]
)
def test_the_judge(direction, scores, data, tmp_path):
    domain = Pairs(size=32, direction=direction)
    opened = domain.open(data, cache=tmp_path)
    evaluator = domain.evaluator(opened, data, None, None)
    G = {"G": Pix2Pix(width=4, d_width=4).build(opened.spec)["G"].eval()}
    assert evaluator.ready and len(opened.held) == 8
    assert set(evaluator.score(G)[0]) == scores and evaluator.score(G) == evaluator.score(G)
    assert evaluator.show(G).width > 6 * 64
    report = evaluator.evaluate(
        G, count=100, seed=0, pictures=tmp_path / "pictures", progress=lambda *_: None, about={}
    ).to_dict()
    assert report["count"] == 8 and scores <= set(report["metrics"])
    assert all(Path(tmp_path / "pictures" / name).exists() for name in report["pictures"].values())
    if direction == "AtoB":
        assert set(report["baselines"]) == {"nearest training source", "commonest class", "per-pixel prior"}
        assert report["baselines"]["per-pixel prior"]["accuracy"] < 0.6
    else:
        per_label, mean = (report["baselines"][name]["l1"] for name in ("mean colour per label", "mean image"))
        assert per_label < 0.06 < mean  # the boxes have the colour of their label


def test_a_true_translator_is_judged_perfect(data, tmp_path):
    domain = Pairs(size=32, direction="BtoA", flip=False)
    opened = domain.open(data, cache=tmp_path)
    evaluator = domain.evaluator(opened, data, None, None)
    answers = iter(opened.pairs(opened.held)[1].split(16))
    G = torch.nn.Conv2d(1, 1, 1)
    G.forward = lambda src: next(answers)
    scores = evaluator.score({"G": G})[0]
    assert scores["l1"] == 0 and scores["patch_fd"] < 1e-6


def test_width_follows_the_budget():
    def facts(seconds, size=64):
        spec = Spec("pairs", (3, size, size), source=(3, size, size))
        return Facts(spec, 400, Budget(seconds=seconds), "cpu", 400.0, Pairs())

    widths = [scale(facts(s), "pix2pix").width for s in (10, 600, 10_000)]
    assert widths == sorted(widths) and widths[0] == 16 and widths[-1] == 64
    assert scale(facts(600, 256), "pix2pix").width < scale(facts(600), "pix2pix").width
    assert "fewer than" in scale(facts(10), "pix2pix").notes[0]
    assert pix2pix(facts(600)).game.gan == 1.0


def test_few_pairs_are_changed_more_unless_the_user_says_how():
    def domain(count, facts, **given):
        spec = Spec("pairs", (3, 64, 64), source=(3, 64, 64), facts=facts)
        asked = {k.removeprefix("domain."): v for k, v in given.items()}
        found = Facts(spec, count, Budget(seconds=60), "cpu", 400.0, Pairs(**asked), given)
        chosen = pix2pix(found).domain
        return chosen.crop, chosen.zoom, chosen.tint

    labels = {"target_palette": PALETTE}
    assert domain(400, {}) == (5, 0, 0) and domain(10_000, labels) == (0, 0, 0)
    assert domain(400, labels) == (5, 0.25, 0.3)
    assert domain(400, labels, **{"domain.zoom": 0.0, "domain.crop": 2}) == (2, 0, 0.3)
