"""ADA's augmentations against NumPy in float64 and known cases, and the probability that adapts."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.augment import ada, strength
from ganworks.augment.diffaugment import NUMBERS, DiffAugment
from ganworks.core.spec import Draw

OFF = 0.99  # a gate that is shut at every probability below


def numbers(**given):
    """One row of numbers [1, 28] with every gate shut, but for the pairs that are given: name=value."""
    places = {  # columns of the values, then of the gate
        "flip": (0, 1), "quarter": (2, 3), "across": (4, 6), "down": (5, 6), "size": (7, 8), "before": (9, 10),
        "wide": (11, 12), "after": (13, 14), "part_across": (15, 17), "part_down": (16, 17), "light": (18, 19),
        "contrast": (20, 21), "luma": (22, 23), "hue": (24, 25), "saturation": (26, 27),
    }  # fmt: skip
    u = torch.full((1, ada.NUMBERS), OFF)
    u[0, [4, 5, 15, 16]] = 0.5
    for name, value in given.items():
        u[0, places[name][0]], u[0, places[name][1]] = value, 0.0
    return u


def changed(x, names=ada.POLICIES, **given):
    return ada.augmented(x, numbers(**given), 0.9, names)


def picture(height=20, width=20, channels=3):
    """A smooth picture [1, C, H, W] in [-1, 1]."""
    i, j = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return torch.stack([torch.sin(3 * i + 2 * k * j + k) for k in range(channels)])[None]


def test_the_wavelet_is_orthonormal_and_both_ways_are_the_identity():
    f = np.array(ada.SYM6)
    assert [round(float((f[2 * k :] * f[: 12 - 2 * k]).sum()), 10) for k in range(3)] == [1, 0, 0]
    x = torch.rand(2, 3, 9, 14)
    assert torch.allclose(ada.halved(ada.doubled(x)), x, atol=1e-5)
    assert torch.allclose(changed(x[:1]), x[:1], atol=1e-5)


def test_moves_by_whole_pixels_are_exact():
    x = torch.rand(1, 3, 16, 16)
    assert torch.allclose(changed(x, flip=0.7), x.flip(3), atol=1e-5)
    assert torch.allclose(changed(x, quarter=0.3), x.rot90(1, (2, 3)), atol=1e-5)
    moved = changed(x, across=1.0)  # an eighth of 16 pixels to the right
    assert torch.allclose(moved[..., 2:], x[..., :-2], atol=1e-5)
    assert torch.allclose(moved[..., 6, :2], x[..., 6, [2, 1]], atol=0.3)
    tall = torch.rand(1, 1, 10, 16)
    assert torch.allclose(changed(tall, quarter=0.7), tall.rot90(2, (2, 3)), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "matrix"),
    [
        (
            {"size": 0.8},
            np.diag([1 / math.exp(0.2 * math.log(2) * 0.8416212), 1 / math.exp(0.2 * math.log(2) * 0.8416212), 1]),
        ),
        (
            {"wide": 0.2},
            np.diag([math.exp(0.2 * math.log(2) * 0.8416212), math.exp(-0.2 * math.log(2) * 0.8416212), 1]),
        ),
        ({"before": 0.75}, np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])),
        ({"part_across": 0.8}, np.array([[1, 0, -0.8416212 * 0.125 * 40], [0, 1, 0], [0, 0, 1]])),
        ({"part_down": 0.8}, np.array([[1, 0, 0], [0, 1, -0.8416212 * 0.125 * 20], [0, 0, 1]])),
    ],
)
def test_places_are_those_of_the_paper(given, matrix):
    found = ada.placement(numbers(**given)[:, :18], 0.9, (20, 40), ada.POLICIES)[0]
    assert np.allclose(found.numpy(), matrix, atol=1e-5)


def test_a_rotation_shows_the_turned_picture():
    x = picture(32, 32)
    turned = changed(x, before=0.75)  # by a right angle, between the pixels' own places
    assert torch.allclose(turned[..., 6:-6, 6:-6], x.rot90(-1, (2, 3))[..., 6:-6, 6:-6], atol=0.02)
    larger = changed(x, size=0.97)
    factor = math.exp(0.2 * math.log(2) * 1.8807936)
    at = (torch.arange(12, 20) - 15.5) / factor + 15.5
    low, share = at.long(), at - at.long()
    line = x[0, 0, 15]
    assert torch.allclose(larger[0, 0, 15, 12:20], line[low] * (1 - share) + line[low + 1] * share, atol=0.03)


def test_colours_are_those_of_the_paper():
    x = torch.rand(1, 3, 4, 4) * 2 - 1
    plain = x[0].reshape(3, -1).double().numpy()
    z = 0.8416212  # the normal number of 0.8
    grey = np.full((3, 3), 1 / 3)
    cases = {
        "light": (np.eye(3), 0.2 * z),
        "contrast": (np.eye(3) * math.exp(0.5 * math.log(2) * z), 0),
        "luma": (np.eye(3) - 2 * grey, 0),
        "saturation": (grey + (np.eye(3) - grey) * math.exp(math.log(2) * z), 0),
    }
    for name, (matrix, add) in cases.items():
        assert np.allclose(changed(x, **{name: 0.8})[0].reshape(3, -1).numpy(), matrix @ plain + add, atol=1e-5), name
    third = changed(x, hue=0.5 + 1 / 3)[0]  # by 120 degrees: the channels take each other's places
    assert torch.allclose(third, x[0].roll(1, 0), atol=1e-5)
    one = torch.rand(1, 1, 4, 4)
    assert torch.allclose(changed(one, light=0.8, hue=0.3, luma=0.8), one + 0.2 * z, atol=1e-5)


def test_derivatives_of_both_orders_are_right():
    u = torch.rand(2, ada.NUMBERS, generator=torch.Generator().manual_seed(4))
    x = torch.rand(2, 3, 7, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ada.augmented(x, u, 1.0, ada.POLICIES).square(), x, fast_mode=True)


def test_autocast_does_not_bend_it():
    u = torch.rand(4, ada.NUMBERS, generator=torch.Generator().manual_seed(5))
    x = picture(64, 64).expand(4, -1, -1, -1)
    plain = ada.augmented(x, u, 1.0, ada.POLICIES)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ada.augmented(x, u, 1.0, ada.POLICIES), plain)
        rounded = ada.augmented(x.bfloat16(), u, 1.0, ada.POLICIES)
    assert rounded.dtype == torch.bfloat16
    assert float((rounded.float() - plain).abs().mean()) < 0.02


def test_draws_of_diffaugment_do_not_change_and_rows_are_independent():
    draw = Draw(3, 6, slice(0, 6))
    both = DiffAugment("blit,geometry,recolour,color,translation,cutout")
    u = both.draw(draw)
    assert u.shape == (6, NUMBERS + ada.NUMBERS)
    assert torch.equal(u[:, :NUMBERS], DiffAugment().draw(Draw(3, 6, slice(0, 6))))
    x = torch.rand(6, 3, 12, 12) * 2 - 1
    assert torch.allclose(both(x, u, 0.7)[2:4], both(x[2:4], u[2:4], 0.7), atol=1e-5)
    assert torch.equal(both(x, u, 0.0), x)
    assert not torch.allclose(both(x, u, 0.7), x)


def test_the_probability_follows_the_target():
    D = nn.Linear(1, 1)
    strength.equip(D)
    sure, lost = torch.ones(64), torch.cat([torch.ones(32), -torch.ones(32)])
    for _ in range(40):  # 2,560 examples at a tenth of the way each
        strength.observe(D, sure, -sure, 0.6, 12_800, centred=False)
    assert float(strength.probability(D)) == pytest.approx(0.2)
    for _ in range(20):
        strength.observe(D, lost, -lost, 0.6, 12_800, centred=False)
    assert float(strength.probability(D)) == pytest.approx(0.1)
    for _ in range(400):
        strength.observe(D, lost, -lost, 0.6, 12_800, centred=False)
    assert float(strength.probability(D)) == 0
    other = nn.Linear(1, 1)
    strength.equip(other)
    for _ in range(40):  # of paired losses the sign counts from the middle of both
        strength.observe(other, sure + 100, sure + 90, 0.6, 12_800, centred=True)
    assert float(strength.probability(other)) == pytest.approx(0.2)
