"""The published constants that the recipes' docstrings claim, read from the settings that each recipe returns.

Everything is asked for as on a GPU with a budget in examples, where the recipes take the published widths. Where a
recipe says that it differs from its paper, the table holds the recipe's own value.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.core import registry
from ganworks.core.settings import Budget, Config, Facts
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.kinds.images.shared.patchgan import PatchGAN, fitting_layers
from ganworks.kinds.series.networks.families import STEPS
from ganworks.kinds.series.timegan_game import TimeGANGame, next_step
from ganworks.kinds.tables.networks import CTGAN
from ganworks.metrics.dp_accountant import Releases, epsilon, renyi

IMAGES = Spec("images", (3, 256, 256), ("a", "b"))
SOUND = {"rate": 16_000, "bin_means": [0.0] * 129, "bin_deviations": [1.0] * 129}
MEL = {"rate": 22_050, "n_fft": 1024, "hop": 256, "mels": 80, "low": 0.0, "high": 8000.0}
SPECS = {
    "audio": Spec("audio", (1, 16_384), (), -1, 1, "float32", facts=SOUND),
    "vocoder": Spec("vocoder", (1, 8192), (), -1, 1, "float32", (80, 32), MEL),
    "text": Spec("text", (32,), (), -1, 1, "float32"),
    "video": Spec("video", (16, 3, 32, 32), (), -1, 1),
    "tables": Spec("table", (40,), (), -1, 1, "float32"),
    "series": Spec("series", (72,), (), -1, 1, "float32"),
    "points": Spec("points", (2,), (), -1, 1, "float32"),
}

# recipe -> "part.setting" -> value; "lr", "betas" and the like are of both players.
PUBLISHED: dict[str, dict[str, Any]] = {
    "dcgan": {"lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 64, "game.loss": "non-saturating",
              "networks.width": 64, "networks.z_dim": 100, "networks.norm": "batch", "networks.g_norm": "batch"},
    "mlp": {"lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 100, "networks.hidden": (256, 256),
            "networks.z_dim": 64, "game.loss": "non-saturating"},
    "wgan": {"lr": 5e-5, "name": "rmsprop", "train.batch": 64, "game.loss": "wasserstein", "game.clip": 0.01,
             "game.n_critic": 5, "game.gp": 0.0},
    "wgan-gp": {"lr": 1e-4, "betas": (0.0, 0.9), "train.batch": 64, "game.loss": "wasserstein", "game.gp": 10.0,
                "game.n_critic": 5, "game.clip": 0.0, "networks.norm": "none"},
    "lsgan": {"lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 64, "game.loss": "least-squares"},
    "projected": {"lr": 2e-4, "betas": (0.0, 0.99), "train.batch": 64, "game.loss": "hinge", "game.r1": 0.0,
                  "game.r2": 0.0, "game.augment": "color,translation,cutout", "game.side": 0, "game.feature_width": 64},
    "fastgan": {"lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 8, "game.loss": "hinge", "game.r1": 0.0,
                "game.r2": 0.0, "game.augment": "color,translation", "networks.width": 64, "networks.z_dim": 256,
                "game.rebuild": 1.0, "game.margin_noise": 0.2},
    "image": {"game.loss": "relativistic", "game.n_critic": 1},
    "vae": {"game.variance": 0.0, "game.beta": 1.0, "game.free_bits": 0.0, "networks.posterior": "gaussian"},
    "vae-gan": {"lr": 3e-4, "betas": (0.5, 0.999), "train.batch": 64, "networks.body.z_dim": 128, "game.beta": 1.0,
                "game.loss": "non-saturating", "networks.judge": "examples"},
    "aae": {"networks.posterior": "point", "networks.judge": "codes", "game.loss": "non-saturating"},
    "bigan": {"lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 128, "networks.judge": "both"},
    "infogan": {"g.lr": 1e-3, "d.lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 128, "networks.body.z_dim": 62,
                "networks.categories": 10, "networks.continuous": 2, "networks.hidden": 128, "game.categorical": 1.0},
    "began": {"lr": 1e-4, "train.batch": 16, "game.gamma": 0.5, "game.lambda_k": 0.001, "networks.body.z_dim": 64},
    "r3gan": {"lr": 2e-4, "lr_end": 5e-5, "betas": (0.0, 0.99), "beta2_start": 0.9, "game.loss": "relativistic",
              "game.r1": 150.0, "game.r2": 150.0, "game.r1_end": 15.0, "game.r2_end": 15.0, "train.batch": 256,
              "train.ema": (500_000.0,), "game.augment_p": 0.3, "game.augment_ramp": 0.1, "game.burn_in": 0.1,
              "burn_in": 0.1, "networks.width": 768, "networks.group_size": 16, "networks.z_dim": 64},
    "stylegan2": {"g.lr": 0.0025 * 4 / 5, "d.lr": 0.0025 * 16 / 17, "game.loss": "non-saturating", "game.r1": 1.0,
                  "game.r2": 0.0, "game.penalty_every": 16, "game.path": 2.0, "game.path_every": 4,
                  "game.path_decay": 0.01, "game.path_shrink": 2, "game.mixing": 0.9, "train.batch": 64,
                  "train.ema": (20_000.0,), "networks.width": 512, "networks.wide_to": 32, "networks.mapping": 8,
                  "networks.z_dim": 512, "networks.w_dim": 512, "networks.group": 8, "networks.residual": True},
    "sngan": {"lr": 2e-4, "betas": (0.0, 0.9), "train.batch": 64, "game.loss": "hinge", "game.n_critic": 5,
              "game.r1": 0.0, "game.gp": 0.0, "networks.width": 64, "networks.z_dim": 128, "networks.spectral": "D",
              "networks.embed": 0, "networks.attention": 0, "networks.d_inner": "in", "networks.init": "glorot"},
    "sagan": {"g.lr": 1e-4, "d.lr": 4e-4, "betas": (0.0, 0.9), "train.batch": 256, "game.loss": "hinge",
              "game.n_critic": 1, "networks.spectral": "both", "networks.attention": 64, "networks.width": 64},
    "biggan": {"g.lr": 5e-5, "d.lr": 2e-4, "betas": (0.0, 0.999), "game.loss": "hinge", "game.n_critic": 2,
               "game.ortho": 1e-4, "networks.width": 96, "networks.z_dim": 140, "networks.embed": 128,
               "networks.latent": "split", "networks.attention": 64, "networks.spectral": "both",
               "networks.init": "orthogonal", "train.batch": 256, "train.ema": (256.0 * 6931,)},
    "biggan-deep": {"g.lr": 5e-5, "d.lr": 2e-4, "game.loss": "hinge", "networks.width": 128, "networks.z_dim": 128,
                    "networks.embed": 128, "networks.latent": "everywhere", "networks.bottleneck": True,
                    "networks.blocks": 2, "networks.spectral": "both", "networks.attention": 64},
    "pix2pix": {"lr": 2e-4, "train.batch": 1, "betas": (0.5, 0.999), "game.loss": "non-saturating",
                "game.l1": 100.0, "game.gan": 1.0, "game.n_critic": 1, "networks.width": 64,
                "networks.d_width": 64, "networks.dropout": 0.5},
    "pix2pixhd": {"lr": 2e-4, "betas": (0.5, 0.999), "game.loss": "least-squares", "game.fm": 10.0, "game.l1": 0.0,
                  "train.batch": 1, "networks.up": "deconv3", "networks.norm": "plain",
                  "networks.width": 64, "networks.blocks": 9, "networks.scales": 2},
    "spade": {"g.lr": 1e-4, "d.lr": 4e-4, "betas": (0.0, 0.9), "game.loss": "hinge", "game.fm": 10.0,
              "game.l1": 10.0, "networks.width": 64, "networks.hidden": 128, "networks.scales": 2,
              "networks.middle": 2, "networks.g_spectral": True, "networks.spectral": True},
    # the weights of least squares are relative to a loss of half the published one: 10, 5, 1 and 10 become 5, 2.5, ...
    "cyclegan": {"lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 1, "game.loss": "least-squares",
                 "game.cycle": 10 / 2, "game.identity": 5 / 2, "game.history": 0.5, "networks.blocks": 9,
                 "networks.width": 64, "networks.d_width": 64, "networks.d_layers": 3, "networks.memory": 50},
    "dualgan": {"lr": 2e-4, "betas": (0.5, 0.9), "game.loss": "wasserstein", "game.gp": 10.0, "game.cycle": 500.0,
                "game.n_critic": 1, "game.identity": 0.0, "networks.generator": "unet"},
    "cut": {"lr": 2e-4, "betas": (0.5, 0.999), "train.batch": 1, "game.loss": "least-squares", "game.nce": 1 / 2,
            "game.identity": 0.5, "game.patches": 256, "game.temperature": 0.07, "game.negatives": "image",
            "networks.blocks": 9, "networks.width": 64, "networks.features": 256},
    "fastcut": {"game.nce": 10 / 2, "game.identity": 0.0, "game.flip": 0.5, "lr": 2e-4, "train.batch": 1},
    "sincut": {"game.nce": 4.0, "game.negatives": "batch", "game.l1": 5.0, "game.patches": 32, "game.r1": 10.0},
    "stargan": {"lr": 1e-4, "betas": (0.5, 0.999), "train.batch": 16, "game.cycle": 10.0, "game.classify": 1.0,
                "game.loss": "wasserstein", "game.gp": 10.0, "game.r1": 0.0, "game.n_critic": 5},
    "classify": {"game.confidence": 0.95, "game.consistency": 1.0},
    "acgan": {"betas": (0.0, 0.99)},
    "inpaint": {"game.loss": "hinge", "game.adversarial_from": 0.75},
    "superres": {"game.adversarial_from": 0.9, "game.loss": "relativistic"},
    "restore": {"game.adversarial_from": 1.0},
    "audio": {"game.loss": "relativistic", "betas": (0.0, 0.99), "networks.mels": 64},
    "wavegan": {"lr": 1e-4, "betas": (0.5, 0.9), "train.batch": 64, "game.loss": "wasserstein", "game.gp": 10.0,
                "game.n_critic": 5, "networks.width": 64, "networks.z_dim": 100, "networks.shuffle": 2},
    "specgan": {"lr": 1e-4, "betas": (0.5, 0.9), "train.batch": 64, "game.loss": "wasserstein", "game.gp": 10.0,
                "game.n_critic": 5, "networks.n_fft": 256, "networks.hop": 128, "networks.scale": "bins",
                "networks.rounds": 16, "networks.picture.width": 64, "networks.picture.norm": "none"},
    "vocoder": {"game.adversarial_from": 0.8, "game.loss": "least-squares", "game.gan": 1.0, "game.match": 2.0,
                "game.mel": 45.0, "game.decay": 2e-6, "betas": (0.8, 0.99), "game.n_fft": 1024, "game.hop": 256},
    "text": {"networks.candidates": 4, "networks.temperature": 0.9, "game.adversarial_from": 1.0},
    "seqgan": {"game.rollouts": 2, "game.reward": "chance", "game.anchor": 0.0, "game.loss": "non-saturating",
               "networks.core": "lstm", "networks.candidates": 1},
    "relgan": {"game.sharpness": 100.0, "game.loss": "relativistic", "game.d_steps": 1, "networks.core": "memory",
               "networks.d_widths": (2, 3, 4, 5), "networks.d_maps": 100, "networks.d_views": 64,
               "networks.heads": 2, "networks.head_size": 256, "networks.slots": 1, "d.lr": 1e-4},
    "video": {"game.loss": "relativistic", "game.r1": 8.0, "game.r1_end": 0.48, "game.frame_r1": 0.5,
              "game.frame": 1.0, "networks.frames": True},
    "video3d": {"game.frame": 0.0, "networks.frames": False},
    "table": {"game.likelihood": 1.0, "game.adversarial_from": 1.0, "networks.pac": 10},
    "ctgan": {"lr": 2e-4, "betas": (0.5, 0.9), "train.batch": 500, "game.loss": "wasserstein", "game.gp": 10.0,
              "game.asked": 1.0, "game.likelihood": 0.0, "game.n_critic": 1, "networks.width": 256,
              "networks.depth": 2, "networks.z_dim": 128, "networks.tau": 0.2, "networks.pac": 10,
              "networks.dropout": 0.5, "networks.d_width": 256, "networks.d_depth": 2},
    "series": {"game.auxiliary": 1.0, "game.likelihood": 1.0, "game.adversarial_from": 1.0},
    "timegan": {"lr": 1e-3, "betas": (0.9, 0.999), "train.batch": 128, "networks.hidden": 24, "networks.layers": 3,
                "networks.d_layers": 3, "networks.noise": 0, "game.supervised": 100.0, "game.carried": 0.1,
                "game.matched": 100.0, "game.recovered": 10.0, "game.repeats": 2, "game.rest": 0.15,
                "game.embed": 1 / 3, "game.supervise": 2 / 3},
    "points": {"game.r1": 0.05, "game.r1_end": 5e-5, "game.r2": 0.05, "game.r2_end": 5e-5, "betas": (0.0, 0.99)},
}  # fmt: skip


def config(name: str, **given: Any) -> Config:
    """What the recipe chooses on a GPU, for 10,000 examples and a budget of 10 million."""
    spec = SPECS.get(registry.recipes()[name].kind.name, IMAGES)
    made, _ = registry.recipe_function(name)
    return made(Facts(spec, 10_000, Budget.parse("10M"), "cuda", 1000.0, None, given))


def value(made: Config, path: str) -> list[Any]:
    """The values of "part.setting", or of a setting of both players."""
    paths = [path] if "." in path else [f"g.{path}", f"d.{path}"]
    return [reduce(getattr, p.split("."), made) for p in paths]


def test_every_recipe_is_in_the_table():
    assert set(PUBLISHED) == set(registry.recipes())


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, table in PUBLISHED.items() for path in table])
def test_published_constants(name: str, path: str):
    wanted = PUBLISHED[name][path]
    for found in value(config(name), path):
        assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


def test_a_patch_of_pix2pix_has_70_pixels():
    assert fitting_layers(256, 256) == 3
    assert sum(p.numel() for p in PatchGAN(6, 64, 3).parameters()) == 2_768_705
    net = PatchGAN(6, 64, 3, norm="none")  # instance norm would see the whole image
    x = torch.zeros(1, 6, 256, 256, requires_grad=True)
    logits = net(x)
    (gradient,) = torch.autograd.grad(logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2], x)
    seen = gradient.abs().sum((0, 1))
    assert [int((seen.sum(axis) > 0).sum()) for axis in (0, 1)] == [70, 70]


def test_r3gan_at_32_pixels_has_the_constants_of_cifar():
    made, _ = registry.recipe_function("r3gan")
    small = made(Facts(Spec("images", (3, 32, 32)), 50_000, Budget.parse("10M"), "cuda", 1000.0, None))
    assert (small.game.r1, small.game.r1_end, small.train.batch, small.train.ema) == (0.05, 0.005, 512, (5e6,))


def test_dopplegangers_settings_are_one_choice_away():
    made = config("series", **{"networks.generator": "recurrent"})
    assert (made.game.r1, made.game.r2, made.game.loss, made.game.adversarial_from) == (10.0, 10.0, "relativistic", 0.0)
    assert set(STEPS) == {"conv", "recurrent", "dense"}


def test_ctgan_is_the_published_network():
    assert CTGAN() == CTGAN(256, 2, 128, 0.2, 256, 2, 10, 0.5)


# TimeGAN, jsyoon0823/TimeGAN at 8f6181c: 10 sqrt(MSE) + 0.1 S for embedder and recovery, and 100 sqrt(S) + 100 V for
# generator and supervisor, with data of 0 to 1, which are -1 to 1 here.


class Supervised(nn.Module):
    """A supervisor that is wrong by a known amount, and a recovery by another one."""

    def ahead(self, latents: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        return torch.cat([latents[:, 1:] + 0.5, latents[:, -1:]], 1)  # squared error 0.25

    def recover(self, latents: torch.Tensor, static: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return latents + 0.2, torch.ones(latents.shape[:2])  # squared error 0.04


class Embedding(nn.Module):
    def forward(self, steps: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        return steps

    def given(self, x: torch.Tensor, y: torch.Tensor | None) -> Any:
        from ganworks.kinds.series.networks.timegan import Given

        return Given(x, torch.ones(x.shape[:2]), torch.zeros(len(x), 1))


def timegan_batch() -> Batch:
    steps = torch.arange(24.0).reshape(2, 4, 3)
    return Batch(lambda: {"x": steps}, Draw(0, 0, slice(0, 2)), size=2, seen=0, progress=0.5, num_classes=0)


def test_the_weights_of_timegan():
    nets, game = {"G": Supervised(), "E": Embedding()}, config("timegan").game
    terms = game.joint_turn(nets, timegan_batch())
    assert terms["recover"].tolist() == pytest.approx([10 * 0.2 / 2] * 2, rel=1e-5)
    assert terms["go_on"].tolist() == pytest.approx([0.1 * 0.25] * 2, rel=1e-5)
    assert next_step(nets["G"], torch.zeros(1, 4, 3), torch.ones(1, 4), torch.zeros(1, 1)).item() == 0.25
    old = TimeGANGame().joint_turn(nets, timegan_batch())  # of 0.1.0: squared errors
    assert old["recover"].tolist() == pytest.approx([10 * 0.04] * 2, rel=1e-5)
    assert old["go_on"].tolist() == pytest.approx([0.1 * 10 * 0.25] * 2, rel=1e-5)


# DP-SGD: the accountant against numbers that no formula of its module has a part in.


def gaussian_delta(spent: float, noise: float) -> float:
    """delta of one Gaussian release at an epsilon, exactly (Balle and Wang 2018, 1805.06530, theorem 8)."""

    def below(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    half, shift = 1 / (2 * noise), spent * noise
    return below(half - shift) - math.exp(spent) * below(-half - shift)


@pytest.mark.parametrize("noise", [1.0, 2.0, 5.0])
def test_epsilon_is_just_above_the_exact_one_of_a_gaussian(noise: float):
    delta = 1e-5
    low, high = 0.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(middle, noise) > delta else (low, middle)
    found = epsilon([Releases(1.0, noise, 1)], delta)
    assert high < found < 1.12 * high


def test_epsilon_by_hand():
    """Order 5 is the best one at noise 1: 5 / 2 + ln(4 / 5) + (ln 100,000 - ln 5) / 4."""
    assert epsilon([Releases(1.0, 1.0, 1)], 1e-5) == pytest.approx(
        2.5 - 0.223144 + (11.512925 - 1.609438) / 4, abs=1e-5
    )


@pytest.mark.parametrize(("rate", "noise", "order"), [(0.01, 1.0, 4), (0.1, 1.5, 8), (0.3, 3.0, 20)])
def test_renyi_is_the_integral_that_defines_it(rate: float, noise: float, order: int):
    x = np.linspace(-40 * noise, 40 * noise + order, 400_001)
    plain = np.exp(-(x**2) / (2 * noise**2)) / (noise * math.sqrt(2 * math.pi))
    ratio = 1 - rate + rate * np.exp((2 * x - 1) / (2 * noise**2))
    moment = float((plain * ratio**order).sum() * (x[1] - x[0]))
    assert renyi(rate, noise, order) == pytest.approx(math.log(moment) / (order - 1), rel=1e-6)
