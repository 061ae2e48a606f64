"""Every architecture, on every kind of shape: what networks promise to games and engine."""

from __future__ import annotations

import copy
import inspect

import pytest
import torch

from ganworks.core import registry
from ganworks.core.config import from_dict, to_dict
from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.games.self_supervised import RebuildsExamples
from ganworks.layers.strided import center_crop, center_pad, conv_down, conv_up, size_plan
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.mlp import MLP

SHAPES = [(1, 8, 8), (3, 17, 23), (4, 30, 20), (2, 28, 28)]


OF_IMAGES = ("ganworks.networks.", "ganworks.kinds.images.")  # networks of other data have tests of their own


def _found() -> list[type]:
    """Every listed dataclass whose `build(spec)` returns G and D of any images; tasks (`makes`) have own tests."""
    listed = [registry.part(id_) for id_ in registry.named("networks").values()]
    return [
        c
        for c in listed
        if c is not None
        and c.__module__.startswith(OF_IMAGES)
        and not hasattr(c, "makes")
        and list(inspect.signature(c.build).parameters) == ["self", "spec"]
    ]


def _small(kind: type):
    """The architecture at its smallest sensible width."""
    return kind(width=8) if "width" in kind.__dataclass_fields__ else kind()


VARIANTS = [
    *map(_small, _found()),
    MLP(hidden=(16,), d_hidden=(12, 12), maxout=3, norm="batch", output="linear"),
    DCGAN(width=8, norm="layer"),
    DCGAN(width=8, norm="instance", g_norm="none"),
    DCGAN(width=8, d_width=4, norm="none"),
]


@pytest.fixture(autouse=True)
def _fixed():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def _spec(shape: tuple[int, ...], classes: int) -> Spec:
    return Spec("images", shape, tuple(f"class {k}" for k in range(classes)))


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("net", VARIANTS, ids=lambda net: type(net).__name__)
def test_every_network_keeps_its_promises(net, shape, classes):
    """Shapes, float32 logits, a gradient for every parameter, double backward through D."""
    players = net.build(_spec(shape, classes))
    G, D = players["G"], players["D"]
    y = torch.arange(6) % classes if classes else None
    x = G(torch.randn(6, G.z_dim), y)
    assert x.shape == (6, *shape)
    real = x.detach().clone().requires_grad_()
    logits = D(real, y)
    assert logits.shape == (6,) and logits.dtype == torch.float32
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    rebuilt = D.examine(x, y, torch.zeros(6, dtype=torch.int64))[1] if isinstance(D, RebuildsExamples) else []
    extra = sum(made.square().sum() for made, _ in rebuilt)
    (logits.square().sum() + slope.square().sum() - D(x, y).sum() + extra).backward()
    for name, player in players.items():
        missing = [n for n, p in player.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        assert not missing, f"{name}: no gradient for {missing}"
    assert any(p.grad.abs().sum() > 0 for p in G.parameters())


@pytest.mark.parametrize("net", VARIANTS, ids=lambda net: type(net).__name__)
def test_copies_modes_and_rebuilding(net):
    """A deep copy gives the same, eval() makes rows independent, the configuration rebuilds the same
    layout."""
    spec = _spec((3, 17, 23), 3)
    G = net.build(spec)["G"]
    z, y = torch.randn(4, G.z_dim), torch.tensor([0, 1, 2, 0])
    G(z, y)
    twin = copy.deepcopy(G).eval()
    G.eval()
    assert torch.equal(G(z, y), twin(z, y))
    assert torch.allclose(G(z, y)[:1], G(z[:1], y[:1]), atol=1e-5)
    G.train()
    assert all(module.training for module in G.modules())
    again = from_dict(object, to_dict(net)).build(spec)["G"]
    assert {n: t.shape for n, t in again.state_dict().items()} == {n: t.shape for n, t in G.state_dict().items()}


@pytest.mark.parametrize("net", [MLP(), DCGAN(width=8), DCGAN(width=8, norm="layer")], ids=lambda n: type(n).__name__)
def test_labels_matter_and_are_required(net):
    players = net.build(_spec((1, 8, 8), 3))
    G, D = players["G"].eval(), players["D"].eval()
    z, x = torch.randn(2, G.z_dim), torch.randn(2, 1, 8, 8)
    one, two = torch.tensor([0, 0]), torch.tensor([1, 1])
    assert not torch.equal(G(z, one), G(z, two)) and not torch.equal(D(x, one), D(x, two))
    for call in (lambda: G(z), lambda: D(x)):
        with pytest.raises(UsageError, match="conditional on 3 classes"):
            call()


def test_dcgan_follows_its_paper():
    """64x64: project to 4x4x(8 width), four doublings, weights N(0, 0.02), no batch norm at G's end and D's
    start."""
    players = DCGAN(width=64).build(_spec((3, 64, 64), 0))
    G, D = players["G"], players["D"]
    assert G.top == (512, 4, 4) and G.project.in_features == 100
    ups = [m for m in G.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.out_channels for m in ups] == [256, 128, 64, 3]
    downs = [m for m in D.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in downs] == [64, 128, 256, 512]
    assert all(abs(float(m.weight.detach().std()) - 0.02) < 0.002 for m in ups + downs)
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in G.modules()) == 4
    assert sum(isinstance(m, torch.nn.BatchNorm2d) for m in D.modules()) == 3
    assert isinstance(D.body[1], torch.nn.Identity)


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_norms_for_gradient_penalties_keep_examples_apart(norm):
    D = DCGAN(width=8, norm=norm).build(_spec((1, 16, 16), 0))["D"].train()
    x = torch.randn(4, 1, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(D(x)[0], x)
    assert slope[0].abs().sum() > 0 and slope[1:].abs().sum() == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (7, 9), (8, 256), (28, 28), (33, 65), (100, 150)], ids=str)
