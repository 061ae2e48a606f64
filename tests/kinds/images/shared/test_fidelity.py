"""L1, PSNR and SSIM against values worked out by hand and against their definitions."""

import numpy as np
import pytest

from ganworks.core.errors import UsageError
from ganworks.kinds.images.shared.fidelity import l1, luma, psnr, ssim


def images(n=3, c=3, h=24, w=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, c, h, w)).astype(np.uint8)


def test_l1_and_psnr_by_hand():
    a = np.full((2, 3, 16, 16), 100, np.uint8)
    b = a.copy()
    b[1] += 51
    assert np.allclose(l1(a, b), [0, 0.2])
    assert np.allclose(psnr(a, b), [100, 20 * np.log10(5)])


def test_uint8_does_not_wrap():
    a, b = np.full((1, 1, 12, 12), 250, np.uint8), np.full((1, 1, 12, 12), 5, np.uint8)
    assert np.allclose(l1(a, b), 245 / 255) and np.allclose(l1(b, a), 245 / 255)


def ssim_by_definition(x, y):
    """One channel, window by window, with weighted sums straight from the paper."""
    at = np.arange(11) - 5
    g = np.exp(-(at**2) / (2 * 1.5**2))
    w = np.outer(g, g) / g.sum() ** 2
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11].astype(float), y[i : i + 11, j : j + 11].astype(float)
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq, c = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum(), (w * (p - mp) * (q - mq)).sum()
            top = (2 * mp * mq + 2.55**2) * (2 * c + 7.65**2)
            values.append(top / ((mp**2 + mq**2 + 2.55**2) * (vp + vq + 7.65**2)))
    return np.mean(values)


def test_ssim_is_its_definition():
    a, b = images(1, 1), images(1, 1, seed=1)
    near = np.clip(a.astype(int) + b // 8, 0, 255).astype(np.uint8)
    for other in (b, near):
        assert ssim(a, other)[0] == pytest.approx(ssim_by_definition(a[0, 0], other[0, 0]), abs=1e-12)


def test_ssim_of_channels_is_their_mean():
    a, b = images(), images(seed=1)
    each = [ssim(a[:, c : c + 1], b[:, c : c + 1]) for c in range(3)]
    assert np.allclose(ssim(a, b), np.mean(each, 0))
    assert np.allclose(ssim(a, a), 1)


def test_luma_range():
    white, black = np.full((1, 3, 4, 4), 255, np.uint8), np.zeros((1, 3, 4, 4), np.uint8)
    assert np.allclose(luma(white), 235) and np.allclose(luma(black), 16) and np.allclose(luma(white[:, :1]), 235)
    a, b = images(), images(seed=1)
    assert np.allclose(psnr(a, b, luma=True), psnr(luma(a), luma(b)))
    assert not np.allclose(ssim(a, b, luma=True), ssim(a, b))


def test_border_is_cut_from_every_side():
    a = images(1)
    b = a.copy()
    b[:, :, :2], b[:, :, -2:], b[:, :, :, :2], b[:, :, :, -2:] = 0, 0, 0, 0
    assert l1(a, b)[0] > 0 and l1(a, b, border=2)[0] == 0 and l1(a, b, border=1)[0] > 0
    assert ssim(a, b, border=2)[0] == pytest.approx(1)


def test_small_images_and_mistakes():
    a, b = images(1, 1, 6, 9), images(1, 1, 6, 9, seed=1)
    assert -1 <= ssim(a, b)[0] < 1
    with pytest.raises(UsageError, match="same shape"):
        psnr(a, images(1, 1, 6, 8))
    with pytest.raises(UsageError, match="border=3"):
        l1(a, b, border=3)
