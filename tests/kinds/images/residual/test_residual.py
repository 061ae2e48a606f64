"""The residual GANs: published sizes to the digit, blocks by hand, orthogonality in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from residual_nets import PUBLISHED, VARIANTS, images
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.games.penalties import off_diagonal
from ganworks.kinds.images.residual.blocks import ConditionalNorm, DeepDownBlock, DownBlock, SelfAttention, UpBlock
from ganworks.kinds.images.residual.game import orthogonality
from ganworks.kinds.images.residual.networks import ResNetGAN, attended
from ganworks.layers.weights.spectral import Layers

PLAIN = Layers(spectral=False)


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.fixture(autouse=True)
def _fixed():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_to_the_digit(name: str):
    size, classes, settings, g, d = PUBLISHED[name]
    with torch.device("meta"):
        players = ResNetGAN(**settings).build(images((3, size, size), classes))
    assert (count(players["G"]), count(players["D"])) == (g, d)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("shape", [(1, 3, 5), (3, 16, 16), (2, 32, 8), (3, 28, 28), (1, 65, 70)], ids=str)
@pytest.mark.parametrize("name", VARIANTS)
def test_any_size_any_channels_by_class_or_not(name: str, shape: tuple[int, int, int], classes: int):
    players = VARIANTS[name].build(images(shape, classes))
    G, D = players["G"], players["D"]
    y = torch.arange(3) % classes if classes else None
    x = G(torch.randn(3, G.z_dim), y)
    assert x.shape == (3, *shape) and float(x.detach().abs().max()) <= 1
    D(x, y).sum().backward()
    assert D(x, y).shape == (3,)
    missing = [n for player in players.values() for n, p in player.named_parameters() if p.grad is None]
    assert not missing


def test_labels_are_required():
    players = VARIANTS["biggan"].build(images((3, 8, 8), 3))
    for call in (
        lambda: players["G"](torch.randn(2, players["G"].z_dim)),
        lambda: players["D"](torch.randn(2, 3, 8, 8)),
    ):
        with pytest.raises(UsageError, match="conditional on 3 classes"):
            call()


# Blocks -------------------------------------------------------------------------------------------------------------


def test_conditional_norm_by_hand():
    norm, x, y = ConditionalNorm(3, PLAIN, 2, 4), torch.randn(5, 3, 4, 4), torch.tensor([0, 1, 1, 0, 1])
    c = torch.randn(5, 4)
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    gain, bias = (norm.tables[n].weight[y] + c @ norm.maps[n].weight.t() for n in (0, 1))
    wanted = (1 + gain)[:, :, None, None] * plain + bias[:, :, None, None]
    assert torch.allclose(norm(x, y, c), wanted, atol=1e-5)
    assert [n for n, _ in ConditionalNorm(3, PLAIN, 0, 0).named_parameters()] == ["norm.weight", "norm.bias"]


def test_attention_by_hand():
    """One query at a time, with loops: softmax over the pooled keys, times the pooled values."""
    layer, x = SelfAttention(16, PLAIN), torch.randn(2, 16, 4, 6)
    assert torch.equal(layer(x), x), "gamma is 0 at first"
    nn.init.constant_(layer.gamma, 0.7)
    q, k, v = (conv.weight[:, :, 0, 0] for conv in (layer.query, layer.key, layer.value))
    out = torch.empty_like(x)
    for b in range(2):
        keys, values = ((w @ x[b].flatten(1)).unflatten(1, (2, 2, 3, 2)).amax((2, 4)).flatten(1) for w in (k, v))
        for i in range(4):
            for j in range(6):
                share = torch.softmax(keys.t() @ (q @ x[b, :, i, j]), 0)
                out[b, :, i, j] = layer.leave.weight[:, :, 0, 0] @ (values @ share)
    assert torch.allclose(layer(x), x + 0.7 * out, atol=1e-5)


def test_shortcuts_in_the_cheap_order_give_the_published_numbers():
    """1x1 after nearest upsampling in G, before average pooling in D, as the papers draw them."""
    up, down, x = UpBlock(3, 5, (2, 2), PLAIN, 0, 0), DownBlock(3, 5, (2, 2), PLAIN, 5, False), torch.randn(2, 3, 4, 4)
    for block in (up, down):
        nn.init.zeros_(block.conv2.weight)
        nn.init.zeros_(block.conv2.bias)
    twice = nn.functional.interpolate(x, scale_factor=2)
    assert torch.allclose(up(x, None, None), up.shortcut(twice), atol=1e-6)
    assert torch.allclose(down(x), nn.functional.avg_pool2d(down.shortcut(x), 2), atol=1e-6)


def test_the_first_block_of_d_sees_negative_values_and_the_features_are_summed():
    spec, x = images((3, 32, 32), 0), -torch.rand(2, 3, 32, 32)
    D = ResNetGAN(width=4).build(spec)["D"]
    assert D.stages[0][0].first and not D.stages[1][0].first
    assert not torch.equal(D.stages[0][0].conv1(x), D.stages[0][0].conv1(x.relu()))
    h = x
    for stage in D.stages:
        h = stage(h)
    assert h.shape[2:] == (8, 8)
    assert torch.allclose(D(x), D.head(h.relu().sum((2, 3)))[:, 0])


def test_deep_shortcuts_have_no_weights_but_for_new_channels():
    block, x = DeepDownBlock(4, 6, (2, 2), PLAIN), torch.randn(2, 4, 4, 4)
    nn.init.zeros_(block.widen.weight)
    nn.init.zeros_(block.widen.bias)
    assert torch.equal(block(x)[:, :4], nn.functional.avg_pool2d(x, 2))
    G = VARIANTS["deep"].build(images((3, 64, 64), 0))["G"]
    assert not any("shortcut" in name for name, _ in G.named_parameters())


def test_z_is_split_over_the_stages():
    """BigGAN: the first layer sees the first part alone; a later part changes only what follows it."""
    G = ResNetGAN(width=4, latent="split", z_dim=9).build(images((3, 16, 16), 0))["G"].eval()
    assert (G.z_dim, G.project.in_features) == (9, 3)
    for stage in G.stages:  # untrained maps are small beside 1
        nn.init.normal_(stage[0].norm1.maps[0].weight)
    z = torch.randn(2, 9)
    seen: list[torch.Tensor] = []
    for stage in G.stages:
        stage[0].register_forward_hook(lambda module, given, out: seen.append(out.detach()))
    G(z)
    z[:, 6:] += 1
    G(z)
    assert torch.equal(seen[0], seen[2]) and not torch.equal(seen[1], seen[3])


@pytest.mark.parametrize(("longest", "wanted"), [(64, 3), (63, 2), (300, 4), (0, -1), (7, -1)])
def test_attention_goes_to_the_largest_map_that_is_allowed(longest: int, wanted: int):
    assert attended([(8, 8), (16, 16), (32, 32), (64, 64), (128, 128)], longest) == wanted


def test_attention_stands_at_64_pixels_in_both_players():
    with torch.device("meta"):
        players = ResNetGAN(attention=64).build(images((3, 128, 128), 0))
    assert (players["G"].attend_at, players["D"].attend_at) == (3, 0)


# Orthogonality --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 2, 3, 3), (1, 5)], ids=str)
def test_off_diagonal_is_its_definition(shape: tuple[int, ...]):
    """The sum over pairs of outputs of their squared inner product, in float64; its gradient by differences."""
    weight = torch.randn(shape, requires_grad=True)
    rows = weight.detach().double().numpy().reshape(shape[0], -1)
    wanted = sum((rows[i] @ rows[j]) ** 2 for i in range(len(rows)) for j in range(len(rows)) if i != j)
    assert float(off_diagonal(weight).detach()) == pytest.approx(float(wanted), rel=1e-4, abs=1e-5)
    (slope,) = torch.autograd.grad(off_diagonal(weight), weight)
    gram = rows @ rows.T
    exact = 4 * (gram - np.diag(np.diag(gram))) @ rows
    assert np.allclose(slope.double().numpy().reshape(rows.shape), exact, rtol=1e-3, atol=1e-3)


def test_orthogonal_weights_of_any_length_cost_nothing():
    weight = torch.diag(torch.tensor([1.0, 5.0, 0.1])) @ nn.init.orthogonal_(torch.empty(3, 8))
    assert float(off_diagonal(weight).detach()) < 1e-9
    G = ResNetGAN(width=4, init="orthogonal", embed=8).build(images((3, 8, 8), 5))["G"]
    wide = [m for m in G.modules() if isinstance(m, nn.Conv2d) and m.weight[0].numel() >= len(m.weight)]
    assert wide and all(float(off_diagonal(m.weight.detach())) < 1e-6 for m in wide)


def test_orthogonality_leaves_out_the_classes():
    net = nn.ModuleList([nn.Linear(3, 4), nn.Embedding(5, 3), nn.ConvTranspose2d(2, 3, 2), nn.BatchNorm2d(2)])
    wanted = off_diagonal(net[0].weight) + off_diagonal(net[2].weight.transpose(0, 1))
    assert torch.allclose(orthogonality(net), wanted)


def test_classes_are_alike_at_first():
    """A gain of 1 and a bias of 0 for each class, as SNGAN's authors begin: no class has a colour of its own."""
    G = VARIANTS["sngan"].build(images((3, 16, 16), 3))["G"].eval()
    z = torch.randn(1, G.z_dim)
    assert torch.equal(G(z, torch.tensor([0])), G(z, torch.tensor([2])))
