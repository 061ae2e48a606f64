"""Spectral norm of averaged weights: the vectors belong to the average, whatever the vectors of its parts were."""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from toys import SPEC, engine, run

from ganworks.layers.weights.averaged_spectral import settled
from ganworks.networks.mlp import MLP


def norm(weight):
    return float(torch.linalg.matrix_norm(weight.detach().double().flatten(1), 2))


def test_settled_vectors_are_the_largest_singular_pair():
    torch.manual_seed(0)
    net = nn.Sequential(spectral_norm(nn.Conv2d(3, 5, 3)), spectral_norm(nn.ConvTranspose2d(5, 4, 4)), nn.Linear(2, 2))
    state = net.state_dict()
    for name in ("0", "1"):
        state[f"{name}.parametrizations.weight.original"] = torch.randn(5, *((3, 3, 3) if name == "0" else (4, 4, 4)))
    found = settled(net, state)
    assert set(found) == {f"{n}.parametrizations.weight.0.{k}" for n in "01" for k in ("_u", "_v")}
    for name, axis in (("0", 0), ("1", 1)):
        matrix = state[f"{name}.parametrizations.weight.original"].movedim(axis, 0).flatten(1)
        u, v = (found[f"{name}.parametrizations.weight.0.{k}"] for k in ("_u", "_v"))
        assert abs(float(u @ matrix @ v) / norm(matrix) - 1) < 5e-3
    net.load_state_dict({**state, **found})
    assert abs(norm(net.eval()[0].weight) - 1) < 5e-3


def test_the_averaged_generator_has_the_norm_of_the_live_one():
    """The mean of vectors that turn is short, and would leave weights of a norm above 1."""

    def players():
        torch.manual_seed(1)
        nets = MLP(hidden=(16,), z_dim=4, output="linear").build(SPEC)
        spectral_norm(nets["G"].body[0])
        return nets

    trained = run(engine(nets=players()), 30)
    name = "body.0.parametrizations.weight."
    with torch.no_grad():
        trained.nets["G"].body[0].parametrizations.weight[0]._u.neg_()
        trained.nets["G"].body[0].parametrizations.weight[0]._v.neg_()
    run(trained, 1)
    for which in (0, 1):
        state = trained.average(which)
        copy = players()["G"].eval()
        copy.load_state_dict(state)
        assert abs(norm(copy.body[0].weight) - 1) < 1e-2
        assert not torch.equal(state[name + "original"], trained.nets["G"].state_dict()[name + "original"])
