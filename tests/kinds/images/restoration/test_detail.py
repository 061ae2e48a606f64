"""High frequencies: what counts as one, and that neither energy nor correlation alone is fooled."""

import numpy as np
import pytest

from ganworks.kinds.images.restoration.detail import detail, grid_energy, high_frequencies, with_noise


def wave(cycles: float, side: int = 64) -> np.ndarray:
    """A cosine along x with so many cycles per pixel, even at both borders."""
    return np.cos(2 * np.pi * cycles * (np.arange(side) + 0.5))[None].repeat(side, 0)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_border_is_the_nyquist_frequency_of_the_reduced_image(scale):
    limit = 0.5 / scale
    low, high = wave(limit - 1 / 64), wave(limit + 1 / 64)
    assert np.abs(high_frequencies(low, scale)).max() < 1e-9
    np.testing.assert_allclose(high_frequencies(high, scale), high, atol=1e-9)
    np.testing.assert_allclose(high_frequencies(low.T + high.T, scale), high.T, atol=1e-9)


def test_a_ramp_has_no_edge_where_the_image_ends():
    ramp = np.arange(64.0)[None].repeat(64, 0)
    assert np.abs(high_frequencies(ramp, 2)).max() < 0.5  # a plain FFT: 15


def image(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 127 + 20 * rng.standard_normal((1, 3, 48, 40))


def test_the_original_the_blurred_and_the_noisy():
    x = image()
    assert [float(v[0]) for v in detail(x, x, 2)] == pytest.approx([1, 1])
    half = 127 + (x - 127) / 2
    assert [float(v[0]) for v in detail(half, x, 2)] == pytest.approx([0.25, 1])
    flat = np.full_like(x, 100)
    energy, match = detail(flat, x, 2)
    assert energy[0] == pytest.approx(0, abs=1e-20)
    assert not match[0] > 0.5
    energy, match = detail(image(1), x, 2)
    assert energy[0] == pytest.approx(1, abs=0.15)
    assert abs(match[0]) < 0.1
    assert np.isnan(detail(x, flat, 2)[0]).all() or detail(x, flat, 2)[0] > 1e10


def test_white_noise_buys_the_energy_and_loses_the_match():
    x = image(7)
    blurred = 127 + (x - 127) * 0.4
    noisy = with_noise(blurred, x, 2, 0.9)
    energy, match = detail(noisy, x, 2)
    assert energy[0] == pytest.approx(0.9, abs=0.1)
    assert match[0] < detail(blurred, x, 2)[1][0] - 0.3
    grey = with_noise(blurred[:, :1], x[:, :1], 2, 0.9)
    assert detail(grey, x[:, :1], 2)[0][0] == pytest.approx(0.9, abs=0.1)


def test_borders_are_left_out():
    x = image(7)
    y = x.copy()
    y[:, :, :4] += np.resize([80, -80], (4, 40))
    assert detail(y, x, 2, border=8)[1][0] > 0.97 > detail(y, x, 2)[1][0]


def photo(seed: int = 0, side: int = 96) -> np.ndarray:
    """Random waves whose energy falls with the frequency, as that of photos does."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]) + 1 / side
    plane = np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) / frequency**2).real
    return 127 + 40 * (plane / plane.std())[None, None]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_faint_grid_is_found_and_other_changes_are_none(scale):
    x = photo()
    pattern = np.resize(np.random.default_rng(1).standard_normal((scale, scale)), (scale, scale))
    tiled = np.tile(pattern - pattern.mean(), (96 // scale, 96 // scale))
    assert grid_energy(x, x, scale)[0] == pytest.approx(1)
    assert grid_energy(x + 4 * tiled / tiled.std(), x, scale)[0] > 5
    assert 0.5 < grid_energy(np.rint(photo(2)), x, scale)[0] < 2
    noisy = x + np.random.default_rng(2).standard_normal(x.shape) * 5
    assert 0.3 < grid_energy(noisy, x, scale)[0] < 3
    assert np.isnan(grid_energy(x[:, :, :9], x[:, :, :9], scale)).all()
