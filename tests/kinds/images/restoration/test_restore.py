"""Restoration as a task: batches, the game of two stages, use on any picture, judging, training from the command."""

import numpy as np
import pytest
import torch
from PIL import Image
from recipe_checks import check_recipe
from safetensors.torch import save_file

from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget, Config, Facts
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.patches import shifted
from ganworks.kinds.images.restoration import recipes
from ganworks.kinds.images.restoration.degrade import Degrade
from ganworks.kinds.images.restoration.domain import Enlarge, Restore
from ganworks.kinds.images.restoration.evaluator import RestorationEvaluator, compare, levels
from ganworks.kinds.images.restoration.game import Restoration
from ganworks.kinds.images.restoration.networks import Restorer
from ganworks.pretrained.architectures.plain import SqueezeNet

SMALL = {"networks.width": 8, "networks.blocks": 1, "networks.d_width": 8}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve pictures of patches, of different sizes."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for k in range(12):
        small = Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8))
        small.resize((60 + 3 * k, 70 + k), Image.NEAREST).save(folder / f"{k}.png")
    return folder


def opened(domain, photos, tmp_path):
    return domain.open(photos, cache=tmp_path)


def test_a_batch_is_a_crop_and_its_reduction(photos, tmp_path):
    domain = Enlarge(size=32, scale=4)
    data = opened(domain, photos, tmp_path)
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.source == (3, 8, 8)
    assert data.spec.facts == {"scale": 4, "degrade": "bicubic"}
    batch = domain.batch(data, data.train[[0, 1, 2, 0]], Draw(5, 4, slice(None)))
    assert batch["x"].shape == (4, 3, 32, 32)
    assert batch["src"].shape == (4, 3, 8, 8)
    again = Degrade("bicubic", 4)(batch["x"], Draw(0, 4, slice(None)))
    torch.testing.assert_close(batch["src"][:, :, 3:5, 3:5], again[:, :, 3:5, 3:5], atol=0.01, rtol=0)


def test_batches_are_the_same_on_every_rank(photos, tmp_path):
    domain = Restore("blur=1-2+noise=5-20", size=24)
    data = opened(domain, photos, tmp_path)
    indices = data.train[[3, 1, 4, 2]]
    both = domain.batch(data, indices, Draw(5, 4, slice(None)))
    part = domain.batch(data, indices[1::2], Draw(5, 4, slice(1, None, 2)))
    for name in ("x", "src"):
        torch.testing.assert_close(part[name], both[name][1::2])


def test_grey_gives_one_channel_and_small_photos_are_told(photos, tmp_path):
    data = opened(Restore("grey", size=68), photos, tmp_path)
    assert data.spec.source == (1, 68, 68)
    assert "smaller than a crop" in str(data.summary["notes"])
    with pytest.raises(UsageError, match="RGB"):
        opened(Restore("grey", channels=1), photos, tmp_path)


def test_many_channels_of_floats(tmp_path):
    values = np.random.default_rng(0).standard_normal((4, 6, 40, 40)).astype(np.float32)
    domain = Enlarge(scale=2, size=16)
    data = opened(domain, values, tmp_path)
    net = Restorer(width=8, blocks=1).build(data.spec)["G"]
    assert domain.apply(net, torch.zeros(1, 6, 9, 9), data.spec, {}).shape == (1, 6, 18, 18)
    with pytest.raises(UsageError, match="8-bit"):
        opened(Restore("noise=5+jpeg=50", size=16, channels=None), values[:, :3] * 7 - 3, tmp_path)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"scale": 5}, "scale"),
        ({"size": 30}, "multiple"),
        ({"degrade": "fog=3"}, "no step"),
        ({"held_out": 0.9}, "held"),
    ],
)
def test_settings_out_of_range(settings, match):
    with pytest.raises(UsageError, match=match):
        Enlarge(**settings)


def test_enlarging_by_one_is_refused():
    with pytest.raises(UsageError, match="enlarges nothing"):
        Enlarge(degrade="noise=5", scale=1)


def trained_like(spec: Spec, **settings) -> torch.nn.Module:
    """A network with effects of the size that a trained one has."""
    torch.manual_seed(0)
    net = Restorer(**{"width": 12, "blocks": 3, "growth": 6, **settings}).build(spec)["G"].eval().requires_grad_(False)
    net.last.weight.mul_(5)
    return net


def facts(scale: int, given: int = 3, made: int = 3) -> Spec:
    side = 16 * scale
    return Spec("restore", (made, side, side), source=(given, 16, 16), facts={"scale": scale})


