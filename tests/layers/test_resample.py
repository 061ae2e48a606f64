"""Resampling against its definition: zero-stuffing, a full convolution, and every second sample."""

import pytest
import torch
import torch.nn.functional as F

from ganworks.layers.resample import down2, up2

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
FILTER = (TAPS[:, None] * TAPS / 64)[None, None]
SIZES = [(8, 8), (2, 6), (14, 4)]


@pytest.mark.parametrize("size", SIZES)
def test_up2_is_zero_stuffing_then_the_filter_with_gain_4(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    stuffed = torch.zeros(2, 3, 2 * size[0], 2 * size[1], dtype=torch.float64)
    stuffed[..., ::2, ::2] = x
    wanted = F.conv2d(F.pad(stuffed, (2, 1, 2, 1)).flatten(0, 1)[:, None], 4 * FILTER)
    assert torch.allclose(up2(x), wanted.reshape(stuffed.shape), atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_down2_is_the_filter_then_every_second_pixel(size):
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    wanted = F.conv2d(F.pad(x, (1, 2, 1, 2)).flatten(0, 1)[:, None], FILTER)[..., ::2, ::2]
    assert torch.allclose(down2(x), wanted.reshape(2, 3, size[0] // 2, size[1] // 2), atol=1e-12)


@pytest.mark.parametrize("resample", [up2, down2])
def test_layout_and_dtype_survive_and_it_differentiates_twice(resample):
    x = torch.randn(2, 4, 6, 6).to(torch.bfloat16, memory_format=torch.channels_last)
    y = resample(x)
    assert y.dtype == torch.bfloat16 and y.is_contiguous(memory_format=torch.channels_last)
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: resample(x) ** 2, x)


@pytest.mark.parametrize("size", SIZES)
def test_the_cpu_bfloat16_route_is_the_same_operator(size):
    x = torch.randint(-3, 4, (2, 3, *size)).float()  # small integers: every product is exact in bfloat16
    assert torch.equal(up2(x.bfloat16()).float(), up2(x).bfloat16().float())
    assert torch.allclose(down2(x.bfloat16()).float(), down2(x), atol=0.02)


def test_one_pixel_maps_can_be_doubled():
    assert torch.allclose(up2(torch.ones(1, 1, 1, 1)), torch.full((1, 1, 2, 2), 9 / 16))
