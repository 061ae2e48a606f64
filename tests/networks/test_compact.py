"""The compact networks: any size, twice differentiable, and the parts that make them learn fast."""

import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.layers.minibatch_deviation import MinibatchDeviation, class_deviation
from ganworks.layers.mixing import mixing
from ganworks.networks.compact import Compact


def spec(*shape, classes=0):
    return Spec("images", shape, tuple(str(i) for i in range(classes)))


def awake(nets):
    """Give the zero-initialised convolutions weights, so that every layer takes part."""
    for net in nets.values():
        for name, p in net.named_parameters():
            if "leave" in name:
                nn.init.normal_(p, std=0.1)
    return nets


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8), (4, 33, 20), (2, 5, 17), (13, 16, 64), (1, 1, 3), (3, 2, 2)])
def test_any_size_and_every_parameter_gets_a_gradient(shape, norm, classes):
    torch.manual_seed(0)
    nets = awake(Compact(width=4, norm=norm).build(spec(*shape, classes=classes)))
    y = torch.tensor([0, 2, 1]) if classes else None
    fake = nets["G"](torch.randn(3, nets["G"].z_dim), y)
    assert fake.shape == (3, *shape) and fake.abs().max() <= 1
    logits = nets["D"](fake, y)
    assert logits.shape == (3,) and logits.dtype == torch.float32
    (logits * torch.tensor([1.0, 2.0, -4.0])).sum().backward()
    for net in nets.values():
        for name, p in net.named_parameters():
            # A bias in front of batch norm cancels; everything else must take part.
            assert p.grad is not None and (p.grad.abs().sum() > 0 or p.dim() == 1), name


def test_the_penalty_gradient_is_exact():
    torch.manual_seed(0)
    D = awake(Compact(width=2).build(spec(1, 12, 8)))["D"].double()
    D.float = lambda: D
    x = torch.randn(2, 1, 12, 8, dtype=torch.float64, requires_grad=True)
    weight = D.downs[1].weight

    def penalty():
        (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return g.square().sum()

    (exact,) = torch.autograd.grad(penalty(), weight)
    step, direction = 1e-4, torch.randn_like(weight)
    with torch.no_grad():
        weight += step * direction
    ahead = penalty().item()
    with torch.no_grad():
        weight -= 2 * step * direction
    slope = (ahead - penalty().item()) / (2 * step)
    assert slope == pytest.approx((exact * direction).sum().item(), rel=2e-2)


def test_the_discriminator_judges_each_image_by_itself():
    torch.manual_seed(0)
    D = awake(Compact(width=4).build(spec(1, 16, 16)))["D"]
    x = torch.randn(5, 1, 16, 16)
    assert torch.allclose(D(x)[:2], D(x[:2]), atol=1e-5)
    assert not [m for m in D.modules() if isinstance(m, nn.BatchNorm2d)]


def test_widths_double_downwards_and_full_size_has_no_blocks():
    plan, widths = Compact(width=32).ladder(spec(3, 64, 64), 32)
    assert plan.base == (4, 4) and widths == (128, 128, 64, 32)  # 4, 8, 16, 32 pixels
    assert Compact(width=32).ladder(spec(1, 8, 8), 32)[1] == (64, 32)  # 4 and 8 pixels
    nets = Compact(width=32, d_width=16).build(spec(1, 28, 28))
    assert nets["G"].blocks[-1][0].enter.in_channels == 32 and nets["D"].blocks[0][0].enter.in_channels == 16


def test_activations_start_at_unit_scale():
    torch.manual_seed(0)
    nets = Compact(width=32, norm="none").build(spec(3, 32, 32))
    with torch.no_grad():
        images = nets["G"](torch.randn(64, 64))
        logits = nets["D"](torch.randn(64, 3, 32, 32))
    assert 0.2 < images.std() < 0.9 and 0.2 < logits.std() < 5


def test_wrong_use_is_told_in_words():
    with pytest.raises(UsageError, match=r"\[C, H, W\]"):
        Compact().build(Spec("points", (2,)))
    with pytest.raises(UsageError, match="at least 1"):
        Compact(blocks=0).build(spec(1, 8, 8))
    G = Compact(width=4).build(spec(1, 8, 8, classes=2))["G"]
    with pytest.raises(UsageError, match="label"):
        G(torch.randn(1, G.z_dim))


# What D knows of the batch -------------------------------------------------------------------------


def test_deviation_is_that_of_each_feature_within_the_class():
    torch.manual_seed(0)
    x, y = torch.randn(9, 2, 3, 2), torch.tensor([0, 1, 1, 0, 1, 2, 0, 1, 0])
    found = class_deviation(x, y)
    for c in (0, 1):
        wanted = (x[y == c].var(0, correction=0) + 1e-4).sqrt()
        assert torch.allclose(found[y == c], wanted.expand_as(found[y == c]), atol=1e-6)
    assert torch.allclose(found[5], torch.tensor(0.01))
    assert torch.allclose(class_deviation(x), (x.var(0, correction=0) + 1e-4).sqrt().expand_as(x), atol=1e-6)


@pytest.mark.parametrize("crowd", [True, False])
def test_a_crowd_lets_d_see_a_class_that_is_one_example_over_and_over(crowd):
    """Each example of either side is +1 or -1 with equal chances; on the poor side a class has one sign a batch."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(64) % 4

    def sides():
        rich = torch.randint(0, 2, (64,), generator=draw) * 2.0 - 1
        poor = (torch.randint(0, 2, (4,), generator=draw) * 2.0 - 1)[y]
        return [v[:, None, None, None].repeat(1, 4, 1, 1) for v in (rich, poor)]

    torch.manual_seed(0)
    layer, head = MinibatchDeviation(4), nn.Linear(4, 1)
    adam = torch.optim.Adam([*layer.parameters(), *head.parameters()], 0.05)

    def judged(x):
        return head((layer(x, y) if crowd else x).flatten(1))[:, 0]

    for _ in range(150):
        rich, poor = sides()
        loss = nn.functional.softplus(-judged(rich)) + nn.functional.softplus(judged(poor))
        adam.zero_grad()
        loss.mean().backward()
        adam.step()
    rich, poor = sides()
    share = torch.cat([judged(rich) > 0, judged(poor) < 0]).float().mean()
    assert (share > 0.95) if crowd else (share < 0.75)


def test_with_a_crowd_d_mixes_examples_of_one_class_only():
    torch.manual_seed(0)
    D = Compact(width=4, crowd=True).build(spec(1, 16, 16, classes=3))["D"]
    assert mixing(D) == ["MinibatchDeviation"] and not mixing(Compact(width=4).build(spec(1, 16, 16, classes=3))["D"])
    nn.init.normal_(D.crowd.enter.weight)
    x, y = torch.randn(6, 1, 16, 16), torch.tensor([0, 0, 1, 1, 2, 2])
    before = D(x, y)
    x[0] = torch.randn(1, 16, 16)
    after = D(x, y)
    assert not torch.allclose(before[1], after[1]) and torch.allclose(before[2:], after[2:], atol=1e-5)