@pytest.mark.parametrize(("trunk", "scale", "shrink"), [("edsr", 4, 1), ("edsr", 1, 2), ("edsr", 3, 1), ("rrdb", 2, 1)])
def test_tiled_is_untiled_within_one_level(trunk, scale, shrink):
    net = trained_like(facts(scale), trunk=trunk, blocks=2 if trunk == "rrdb" else 3, shrink=shrink)
    x = torch.rand(1, 3, 151, 193, generator=torch.Generator().manual_seed(1)) * 2 - 1
    domain = Restore("noise=5") if scale == 1 else Enlarge(scale=scale)
    tiled, whole = (domain.apply(net, x, facts(scale), {"tile": tile}) for tile in (64, 0))
    assert whole.shape == (1, 3, 151 * scale, 193 * scale)
    assert (whole - torch.nn.functional.interpolate(x, scale_factor=float(scale))).abs().mean() > 0.02
    assert float((tiled - whole).abs().max() * 127.5) < (0.01 if trunk == "edsr" else 1)


def test_the_ensemble_turns_with_the_picture():
    net, spec, domain = trained_like(facts(2)), facts(2), Enlarge(scale=2)
    x = torch.rand(1, 3, 20, 26) * 2 - 1
    made = domain.apply(net, x, spec, {"ensemble": "on"})
    turned = domain.apply(net, torch.rot90(x, 1, (2, 3)).flip(2), spec, {"ensemble": "on"})
    torch.testing.assert_close(torch.rot90(turned.flip(2), -1, (2, 3)), made, atol=1e-5, rtol=0)
    plain = domain.apply(net, x, spec, {})
    assert (plain - made).abs().max() > 1e-3


def test_other_numbers_of_channels():
    grey, colour, painter = facts(2, 1, 1), facts(2), facts(1, 1, 3)
    net = trained_like(grey)
    x = torch.rand(1, 3, 12, 12) * 2 - 1
    domain = Enlarge(scale=2)
    made = domain.apply(net, x, grey, {})
    torch.testing.assert_close(made[:, 1:2], domain.apply(net, x[:, 1:2], grey, {}))
    assert domain.apply(trained_like(colour), x[:, :1], colour, {}).shape == (1, 1, 24, 24)
    assert Restore("grey").apply(trained_like(painter), x, painter, {}).shape == (1, 3, 12, 12)
    assert not Restore("grey").keeps_grey
    assert domain.keeps_grey
    with pytest.raises(UsageError, match="3 channels"):
        domain.apply(trained_like(colour), x[:, :2], colour, {})


def nets_and_batch():
    nets = Restorer(width=8, blocks=1, d_width=8).build(facts(2))
    x = torch.rand(3, 3, 32, 32) * 2 - 1
    rows = {"x": x, "src": torch.nn.functional.avg_pool2d(x, 2)}
    return nets, Batch(lambda: dict(rows), Draw(0, 3, slice(None)), size=3)


def test_the_stages_follow_the_budget():
    game = Restoration(adversarial_from=0.6)

    def moves(game, progress):
        return [players for players, _ in game.turns(0, progress)]

    assert game.phases == (0.0, 0.6)
    assert moves(game, 0.59) == [("G",)]
    assert moves(game, 0.6) == [("D",), ("G",)]
    assert Restoration().phases == Restoration(adversarial_from=0.0).phases == (0.0,)
    assert moves(Restoration(), 1.0) == [("G",)]
    assert moves(Restoration(adversarial_from=0.0), 0.0) == [("D",), ("G",)]


def test_the_first_stage_is_remembered_and_the_second_is_not():
    game, (_, batch) = Restoration(adversarial_from=0.5), nets_and_batch()
    nets = Restorer(width=8, blocks=1, d_width=8, keep=True).build(facts(2))
    trained = {name for name, _ in nets["G"].named_parameters()}
    assert not any(name.startswith("before") for name in trained)
    for progress in (0.2, 0.7):
        with torch.no_grad():
            nets["G"].last.weight += 1
        for _, turn in game.turns(0, progress):
            turn(nets, batch)
    held, now = nets["G"].before.last.weight, nets["G"].last.weight
    torch.testing.assert_close(held + 1, now)
    torch.testing.assert_close(nets["G"].between(0.25).last.weight, held + 0.25)
    assert torch.equal(nets["G"].between(0.0)(batch["src"]), nets["G"].before(batch["src"]))


