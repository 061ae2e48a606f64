"""Projected discriminators: random mixing that no optimiser moves, logits of every scale, and whole trainings."""

import numpy as np
import pytest
import torch
from recipe_checks import check_recipe
from safetensors.torch import save_file

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.projected import Projected
from ganworks.layers.projections import MapDiscriminator, ProjectedDiscriminator, RandomMixing
from ganworks.pretrained.architectures.dinov2 import DINOv2Small
from ganworks.pretrained.architectures.plain import SqueezeNet
from ganworks.runs.run import Run


@pytest.fixture(autouse=True)
def one_thread(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    save_file(SqueezeNet().state_dict(), tmp_path / "net.safetensors")
    return str(tmp_path / "net.safetensors")


def pictures(classes=0):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 255, (40, 3, 12, 9), np.uint8)
    return x if not classes else (x, np.arange(40) % classes)


def test_the_mixing_is_its_formula_and_has_no_parameters():
    torch.manual_seed(0)
    mixing = RandomMixing((3, 5), 4)
    assert not list(mixing.parameters())
    fine, coarse = torch.randn(2, 3, 8, 8) * 100, torch.randn(2, 5, 4, 4)
    found = mixing([fine, coarse])
    assert [tuple(x.shape) for x in found] == [(2, 4, 8, 8), (2, 4, 4, 4)]
    across = mixing.across_1[:, :, 0, 0].double()
    scaled = coarse.double() / (coarse.double().square().mean((1, 2, 3), keepdim=True) + 1e-6).sqrt()
    mixed = torch.einsum("oc,bchw->bohw", across, scaled)
    padded, between = torch.nn.functional.pad(mixed, (1, 1, 1, 1)), mixing.between_1.double()
    by_hand = sum(
        torch.einsum("oc,bchw->bohw", between[:, :, i, j], padded[:, :, i : i + 4, j : j + 4])
        for i in range(3)
        for j in range(3)
    )
    torch.testing.assert_close(found[1], by_hand.float(), rtol=1e-4, atol=1e-4)
    moved = mixing([fine, -coarse])
    assert not torch.allclose(moved[0], found[0]), "the fine scale hears of the coarse one"
    assert torch.allclose(mixing([-fine, coarse])[1], found[1]), "and not the other way round"


