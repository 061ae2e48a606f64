"""StyleGAN2 against the published networks' counts, and what a sample, a style and a truncation are."""

import numpy as np
import pytest
import torch

import ganworks as gw
from ganworks.core.abilities.encoding import Truncates
from ganworks.core.config import to_dict
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.games.styles import KeepsPathLength
from ganworks.kinds.images.stylegan2 import StyleGAN2, StyleLayer
from ganworks.use.model import Model

CIFAR = 10
SMALL = {"width": 8, "z_dim": 6, "w_dim": 5, "mapping": 2}


def spec(*shape, classes=0):
    return Spec("images", shape, tuple(f"class {k}" for k in range(classes)))


def count(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("side", "classes", "settings", "g", "d"),
    [
        (64, 0, {"mapping": 2}, 22_243_608, 23_407_361),  # "auto" of 2006.06676's code
        (256, 0, {}, 24_767_458, 24_001_089),  # its "paper256"
        (256, 0, {"wide_to": 64}, 30_034_338, 28_864_129),
        (512, 0, {"wide_to": 64}, 30_276_583, 28_982_849),
        (1024, 0, {"wide_to": 64}, 30_370_060, 29_012_513),  # config F of 1912.04958
        (32, CIFAR, {"wide_to": 64, "mapping": 2, "residual": False, "group": 32}, 20_215_315, 23_089_664),
    ],
)
def test_parameter_counts_are_the_published_ones_to_the_digit(side, classes, settings, g, d):
    with torch.device("meta"):
        nets = StyleGAN2(**settings).build(spec(3, side, side, classes=classes))
    assert (count(nets["G"]), count(nets["D"])) == (g, d)


def test_the_widths_are_the_papers():
    assert StyleGAN2(wide_to=64).resolve(spec(3, 1024, 1024)) == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert StyleGAN2().resolve(spec(3, 28, 28)) == (512, 512, 512)
    with torch.device("meta"):
        G = StyleGAN2(wide_to=64).build(spec(3, 1024, 1024))["G"]
    assert (G.count, len(G.mapping.layers)) == (18, 8)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (4, 33, 20), (2, 5, 17), (13, 16, 64), (1, 1, 3)])
