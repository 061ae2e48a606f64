"""Going there and back: the image history, what each turn trains, the published weights, and both recipes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_checks import check_recipe

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.kinds.images.unpaired.cycle_game import CycleGame
from ganworks.kinds.images.unpaired.cycle_networks import CycleNetworks, HistoryDiscriminator, LearnedOrientation

SPEC = Spec("unpaired", (3, 16, 16), source=(3, 16, 16))
TINY = CycleNetworks(width=4, blocks=1, d_width=4, d_layers=1, memory=6)


def batch(rows: int = 2, seed: int = 0, progress: float = 0.0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    src, x = (torch.rand(rows, 3, 16, 16, generator=random) * 2 - 1 for _ in range(2))
    return Batch(lambda: {"src": src, "x": x}, Draw(seed, rows, slice(None)), size=rows, progress=progress)


def numbered(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None, None].expand(-1, 1, 2, 2)


def test_memory_keeps_the_newest_images_and_mixes_older_ones_in():
    memory = HistoryDiscriminator(torch.nn.Identity(), 6, (1, 2, 2))
    memory.remember(numbered(0, 1))
    newest = memory.recall(2, Draw(0, 2, slice(None)), 0.0)
    assert newest[:, 0, 0, 0].tolist() == [0, 1]
    early = memory.recall(200, Draw(0, 200, slice(None)), 1.0)[:, 0, 0, 0]
    assert set(early.tolist()) == {0, 1}  # not the slots that nothing was written to
    for k in (2, 4, 6, 8):
        memory.remember(numbered(k, k + 1))
    assert memory.recall(2, Draw(0, 2, slice(None)), 0.0)[:, 0, 0, 0].tolist() == [8, 9]
    mixed = torch.cat([memory.recall(2, Draw(s, 2, slice(None)), 0.5)[:, 0, 0, 0] for s in range(200)])
    assert set(mixed.tolist()) == {4, 5, 6, 7, 8, 9}
    assert 0.55 < (mixed >= 8).float().mean() < 0.8  # half newest, and a third of the other half
    with pytest.raises(UsageError, match="at least 7"):
        memory.remember(numbered(*range(7)))


def test_each_slice_of_a_batch_is_judged_by_what_it_made():
    memory = HistoryDiscriminator(torch.nn.Identity(), 6, (1, 2, 2))
    slices = [Draw(0, 4, slice(part, None, 2)) for part in (0, 1)]
    for first in (0, 10):
        for made in (numbered(first, first + 1), numbered(first + 2, first + 3)):
            memory.remember(made)
        found = [memory.recall(2, draw, 0.0)[:, 0, 0, 0].tolist() for draw in (*slices, *slices)]  # n_critic=2
        assert found == 2 * [[first, first + 1], [first + 2, first + 3]]
    with pytest.raises(UsageError, match="slices"):
        memory.recall(2, Draw(0, 8, slice(1, None, 4)), 0.0)


def test_memory_is_saved_state_but_no_parameter():
    net = TINY.build(SPEC)["D"]
    assert {"images", "written"} <= set(net.state_dict()) and "images" not in dict(net.named_parameters())


def test_generator_terms_are_the_published_ones():
    torch.manual_seed(0)
    nets, one = TINY.build(SPEC), batch()
    terms = CycleGame(cycle=5, identity=2.5).generator_turn(nets, one)
    with torch.no_grad():
        made, back = nets["G"](one["src"]), nets["G_back"](one["x"])
        mean = lambda v: v.flatten(1).mean(1)  # noqa: E731
        expected = {
            "g_loss": mean((nets["D"](made) - 1) ** 2) / 2,
            "g_loss_back": mean((nets["D_back"](back) - 1) ** 2) / 2,
            "cycle": 5 * mean((nets["G_back"](made) - one["src"]).abs()),
            "cycle_back": 5 * mean((nets["G"](back) - one["x"]).abs()),
            "identity": 2.5 * mean((nets["G"](one["x"]) - one["x"]).abs()),
            "identity_back": 2.5 * mean((nets["G_back"](one["src"]) - one["src"]).abs()),
        }
    assert set(terms) == {*expected, "_fake"}
    for name, value in expected.items():
        torch.testing.assert_close(terms[name].detach(), value, rtol=1e-4, atol=1e-5)
    assert CycleGame(r1=4.0, r1_end=1.0).r1_at(0.5) == pytest.approx(2.5) and CycleGame(r1=4.0).r1_at(0.5) == 4
    late = CycleGame(identity_until=0.5).generator_turn(nets, batch(progress=0.6))
    assert not any(name.startswith("identity") for name in late)


@pytest.mark.parametrize(
    "game", [CycleGame(), CycleGame("wasserstein", gp=10.0, history=0.0), CycleGame("hinge", r1=1.0)]
)
def test_every_turn_reaches_its_players(game):
    torch.manual_seed(0)
    nets, one = TINY.build(SPEC), batch()
    for players, turn in game.turns(0):
        for net in nets.values():
            net.zero_grad()
            net.requires_grad_(False)
        for name in players:
            nets[name].requires_grad_(True)
        terms = turn(nets, one)
        assert all(v.shape == (2,) and v.dtype == torch.float32 for v in terms.values())
        torch.stack([v.mean() for k, v in terms.items() if not k.startswith("_")]).sum().backward()
        for name in players:
            grads = [p.grad for p in nets[name].parameters() if p.dim() == 4]
            assert all(g is not None and g.abs().sum() > 0 for g in grads), name


def test_discriminators_judge_what_was_made_in_the_step_and_their_own_side():
    nets, one = TINY.build(SPEC), batch()
    game = CycleGame(history=0.0)
    (_, generators), (_, judges) = game.turns(0)
    terms = generators(nets, one)
    shown = judges(nets, one)
    torch.testing.assert_close(shown["_fake"], terms["_fake"], rtol=1e-2, atol=1e-3)
    seen = nets["D"](one["x"]).flatten(1).mean(1)
    torch.testing.assert_close(shown["_real"], seen, rtol=1e-4, atol=1e-5)


def test_critic_turns_and_clipping():
    game = CycleGame("wasserstein", clip=0.01, n_critic=3)
    assert [players for players, _ in game.turns(0)] == [("G", "G_back"), *[("D", "D_back")] * 3]
    nets = TINY.build(SPEC)
    game.after(nets, ("G", "G_back"))
    assert max(p.abs().max() for p in nets["D_back"].parameters()) > 0.01
    game.after(nets, ("D", "D_back"))
    assert max(p.abs().max() for n in ("D", "D_back") for p in nets[n].parameters()) <= 0.01


@pytest.mark.parametrize("wrong", [{"loss": "relativistic"}, {"loss": "nothing"}, {"cycle": -1}, {"history": 2}])
def test_wrong_settings_of_the_game_are_refused(wrong):
    with pytest.raises(UsageError):
        CycleGame(**wrong)


def test_sides_may_differ_in_channels():
    nets = TINY.build(Spec("unpaired", (1, 16, 16), source=(3, 16, 16)))
    src, x = torch.rand(2, 3, 16, 16), torch.rand(2, 1, 16, 16)
    one = Batch(lambda: {"src": src, "x": x}, Draw(0, 2, slice(None)), size=2)
    terms = CycleGame().generator_turn(nets, one)
    assert "cycle" in terms and "identity" not in terms


def test_turning_begins_with_all_eight_views_and_learns_the_right_one():
    torch.manual_seed(0)
    turning = LearnedOrientation(torch.nn.Identity())
    x = torch.rand(4, 3, 8, 8)
    views = turning.views(x)
    assert len({v.numpy().tobytes() for v in views}) == 8
    torch.testing.assert_close(turning(x), torch.stack(views).mean(0))
    for wanted in (3, 6):
        turning.way.data.zero_()
        optimiser = torch.optim.Adam(turning.parameters(), 4e-4)
        for _ in range(400):
            loss = (turning(x) - views[wanted]).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert int(turning.way.argmax()) == wanted and loss < 0.01
    assert turning(torch.rand(1, 3, 10, 14)).shape == (1, 3, 10, 14)
    nets = CycleNetworks(width=4, blocks=1, d_width=4, d_layers=1, turning=True).build(SPEC)
    assert nets["G"](torch.rand(2, 3, 16, 16)).shape == (2, 3, 16, 16)


@pytest.fixture(scope="module")
def seasons(tmp_path_factory):
    root = tmp_path_factory.mktemp("seasons")
    for k, folder in enumerate(("trainA", "trainB")):
        (root / folder).mkdir()
        for n in range(10):
            x = np.random.default_rng(50 * k + n).integers(60 * k, 120 + 60 * k, (20, 20, 3), np.uint8)
            Image.fromarray(x).save(root / folder / f"day {n}.png")
    return root


@pytest.mark.parametrize("recipe", ["cyclegan", "dualgan"])
def test_recipes_train_resume_and_publish_both_ways(recipe, seasons, tmp_path):
    settings = {"size": 16, "networks.width": 4, "networks.d_width": 4, "networks.memory": 8, "batch": 4, "budget": 24}
    if recipe == "cyclegan":
        settings["networks.blocks"] = 1
    nets = check_recipe(recipe, seasons, tmp_path, **settings)
    assert set(nets) == {"G", "G_back"} and all(entry.use == "apply" for entry in nets.values())
    x = torch.rand(1, 3, 30, 41)
    made = [SimpleNamespace(y=entry.net(x)) for entry in nets.values()]
    assert made[0].y.shape == x.shape and not torch.equal(made[0].y, made[1].y)
