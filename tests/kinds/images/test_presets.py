"""Which networks the recipes with published presets take, what they say of it, and the presets' own numbers."""

import pytest
import torch

from ganworks.core import registry
from ganworks.core.errors import UsageError
from ganworks.core.settings import Budget, Facts
from ganworks.core.spec import Spec
from ganworks.kinds.images.domain import Images
from ganworks.kinds.images.presets import gamma_at


def config(name, side=32, *, device="cpu", budget="10m", count=50_000, classes=0, channels=3, **given):
    made, _ = registry.recipe_function(name)
    spec = Spec("images", (channels, side, side), tuple(str(k) for k in range(classes)))
    given = {key.replace("_", ".", 1): value for key, value in given.items()}
    return made(Facts(spec, count, Budget.parse(budget), device, 300.0, Images(), given)), spec


def millions(made, spec):
    with torch.device("meta"):
        nets = made.networks.build(spec)
    return tuple(round(sum(p.numel() for p in nets[name].parameters()) / 1e6, 2) for name in "GD")


@pytest.mark.parametrize(
    ("side", "classes", "count", "counts", "preset"),
    [
        (32, 10, 50_000, (20.78, 21.28), (512, 0.05, 5e6, 0.55, 0.08)),
        (64, 0, 70_000, (22.43, 22.38), (256, 2.0, 5e5, 0.3, 0.2)),
        (256, 0, 70_000, (23.06, 23.01), (256, 150.0, 5e5, 0.3, 0.1)),
        (32, 1000, 1_281_167, (82.91, 86.55), (4096, 0.5, 5e7, 0.5, 0.2)),
        (64, 1000, 1_281_167, (103.57, 107.21), (4096, 1.0, 5e7, 0.4, 0.2)),
    ],
)
def test_r3gan_on_a_gpu_is_the_public_preset(side, classes, count, counts, preset):
    made, spec = config("r3gan", side, device="cuda", count=count, classes=classes)
    game, (batch, gamma, life, p, burn_in) = made.game, preset
    assert millions(made, spec) == counts
    assert (made.train.batch, made.train.ema) == (batch, (life,))
    assert (game.r1, game.r2, game.r1_end, game.r2_end) == (gamma, gamma, gamma / 10, gamma / 10)
    assert (game.augment, game.augment_p) == ("color,translation,cutout", p)
    assert game.augment_ramp == game.burn_in == made.g.burn_in == made.d.burn_in == burn_in
    assert "The published networks" in made.notes[0]


def test_r3gan_on_a_cpu_is_small_and_says_so_and_takes_the_published_width_when_asked():
    small, spec = config("r3gan", classes=10)
    assert (small.networks.width, small.train.batch) == (64, 64) and max(millions(small, spec)) < 0.5
    assert "small form, 64 wide with batch 64" in small.notes[0] and "networks.width=768" in small.notes[0]
    for given in ({"networks_width": 768}, {"networks_width": "768"}, {"networks_widths": [768] * 4}):
        asked, _ = config("r3gan", classes=10, **given)
        assert millions(asked, spec) == (20.78, 21.28) and "published networks, 768 wide" in asked.notes[0]
        assert asked.train.batch == 512
    assert config("r3gan", **{"networks_width": 32})[0].notes == small.notes
    with pytest.raises(UsageError, match=r"networks\.width"):
        config("r3gan", networks_width="wide")


def test_r3gans_gamma_meets_the_presets_and_rises_between_and_beyond_them():
    assert [gamma_at(side) for side in (8, 28, 32, 64, 256)] == [0.05, 0.05, 0.05, 2.0, 150.0]
    assert 0.05 < gamma_at(48) < 2.0 < gamma_at(128) == pytest.approx(2 * 75**0.5, rel=1e-4)
    assert gamma_at(512) == pytest.approx(150 * 75**0.5, rel=1e-4)
    assert config("r3gan", 28, channels=1)[0].game.augment == "translation,cutout"


@pytest.mark.parametrize(
    ("side", "classes", "counts", "gamma", "settings"),
    [
        (32, 10, (20.22, 23.09), 0.01, {"train.batch": 64, "game.path": 0.0, "game.mixing": 0.0}),
        (64, 0, (22.24, 23.41), 0.0002 * 64**2 / 32, {"train.batch": 32, "game.path": 2.0, "game.mixing": 0.9}),
        (256, 0, (24.77, 24.0), 1.0, {"train.batch": 64, "networks.group": 8, "networks.mapping": 8}),
        (512, 0, (30.28, 28.98), 0.5, {"train.batch": 64, "networks.group": 8}),
        (1024, 0, (30.37, 29.01), 2.0, {"train.batch": 32, "networks.group": 4}),
    ],
)
def test_stylegan2_on_a_gpu_is_the_public_preset(side, classes, counts, gamma, settings):
    made, spec = config("stylegan2", side, device="cuda", classes=classes)
    lr = 0.002 if side == 1024 else 0.0025
    assert millions(made, spec) == counts
    assert (made.game.r1, made.game.r2, made.game.penalty_every) == (pytest.approx(gamma), 0.0, 16)
    assert made.d.lr == pytest.approx(lr * 16 / 17) and made.d.betas == (0.0, pytest.approx(0.99 ** (16 / 17)))
    c = 4 / 5 if side > 32 else 1
    assert made.g.lr == pytest.approx(lr * c) and made.g.betas == (0.0, pytest.approx(0.99**c))
    assert made.game.augment == "" and "preset" in made.notes[0]
    for path, wanted in settings.items():
        part, _, name = path.partition(".")
        assert getattr(getattr(made, part), name) == wanted


def test_stylegan2_on_a_cpu_is_small_and_says_so_and_takes_the_published_width_when_asked():
    widths = []
    for budget in ("2m", "10m", "2h", "200k"):
        made, _ = config("stylegan2", budget=budget)
        widths.append(made.networks.width)
        assert f"small form, {made.networks.width} wide" in made.notes[0] and "networks.width=512" in made.notes[0]
        assert (made.train.batch, made.networks.z_dim, made.networks.mapping) == (16, 64, 2)
        assert not made.networks.noise and made.networks.residual and made.g.lr_end == pytest.approx(made.g.lr / 10)
    assert widths[:3] == sorted(widths[:3]) and widths[0] < widths[2] <= 128 and widths[3] == 32
    asked, spec = config("stylegan2", networks_width=512, classes=10)
    assert millions(asked, spec) == (20.22, 23.09) and asked.notes == ("The published networks: preset cifar.",)


def test_few_images_are_augmented_where_they_are_seen_often():
    few, often = {"count": 500}, {"count": 500, "budget": "1M"}
    assert config("stylegan2", 64, **few, budget="10k")[0].game.augment == ""
    made = config("stylegan2", 64, **often)[0]
    assert made.game.augment == "color,translation,cutout" and "500 images" in made.notes[1]
    assert config("stylegan2", 64, device="cuda", **few)[0].game.augment
