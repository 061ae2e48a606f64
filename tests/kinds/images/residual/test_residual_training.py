"""The residual GANs in training: spectral norm, averages and regularisation in the engine; recipes and their sizes."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from recipe_checks import check_recipe
from residual_nets import PUBLISHED, VARIANTS, images, largest
from torch import nn

from ganworks.core.settings import Budget, Config, Facts, Optimizer, Train
from ganworks.games.adversarial import Adversarial
from ganworks.kinds.images.residual import recipes
from ganworks.kinds.images.residual.game import OrthogonalGame, orthogonality
from ganworks.kinds.images.residual.networks import ResNetGAN
from ganworks.kinds.images.residual.sizing import NEED, form, gflops
from ganworks.layers.weights.spectral import Spectral
from ganworks.training.engine import Engine


@pytest.fixture(autouse=True)
def _fixed():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


# In the engine --------------------------------------------------------------------------------------------------------


def engine(networks: ResNetGAN, game: Any = None, steps: int = 3, **train: Any) -> Engine:
    """An engine after some steps on noise of two classes."""
    torch.manual_seed(0)
    spec = images((3, 16, 16), 2)
    adam = Optimizer(lr=1e-3, betas=(0.0, 0.9))
    game = game or Adversarial(loss="hinge", r1=0.0, r2=0.0)
    made = Config("sngan", None, networks, game, adam, adam, Train(batch=8, **train))

    def feed(start: int, draw: Any) -> dict[str, torch.Tensor]:
        return {"x": draw.normal(3, 16, 16).tanh(), "y": draw.integers(2)}

    out = Engine(networks.build(spec), game, made, feed, 10_000, 2)
    for _ in range(steps):
        out.step()
    return out


def test_one_step_of_the_power_iteration_for_each_update():
    """Five turns of D and one of G: five steps in D, one in G, whatever the number of readings and of slices."""
    game = Adversarial(loss="hinge", r1=1.0, r2=0.0, gp=1.0, n_critic=5)
    made = engine(VARIANTS["biggan"], game, steps=0, accumulate=2)
    counts: dict[str, int] = {}
    for name, layers in made.following.items():
        for layer in layers:
            plain = layer.weights_changed

            def counted(name: str = name, plain: Any = plain) -> None:
                counts[name] = counts.get(name, 0) + 1
                plain()

            layer.weights_changed = counted
    made.step()
    assert counts == {"D": 5 * len(made.following["D"]), "G": len(made.following["G"])}
    assert len(made.following["D"]) == sum(isinstance(m, Spectral) for m in made.nets["D"].modules()) > 5


def test_sigma_keeps_up_with_the_training():
    """After 30 steps at a high rate the estimates are nearer to numpy's singular values than with the first vectors."""
    made = engine(replace(VARIANTS["biggan"], init="glorot"), steps=0)
    layers = [m for net in made.nets.values() for m in net.modules() if isinstance(m, Spectral)]
    first = [layer.u.clone() for layer in layers]
    for _ in range(30):
        made.step()
    true = np.array([largest(layer) for layer in layers])
    found = np.array([float(layer.sigma().detach()) for layer in layers])
    for layer, u in zip(layers, first, strict=True):
        layer.u.copy_(u)
    stale = np.array([float(layer.sigma().detach()) for layer in layers])
    short, shorter = 1 - found / true, 1 - stale / true
    assert (found <= 1.0001 * true).all() and short.mean() < 0.02
    assert np.median(short) < 0.3 * np.median(shorter)


