"""The translators of pairs: published sizes, any image size, label maps, and the same network in every mode."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.images.pairs.pix2pixhd import Pix2PixHD
from ganworks.kinds.images.pairs.spade import SPADENetworks
from ganworks.kinds.images.pairs.unet import Pix2Pix, UNet
from ganworks.kinds.images.shared.noise import silent
from ganworks.kinds.images.shared.palette import colour_table, mixed, nearest_colour, paint

PALETTE = [[0, 0, 170], [255, 255, 0], [10, 200, 30], [255, 0, 0]]
PHOTO = Spec("pairs", (3, 64, 64), source=(3, 64, 64))
LABELS = Spec("pairs", (3, 32, 32), source=(1, 32, 32), facts={"target_palette": PALETTE})
FROM_LABELS = Spec("pairs", (1, 32, 32), source=(3, 32, 32), facts={"source_palette": PALETTE})
SMALL = [
    Pix2Pix(width=4, d_width=4),
    Pix2Pix(width=4, d_width=4, up="resize", scales=2, d_layers=1, norm="none"),
    Pix2PixHD(width=4, d_width=4, blocks=1),
    Pix2PixHD(width=4, d_width=4, blocks=1, enhancer=True, fine_blocks=1),
    Pix2PixHD(width=4, d_width=4, blocks=1, up="deconv3", norm="plain"),
    SPADENetworks(width=4, hidden=4, d_width=4),
    SPADENetworks(width=4, hidden=4, d_width=4, middle=2, d_norm="plain"),
    SPADENetworks(width=4, hidden=4, d_width=4, z_dim=5),
]


def count(net):
    return sum(p.numel() for p in net.parameters())


def seeded(net, x, seed=3):
    torch.manual_seed(seed)
    return net(x)


def test_the_published_sizes_at_256_pixels():
    """8 halvings at 64-128-256-512...: 4x4 kernels, scale and shift of 13 norms, one bias, as worked out by hand."""
    with torch.device("meta"):
        built = Pix2Pix().build(replace(PHOTO, shape=(3, 256, 256), source=(3, 256, 256)))
    downs = [3, 64, 128, 256, 512, 512, 512, 512, 512]
    kernels = sum(a * b for a, b in pairwise(downs))
    kernels += 512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3
    norms = 2 * (128 + 256 + 512 + 3 * 512) + 2 * (4 * 512 + 256 + 128 + 64)
    assert count(built["G"]) == 16 * kernels + norms + 3 == 54_413_955
    assert count(built["D"]) == 2_768_705


@pytest.mark.parametrize("networks", SMALL, ids=str)
@pytest.mark.parametrize("spec", [PHOTO, LABELS, FROM_LABELS], ids=["photo", "labels", "from-labels"])
def test_training_and_use_are_the_same_network(networks, spec):
    """Also after a forward pass in training mode: nothing is remembered. Without noise there is one output."""
    torch.manual_seed(0)
    G, x = networks.build(spec)["G"], torch.rand(2, *spec.source) * 2 - 1
    first = seeded(G.train(), x)
    assert torch.equal(seeded(G.eval(), x), first)
    assert first.shape == (2, *spec.shape) and first.dtype == torch.float32 and first.abs().max() <= 1
    with silent(G):
        assert torch.equal(seeded(G, x, 1), seeded(G.train(), x, 2))


@pytest.mark.parametrize("networks", [SMALL[0], SMALL[-1]], ids=["dropout", "latent"])
def test_noise_is_drawn_in_use(networks):
    torch.manual_seed(0)
    G, x = networks.build(PHOTO)["G"].eval(), torch.rand(1, 3, 64, 64) * 2 - 1
    for p in G.parameters():
        p.data.mul_(20)  # at the initial weights of 0.02 noise moves the last bits only
    a, b = seeded(G, x, 1), seeded(G, x, 2)
    assert not torch.equal(a, b) and torch.equal(a, seeded(G, x, 1))


@pytest.mark.parametrize("networks", SMALL, ids=str)
def test_any_size_and_every_parameter_learns(networks):
    torch.manual_seed(0)
    G = networks.build(PHOTO)["G"]
    out = G(torch.rand(2, 3, 70, 91) * 2 - 1)
    assert out.shape == (2, 3, 70, 91)
    out.square().sum().backward()
    dead = [name for name, p in G.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


def test_examples_do_not_see_each_other():
    torch.manual_seed(0)
    G, x = Pix2Pix(width=4, dropout=0.0).build(PHOTO)["G"], torch.rand(3, 3, 64, 64)
    assert torch.allclose(G(x)[:1], G(x[:1]), atol=1e-5)


@pytest.mark.parametrize("networks", [SMALL[0], SMALL[2], SMALL[5]], ids=["pix2pix", "pix2pixhd", "spade"])
def test_label_maps_are_made_of_the_palette_and_learn(networks):
    torch.manual_seed(0)
    G, x = networks.build(LABELS)["G"], torch.rand(2, 1, 32, 32)
    with silent(G):
        out = G(x)
        assert torch.equal(paint(nearest_colour(out, G.table), G.table), out.detach())
        assert torch.equal(nearest_colour(out, G.table), G.logits(x).argmax(1))
    out.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in G.last.parameters())
    assert count(Pix2Pix(width=4).build(LABELS)["G"].last) == 4 * (8 * 16 + 1)  # 8 channels in, one logit a colour
    off = Pix2Pix(width=4, labels=False).build(LABELS)["G"]
    assert off.table is None
    with pytest.raises(UsageError, match="no logits"):
        off.logits(x)


def test_the_blocks_of_spade_have_spectral_norm():
    """In use the weights of the blocks have norm 1; the convolutions that read the labels are left alone."""
    torch.manual_seed(0)
    G = SPADENetworks(width=4, hidden=4, middle=2, g_spectral=True).build(PHOTO)["G"]
    for _ in range(40):
        G(torch.rand(1, 3, 16, 16))
    assert len(G.blocks) == 5 and [block.doubles for block in G.blocks] == [False, True, False, True, True]
    weights = [conv.weight for block in G.eval().blocks for conv in [*block.convs, block.shortcut] if conv is not None]
    assert len(weights) == 5 * 2 + 3
    assert all(abs(float(torch.linalg.matrix_norm(w.detach().flatten(1), 2)) - 1) < 0.05 for w in weights)
    assert not hasattr(G.first, "parametrizations") and not hasattr(G.blocks[0].norms[0].gamma, "parametrizations")


def test_spade_reads_colours_as_classes():
    """A source with the noise of JPEG gives the same picture as the clean one."""
    torch.manual_seed(0)
    G = SPADENetworks(width=4, hidden=4).build(FROM_LABELS)["G"]
    clean = paint(torch.randint(4, (1, 32, 32)), colour_table(PALETTE))
    assert torch.equal(G(clean), G(clean + torch.randn_like(clean) * 0.05))
    assert not torch.equal(G(clean), G(clean.flip(3)))


def test_palette_functions():
    table = colour_table(PALETTE)
    index = torch.randint(4, (2, 5, 6))
    assert torch.equal(nearest_colour(paint(index, table) + 0.1, table), index)
    logits = torch.randn(2, 4, 5, 6, requires_grad=True)
    out = mixed(logits, table)
    assert torch.equal(out.detach(), paint(logits.argmax(1), table))
    out[:, 0].sum().backward()
    soft = torch.einsum("bkhw,kc->bchw", torch.softmax(logits.detach().requires_grad_(), 1), table)
    again = logits.detach().clone().requires_grad_()
    torch.einsum("bkhw,kc->bchw", again.softmax(1), table)[:, 0].sum().backward()
    assert torch.allclose(logits.grad, again.grad, atol=1e-6) and soft.shape == out.shape


def test_mistakes_are_explained():
    with pytest.raises(UsageError, match="running statistics"):
        Pix2Pix(norm="batch")
    with pytest.raises(UsageError, match="2 to 6 levels"):
        Pix2Pix(levels=7).build(PHOTO)
    with pytest.raises(UsageError, match="halvings leave"):
        Pix2PixHD(downs=6).build(PHOTO)
    with pytest.raises(UsageError, match="translates images"):
        UNet and Pix2Pix().build(Spec("images", (3, 64, 64)))
