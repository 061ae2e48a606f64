"""Translation without pairs into label maps: class planes, places, a way back that can hide nothing, and the vote."""

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_checks import check_recipe

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.penalties import r1
from ganworks.kinds.images.shared.palette import class_planes, painted, planes
from ganworks.kinds.images.unpaired.contrastive_game import ContrastiveGame, encoder_input
from ganworks.kinds.images.unpaired.contrastive_networks import ContrastiveNetworks
from ganworks.kinds.images.unpaired.coordinates import Placed, places
from ganworks.kinds.images.unpaired.cycle_game import CycleGame, colour_shifts, cross_entropy
from ganworks.kinds.images.unpaired.cycle_networks import CycleNetworks
from ganworks.kinds.images.unpaired.domain import Unpaired, averaged

COLOURS = [[0, 0, 200], [250, 160, 0], [0, 90, 0]]
FACTS = {"palettes": [None, COLOURS], "given": [3, 16, 16]}
SPEC = Spec("unpaired", (3, 16, 16), source=(3, 16, 16), facts=FACTS)
TINY = CycleNetworks(generator="unet", width=4, d_width=4, d_layers=1, d_norm="none", d_scales=2, places=True, memory=6)
ALL = slice(None)


def batch(rows: int = 4) -> Batch:
    random = torch.Generator().manual_seed(0)
    src, index = torch.rand(rows, 3, 16, 16, generator=random) * 2 - 1, torch.arange(rows * 256) // 5 % 3
    x = 0.9 * planes(index.view(rows, 16, 16), 3)
    return Batch(lambda: {"src": src, "x": x}, Draw(0, rows, ALL), size=rows)


def test_class_planes_are_probabilities_and_their_colours_mix():
    logits = torch.randn(2, 3, 4, 4)
    made = class_planes(logits)
    torch.testing.assert_close((made + 1).div(2), logits.softmax(1))
    table = torch.tensor(COLOURS).float()
    torch.testing.assert_close(painted(made, table), torch.einsum("bkhw,kc->bchw", logits.softmax(1), table))
    given = torch.randint(0, 3, (2, 4, 4))
    torch.testing.assert_close(painted(0.8 * planes(given, 3), table)[0, :, 0, 0], (
        1.8 * table[given[0, 0, 0]] + 0.2 * (table.sum(0) - table[given[0, 0, 0]])) / 2.2)  # fmt: skip
    expected = torch.nn.functional.cross_entropy(logits, given, reduction="none").mean((1, 2))
    torch.testing.assert_close(cross_entropy(made, planes(given, 3)), expected)


def test_places_are_mirrored_with_the_image():
    here = places(torch.zeros(2, 1, 5, 8))
    assert torch.equal(here, here.flip(3)) and not torch.equal(here, here.flip(2))
    assert here[0, 0, :, 3].tolist() == [-1, -0.5, 0, 0.5, 1] and here[0, 1, 2, 0] == 1
    assert Placed(torch.nn.Identity())(torch.zeros(2, 3, 5, 8)).shape == (2, 5, 5, 8)


def test_only_the_side_of_labels_is_made_of_classes_and_every_turn_reaches_its_players():
    torch.manual_seed(0)
    nets, one = TINY.build(SPEC), batch()
    assert nets["G"].classes and not nets["G_back"].classes
    torch.testing.assert_close((nets["G"](one["src"]) + 1).sum(1), torch.full((4, 16, 16), 2.0))
    game = CycleGame(through=0.1, noise=0.5, recolour=0.3, r1=1.0, r1_share=0.25, identity=0)
    for players, turn in game.turns(0):
        terms = turn(nets, one)
        assert all(v.shape == (4,) for v in terms.values())
        torch.stack([v.mean() for k, v in terms.items() if not k.startswith("_")]).sum().backward()
        for name in players:
            assert all(p.grad.abs().sum() > 0 for p in nets[name].parameters() if p.dim() == 4), name


def gradient_of_the_way_back(**settings: float) -> tuple[float, float]:
    """Of the cycle terms alone: what reaches (G, G_back) through the way of the image, and of the map."""
    torch.manual_seed(0)
    nets, one, found = TINY.build(SPEC), batch(), []
    for term, maker in (("cycle", "G"), ("cycle_back", "G_back")):
        for net in nets.values():
            net.zero_grad()
        CycleGame(identity=0, **settings).generator_turn(nets, one)[term].mean().backward()
        found.append(sum(float(p.grad.abs().sum()) for p in nets[maker].parameters() if p.grad is not None))
    return found[0], found[1]


def test_the_map_between_is_taught_by_the_share_of_the_way_back():
    whole, none, some = (gradient_of_the_way_back(through=share) for share in (1.0, 0.0, 0.25))
    assert none[0] == 0 and some[0] == pytest.approx(0.25 * whole[0], rel=1e-3)
    assert none[1] == pytest.approx(whole[1], rel=1e-4)  # the image between is always taught


