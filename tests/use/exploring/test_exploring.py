"""Directions, walks, mixtures of classes, sums and projections, on generators whose answers are known."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec
from ganworks.kinds.images.stylegan2 import StyleGAN2
from ganworks.use.exploring import directions, paths
from ganworks.use.exploring.project import project
from ganworks.use.exploring.space import Space, mixed
from ganworks.use.model import Model

SPEC = Spec("images", (1, 4, 4))
CLASSES = Spec("images", (1, 4, 4), classes=("a", "b", "c"))
DIM = 6


class Linear(nn.Module):
    """G(z) = A z / 8, with singular values 8, 4, 2 ... and random singular vectors."""

    z_dim = DIM

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        left = torch.linalg.qr(torch.randn(16, DIM, generator=generator))[0]
        self.right = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator))[0]
        self.map = nn.Linear(DIM, 16, bias=False)
        values = 2.0 ** -torch.arange(DIM)
        self.map.weight = nn.Parameter(left @ torch.diag(values) @ self.right.T)

    def forward(self, z, y=None):
        return self.map(z).view(-1, 1, 4, 4)


class Classed(nn.Module):
    """G(z, y) = mean of z + the vector of the class."""

    z_dim = DIM

    def __init__(self):
        super().__init__()
        self.classes = nn.Embedding(3, 16)
        self.classes.weight = nn.Parameter(torch.linspace(-0.8, 0.8, 48).view(3, 16))

    def forward(self, z, y):
        return (self.classes(y) + 0.02 * z.mean(1, keepdim=True)).view(-1, 1, 4, 4)


class Deaf(nn.Module):
    """A conditional generator in which no layer reads the class."""

    z_dim = DIM

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(DIM, 16)

    def forward(self, z, y):
        return torch.tanh(self.one(z)).view(-1, 1, 4, 4)


@pytest.mark.parametrize(("method", "least"), [("sefa", 0.9999), ("ganspace", 0.99), ("pull", 0.97)])
def test_directions_of_a_linear_generator_are_its_singular_vectors(method, least):
    net = Linear()
    found = directions.find(Space(Model(net, SPEC)), method, 3)
    cosines = (found.vectors * net.right.T[:3]).sum(1).abs()
    assert (cosines > least).all()
    assert torch.allclose(found.vectors.norm(dim=1), torch.ones(3), atol=1e-5)
    energy = 4.0 ** -torch.arange(DIM)
    assert torch.allclose(found.shares, (energy / energy.sum())[:3], atol=0.06)


def test_a_loop_goes_through_the_samples_of_its_seeds():
    model = Model(Linear(), SPEC)
    walk = paths.loop(Space(model), [4, 9, 2], 5)
    assert len(walk) == 15
    for place, seed in ((0, 4), (5, 9), (10, 2)):
        apart = walk.data[place].astype(int) - model.sample(1, seed=seed).data[0].astype(int)
        assert np.abs(apart).max() <= 1
    with pytest.raises(UsageError, match="two seeds"):
        paths.loop(Space(model), [4], 5)


def test_rows_along_directions_pass_through_the_sample():
    model = Model(Linear(), SPEC)
    space = Space(model)
    rows = paths.along(space, directions.find(space, "sefa", 2), seed=5, steps=3)
    middle = model.sample(1, seed=5).data[0].astype(int)
    assert len(rows) == 6
    assert all(np.abs(rows.data[k].astype(int) - middle).max() <= 1 for k in (1, 4))
    assert np.abs(rows.data[0].astype(int) - rows.data[2].astype(int)).max() > 50


def test_a_class_by_weights_is_the_class_and_a_half_lies_between():
    model = Model(Classed(), CLASSES)
    z, eye = model.latents(1, seed=1), torch.eye(3)
    for k in range(3):
        wanted = model.sample(1, seed=1, labels=k).data.astype(int)
        assert np.abs(mixed(model, z, eye[k : k + 1]).data.astype(int) - wanted).max() <= 1
    half = mixed(model, z, torch.tensor([[0.5, 0.0, 0.5]])).data.astype(float)
    ends = [model.sample(1, seed=1, labels=k).data.astype(float) for k in (0, 2)]
    assert np.abs(half - (ends[0] + ends[1]) / 2).max() <= 1


def test_classes_that_are_one_hot_vectors_are_mixed_as_well():
    spec = Spec("images", (3, 8, 8), classes=("a", "b", "c"))
    torch.manual_seed(0)
    net = StyleGAN2(width=8, z_dim=DIM, w_dim=8, mapping=2).build(spec)["G"]
    model = Model(net, spec)
    z = model.latents(1, seed=2)
    wanted = model.sample(1, seed=2, labels=1).data.astype(int)
    assert np.abs(mixed(model, z, torch.eye(3)[1:2]).data.astype(int) - wanted).max() <= 1
    walk = paths.between_classes(model, ["a", "b"], seed=2, steps=4)
    assert len(walk) == 8
    assert np.abs(walk.data[4].astype(int) - wanted).max() <= 1
    assert not np.array_equal(walk.data[2], walk.data[0])


def test_a_generator_that_does_not_read_vectors_of_classes_is_refused():
    with pytest.raises(UsageError, match="classes as numbers alone"):
        paths.between_classes(Model(Deaf(), CLASSES), ["a", "b"], seed=0, steps=2)
    with pytest.raises(UsageError, match="no classes"):
        mixed(Model(Linear(), SPEC), torch.zeros(1, DIM), torch.ones(1, 1))


def test_styles_are_the_space_of_a_generator_that_has_some():
    spec = Spec("images", (3, 8, 8))
    torch.manual_seed(0)
    model = Model(StyleGAN2(width=8, z_dim=DIM, w_dim=10, mapping=2).build(spec)["G"], spec)
    space = Space(model)
    assert (space.name, space.dim) == ("styles", 10)
    apart = space.samples(space.of_seeds([7])).data.astype(int) - model.sample(1, seed=7).data.astype(int)
    assert np.abs(apart).max() <= 1
    for method in directions.METHODS:
        found = directions.find(space, method, 4)
        assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(4), atol=1e-3)


def test_sums_are_read_and_taken():
    assert paths.terms("3 - mean(5, 7) + 0.5*8") == [(1.0, [3]), (-1.0, [5, 7]), (0.5, [8])]
    for wrong in ("", "3 4", "3 - x", "mean()", "3 -"):
        with pytest.raises(UsageError):
            paths.terms(wrong)
    model = Model(Linear(), SPEC)
    made = paths.summed(Space(model), "3 - 5 + 5")
    assert len(made) == 4
    assert np.abs(made.data[0].astype(int) - made.data[3].astype(int)).max() <= 1


def test_a_sample_is_found_again_and_a_strange_picture_is_told():
    model = Model(Linear(), SPEC)
    space = Space(model)
    point = 1.1 * space.of_seeds([100_000])[0]
    picture = space.run(point[None])[0].detach()
    found = project(space, picture, steps=300)
    assert found.error < 0.01 < found.start_error < found.typical_error
    assert math.isclose(found.psnr, -20 * math.log10(found.error))
    strong = (found.point - point) @ model.generator.right[:, :3]
    assert float(strong.abs().max()) < 0.1
    strange = project(space, torch.ones(1, 4, 4), steps=300)
    assert strange.error > 0.2
