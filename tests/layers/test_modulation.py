"""Modulated convolutions, equalised learning rate and resampled convolutions, each against sums written out in NumPy.

Everything is float64, and nothing of the code under test has a part in the expected numbers.
"""

import math

import numpy as np
import pytest
import torch

from ganworks.layers.equalised import EqualConv, EqualLinear, pixel_norm, scaled_leaky
from ganworks.layers.minibatch_deviation import GroupDeviation, group_deviation
from ganworks.layers.mixing import mixing
from ganworks.layers.modulation import ModulatedConv
from ganworks.layers.resample import down2_conv, smooth, up2_conv

TAPS = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


def correlate(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Valid cross-correlation of one map [H, W], tap by tap."""
    rows, columns = x.shape[0] - kernel.shape[0] + 1, x.shape[1] - kernel.shape[1] + 1
    out = np.zeros((rows, columns))
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            out += kernel[i, j] * x[i : i + rows, j : j + columns]
    return out


def upfirdn(x: np.ndarray, up: int, down: int, before: int, after: int, gain: float) -> np.ndarray:
    """Zeros between the pixels of a map, zeros around it, the filter [1,3,3,1], every `down`-th pixel."""
    stuffed = np.zeros((x.shape[0] * up, x.shape[1] * up))
    stuffed[::up, ::up] = x
    return correlate(np.pad(stuffed, (before, after)), TAPS * gain)[::down, ::down]


def convolve(maps: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Valid convolution layer of one example: maps [I, H, W], weight [O, I, k, k]."""
    return np.stack([sum(correlate(m, k) for m, k in zip(maps, kernels, strict=True)) for kernels in weight])


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x))


@pytest.mark.parametrize(("pad", "gain"), [(0, 1.0), (1, 4.0), (2, 1.0)])
def test_the_filter_is_the_written_out_one(pad, gain):
    x = random(7, 6)
    wanted = upfirdn(x, 1, 1, pad, pad, gain)
    np.testing.assert_allclose(smooth(tensor(x)[None, None], pad, gain)[0, 0].numpy(), wanted, atol=1e-12)
    rough = smooth(tensor(x)[None, None].bfloat16(), pad, gain)  # another way on a CPU
    assert rough.dtype == torch.bfloat16
    np.testing.assert_allclose(rough[0, 0].float().numpy(), wanted, atol=0.05 * gain)


def test_convolutions_that_resample_are_the_written_out_ones():
    """The filtered map reaches one pixel over the border before the 3x3 weights, as in StyleGAN2's public code."""
    x, weight, bias = random(3, 4, 6), random(2, 3, 3, 3, seed=1), random(2, seed=2)
    up = np.stack([upfirdn(m, 2, 1, 3, 2, 4.0) for m in x])
    wanted = convolve(up, weight[:, :, ::-1, ::-1])
    np.testing.assert_allclose(up2_conv(tensor(x)[None], tensor(weight))[0].numpy(), wanted, atol=1e-12)
    down = np.stack([upfirdn(m, 1, 1, 2, 2, 1.0) for m in x])
    wanted = convolve(down, weight)[:, ::2, ::2] + bias[:, None, None]
    found = down2_conv(tensor(x)[None], tensor(weight), tensor(bias))[0].numpy()
    assert found.shape == (2, 2, 3)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(("kernel", "up"), [(3, False), (1, False), (3, True)])
def test_modulation_scales_the_weights_of_each_example(kernel, up, demodulate):
    """Equations 1 and 3 of 1912.04958, with one weight for each example as they are written."""
    torch.manual_seed(0)
    layer = ModulatedConv(3, 2, kernel, 5, demodulate=demodulate, up=up).double()
    x, w = random(2, 3, 4, 5), random(2, 5, seed=1)
    weight, style = layer.weight.detach().numpy(), layer.style
    for n in range(2):
        s = style.weight.detach().numpy() @ w[n] / math.sqrt(5) + style.bias.detach().numpy()
        own = weight / math.sqrt(3 * kernel**2) * s[None, :, None, None]
        if demodulate:
            own = own / np.sqrt((own**2).sum((1, 2, 3), keepdims=True) + 1e-8)
        if up:
            wanted = convolve(np.stack([upfirdn(m, 2, 1, 3, 2, 4.0) for m in x[n]]), own[:, :, ::-1, ::-1])
        else:
            wanted = convolve(np.pad(x[n], ((0, 0), (kernel // 2,) * 2, (kernel // 2,) * 2)), own)
        np.testing.assert_allclose(layer(tensor(x), tensor(w))[n].detach().numpy(), wanted, atol=1e-10)


def test_demodulated_maps_keep_unit_size_whatever_the_style():
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 3, 4)
    x = torch.randn(8, 64, 16, 16)
    for size in (0.1, 1.0, 100.0):
        made = layer(x, size * torch.randn(8, 4)).detach()[:, :, 1:-1, 1:-1]
        assert float(made.std()) == pytest.approx(1.0, rel=0.05)


def test_an_equalised_rate_moves_outputs_alike_whatever_the_fan_in():
    """A step of the same size for every weight changes outputs by about as much, a hundredth of it at rate 0.01."""
    torch.manual_seed(0)
    for inputs, rate in ((4, 1.0), (1024, 1.0), (64, 0.01)):
        layer, x = EqualLinear(inputs, 512, rate=rate), torch.randn(256, inputs)
        before = layer(x).detach()
        assert float(before.std()) == pytest.approx(1.0, rel=0.15)
        with torch.no_grad():
            layer.weight += 0.01 * torch.randn_like(layer.weight).sign()
        assert float((layer(x).detach() - before).std()) == pytest.approx(0.01 * rate, rel=0.15)
    conv = EqualConv(32, 8, 3)
    assert float(conv(torch.randn(16, 32, 12, 12)).detach()[:, :, 1:-1, 1:-1].std()) == pytest.approx(1.0, rel=0.1)
    assert EqualLinear(3, 2, bias=1.0, rate=0.01)(torch.zeros(1, 3)).tolist() == [[1.0, 1.0]]


def test_pixel_norm_and_activation_by_hand():
    x = tensor(random(3, 4))
    wanted = x.numpy() / np.sqrt((x.numpy() ** 2).mean(1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(pixel_norm(x).numpy(), wanted, rtol=1e-12)
    assert pixel_norm(torch.zeros(1, 4)).tolist() == [[0.0] * 4]
    assert scaled_leaky(torch.tensor([2.0, -1.0])).tolist() == pytest.approx([2 * math.sqrt(2), -0.2 * math.sqrt(2)])


@pytest.mark.parametrize(("batch", "size", "used"), [(8, 4, 4), (6, 4, 3), (4, 32, 4), (5, 4, 1)])
def test_minibatch_deviation_of_groups_by_hand(batch, size, used):
    """1710.10196, section 3, in groups of examples that are batch / size apart."""
    x = random(batch, 2, 3, 3)
    groups = batch // used
    for n in range(batch):
        members = x[n % groups :: groups]
        assert len(members) == used
        wanted = np.sqrt(((members - members.mean(0)) ** 2).mean(0) + 1e-8).mean()
        found = group_deviation(tensor(x), size)[n]
        assert found.shape == (1, 3, 3)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4)
    layer = GroupDeviation(size)
    assert layer(tensor(x)).shape == (batch, 3, 3, 3) and mixing(layer) == ["GroupDeviation"]


def test_the_gradient_of_minibatch_deviation_is_finite_where_all_are_equal():
    x = torch.zeros(4, 1, 2, 2, requires_grad=True)
    group_deviation(x, 4).sum().backward()
    assert x.grad.isfinite().all()
