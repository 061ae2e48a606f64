"""Path lengths, style mixing and lazy penalties, against sums written out in NumPy and against the other games."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.settings import Optimizer
from ganworks.core.spec import Batch, Draw
from ganworks.games.adversarial import Adversarial
from ganworks.games.penalties import path_lengths
from ganworks.games.styles import StyleAdversarial

LAYERS, W, SHAPE = 3, 4, (2, 3, 5)
PIXELS = 30


class Generator(nn.Module):
    """images = tanh(sum over layers of A_l w_l), w = z for every layer."""

    z_dim, count = W, LAYERS

    def __init__(self):
        super().__init__()
        self.A = nn.Parameter(torch.randn(LAYERS, PIXELS, W) / 3)
        self.register_buffer("path_length", torch.zeros(()))

    def styles(self, z, y=None):
        return z[:, None].expand(-1, LAYERS, -1)

    def synthesis(self, w):
        return torch.einsum("lpd,bld->bp", self.A, w.to(self.A.dtype)).tanh().view(-1, *SHAPE)

    def forward(self, z, y=None):
        return self.synthesis(self.styles(z, y))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 6), nn.Softplus(), nn.Linear(6, 1))

    def forward(self, x, y=None):
        return self.body(x)[:, 0]


def players():
    torch.manual_seed(0)
    return {"G": Generator(), "D": Critic()}


def batch(size=8, seed=0, rows=None):
    rows = rows or slice(0, size)
    real = torch.rand(size, *SHAPE, generator=torch.Generator().manual_seed(3))[rows]
    return Batch(lambda: {"x": real}, Draw(seed, size, rows), size=len(real))


def lengths_by_hand(A, w, noise):
    """|J^T y| from the Jacobian of the generator above: J_l = diag(1 - tanh^2) A_l, y = noise / sqrt(H W)."""
    out = []
    for one, e in zip(w, noise.reshape(len(noise), -1), strict=True):
        slope = 1 - np.tanh(sum(a @ v for a, v in zip(A, one, strict=True))) ** 2
        pulled = [a.T @ (slope * e / math.sqrt(SHAPE[1] * SHAPE[2])) for a in A]
        out.append(math.sqrt(np.mean([p @ p for p in pulled])))
    return np.array(out)


def test_path_lengths_are_those_of_the_jacobian():
    G = players()["G"].double()
    w = torch.randn(5, LAYERS, W, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(5, *SHAPE, dtype=torch.float64)
    found = path_lengths(G.synthesis(w), w, noise)
    wanted = lengths_by_hand(G.A.detach().numpy(), w.detach().numpy(), noise.numpy())
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-12)
    (slope,) = torch.autograd.grad(found.sum(), G.A)
    ahead, step, way = [], 1e-6, torch.randn_like(G.A).numpy()
    for sign in (1, -1):
        A = G.A.detach().numpy() + sign * step * way
        ahead.append(lengths_by_hand(A, w.detach().numpy(), noise.numpy()).sum())
    assert (ahead[0] - ahead[1]) / (2 * step) == pytest.approx(float((slope.numpy() * way).sum()), rel=1e-6)


def test_the_path_turn_holds_lengths_to_their_running_mean():
    """Equation 4 of 1912.04958, on half of the batch, with the weight of `path_every` steps; the mean is kept in G."""
    game, nets = StyleAdversarial(path=3.0, path_every=5, path_decay=0.25, mixing=0.0), players()
    mean = 0.0
    for seed in (0, 1):
        terms = game.path_turn(nets, batch(seed=seed))
        draw = Draw(seed, 8, slice(0, 8))
        z, noise = draw.normal(W)[:4], draw.normal(*SHAPE)[:4]
        w = z[:, None].expand(-1, LAYERS, -1)
        lengths = lengths_by_hand(nets["G"].A.detach().numpy(), w.numpy(), noise.numpy())
        mean += 0.25 * (lengths.mean() - mean)
        np.testing.assert_allclose(terms["path"].detach().numpy(), 3 * 5 * (lengths - mean) ** 2, rtol=1e-4)
        np.testing.assert_allclose(terms["_length"].numpy(), lengths, rtol=1e-5)
        assert float(nets["G"].path_length) == pytest.approx(mean, rel=1e-5)
    terms["path"].mean().backward()
    assert nets["G"].A.grad.abs().sum() > 0


def test_turns_of_path_lengths_and_penalties_come_on_their_steps():
    game = StyleAdversarial(r1=1.0, r2=0.0, penalty_every=4, path_every=2)
    moved = [["".join(p) + turn.__name__[:4] for p, turn in game.turns(step)] for step in range(5)]
    both, path, none = ["Ddisc", "Dpena", "Ggene", "Gpath"], ["Ddisc", "Ggene", "Gpath"], ["Ddisc", "Ggene"]
    assert moved == [both, none, path, none, both]
    assert len(list(StyleAdversarial(path=0.0, penalty_every=4, r1=0.0, r2=0.0).turns(0))) == 2
    assert [p for p, _ in StyleAdversarial(train="G").turns(0)] == [("G",), ("G",)]


def test_mixing_changes_to_a_second_latent_from_a_random_layer_on():
    G = players()["G"]
    draw = Draw(0, 2000, slice(0, 2000))
    first, layers, chance, second = draw.normal(W), 1 + draw.integers(LAYERS - 1), draw.uniform(), draw.normal(W)
    w = StyleAdversarial(mixing=0.6).mixed(G, batch(2000))
    for n in range(2000):
        at = int(layers[n]) if chance[n] < 0.6 else LAYERS
        assert torch.equal(w[n, :at], first[n].expand(at, -1))
        assert torch.equal(w[n, at:], second[n].expand(LAYERS - at, -1))
    mixed = (w[:, 0] != w[:, -1]).any(1).float().mean()
    assert float(mixed) == pytest.approx(0.6, abs=0.04)
    assert set(layers.tolist()) == {1, 2}
    plain = StyleAdversarial(mixing=0.0).mixed(G, batch(2000))
    assert torch.equal(plain, first[:, None].expand(-1, LAYERS, -1))


def test_slices_of_a_batch_mix_as_the_whole_does():
    game, G = StyleAdversarial(), players()["G"]
    whole = game.mixed(G, batch())
    parts = [game.mixed(G, batch(rows=rows)) for rows in (slice(0, 8, 2), slice(1, 8, 2))]
    assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)


@pytest.mark.parametrize("on", [{"r1": 2.0, "r2": 0.0}, {"r1": 2.0, "r2": 0.5}, {"r1": 0.0, "r2": 0.0, "gp": 3.0}])
def test_a_lazy_penalty_is_so_many_times_the_one_of_every_step(on):
    """The same random numbers give 16 times the penalties, and the main turn keeps none."""
    always, lazy = Adversarial(**on), Adversarial(**on, penalty_every=16)
    names = {name for name, weight in on.items() if weight}
    per_step = always.discriminator_turn(players(), batch())
    assert set(lazy.discriminator_turn(players(), batch())) == {"d_loss", "_real", "_fake"}
    turn = lazy.penalty_turn(players(), batch())
    assert set(turn) == names
    for name in names:
        torch.testing.assert_close(turn[name], 16 * per_step[name])


def test_lazy_optimisers_move_as_far_in_k_plus_1_updates_as_others_in_k():
    """1912.04958, appendix B: c = k / (k + 1); over one period rates add up and moments decay as before."""
    adam = Optimizer(lr=0.002, lr_end=0.001, betas=(0.5, 0.99), beta2_start=0.9)
    lazy = adam.lazily(16)
    assert 17 * lazy.lr == pytest.approx(16 * adam.lr) and 17 * lazy.lr_end == pytest.approx(16 * adam.lr_end)
    for slow, fast in zip((*lazy.betas, lazy.beta2_start), (*adam.betas, adam.beta2_start), strict=True):
        assert slow**17 == pytest.approx(fast**16)
    assert adam.lazily(1) is adam and Optimizer(betas=(0.0, 0.99)).lazily(4).betas[0] == 0.0


def test_a_generator_without_styles_is_refused():
    class Plain(nn.Module):
        z_dim = 2

    with pytest.raises(UsageError, match=r"Plain has none.*game=adversarial"):
        StyleAdversarial().generator_turn({"G": Plain(), "D": Critic()}, batch())
