"""Encoders, joined networks and codes: made of every family, for any shape, with and without classes."""

import math

import pytest
import torch

from ganworks.core.encoding import SharesFeatures, own_options
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.images.r3gan import R3GAN
from ganworks.networks.autoencoder import Autoencoder
from ganworks.networks.compact import Compact
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.infogan import InfoNetworks
from ganworks.networks.mlp import MLP

torch.set_num_threads(1)
FAMILIES = [Compact(width=4, z_dim=5), DCGAN(width=4, z_dim=5), MLP(hidden=(6,), z_dim=5), R3GAN(width=16, z_dim=5)]


def spec(classes=0, shape=(3, 9, 14)):
    return Spec("images", shape, tuple(map(str, range(classes))))


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("body", FAMILIES, ids=lambda body: type(body).__name__)
def test_a_discriminator_is_its_two_parts(body, classes):
    torch.manual_seed(0)
    D = body.build(spec(classes))["D"].eval()
    x, y = torch.randn(4, 3, 9, 14), torch.arange(4) % 3 if classes else None
    assert isinstance(D, SharesFeatures) and all(hasattr(D, name) for name in D.HEAD)
    features = D.features(x, y)
    assert features.shape == (4, *D.feature_shape) and torch.equal(D(x, y), D.judge(features, y))


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("judge", ["none", "examples", "codes", "both"])
@pytest.mark.parametrize("body", FAMILIES, ids=lambda body: type(body).__name__)
def test_every_parameter_of_an_autoencoder_learns(body, judge, classes):
    torch.manual_seed(0)
    nets = Autoencoder(body=body, judge=judge, hidden=(7,)).build(spec(classes))
    x, y = torch.randn(4, 3, 9, 14), torch.arange(4) % 3 if classes else None
    posterior = nets["E"](x, y)
    z = posterior.sample(torch.ones(4, 5))
    made = nets["G"](z, y)
    assert made.shape == x.shape and posterior.mean.shape == posterior.kl().shape == (4, 5)
    loss = (made - x).square().sum() + posterior.kl().sum()
    if judge != "none":
        logits = {"examples": (made, y), "codes": (z, y), "both": (made, z, y)}[judge]
        logits = nets["D"](*logits)
        assert logits.shape == (4,) and logits.dtype == torch.float32
        loss = loss + logits.square().sum()
    loss.backward()
    for name, net in nets.items():
        assert not [n for n, p in net.named_parameters() if p.grad is None], name


def test_an_encoder_has_no_head_and_reads_its_label():
    nets = Autoencoder(body=DCGAN(width=4, z_dim=5, norm="none"), posterior="point").build(spec(3))
    assert not any(hasattr(nets["E"].trunk, name) for name in ("out", "label"))
    x = torch.randn(2, 3, 9, 14)
    one, two = (nets["E"](x, torch.full((2,), k)) for k in (0, 1))
    assert not torch.equal(one, two)
    with pytest.raises(UsageError, match="labels"):
        nets["E"](x)


def test_without_a_label_the_class_with_the_nearest_reconstruction_is_taken():
    torch.manual_seed(0)
    networks = Autoencoder(body=MLP(hidden=(6,), z_dim=2))
    nets = {name: net.eval() for name, net in networks.build(spec(3, (1, 4, 4))).items()}
    whole, x = networks.joined(nets), torch.randn(5, 1, 4, 4)
    made = torch.stack([whole(x, torch.full((5,), k)) for k in range(3)])
    near = (made - x).square().sum((2, 3, 4)).argmin(0)
    assert len(set(near.tolist())) > 1, "the test needs examples of several classes"
    assert torch.equal(whole(x), made[near, torch.arange(5)])
    assert torch.equal(whole(x, near), whole(x))


@pytest.mark.parametrize("truncation", [1.0, 0.2])
def test_categories_are_uniform_and_codes_too(truncation):
    G = InfoNetworks(body=MLP(hidden=(6,), z_dim=4), categories=5, continuous=2).build(spec())["G"]
    z = truncation * torch.randn(20_000, G.z_dim, generator=torch.Generator().manual_seed(0))
    category, values = G.codes(z)
    assert G.z_dim == 4 + 5 + 2
    share = category.bincount(minlength=5) / len(z)
    assert float((share - 0.2).abs().max()) < 4 * math.sqrt(0.2 * 0.8 / len(z))
    if truncation == 1.0:
        quartiles = values.sort(0).values[[5000, 10_000, 15_000]]
        assert torch.allclose(quartiles, torch.tensor([[-0.5], [0.0], [0.5]]).expand(3, 2), atol=0.03)


def test_codes_that_are_set_are_those_of_the_samples():
    torch.manual_seed(0)
    G = InfoNetworks(body=MLP(hidden=(6,), z_dim=4), categories=3, continuous=2).build(spec())["G"]
    z = torch.randn(6, G.z_dim)
    assert list(own_options(G)) == ["category", "c1", "c2"]
    changed = z.clone()
    changed[:, 4:7] = torch.tensor([0.0, 9.0, 0.0])
    changed[:, 8] = 0.0  # c2, as 2 Phi(0) - 1 = 0
    assert torch.allclose(G.prepared({"category": "1", "c2": 0})(z), G(changed))
    assert not torch.allclose(G(z), G(changed)), "the generator itself must stay as it was"
    for wrong in ({"category": 3}, {"category": 0.5}, {"c1": "wide"}, {"c2": -1.1}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            G.prepared(wrong)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Autoencoder(body="compact"),
        lambda: Autoencoder(body=Autoencoder()),
        lambda: Autoencoder(hidden=()),
        lambda: InfoNetworks(categories=1),
        lambda: InfoNetworks(categories=0, continuous=0),
        lambda: InfoNetworks(body=Autoencoder()),
    ],
)
def test_impossible_networks_are_refused(build):
    with pytest.raises(UsageError, match="networks"):
        build()
