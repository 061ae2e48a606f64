"""R3GAN against the paper's own numbers, and on image sizes that the paper never had."""

import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.images.r3gan import R3GAN, base_map, stages

CIFAR, IMAGENET = 10, 1000


def spec(*shape, classes=0):
    return Spec("images", shape, tuple(str(i) for i in range(classes)))


def millions(net):
    return round(sum(p.numel() for p in net.parameters()) / 1e6, 2)


@pytest.mark.parametrize(
    ("widths", "group", "size", "classes", "published"),
    [
        ((768,) * 4, 16, 32, 0, (20.73, 20.68)),  # Stacked MNIST
        ((768,) * 4, 16, 32, CIFAR, (20.78, 21.28)),
        ((768,) * 4 + (384,), 16, 64, 0, (22.43, 22.38)),  # FFHQ-64
        ((768,) * 4 + (384, 192, 96), 16, 256, 0, (23.06, 23.01)),  # FFHQ-256
        ((1536,) * 4, 32, 32, IMAGENET, (82.91, 86.55)),
        ((1536,) * 5, 32, 64, IMAGENET, (103.57, 107.21)),
    ],
)
def test_parameter_counts_are_the_published_ones(widths, group, size, classes, published):
    with torch.device("meta"):
        nets = R3GAN(widths=widths, group_size=group).build(spec(3, size, size, classes=classes))
    assert (millions(nets["G"]), millions(nets["D"])) == published


def test_the_width_dial_gives_the_papers_ladder():
    assert R3GAN(width=768).resolve(spec(3, 32, 32)) == (768,) * 4
    assert R3GAN(width=768).resolve(spec(3, 256, 256)) == (768,) * 4 + (384, 192, 96)


def live(nets):
    """Give the zero-initialised convolutions weights, so that every layer takes part."""
    for net in nets.values():
        for name, p in net.named_parameters():
            if name.endswith("leave.weight"):
                torch.nn.init.normal_(p, std=0.1)
    return nets


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(
    "shape",
    [(1, 28, 28), (3, 32, 32), (1, 8, 8), (4, 33, 20), (2, 5, 17), (13, 16, 64), (1, 1, 3), (3, 30, 30)],
)
def test_any_size_trains_and_every_parameter_gets_a_gradient(shape, classes):
    torch.manual_seed(0)
    nets = live(R3GAN(width=16, blocks=1, group_size=8).build(spec(*shape, classes=classes)))
    y = torch.tensor([0, 2]) if classes else None
    fake = nets["G"](torch.randn(2, nets["G"].z_dim), y)
    assert fake.shape == (2, *shape)
    logits = nets["D"](fake, y)
    assert logits.shape == (2,) and logits.dtype == torch.float32
    logits.sum().backward()
    for net in nets.values():
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 14)])
def test_the_penalty_gradient_matches_finite_differences(shape):
    torch.manual_seed(0)
    D = live(R3GAN(width=8, blocks=1, group_size=4, fp32_stages=0).build(spec(*shape)))["D"].double()
    x = torch.randn(2, *shape, dtype=torch.float64, requires_grad=True)
    D.forward(x)
    weight = D.stages[0].blocks[0].mix.weight

    def penalty():
        (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return g.square().sum()

    (exact,) = torch.autograd.grad(penalty(), weight)
    step, direction = 1e-5, torch.randn_like(weight)
    with torch.no_grad():
        weight += step * direction
    ahead = penalty().item()
    with torch.no_grad():
        weight -= 2 * step * direction
    slope = (ahead - penalty().item()) / (2 * step)
    assert slope == pytest.approx((exact * direction).sum().item(), rel=1e-3)


def test_fixup_at_start_the_blocks_add_nothing_and_later_layers_scale_with_depth():
    torch.manual_seed(0)
    nets = R3GAN(width=64, blocks=2, group_size=16).build(spec(3, 32, 32))
    block = nets["G"].stages[2].blocks[1]
    x = torch.randn(2, 64, 8, 8)
    assert torch.equal(block(x), x)
    wanted = (2 / 1.04) ** 0.5 * 8**-0.25  # 4 resolutions with 2 blocks
    assert block.enter.weight.std().item() * 64**0.5 == pytest.approx(wanted, rel=0.05)
    assert block.mix.weight.std().item() * (16 * 9) ** 0.5 == pytest.approx(wanted, rel=0.05)


def test_the_class_decides_the_image_and_the_logit():
    torch.manual_seed(0)
    nets = live(R3GAN(width=16, blocks=1).build(spec(1, 8, 8, classes=4)))
    z, x = torch.randn(4, nets["G"].z_dim), torch.randn(4, 1, 8, 8)
    one, other = torch.zeros(4, dtype=torch.long), torch.full((4,), 3)
    assert not torch.allclose(nets["G"](z, one), nets["G"](z, other))
    assert not torch.allclose(nets["D"](x, one), nets["D"](x, other))


def test_autocast_keeps_logits_in_fp32_and_close():
    torch.manual_seed(0)
    nets = live(R3GAN(width=32, blocks=1).build(spec(1, 16, 16)))
    z = torch.randn(8, nets["G"].z_dim)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = nets["D"](nets["G"](z))
    with torch.no_grad():
        full = nets["D"](nets["G"](z))
    assert half.dtype == torch.float32
    assert torch.allclose(half, full, atol=0.05 * full.abs().max().item() + 0.05)


def test_stages_choose_a_lowest_map_that_doubles_to_the_size():
    assert [(stages(n, n), base_map(n, n, stages(n, n))[0]) for n in (8, 28, 32, 48, 64)] == [
        (2, 4),
        (3, 7),
        (4, 4),
        (4, 6),
        (5, 4),
    ]
    assert stages(36, 36) == 3 and base_map(36, 36, 3) == (9, 9)


def test_what_is_no_image_or_does_not_divide_is_refused_in_words():
    with pytest.raises(UsageError, match=r"\[C, H, W\]"):
        R3GAN().build(Spec("points", (2,)))
    with pytest.raises(UsageError, match="group_size=16"):
        R3GAN(width=20).build(spec(1, 8, 8))