def test_noise_and_colours_fall_on_made_images_and_not_on_made_maps():
    torch.manual_seed(0)
    nets = TINY.build(SPEC)
    plain = CycleGame(identity=0).generator_turn(nets, batch())
    for settings in ({"noise": 0.5}, {"recolour": 0.5}):
        other = CycleGame(identity=0, **settings).generator_turn(nets, batch())
        assert torch.equal(plain["cycle"], other["cycle"]) and torch.equal(plain["g_loss_back"], other["g_loss_back"])
        assert not torch.allclose(plain["cycle_back"], other["cycle_back"], rtol=1e-3)


def test_colour_shifts_are_those_of_the_class():
    classes = batch(2)["x"] > 0
    moved = colour_shifts(classes, 3, Draw(0, 2, ALL))
    for image, of in zip(moved, classes, strict=True):
        shifts = [image[:, mask].T for mask in of]
        assert all(torch.allclose(s, s[:1].expand_as(s)) for s in shifts)
        assert len({tuple(s[0].tolist()) for s in shifts}) == 3


def test_r1_on_a_part_has_the_mean_of_that_part():
    torch.manual_seed(0)
    nets, real = TINY.build(SPEC), batch()["x"]
    part = CycleGame(r1_share=0.5)._r1(nets["D"], real, 2.0)
    mean = lambda x: torch.stack([m.flatten(1).mean(1) for m in nets["D"](x)]).mean(0)  # noqa: E731
    whole = r1(mean, real, 2.0)
    assert part.shape == (4,)
    torch.testing.assert_close(part.mean(), whole[:2].mean(), rtol=1e-3, atol=0)


def test_contrast_encodes_maps_in_their_colours_and_d_sees_classes():
    torch.manual_seed(0)
    facts = {"palettes": [None, [*COLOURS, [9, 9, 9]]], "given": [3, 16, 16]}
    spec, one = Spec("unpaired", (4, 16, 16), source=(3, 16, 16), facts=facts), batch()
    nets = ContrastiveNetworks(width=4, blocks=1, d_width=4, layers=1, features=8, norm="none", places=True).build(spec)
    x = planes(torch.arange(1024).view(4, 16, 16) % 4, 4)
    assert encoder_input(nets["G"], x).shape == (4, 3, 16, 16) and encoder_input(nets["G"], one["src"]) is one["src"]
    mapped = Batch(lambda: {"src": one["src"], "x": x}, Draw(0, 4, ALL), size=4)
    for players, turn in ContrastiveGame(r1=1.0, l1=1.0).turns(0):
        torch.stack([v.mean() for k, v in turn(nets, mapped).items() if k[0] != "_"]).sum().backward()
        assert all(p.grad is not None for name in players for p in nets[name].parameters())
    with pytest.raises(UsageError, match="pictures"):
        ContrastiveNetworks().build(
            Spec("unpaired", (3, 16, 16), source=(3, 16, 16), facts={"palettes": [COLOURS, None]})
        )


class Sign(torch.nn.Module):
    """Two class planes: whether the first channel is above 0.2."""

    def forward(self, x, y=None):
        yes = (x[:, :1] > 0.2).float() * 2 - 1
        return torch.cat([yes, -yes], 1)


def test_the_vote_is_the_expectation_under_noise_with_mirrors_undone():
    x = torch.zeros(1, 1, 64, 64)
    x[..., 32:] = 0.15  # P(0.15 + noise > 0.2) = 0.4503 at noise 0.4
    made = averaged(Sign(), x, 0.4, draws=64)
    share = (made[0, 0] + 1) / 2
    assert share[:, 32:].mean() == pytest.approx(0.4503, abs=0.01)
    assert share[:, :32].mean() == pytest.approx(0.3085, abs=0.01)
    assert torch.equal(made, averaged(Sign(), x, 0.4, draws=64))


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    root, random = tmp_path_factory.mktemp("houses"), np.random.default_rng(0)
    for folder in ("trainA", "trainB"):
        (root / folder).mkdir()
        for n in range(10):
            index = random.integers(0, 3, (5, 5)).repeat(4, 0).repeat(4, 1)
            image = np.array(COLOURS, np.uint8)[index] if folder == "trainB" else random.integers(0, 255, (20, 20, 3))
            Image.fromarray(image.astype(np.uint8)).save(root / folder / f"{n}.png")
    return root


@pytest.mark.parametrize("recipe", ["cyclegan", "dualgan", "cut", "fastcut"])
def test_recipes_with_label_maps_resume_and_make_only_colours_of_the_palette(recipe, houses, tmp_path):
    settings = {"size": 16, "domain.labels": "on", "networks.width": 4, "networks.d_width": 4, "batch": 4, "budget": 24}
    if recipe in ("cut", "fastcut"):
        settings |= {"networks.blocks": 1, "networks.features": 8, "game.patches": 16}
    entry = check_recipe(recipe, houses, tmp_path, **settings)["G"]
    x = torch.rand(1, 3, 16, 20) * 2 - 1
    for options in ({}, {"ensemble": "0.5"}):
        made = (Unpaired().apply(entry.net, x, entry.spec, options) + 1) * 127.5
        assert {tuple(c) for c in made.detach().round().int()[0].flatten(1).T.tolist()} <= {tuple(c) for c in COLOURS}
    with pytest.raises(UsageError, match="ensemble"):
        Unpaired().apply(entry.net, x, entry.spec, {"ensemble": "on"})