def test_the_size_of_maps_survives_the_mixing():
    torch.manual_seed(0)
    found = RandomMixing((64, 128, 256, 512), 64)([torch.randn(4, 64 * 2**n, 32 // 2**n, 32 // 2**n) for n in range(4)])
    assert all(0.5 < float(x.std()) < 1.5 for x in found)


def test_every_network_and_scale_has_logits_by_class():
    torch.manual_seed(0)
    judge = ProjectedDiscriminator([(8, 16, 32, 64, 128), (24, 24)], [(64, 32, 16, 8, 4), (16, 16)], 8, classes=3)
    stages = [[torch.randn(2, c, s, s) for c, s in zip((8, 16, 32, 64, 128), (64, 32, 16, 8, 4), strict=True)]]
    stages.append([torch.randn(2, 24, 16, 16)] * 2)
    logits = judge(stages, torch.tensor([0, 1]))
    assert [tuple(x.shape) for x in logits] == [(2, 1, 4, 4)] * 6
    others = judge(stages, torch.tensor([2, 1]))
    assert not torch.equal(logits[0][0], others[0][0]) and torch.allclose(logits[0][1], others[0][1], atol=1e-2)


def test_spectral_norm_bounds_the_slope():
    torch.manual_seed(0)
    judge = MapDiscriminator(8, 2, 8, 0)
    x, step = torch.randn(64, 8, 16, 16), torch.randn(64, 8, 16, 16) * 1e-2
    for _ in range(20):
        judge(x)
    judge.eval()
    with torch.no_grad():
        moved = (judge(x + step) - judge(x)).flatten(1).norm(dim=1) / step.flatten(1).norm(dim=1)
    assert float(moved.max()) < 4**3, "a 4x4 kernel may exceed the norm of its matrix by its size, not more"


def test_turns_terms_and_gradients(file):
    spec = Spec("images", (3, 12, 9))
    from ganworks.networks.compact import Compact

    for own in (False, True):
        game = Projected(features=f"{file},{file}", side=32, own=own, r1=1.0, r2=1.0, augment="translation")
        nets = {**Compact(width=8).build(spec), **game.players(spec)}
        assert set(nets) == ({"G", "D", "P"} if own else {"G", "D"})
        batch = Batch(lambda: {"x": torch.rand(4, 3, 12, 9) * 2 - 1}, Draw(0, 4, slice(None)), size=4)
        moved = [players for players, _ in game.turns(0)]
        assert moved == ([("D",), ("P",), ("G",)] if own else [("D",), ("G",)])
        for players, turn in game.turns(0):
            terms = turn(nets, batch)
            shown = {k: v for k, v in terms.items() if not k.startswith("_")}
            assert all(v.shape == (4,) for v in shown.values())
            torch.stack([v.mean() for v in shown.values()]).sum().backward()
            assert all(p.grad is not None for p in nets[players[0]].parameters())
        assert set(shown) == ({"g_loss", "p_g_loss", "range"} if own else {"p_g_loss", "range"})
    assert next(iter(game.taught_by(spec))).startswith("squeezenet1_1:")


def test_g_is_called_back_from_beyond_black_and_white(file):
    game = Projected(features=file, side=32)
    spec = Spec("images", (3, 12, 9))
    batch = Batch(dict, Draw(0, 2, slice(None)), size=2)
    fake = torch.full((2, 3, 12, 9), 0.5)
    fake[1] = 3.0
    terms = game.generator_terms({**game.players(spec)}, batch, fake.requires_grad_())
    assert terms["range"].tolist() == [0.0, 40.0]
    (slope,) = torch.autograd.grad(terms["range"].sum(), fake)
    assert (slope[0] == 0).all() and (slope[1] > 0).all()


def test_a_network_of_equal_stages_works_too():
    torch.manual_seed(0)
    game = Projected(features="x", side=28)
    object.__setattr__(game, "__dict__", {**game.__dict__})
    from ganworks.pretrained.architectures.backbone import ready
    from ganworks.pretrained.load import Loaded

    game.__dict__["_teachers"] = (Loaded(ready(DINOv2Small()), "0" * 64),)
    judge = game.players(Spec("images", (3, 28, 28)))["D"]
    assert len(judge(game._maps(torch.rand(1, 3, 28, 28)))) == 4


@pytest.mark.parametrize(("recipe", "classes"), [("projected", 3), ("image", 0)])
def test_recipes_train_resume_and_say_who_taught_them(recipe, classes, file, tmp_path):
    settings = {"networks.width": 8, "features": file, "game.side": 32}
    found = check_recipe(recipe, pictures(classes), tmp_path, **settings)
    assert set(found) == {"G"}
    plan = Run.open(tmp_path / f"{recipe}-run").plan()
    assert next(iter(plan["teachers"])).startswith("squeezenet1_1:")
    assert found["G"].card["teachers"] == list(plan["teachers"])
    state = Run.open(tmp_path / f"{recipe}-run").load_state()[0]
    assert sum(v.numel() for k, v in state.items() if "squeeze" in k or "fire" in k) == 0


def test_a_judge_that_is_the_teacher_says_so_first(file, tmp_path):
    rng = np.random.default_rng(3)
    x = rng.integers(0, 255, (120, 3, 8, 8), np.uint8)
    settings = {"budget": 16, "batch": 8, "networks.width": 8, "features": file, "game.side": 32, "train.judge": False}
    list(gw.train("projected", data=x, out=tmp_path / "run", **settings))
    report = gw.evaluate(tmp_path / "run", x, features=file, count=64).to_dict()
    assert "This judge was the teacher" in report["about"]["judge"] and report["extractor"] in report["about"]["judge"]
    for page in ("report.html", "README.md"):
        assert "is no independent witness" in (tmp_path / "run" / page).read_text()
    assert "judge" not in gw.evaluate(tmp_path / "run", x, count=64).to_dict()["about"]


def test_without_a_network_it_says_how_to_get_one(tmp_path):
    with pytest.raises(UsageError, match="needs a published network: features=NAME"):
        list(gw.train("projected", data=pictures(), out=tmp_path / "run", budget=8, batch=8))
