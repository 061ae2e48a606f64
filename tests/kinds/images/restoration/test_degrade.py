"""Degradations: exactly Pillow's where they are Pillow's, with the stated strengths, keyed by the draw."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.spec import Draw
from ganworks.kinds.images.restoration.degrade import Degrade, gaussians


def draw(rows: int, seed: int = 3) -> Draw:
    return Draw(seed, rows, slice(None))


def photos(rows: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    """Smooth noise, uint8 [rows, height, width, channels]."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (rows, height // 4 + 1, width // 4 + 1, channels), np.uint8)
    return small.repeat(4, 1).repeat(4, 2)[:, :height, :width]


def unit(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1


def levels(x: torch.Tensor) -> np.ndarray:
    return ((x + 1) * 127.5).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["bicubic", "lanczos", "area"])
def test_shrinking_is_pillows_bit_for_bit(scale, name):
    x = photos(2, 48, 60)
    made = levels(Degrade(name, scale)(unit(x), draw(2)))
    kind = {"bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS, "area": Image.BOX}[name]
    for row, image in zip(made, x, strict=True):
        wanted = np.asarray(Image.fromarray(image).resize((60 // scale, 48 // scale), kind))
        np.testing.assert_allclose(row, wanted, atol=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_margin_hides_the_border_of_a_crop(scale):
    chain, x = Degrade("bicubic", scale), unit(photos(1, 60 * 4, 60 * 4))
    m, at, side = chain.margin, 12 * scale, 12 * scale
    crop = x[:, :, at - m : at + side + m, at - m : at + side + m]
    small = chain(crop, draw(1))[:, :, m // scale : -m // scale, m // scale : -m // scale]
    whole = chain(x, draw(1))[:, :, 12:24, 12:24]
    assert small.shape == whole.shape
    torch.testing.assert_close(small, whole, atol=1e-6, rtol=0)


def test_noise_has_its_strength():
    x = torch.zeros(4, 3, 64, 64)
    found = levels(Degrade("noise=25")(x, draw(4)))
    assert abs(found.std() - 25) < 0.5
    assert abs(found.mean() - 127.5) < 0.6
    np.testing.assert_allclose(found, np.rint(found), atol=1e-3)
    each = levels(Degrade("noise=0-20")(torch.zeros(64, 1, 32, 32), draw(64))).std((1, 2, 3))
    assert each.min() < 4
    assert each.max() > 16


def test_shot_noise_grows_with_the_level():
    x = torch.tensor([50.0, 150.0]).view(2, 1, 1, 1).expand(2, 1, 100, 100) / 127.5 - 1
    found = levels(Degrade("poisson=1")(x, draw(2))).var((1, 2, 3))
    np.testing.assert_allclose(found, [50, 150], rtol=0.06)


def test_a_blur_has_its_standard_deviation():
    x = torch.full((1, 1, 41, 41), -1.0)
    x[0, 0, 20, 20] = 1.0
    for text, most, least in (("blur=2", 2, 2), ("motion=3", 3, 1)):
        spread = (Degrade(text)(x, draw(1), eight_bit=False) + 1)[0, 0].numpy()
        at = np.arange(41) - 20
        spread /= spread.sum()
        rows, columns = spread.sum(1) @ at**2, spread.sum(0) @ at**2
        cross = (spread * at[:, None] * at).sum()
        found = np.sqrt(np.linalg.eigvalsh([[rows, cross], [cross, columns]]))
        np.testing.assert_allclose(found, [least, most], rtol=0.06)


def test_kernels_keep_the_mean():
    kernels = gaussians(torch.tensor([0.1, 1.0, 4.0]), torch.tensor([0.1, 3.0, 1.0]), torch.tensor([0.0, 0.5, 2.0]), 9)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(3))


def test_jpeg_is_pillows():
    x = photos(2, 40, 40)
    made = levels(Degrade("jpeg=40")(unit(x), draw(2)))
    for row, image in zip(made, x, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=40)
        np.testing.assert_allclose(row, np.asarray(Image.open(file)), atol=1e-3)


def test_grey_is_pillows_luma():
    x = photos(2, 20, 20)
    made = levels(Degrade("grey")(unit(x), draw(2)))
    assert made.shape == (2, 20, 20, 1)
    for row, image in zip(made, x, strict=True):
        assert np.abs(row[:, :, 0] - np.asarray(Image.fromarray(image).convert("L"))).max() <= 1.001


def test_chains_go_in_order_and_shrink_behind_the_blurs():
    assert [s.name for s in Degrade("blur=1.5+noise=10+jpeg=60", 2).steps] == ["blur", "bicubic", "noise", "jpeg"]
    assert [s.name for s in Degrade("noise=10+area", 2).steps] == ["noise", "area"]
    assert [s.name for s in Degrade("", 4).steps] == ["bicubic"]
    x = unit(photos(3, 32, 32))
    both = Degrade("grey+noise=5")(x, draw(3))
    assert both.shape == (3, 1, 32, 32)
    assert Degrade("blur=1.5+noise=10+jpeg=60", 2)(x, draw(3)).shape == (3, 3, 16, 16)


def test_realistic_differs_from_image_to_image_and_is_a_picture():
    x = unit(photos(1, 32, 32)).expand(12, -1, -1, -1)
    made = Degrade("realistic", 2)(x, draw(12))
    assert made.shape == (12, 3, 16, 16)
    assert made.abs().max() <= 1
    assert len(made.flatten(1).unique(dim=0)) == 12
    assert (levels(made) - np.rint(levels(made))).max() < 1e-3


@pytest.mark.parametrize("text", ["noise=5-50", "blur=0.5-2+noise=3", "realistic", "motion=2+poisson=1+jpeg=30-90"])
def test_draws_are_keyed_and_independent_of_the_rank(text):
    x = unit(photos(4, 24, 24))
    chain = Degrade(text)
    both = chain(x, draw(4))
    torch.testing.assert_close(chain(x, draw(4)), both, rtol=0, atol=0)
    torch.testing.assert_close(chain(x[2:], Draw(3, 4, slice(2, 4))), both[2:], rtol=0, atol=1e-6)
    assert not torch.equal(chain(x, draw(4, 4)), both)


def test_floats_are_not_rounded():
    x = torch.rand(2, 5, 16, 16) * 4 - 2
    made = Degrade("bicubic", 2)(x, draw(2), eight_bit=False)
    assert made.shape == (2, 5, 8, 8)
    assert abs(float(made.mean() - x.mean())) < 0.02
    assert made.abs().max() > 1


@pytest.mark.parametrize(
    ("text", "scale", "match"),
    [
        ("blurr=2", 1, "blur"),
        ("noise", 1, "needs a number"),
        ("grey=3", 1, "takes no number"),
        ("noise=500", 1, "between 0 and 100"),
        ("noise=50-5", 1, "between"),
        ("bicubic", 1, "scale is 1"),
        ("bicubic+area", 2, "twice"),
        ("", 1, "at least one step"),
        ("noise=2;rm", 1, "no step"),
    ],
)
def test_texts_that_are_none_are_refused(text, scale, match):
    with pytest.raises(UsageError, match=match):
        Degrade(text, scale)


def test_steps_that_do_not_fit_the_channels_are_refused():
    assert Degrade("grey").channels(3) == 1
    assert Degrade("noise=5").channels(7) == 7
    with pytest.raises(UsageError, match="RGB"):
        Degrade("grey").channels(1)
    with pytest.raises(UsageError, match="JPEG"):
        Degrade("jpeg=50").channels(4)
