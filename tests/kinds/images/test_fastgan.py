"""FastGAN: its parts against their definitions, sizes, and who learns from what is rebuilt."""

import pytest
import torch
import torch.nn.functional as F

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.self_supervised import SelfSupervised
from ganworks.kinds.images.fastgan import D_LADDER, G_LADDER, Excitation, FastGAN, _quarter, channels
from ganworks.networks.dcgan import DCGAN

torch.set_num_threads(1)


def nets(shape=(3, 32, 32), classes=0, width=4):
    torch.manual_seed(0)
    return FastGAN(width=width, z_dim=8).build(Spec("images", shape, tuple("abc"[:classes])))


def batch(shape=(3, 32, 32), n=4, classes=0):
    x = torch.rand(n, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    values = {"x": x} | ({"y": torch.arange(n) % classes} if classes else {})
    return Batch(lambda: values, Draw(3, n, slice(0, n)), size=n, num_classes=classes)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (3, 40, 24), (4, 8, 8), (3, 128, 96)])
def test_sizes(shape):
    players = nets(shape, classes=2)
    y = torch.tensor([0, 1])
    made = players["G"](torch.randn(2, 8), y)
    assert made.shape == (2, *shape)
    assert made.abs().max() <= 1
    logits, rebuilt = players["D"].examine(made, y, torch.tensor([0, 3]))
    assert logits.shape[1] == 1
    if shape[1:] in ((64, 64), (8, 8)):
        assert logits.shape[2:] == (5, 5)
    assert all(got.shape == wanted.shape for got, wanted in rebuilt)


def test_widths_are_those_of_the_paper():
    assert [channels(G_LADDER, side, 64) for side in (4, 8, 16, 32, 64, 128, 256, 1024)] == [
        *(1024, 512, 256, 128, 128, 64, 32, 8)
    ]
    assert [channels(D_LADDER, side, 64) for side in (8, 16, 32, 64, 128, 256)] == [1024, 512, 256, 128, 64, 32]


def test_an_excitation_gates_channels():
    gate = Excitation(5, 3).eval()
    small, large = torch.randn(2, 5, 8, 8), torch.randn(2, 3, 128, 128)
    x = F.silu(F.conv2d(F.adaptive_avg_pool2d(small, 4), gate.gather.normed()))
    wanted = large * torch.sigmoid(F.conv2d(x, gate.gate.normed()))
    assert torch.allclose(gate(small, large), wanted, atol=1e-6)
    assert x.shape == (2, 3, 1, 1)


def test_quarters():
    x = torch.arange(16.0).view(1, 1, 4, 4).expand(4, -1, -1, -1)
    found = _quarter(x, torch.arange(4))
    assert found[:, 0, 0, 0].tolist() == [0, 2, 8, 10]
    assert torch.equal(found[3, 0], x[0, 0, 2:, 2:])


def test_what_is_rebuilt_teaches_the_discriminator_on_real_examples_alone():
    players, game, given = nets(), SelfSupervised(), batch()
    D = players["D"]
    terms = game.discriminator_turn(players, given)
    assert set(terms) == {"d_loss", "rebuild", "_real", "_fake"}
    grads = torch.autograd.grad(terms["rebuild"].sum(), list(D.parameters()), allow_unused=True, retain_graph=True)
    moved = {name.split(".")[0] for (name, _), g in zip(D.named_parameters(), grads, strict=True) if g is not None}
    assert {"whole", "part", "first", "downs"} <= moved
    assert "judge" not in moved
    maps = D.maps(given["x"])
    seen = F.interpolate(given["x"], D.whole(maps[-1]).shape[2:], mode="area")
    D.eval()
    whole, wanted = D.examine(given["x"], None, torch.zeros(4, dtype=torch.int64))[1][0]
    assert torch.equal(wanted, seen)
    assert whole.shape == seen.shape


def test_the_hinge_is_that_of_the_paper():
    game = SelfSupervised(margin_noise=0.0)
    logits = torch.tensor([[[[0.5, 2.0], [-1.0, 1.0]]]])
    assert float(game._hinge(logits, 1.0, batch(n=1))) == pytest.approx((0.5 + 0 + 2 + 0) / 4)
    assert float(game._hinge(logits, -1.0, batch(n=1))) == pytest.approx((1.5 + 3 + 0 + 2) / 4)
    noisy = SelfSupervised()._hinge(torch.zeros(1, 1, 50, 50), 1.0, batch(n=1))
    assert float(noisy) == pytest.approx(0.9, abs=0.01)
    players = nets()
    given = batch()
    fake = players["G"](torch.randn(4, 8))
    terms = game.generator_terms(players, given, fake)
    assert torch.allclose(terms["g_loss"], -players["D"].patches(fake).flatten(1).mean(1), atol=1e-4)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="without penalties"):
        SelfSupervised(r1=1.0)
    with pytest.raises(UsageError, match="8 pixels"):
        nets((3, 4, 4))
    other = DCGAN(width=4).build(Spec("images", (3, 32, 32)))
    with pytest.raises(UsageError, match="networks=fastgan"):
        SelfSupervised().discriminator_turn(other, batch())


def test_a_latent_has_one_image_in_use():
    G = nets()["G"].eval()
    z = torch.randn(1, 8)
    assert torch.equal(G(z), G(z))
    for module in G.modules():
        if hasattr(module, "strength"):
            module.strength.data.fill_(1.0)
    still = G(z)
    G.train()
    assert not torch.equal(still, G(z.expand(2, -1))[:1])
