"""Tiling: the same result as for the whole image, at every size, and no edge where the context is too small."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ganworks.core.errors import UsageError
from ganworks.kinds.images.shared.tiles import reflected, tiled


def local(radius: int, scale: int = 1) -> nn.Module:
    """A random nonlinear network that sees `radius` pixels around each."""
    torch.manual_seed(0)
    layers = []
    for k in range(radius):
        layers += [nn.Conv2d(2 if k == 0 else 6, 6, 3, padding=1), nn.Tanh()]
    net = nn.Sequential(*layers, nn.Conv2d(6, 3 * scale**2, 1), nn.PixelShuffle(scale))
    return net.requires_grad_(False)


@pytest.mark.parametrize(("height", "width"), [(40, 40), (41, 97), (17, 200), (100, 33), (64, 65)])
@pytest.mark.parametrize("scale", [1, 3])
def test_tiled_is_untiled_when_the_context_covers_the_receptive_field(height, width, scale):
    net, x = local(6, scale), torch.randn(1, 2, height, width)
    torch.testing.assert_close(tiled(net, x, 40, 8, scale), net(x), atol=1e-5, rtol=1e-5)


def test_multiples_are_filled_up_by_reflection_and_cut_back():
    seen = []

    def run(x):
        seen.append(tuple(x.shape[2:]))
        return F.interpolate(F.avg_pool2d(x, 4), scale_factor=4.0)

    x = torch.randn(1, 2, 45, 70)
    out = tiled(run, x, 30, 8, multiple=4)
    assert out.shape == x.shape
    assert all(h % 4 == 0 and w % 4 == 0 for h, w in seen)
    assert len(seen) > 1
    torch.testing.assert_close(out, run(reflected(x, 3, 2))[:, :, :45, :70], atol=1e-5, rtol=1e-5)


def test_a_difference_between_tiles_is_spread_and_not_an_edge():
    """A network that depends on the whole of its input: steps between neighbours stay far below the difference."""
    ramp = torch.linspace(0, 1, 200).expand(1, 1, 64, 200)
    means = []

    def run(x):
        means.append(x.mean())
        return x.mean().expand_as(x)

    out = tiled(run, ramp, 64, 16)
    apart = max(means).item() - min(means).item()
    assert out.diff(dim=3).abs().max() < 0.2 * apart
    assert out[0, 0, 0, 0] == means[0]


def test_weights_never_vanish():
    for side, overlap, multiple in ((20, 9, 1), (24, 8, 8), (33, 16, 1), (16, 0, 4), (5, 2, 1)):
        out = tiled(torch.ones_like, torch.zeros(2, 1, 83, 61), side, overlap, multiple=multiple)
        torch.testing.assert_close(out, torch.ones_like(out))


def test_a_small_image_and_tile_0_run_at_once():
    calls = []

    def run(x):
        calls.append(x.shape)
        return x

    tiled(run, torch.zeros(1, 1, 50, 50), 0, 8)
    tiled(run, torch.zeros(1, 1, 64, 30), 64, 8)
    assert len(calls) == 2


def test_a_tile_without_a_middle_is_refused():
    with pytest.raises(UsageError, match="at least 65"):
        tiled(lambda x: x, torch.zeros(1, 1, 200, 200), 64, 32)


def test_reflection_beyond_the_image():
    x = torch.arange(3.0).view(1, 1, 1, 3)
    assert reflected(x, 0, 5)[0, 0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    assert reflected(x, 2, 0).shape == (1, 1, 3, 3)
