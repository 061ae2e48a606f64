"""Patch discriminators: the published network, what a logit sees, scales, and their losses."""

import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.games import patches
from ganworks.games.losses import LOSSES, loss
from ganworks.kinds.images.shared.patchgan import MultiScale, PatchGAN, fitting_layers
from ganworks.layers.norms import AffineInstanceNorm


def count(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_published_size(norm):
    """6 -> 64 -> 128 -> 256 -> 512 -> 1 channels, 4x4 kernels, no bias before a norm that has its own shift."""
    kernels = 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    assert count(PatchGAN(6, norm=norm)) == kernels + 64 + 2 * (128 + 256 + 512) + 1 == 2_768_705


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_patches_of_the_published_size(layers, field):
    net = PatchGAN(1, 4, layers, norm="none").double()
    for p in net.parameters():
        torch.nn.init.constant_(p, 0.01)  # so that no path is closed
    x = torch.zeros(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    stages = x
    for stage in net.stages:
        stages = stage(stages)
    out = net.last(stages)
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    seen = x.grad[0, 0] != 0
    assert seen.any(0).sum() == seen.any(1).sum() == field


def test_features_end_with_the_logits():
    net = PatchGAN(3, 8)
    x = torch.randn(2, 3, 64, 64)
    maps = net.features(x)
    assert [m.shape[1] for m in maps] == [8, 16, 32, 64, 1] and maps[-1].shape[2:] == (6, 6)
    assert torch.equal(maps[-1], net(x)) and maps[-1].dtype == torch.float32


def test_logits_are_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        assert PatchGAN(3, 8)(torch.randn(1, 3, 32, 32)).dtype == torch.float32


def test_instance_norm_keeps_examples_apart_and_leaves_single_pixels():
    norm, x = AffineInstanceNorm(4), torch.randn(3, 4, 5, 5) * 3 + 2
    y = norm(x)
    assert torch.allclose(y.mean((2, 3)), torch.zeros(3, 4), atol=1e-5)
    assert torch.allclose(norm(x[:1]), y[:1], atol=1e-6)
    pixel = torch.randn(3, 4, 1, 1)
    assert torch.equal(norm(pixel), pixel)


def test_multiscale_sees_smaller_copies():
    net, x = MultiScale(3, 4, layers=2, scales=2), torch.randn(2, 3, 32, 48)
    fine, coarse = net(x)
    assert fine.shape == (2, 1, 6, 10) and coarse.shape == (2, 1, 2, 4)
    assert torch.equal(net.features(x)[1][-1], coarse)
    assert not any(p is q for p in net.nets[0].parameters() for q in net.nets[1].parameters())


def test_spectral_norm_bounds_the_convolutions():
    net = PatchGAN(3, 8, 2, norm="none", spectral=True)
    for _ in range(30):
        net(torch.randn(1, 3, 24, 24))
    norms = [
        torch.linalg.matrix_norm(m.weight.detach().flatten(1), 2)
        for m in net.modules()
        if isinstance(m, torch.nn.Conv2d)
    ]
    assert all(abs(float(n) - 1) < 0.05 for n in norms)


def test_layers_follow_the_size():
    assert [fitting_layers(s, s) for s in (8, 16, 32, 40, 64, 256)] == [1, 1, 2, 3, 3, 3]
    with pytest.raises(UsageError, match="6 pixels"):
        fitting_layers(5, 64)
    with pytest.raises(UsageError, match="24 pixels"):
        PatchGAN(3, 4)(torch.zeros(1, 3, 16, 16))


@pytest.mark.parametrize("name", LOSSES)
def test_terms_are_means_over_patches_and_scales(name):
    kind = loss(name)
    real, fake = ([torch.randn(3, 1, n, n) for n in (4, 2)] for _ in range(2))
    d, g = patches.discriminator_terms(kind, real, fake), patches.generator_terms(kind, real, fake)
    patch = [(r.flatten(1).T, f.flatten(1).T) for r, f in zip(real, fake, strict=True)]  # some losses see a whole batch
    by_hand = [torch.stack([kind.discriminator(*one)[1] for one in zip(r, f, strict=True)]).mean() for r, f in patch]
    assert d.shape == g.shape == (3,) and torch.allclose(d[1], sum(by_hand) / 2)
    one = patches.generator_terms(kind, real[0] if kind.paired else None, fake[0])
    wanted = torch.stack([kind.generator(*both)[2] for both in zip(*patch[0], strict=True)]).mean()
    assert torch.allclose(one[2], wanted)


def test_feature_matching_is_zero_for_the_same_and_blind_to_logits():
    net, x = MultiScale(3, 4, 2, 2), torch.randn(2, 3, 32, 32)
    maps = net.features(x)
    assert torch.equal(patches.feature_matching(maps, maps), torch.zeros(2))
    other = [[*m[:-1], m[-1] + 5] for m in maps]
    assert torch.equal(patches.feature_matching(maps, other), torch.zeros(2))
    moved = [[m + 1.0 for m in scale] for scale in maps]
    assert torch.allclose(patches.feature_matching(maps, moved), torch.full((2,), 3.0))  # three hidden layers


def test_feature_matching_gives_no_gradient_to_the_real_side():
    net = PatchGAN(3, 4, 2)
    x, y = (torch.randn(1, 3, 32, 32, requires_grad=True) for _ in range(2))
    patches.feature_matching(net.features(x), net.features(y)).sum().backward()
    assert x.grad is None and y.grad.abs().sum() > 0