def test_the_averaged_generator_is_measured_with_its_own_weights():
    made = engine(replace(VARIANTS["biggan"], init="glorot"), steps=20, ema=(1e9,), ema_ramp=0.3)
    before, _ = made.state()
    average = made.average()
    assert all(torch.equal(v, made.state()[0][k]) for k, v in before.items()), "measuring must not change the training"
    assert all(torch.equal(v, average[k]) for k, v in made.average().items())
    G = copy.deepcopy(made.nets["G"])
    G.load_state_dict(average)
    for layer in (m for m in G.modules() if isinstance(m, Spectral)):
        assert float(layer.sigma().detach()) == pytest.approx(largest(layer), rel=2e-3)
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def look(module: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        x = given[0]
        seen["first"] = x.mean((0, 2, 3)), x.var((0, 2, 3))

    norm = G.stages[0][0].norm1.norm
    norm.register_forward_hook(look)
    with torch.no_grad():
        G.eval()(torch.randn(4000, G.z_dim), torch.arange(4000) % 2)
    mean, variance = seen["first"]
    assert torch.allclose(norm.running_mean, mean, atol=0.15 * float(variance.sqrt().mean()))
    assert torch.allclose(norm.running_var, variance, rtol=0.3)


def test_it_goes_on_bit_for_bit():
    straight, first = engine(VARIANTS["biggan"], steps=4), engine(VARIANTS["biggan"], steps=2)
    tensors, counters = first.state()
    first.average()
    second = engine(VARIANTS["biggan"], steps=0)
    second.load(tensors, counters)
    second.step()
    second.step()
    assert all(torch.equal(v, second.state()[0][k]) for k, v in straight.state()[0].items())
    assert all(torch.equal(v, second.average()[k]) for k, v in straight.average().items())


def test_orthogonal_regularisation_is_a_term_of_g():
    game = OrthogonalGame(loss="hinge", r1=0.0, r2=0.0, ortho=0.5)
    made = engine(ResNetGAN(width=4, init="normal"), game, steps=0)
    wanted = 0.5 * float(orthogonality(made.nets["G"]).detach())
    made.step()
    means = made.means()
    assert means["ortho"] == pytest.approx(wanted, rel=1e-5) and wanted > 0
    assert "ortho" not in engine(ResNetGAN(width=4), OrthogonalGame(loss="hinge", r1=0, r2=0, ortho=0)).means()


# Recipes --------------------------------------------------------------------------------------------------------------


def facts(size: int, budget: str, device: str = "cpu", gflops: float = 100.0, classes: int = 10) -> Facts:
    return Facts(images((3, size, size), classes), 50_000, Budget.parse(budget), device, gflops, None)


def test_recipes_at_the_sizes_of_their_papers():
    made = recipes.sngan(facts(32, "10M", "cuda", classes=0))
    assert made.networks == ResNetGAN(**PUBLISHED["sngan-cifar"][2])
    assert recipes.sngan(facts(128, "10M", "cuda")).networks == ResNetGAN(**PUBLISHED["sngan-128-own"][2])
    assert recipes.sagan(facts(128, "10M", "cuda")).networks == ResNetGAN(**PUBLISHED["sagan-128-64"][2])
    for size, name in ((128, "biggan-128"), (256, "biggan-256")):
        wanted = ResNetGAN(**PUBLISHED[name][2], init="orthogonal")
        assert recipes.biggan(facts(size, "10M", "cuda")).networks == wanted
        wanted = ResNetGAN(**PUBLISHED[f"biggan-deep-{size}"][2], init="orthogonal")
        assert recipes.biggan_deep(facts(size, "10M", "cuda")).networks == wanted


def test_biggan_below_64_pixels():
    made = recipes.biggan(facts(32, "10M", "cuda"))
    assert (made.g.lr, made.d.lr, made.game.n_critic, made.networks.width) == (2e-4, 2e-4, 4, 64)
    assert (made.networks.z_dim, made.networks.latent, made.networks.attention) == (80, "split", 0)


@pytest.mark.parametrize("name", ["sngan", "sagan", "biggan", "biggan_deep"])
def test_small_forms_grow_with_the_budget_and_say_so(name: str):
    made = [getattr(recipes, name)(facts(32, budget)) for budget in ("1m", "1h", "1000h")]
    widths = [m.networks.width for m in made]
    assert widths == sorted(widths) and widths[0] < 16 < widths[2]
    assert made[0].game.n_critic == 1 and made[0].train.batch == 64 and "Small form" in " ".join(made[0].notes)
    published = getattr(recipes, name)(facts(32, "1M", "cuda"))
    assert replace(made[2], notes=()) == published and "as published" in " ".join(made[2].notes)


def test_the_width_that_is_chosen_sees_enough():
    asked = facts(32, "1h")
    chosen = form(asked, 64, lambda width: ResNetGAN(width=width))
    g, d = gflops(ResNetGAN(width=chosen.width), asked.spec)
    assert 3600 * 100 * 0.3 / (4 * g + 8 * d) >= NEED * chosen.width


def test_gflops_are_those_of_the_convolutions():
    """Counted by hooks on the networks themselves, within the share of the first and the last layers."""
    for networks, size in ((ResNetGAN(width=16), 32), (ResNetGAN(width=4), 64), (VARIANTS["deep"], 64)):
        players = networks.build(images((3, size, size), 0))
        found = {"G": 0.0, "D": 0.0}
        for name, player in players.items():
            for conv in (m for m in player.modules() if isinstance(m, nn.Conv2d)):

                def add(
                    module: nn.Module, given: Any, out: torch.Tensor, name: str = name, found: dict[str, float] = found
                ) -> None:
                    found[name] += 2 * module.weight.numel() * out.shape[2] * out.shape[3] / 1e9

                conv.register_forward_hook(add)
        players["D"](players["G"](torch.randn(1, players["G"].z_dim)))
        for guess, name in zip(gflops(networks, images((3, size, size), 0)), "GD", strict=True):
            assert 0.4 < guess / found[name] < 2.5, (networks, name, guess, found[name])


def test_the_resnet_of_wgan_gp(tmp_path):
    """No batch norm in D, so that the penalty may be taken for each example; it resumes bit for bit."""
    data = np.random.default_rng(0).integers(0, 255, (40, 3, 8, 8), np.uint8)
    check_recipe("wgan-gp", data, tmp_path, networks="resnet", **{"networks.width": 4, "budget": 32})
    D = ResNetGAN(width=4).build(images((3, 16, 16), 0))["D"]
    x = torch.randn(4, 3, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(D(x)[0], x)
    assert slope[0].abs().sum() > 0 and slope[1:].abs().sum() == 0