@pytest.mark.parametrize("name", ["relativistic", "hinge", "non-saturating"])
def test_terms_and_gradients(name):
    nets, batch = nets_and_batch()
    game = Restoration(adversarial_from=0.0, loss=name)
    terms = game.pixel_turn(nets, batch)
    torch.testing.assert_close(terms["l1"], (nets["G"](batch["src"]) - batch["x"]).abs().mean((1, 2, 3)))
    (_, d_turn), (_, g_turn) = game.turns(0, 0.0)
    made = d_turn(nets, batch)
    made["d_loss"].mean().backward()
    assert all(p.grad is None for p in nets["G"].parameters())
    assert sum(float(p.grad.abs().sum()) for p in nets["D"].parameters()) > 0
    terms = g_turn(nets, batch)
    assert {k: v.shape for k, v in terms.items()} == dict.fromkeys(("g_loss", "l1", "match", "_fake"), (3,))
    for term in ("g_loss", "l1", "match"):
        grads = torch.autograd.grad(terms[term].sum(), list(nets["G"].parameters()), retain_graph=True)
        assert sum(float(g.abs().sum()) for g in grads) > 0


def test_weights_of_zero_leave_terms_out_and_scale_the_others():
    nets, batch = nets_and_batch()
    nets["D"].eval()
    one = Restoration(adversarial_from=0.0, match=0.0, gan=0.1).generator_turn(nets, batch)
    batch.draw = Draw(0, 3, slice(None))
    two = Restoration(adversarial_from=0.0, match=0.0, gan=0.2, pixel=3.0).generator_turn(nets, batch)
    assert "match" not in one
    torch.testing.assert_close(two["g_loss"], 2 * one["g_loss"])
    torch.testing.assert_close(two["l1"], 3 * one["l1"])


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_a_perceptual_term_from_weights_by_path(tmp_path, start):
    save_file(SqueezeNet().state_dict(), tmp_path / "net.safetensors")
    nets, batch = nets_and_batch()
    game = Restoration(adversarial_from=start, features=str(tmp_path / "net.safetensors"))
    (*_, (_, turn)) = game.turns(0, 0.5)
    terms = turn(nets, batch)
    assert terms["perceptual"].shape == (3,)
    assert (terms["perceptual"] > 0).all()


