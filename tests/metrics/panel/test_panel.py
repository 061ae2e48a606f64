"""The metrics of the panel, against closed forms and independent computations."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.metrics.features import Identity
from ganworks.metrics.panel import patches, structure
from ganworks.metrics.panel.choose import PANEL, chosen, measure
from ganworks.metrics.panel.classes import inception_score
from ganworks.metrics.panel.examined import Examined
from ganworks.use.exploring.nearby import pairs_of
from ganworks.use.model import Model

SPEC = Spec("images", (1, 16, 16), classes=("a", "b"))


def shapes(n, seed, classes=2):
    """Bright bars, upright in class 0 and level in class 1, at random places: (x [n, 1, 16, 16] uint8, y [n])."""
    draw = np.random.default_rng(seed)
    x, y = np.full((n, 1, 16, 16), 20, np.uint8), np.arange(n) % classes
    for k, at in enumerate(draw.integers(1, 13, n)):
        (x[k, 0, :, at : at + 3] if y[k] == 0 else x[k, 0, at : at + 3])[...] = 220
    return x + draw.integers(0, 20, x.shape).astype(np.uint8), y


def examined(made, asked, real=None, labels=None, count=200, near=None):
    """Samples `made` of classes `asked` beside bars of which half are held out."""
    real, labels = shapes(400, 1) if real is None else (real, labels)
    n = len(real) // 2
    data = SimpleNamespace(
        spec=SPEC,
        fingerprint="bars",
        train=np.arange(n),
        held=np.arange(n, 2 * n),
        labels=labels,
        raw=lambda i: real[i],
    )
    return Examined(
        lambda start, size: (made[start : start + size], asked[start : start + size]),
        data,
        Identity(SPEC),
        count,
        0,
        None,
        near,
    )


def slow_ms_ssim(a, b):
    """One scale, pixel by pixel, of two pictures [H, W] that span 255."""
    x = np.arange(11) - 5
    g = np.exp(-(x**2) / 4.5)
    w = np.outer(g, g) / g.sum() ** 2
    c1, c2, total = (0.01 * 255) ** 2, (0.03 * 255) ** 2, []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq, c = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum(), (w * (p - mp) * (q - mq)).sum()
            total.append((2 * mp * mq + c1) * (2 * c + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return np.mean(total)


def test_structural_similarity_is_that_of_its_definition():
    a, b = (np.random.default_rng(k).uniform(0, 255, (16, 16)) for k in (0, 1))
    b = 0.6 * a + 0.4 * b
    found = structure.ms_ssim(*(torch.from_numpy(x)[None, None] for x in (a, b)))
    assert structure.scales(16, 16) == 1
    assert float(found) == pytest.approx(slow_ms_ssim(a, b), abs=1e-10)
    same = torch.from_numpy(np.random.default_rng(2).uniform(0, 255, (2, 3, 180, 180)))
    assert structure.scales(180, 180) == 5
    assert torch.allclose(structure.ms_ssim(same, same), torch.ones(2, dtype=torch.float64))
    assert (structure.ms_ssim(same, same.flip(0)) < 0.2).all()


def test_a_class_that_makes_one_picture_is_alike():
    made, asked = shapes(200, 2)
    honest = measure(["ms_ssim"], examined(made, asked))[0]["ms_ssim"]
    assert abs(honest.value - honest.floor) < 0.05
    made[asked == 1] = made[1]
    collapsed = measure(["ms_ssim"], examined(made, asked))[0]["ms_ssim"]
    assert collapsed.value > honest.value + 0.3


def test_pairs_are_of_one_class_and_never_the_same_example():
    y = np.array([0, 0, 1, 1, 1, 2])
    i, j = structure.pairs(y, 6, 50, 0)
    assert len(i) == 50
    assert (y[i] == y[j]).all()
    assert (i != j).all()


def test_a_pyramid_adds_up_to_the_picture():
    x = torch.rand(2, 3, 64, 40)
    levels = patches.pyramid(x)
    assert [tuple(level.shape[2:]) for level in levels] == [(64, 40), (32, 20)]
    flat = torch.full((1, 1, 64, 64), 0.3)
    assert torch.allclose(patches.pyramid(flat)[-1], torch.full((1, 1, 16, 16), 0.3), atol=1e-6)


def test_the_sliced_distance_of_a_shift_is_its_mean_projection():
    draw = torch.Generator().manual_seed(0)
    a = torch.randn(4000, 5, generator=draw)
    shift = torch.tensor([3.0, 0, 0, 0, 0])
    found = patches.sliced(a, a[torch.randperm(4000, generator=draw)] + shift, draw, directions=4096)
    one = math.gamma(2.5) / (
        math.gamma(3) * math.sqrt(math.pi)
    )  # mean of |a coordinate| of a unit vector in 5 dimensions
    assert found == pytest.approx(3 * one, rel=0.03)
    assert patches.sliced(a, a.flip(0), draw) == 0


def test_patches_of_blurred_samples_are_further_away():
    made, asked = shapes(200, 2)
    sharp = measure(["swd"], examined(made, asked))[0]["swd"]
    soft = made.copy()
    soft[:, :, 1:-1] = (made[:, :, :-2].astype(int) // 3 + made[:, :, 1:-1] // 3 + made[:, :, 2:] // 3).astype(np.uint8)
    blurred = measure(["swd"], examined(soft, asked))[0]["swd"]
    assert abs(sharp.value - sharp.floor) < 0.3 * sharp.floor
    assert blurred.value > 2 * sharp.value


def test_inception_scores_of_known_probabilities():
    assert inception_score(np.eye(5)[np.arange(900) % 5]).value == pytest.approx(5)
    assert inception_score(np.full((5000, 5), 0.2)).value == pytest.approx(1)
    assert inception_score(np.eye(5)[np.zeros(5000, int)]).value == pytest.approx(1)
    half = np.where(np.arange(1000)[:, None] % 2 == 0, [0.9, 0.1], [0.1, 0.9])
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert inception_score(half).value == pytest.approx(math.exp(math.log(2) - entropy), rel=2e-3)


def test_classes_that_are_exchanged_are_seen_class_by_class():
    made, asked = shapes(200, 2)
    right = measure(["kid_by_class", "cas"], examined(made, asked))[0]
    wrong = measure(["kid_by_class", "cas"], examined(made, 1 - asked))[0]
    assert abs(right["kid_by_class"].value) < 0.05 * wrong["kid_by_class"].value
    assert right["cas"].value > 0.95
    assert wrong["cas"].value < 0.05
    assert wrong["cas"].floor > 0.95


class Scaled(nn.Module):
    """G(z) = z / 10, unlabelled."""

    z_dim = 256

    def forward(self, z, y=None):
        return z.view(-1, 1, 16, 16) / 10


def test_the_path_length_of_a_scaling_is_known():
    spec = Spec("images", (1, 16, 16))
    model = Model(Scaled(), spec)
    made, asked = shapes(200, 2)
    found = measure(["ppl"], examined(made, asked, near=pairs_of(model)))[0]["ppl"]
    # along a great circle z moves by angle * length: a right angle, and 256 = the mean squared length
    assert found.value == pytest.approx((math.pi / 2) ** 2 * 256 / 100, rel=0.03)
    with pytest.raises(UsageError, match="needs a generator"):
        measure(["ppl"], examined(made, asked))


def test_names_are_checked_and_what_does_not_apply_is_said():
    assert chosen("swd, MS-SSIM,swd") == ("swd", "ms_ssim")
    assert chosen("all") == tuple(PANEL)
    with pytest.raises(UsageError, match="kid_by_class"):
        chosen("kid_class")
    made, asked = shapes(200, 2)
    with pytest.raises(UsageError, match="features=classifier"):
        measure(["is"], examined(made, asked))
    state = torch.get_rng_state()
    found, left = measure(list(PANEL), examined(made, asked), skip=True)
    assert {"swd", "ms_ssim", "kid_by_class", "cas"} <= set(found)
    assert len(left) == 2
    assert torch.equal(state, torch.get_rng_state())
