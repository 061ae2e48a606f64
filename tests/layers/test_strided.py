"""Layers that halve maps."""

import pytest
import torch
from torch import nn

from ganworks.layers.strided import Pointwise


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_pointwise_layer_is_the_strided_convolution(stride):
    torch.manual_seed(0)
    ours, theirs = Pointwise(16, 5, stride).double(), nn.Conv2d(16, 5, 1, stride).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 16, 9, 8, dtype=torch.double)
    assert torch.allclose(ours(x), theirs(x), atol=1e-12)
    assert ours(x).shape == theirs(x).shape


def test_a_pointwise_layer_has_the_right_gradients():
    layer = Pointwise(3, 2, 2).double()
    x = torch.randn(2, 3, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_few_channels_are_halved_by_no_strided_kernel_of_one_pixel(monkeypatch):
    """Whatever its width, the gated network gives torch no 1x1 convolution with a stride."""
    from ganworks.kinds.images.inpainting.networks import conv

    seen, real = [], nn.Conv2d._conv_forward

    def noted(self, *rest):
        seen.append((self.kernel_size, self.stride))
        return real(self, *rest)

    monkeypatch.setattr(nn.Conv2d, "_conv_forward", noted)
    assert conv(4, 8, size=1, stride=2)(torch.randn(1, 4, 8, 8)).shape == (1, 8, 4, 4)
    assert conv(4, 8, size=3, stride=2)(torch.randn(1, 4, 8, 8)).shape == (1, 8, 4, 4)
    assert seen == [((1, 1), (1, 1)), ((3, 3), (2, 2))]
