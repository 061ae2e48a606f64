"""The residual generator: its published size, any image size, taps, memory format, and instance norm."""

import pytest
import torch
import torch.nn.functional as F

from ganworks.core.errors import UsageError
from ganworks.kinds.images.shared.translator import FilterDown, FilterUp, ResidualTranslator
from ganworks.layers.norms import InstanceNorm, instance_norm


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("resample", ["strided", "filter"])
def test_nine_blocks_of_width_64_have_the_published_number_of_parameters(resample):
    with torch.device("meta"):
        net = ResidualTranslator(resample=resample).build(3, 3)
    assert sum(p.numel() for p in net.parameters()) == 11_378_179  # "11.378 M" of the published code


def test_taps_are_those_of_cut():
    with torch.device("meta"):
        net = ResidualTranslator(blocks=9, resample="filter").build(3, 3)
    assert net.taps == (0, 4, 8, 12, 16)


@pytest.mark.parametrize("resample", ["strided", "filter"])
@pytest.mark.parametrize("size", [(8, 8), (13, 22), (64, 48)])
def test_any_size_comes_back_at_that_size(resample, size):
    net = ResidualTranslator(width=4, blocks=2, resample=resample).build(3, 1)
    y = net(pictures(2, 3, *size))
    assert y.shape == (2, 1, *size) and y.dtype == torch.float32 and y.abs().max() < 1


def test_too_small_an_image_is_refused():
    with pytest.raises(UsageError, match="too small"):
        ResidualTranslator(width=4, blocks=1).build(3, 3)(pictures(1, 3, 6, 20))


@pytest.mark.parametrize("resample", ["strided", "filter"])
def test_encode_returns_what_forward_passes_through(resample):
    net = ResidualTranslator(width=4, blocks=4, resample=resample).build(3, 3)
    x, h, expected = pictures(2, 3, 16, 16), pictures(2, 3, 16, 16), {}
    for position, layer in enumerate(net.layers):
        h = layer(h)
        expected[position] = h
    found = net.encode(x)
    assert [f.shape[1] for f in found] == [3, 8, 16, 16, 16]
    for position, feature in zip(net.taps, found, strict=True):
        assert torch.equal(feature, expected[position])
    assert torch.equal(h.tanh(), net(x))
    with pytest.raises(UsageError, match="layers 0 to"):
        net.encode(x, [0, 99])


def test_every_parameter_gets_a_gradient_in_bf16_channels_last():
    net = ResidualTranslator(width=8, blocks=2, resample="filter").build(3, 3).to(memory_format=torch.channels_last)
    x = pictures(2, 3, 16, 16).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        features = net.encode(x, [4, 12])
        net(x).sum().backward()
    assert all(f.dtype == torch.bfloat16 and f.is_contiguous(memory_format=torch.channels_last) for f in features)
    weights = [p for p in net.parameters() if p.dim() == 4]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights)


def test_each_image_is_translated_by_itself():
    net = ResidualTranslator(width=4, blocks=1).build(3, 3).train()
    x = pictures(3, 3, 16, 16)
    torch.testing.assert_close(net(x)[1:2], net.eval()(x[1:2]))


def test_residual_begins_near_its_input():
    torch.manual_seed(0)
    x = pictures(1, 3, 32, 32)
    far, near = (ResidualTranslator(width=8, blocks=2, residual=r, init="xavier").build(3, 3)(x) for r in (False, True))
    assert (near - x).abs().max() < 0.1 < (far - x).abs().mean()
    with pytest.raises(UsageError, match="as many channels"):
        ResidualTranslator(residual=True).build(1, 3)


def test_filters_keep_a_constant_and_halve_a_checkerboard_away():
    flat, board = torch.ones(1, 2, 8, 12), torch.ones(1, 1, 8, 8)
    board[:, :, ::2, ::2] = board[:, :, 1::2, 1::2] = -1
    torch.testing.assert_close(FilterDown()(flat), torch.ones(1, 2, 4, 6))
    torch.testing.assert_close(FilterUp()(flat), torch.ones(1, 2, 16, 24))
    assert FilterDown()(board)[..., 1:-1, 1:-1].abs().max() < 1e-6
    taps = torch.tensor([1.0, 3, 3, 1]) / 8
    x = pictures(1, 1, 8, 8)
    plain = F.conv2d(F.pad(x, (1,) * 4, mode="replicate"), (taps[:, None] * taps)[None, None], stride=2)
    torch.testing.assert_close(FilterDown()(x), plain)


@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm_is_that_of_torch_and_twice_differentiable(affine):
    weight, bias = (torch.randn(3), torch.randn(3)) if affine else (None, None)
    x = pictures(4, 3, 5, 6).to(memory_format=torch.channels_last).requires_grad_()
    expected = F.instance_norm(x, weight=weight, bias=bias)
    found = instance_norm(x, weight, bias)
    torch.testing.assert_close(found, expected)
    grads = []
    for y in (found, expected):
        (first,) = torch.autograd.grad(y.pow(3).sum(), x, create_graph=True)
        grads.append(torch.autograd.grad(first.square().sum(), x)[0])
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-3)
    norm = InstanceNorm(3)
    assert torch.equal(norm.eval()(x), norm.train()(x))