@pytest.mark.parametrize("other", [{}, {"noise": False, "residual": False, "group": 0}], ids=["paper", "plain"])
def test_any_size_trains_and_every_parameter_gets_a_gradient(shape, classes, other):
    torch.manual_seed(0)
    nets = StyleGAN2(**SMALL, **other).build(spec(*shape, classes=classes))
    y = torch.tensor([0, 2]) if classes else None
    fake = nets["G"](torch.randn(2, 6), y)
    assert fake.shape == (2, *shape)
    logits = nets["D"](fake, y)
    assert logits.shape == (2,) and logits.dtype == torch.float32
    logits.square().sum().backward()
    for net in nets.values():
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_r1_gradient_matches_finite_differences():
    """Twice differentiated: residual blocks, resampling and minibatch standard deviation in float64."""
    torch.manual_seed(0)
    D = StyleGAN2(**SMALL).build(spec(2, 8, 8))["D"].double()
    D.crowd = torch.nn.Identity()  # computed in float32
    D.last.weight = torch.nn.Parameter(D.last.weight[:, :-1])
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64, requires_grad=True)
    weight = D.blocks[0].leave.weight

    def penalty():
        (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return g.square().sum()

    (exact,) = torch.autograd.grad(penalty(), weight)
    step, way, values = 1e-5, torch.randn_like(weight), []
    for move in (step, -2 * step):
        with torch.no_grad():
            weight += move * way
        values.append(penalty().item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx((exact * way).sum().item(), rel=1e-4)


def test_a_latents_length_does_not_matter_and_its_class_does():
    torch.manual_seed(0)
    nets = StyleGAN2(**SMALL).build(spec(3, 16, 16, classes=3))
    G, D, z = nets["G"].eval(), nets["D"].eval(), torch.randn(2, 6)
    one, two = torch.tensor([0, 0]), torch.tensor([1, 1])
    assert torch.allclose(G(z, one), G(7 * z, one), atol=1e-4)
    assert not torch.allclose(G(z, one), G(z, two), atol=1e-2)
    x = torch.randn(2, 3, 16, 16)
    assert not torch.allclose(D(x, one), D(x, two), atol=1e-4)
    for call in (lambda: G(z), lambda: D(x)):
        with pytest.raises(UsageError, match="one label per example"):
            call()


def test_noise_is_new_in_training_and_one_map_in_use():
    torch.manual_seed(0)
    G = StyleGAN2(**SMALL).build(spec(3, 16, 16))["G"]
    z = torch.randn(2, 6)
    assert torch.equal(G(z), G(z)), "the strengths begin at 0"
    with torch.no_grad():
        for layer in G.layers:
            layer.strength.fill_(0.5)
    assert not torch.allclose(G(z), G(z))
    assert torch.equal(G.eval()(z), G(z))
    layer, x, w = StyleLayer(3, 4, 5, (6, 6)).eval(), torch.randn(2, 3, 6, 6), torch.randn(2, 5)
    with torch.no_grad():
        layer.strength.fill_(2.0)
        layer.bias.fill_(0.25)
        y = layer.conv(x, w) + 2.0 * layer.noise + 0.25
    assert torch.allclose(layer(x, w), torch.where(y > 0, y, 0.2 * y) * 2**0.5, atol=1e-6)


def test_the_mean_style_follows_training_alone():
    torch.manual_seed(0)
    G = StyleGAN2(**SMALL, w_decay=0.9).build(spec(3, 8, 8))["G"]
    seen = []
    for k in range(30):
        w = G.styles(torch.randn(16, 6))[:, 0].detach().mean(0)
        seen.append(w)
        if k == 4:
            assert torch.allclose(G.w_avg, torch.stack(seen).mean(0), atol=1e-5), "the plain mean of the first ones"
    wanted = torch.stack(seen[:10]).mean(0)
    for w in seen[10:]:
        wanted = 0.9 * wanted + 0.1 * w
    assert torch.allclose(G.w_avg, wanted, atol=1e-5)
    G.eval()
    G(torch.randn(4, 6))
    assert torch.allclose(G.w_avg, wanted, atol=1e-5)


def warm(classes=0):
    """A model whose samples differ, with a mean style."""
    torch.manual_seed(0)
    networks, about = StyleGAN2(**SMALL), spec(3, 16, 16, classes=classes)
    G = networks.build(about)["G"]
    for k in range(4):
        G(torch.randn(32, 6), torch.full((32,), k % classes) if classes else None)
    with torch.no_grad():
        for layer in G.layers:
            layer.strength.fill_(0.1)
    return Model(G, about, {"networks": to_dict(networks)}, device="cpu")


@pytest.mark.parametrize("classes", [0, 3])
def test_truncation_moves_styles_towards_their_mean(classes, tmp_path):
    model = warm(classes)
    G = model.generator
    assert isinstance(G, Truncates) and isinstance(G, KeepsPathLength)
    assert torch.equal(model.latents(5, truncation=0.5), model.latents(5)), "a shorter latent would change nothing"
    z, y = model.latents(model.chunk), torch.zeros(model.chunk, dtype=torch.int64) if classes else None
    labels = 0 if classes else None
    w = G.w_avg + 0.25 * (G.styles(z, y) - G.w_avg)
    wanted = (G.synthesis(w)[:6] * 127.5 + 127.5 + 0.5).clamp(0, 255).floor().to(torch.uint8)
    made = model.sample(6, truncation=0.25, labels=labels)
    assert np.abs(made.data.astype(int) - wanted.numpy().astype(int)).max() <= 1
    assert made.facts["truncation"] == 0.25
    spread = [model.sample(64, truncation=t, labels=labels).data.astype(float).std(0).mean() for t in (0.1, 0.5, 1.0)]
    assert spread[0] < 0.4 * spread[1] < 0.4 * spread[2] and spread[2] > 5
    alone = model.sample(1, truncation=0.25, labels=labels, start=4)
    assert np.array_equal(alone.data[0], made.data[4])
    walk = model.walk([0, 1], steps=3, truncation=0.25, labels=labels)
    assert np.array_equal(walk.data[0], made.data[0])
    model.save(tmp_path / "generator.safetensors")
    again = gw.load(tmp_path / "generator.safetensors", device="cpu").sample(6, truncation=0.25, labels=labels)
    assert np.array_equal(again.data, made.data)


def test_autocast_keeps_styles_and_logits_in_fp32_and_close():
    torch.manual_seed(0)
    nets = StyleGAN2(**SMALL).build(spec(3, 16, 16))
    G, D, z = nets["G"].eval(), nets["D"].eval(), torch.randn(8, 6)
    with torch.no_grad():
        full, exact = D(G(z)), G.styles(z)
        with torch.autocast("cpu", torch.bfloat16):
            half, styles = D(G(z)), G.styles(z)
    assert half.dtype == styles.dtype == torch.float32 and torch.equal(styles, exact)
    assert torch.allclose(half, full, atol=0.05 * full.abs().max().item() + 0.05)


def test_what_is_no_image_is_refused_in_words():
    with pytest.raises(UsageError, match=r"\[C, H, W\]"):
        StyleGAN2().build(Spec("points", (2,)))
    with pytest.raises(UsageError, match="wide_to"):
        StyleGAN2(wide_to=2)