def test_size_plans_cover_every_size_and_invert(size):
    plan = size_plan(*size)
    assert all(b >= s and b - s < 2 ** len(plan.strides) for b, s in zip(plan.built, size, strict=True))
    x = torch.randn(1, 2, *size)
    assert torch.equal(center_crop(center_pad(x, *plan.built), *size), x)
    small = torch.randn(1, 2, *plan.base)
    for stride in plan.strides:
        small = conv_up(2, 2, stride)(small)
    assert tuple(small.shape[2:]) == plan.built
    for stride in reversed(plan.strides):
        small = conv_down(2, 2, stride)(small)
    assert tuple(small.shape[2:]) == plan.base


def test_mlp_for_points_and_the_784_256_256_layout():
    players = MLP(z_dim=2).build(Spec("points", (2,)))
    points = players["G"](torch.full((1, 2), 1e3))
    assert float(points.detach().abs().max()) > 1.0, "points must not be squashed"
    image = MLP().build(_spec((1, 28, 28), 0))
    assert [p.shape[0] for p in image["G"].parameters() if p.dim() == 2] == [256, 256, 784]
    assert [p.shape[1] for p in image["D"].parameters() if p.dim() == 2] == [784, 256, 256]
    assert float(image["G"](torch.full((1, 64), 1e4)).detach().abs().max()) <= 1.0


def test_maxout_takes_the_largest_piece():
    D = MLP(d_hidden=(4,), maxout=5).build(Spec("points", (2,)))["D"]
    x = torch.randn(3, 2)
    layer = D.body[0]
    pieces = (x @ layer.linear.weight.T + layer.linear.bias).reshape(3, 4, 5)
    assert torch.allclose(layer(x), pieces.max(2).values)


@pytest.mark.parametrize(
    "build",
    [
        lambda: DCGAN().build(Spec("points", (2,))),
        lambda: DCGAN(width=0).build(_spec((1, 8, 8), 0)),
        lambda: MLP(hidden=(0,)).build(_spec((1, 8, 8), 0)),
    ],
)
def test_impossible_networks_are_refused(build):
    with pytest.raises(UsageError, match="needs"):
        build()