def test_the_discriminator_meets_both_pictures_at_the_same_place_which_changes():
    x = torch.arange(48.0 * 60).view(1, 1, 48, 60).repeat(64, 1, 1, 1)
    batch = Batch(dict, Draw(0, 64, slice(None)), size=64)
    seen, made = shifted(batch, x, -x)
    assert seen.shape == (64, 1, 44, 55)
    torch.testing.assert_close(made, -seen)
    first = seen[:, 0, 0, 0].long()
    assert set((first // 60).tolist()) == set(range(5))
    assert set((first % 60).tolist()) == set(range(6))
    small = torch.zeros(64, 3, 11, 11)
    assert shifted(batch, small)[0].shape == small.shape


@pytest.mark.parametrize("settings", [{"adversarial_from": 2.0}, {"gan": -1.0}, {"loss": "none"}])
def test_game_settings_out_of_range(settings):
    with pytest.raises(UsageError):
        Restoration(**settings)


def test_the_judge_knows_better_from_worse(photos, tmp_path):
    domain = Enlarge(scale=2, size=32, held_out=0.3)
    data = opened(domain, photos, tmp_path / "cache")
    nets = Restorer(width=8, blocks=1).build(data.spec)
    evaluator = RestorationEvaluator(domain, data, Config("superres", domain, Restorer(), Restoration()))
    nets["G"].last.weight.data.zero_()  # now it is the bicubic filter
    report = evaluator.evaluate(nets, count=100, seed=0, pictures=tmp_path / "eval", progress=lambda *_: None, about={})
    assert report.count == len(data.held) == 4
    assert report.metrics["psnr"].value == pytest.approx(report.baselines["bicubic"]["psnr"], abs=0.1)
    base = report.baselines
    assert base["lanczos + white noise"]["detail"] > 0.7 > base["bicubic"]["detail"]
    assert base["lanczos + white noise"]["detail_match"] < base["bicubic"]["detail_match"]
    assert (tmp_path / "eval" / "restored.png").exists()
    assert Image.open(tmp_path / "eval" / "photo-4-after.png").size[0] >= 60
    scores = evaluator.score(nets)[0]
    nets["G"].last.weight.data.normal_(0, 0.3)
    assert evaluator.score(nets)[0]["psnr"] < scores["psnr"] - 3
    assert evaluator.show(nets).size[0] > 3 * 60
    assert (evaluator.objective, evaluator.ready) == ("-psnr", True)
    later = RestorationEvaluator(
        domain, data, Config("superres", domain, Restorer(), Restoration(adversarial_from=0.7))
    )
    assert later.objective == ""


def test_scores_of_one_image():
    x = levels(torch.rand(1, 3, 40, 40) * 2 - 1)
    same = compare(x, x, 4, True)
    assert (same["psnr"], same["l1"]) == (100.0, 0.0)
    other = np.clip(x + 10, 0, 255)
    assert compare(other, x, 1, False)["psnr"] < 40


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("superres", {"scale": 2, "size": 32, "game.adversarial_from": 0.4}),
        ("restore", {"degrade": "blur=1+noise=10", "size": 32}),
        ("restore", {"degrade": "grey", "size": 32, "game.adversarial_from": 0.0, "networks.discriminator": "unet"}),
    ],
)
def test_recipes_train_and_resume(recipe, settings, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    found = check_recipe(recipe, photos, tmp_path, **SMALL, **settings)
    assert list(found) == ["G"]
    assert found["G"].use == "apply"


def test_detail_lies_between_the_stages_also_where_the_second_is_a_training_of_its_own(photos, tmp_path, monkeypatch):
    import ganworks as gw
    from ganworks.runs.published import load_net

    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    settings = SMALL | {"scale": 2, "size": 32, "budget": 64, "batch": 8, "train.precision": "fp32", "train.threads": 1}
    settings |= {"train.judge": False, "train.ema": [1.0]}  # no averages: weights are those of the last step
    runs = {name: tmp_path / name for name in ("first", "second")}
    list(gw.train("superres", data=photos, out=runs["first"], **settings, **{"game.adversarial_from": 1.0}))
    more = {"game.adversarial_from": 0.0, "init": str(runs["first"]), "lr": 0.01}
    list(gw.train("superres", data=photos, out=runs["second"], **settings, **more))
    old, new = (load_net(folder) for folder in runs.values())
    last = dict(old.net.before.named_buffers())
    torch.testing.assert_close(dict(new.net.before.named_buffers()), last, atol=1e-4, rtol=0)
    x, domain = torch.rand(1, 3, 20, 20) * 2 - 1, Enlarge(scale=2)
    made = {share: domain.apply(new.net.eval(), x, new.spec, {"detail": share}) for share in (0, 0.65, "1")}
    assert (made[0] - made["1"]).abs().max() > 1e-3
    assert not torch.equal(made[0.65], made[0])
    assert torch.equal(domain.apply(new.net, x, new.spec, {}), made["1"])
    assert torch.equal(made["1"], new.net(x).clamp(-1, 1))


@pytest.mark.parametrize("options", [{"detail": 2}, {"detail": "much"}, {"tile": "wide"}, {"ensemble": "maybe"}])
def test_options_out_of_range(options):
    net = Restorer(width=8, blocks=1, keep=True).build(facts(2))["G"]
    with pytest.raises(UsageError, match=next(iter(options))):
        Enlarge(scale=2).apply(net, torch.zeros(1, 3, 8, 8), facts(2), options)


def test_it_learns(photos, tmp_path, monkeypatch):
    """A few seconds of training bring noisy pictures nearer to the originals."""
    import ganworks as gw
    from ganworks.runs.published import load_net

    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    settings = {"degrade": "noise=40", "size": 32, "budget": 1600, "batch": 8, "networks.width": 16}
    settings |= {"networks.blocks": 2, "train.precision": "fp32", "train.threads": 1, "train.judge": False}
    list(gw.train("restore", data=photos, out=tmp_path / "run", **settings))
    domain = Restore("noise=40", size=32)
    evaluator = RestorationEvaluator(domain, domain.open(photos), Config("restore", domain, Restorer(), Restoration()))
    net = load_net(tmp_path / "run").net.eval()
    before = np.mean([compare(levels(s), levels(x), 1, True)["psnr"] for s, x in evaluator.scored])
    assert evaluator.score({"G": net})[0]["psnr"] > before + 2.5


@pytest.mark.parametrize("value", [None, "x", True, [1], 2, float("nan")])
@pytest.mark.parametrize("recipe", [recipes.superres, recipes.restore])
def test_where_the_second_stage_begins_is_a_fraction(recipe, value):
    given = {"game.adversarial_from": value}
    facts = Facts(Spec("images", (3, 8, 8)), 9, Budget.parse("10m"), "cpu", 50.0, None, given)
    with pytest.raises(UsageError, match=r"game\.adversarial_from must"):
        recipe(facts)
