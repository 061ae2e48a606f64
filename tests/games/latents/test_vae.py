"""The bound of a VAE against models whose likelihood is known exactly, and each setting of its game."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.settings import Config, Optimizer, Train
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games.latents.gaussian import negative_log_likelihood, with_free_bits
from ganworks.games.latents.vae import VAE
from ganworks.layers.posterior import Posterior
from ganworks.networks.autoencoder import Autoencoder
from ganworks.networks.mlp import MLP
from ganworks.training.engine import Engine

torch.set_num_threads(1)
SIZE, CODE, VARIANCE = 6, 2, 0.3


def batch(x, progress=1.0, seed=0):
    return Batch(lambda: {"x": x}, Draw(seed, len(x), slice(None)), size=len(x), progress=progress)


def log_normal(x, mean, covariance):
    """log N(x; mean, covariance) in float64 [n]."""
    apart = x - mean
    inverse, log_det = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]
    return -0.5 * (np.einsum("ni,ij,nj->n", apart, inverse, apart) + log_det + len(mean) * math.log(2 * math.pi))


class Linear(nn.Module):
    """x = W z + mean: the decoder of probabilistic PCA (Tipping and Bishop 1999)."""

    z_dim = CODE

    def __init__(self, weight, mean):
        super().__init__()
        self.weight, self.mean = nn.Parameter(weight), nn.Parameter(mean)

    def forward(self, z, y=None):
        return z @ self.weight.T + self.mean


class Exact(nn.Module):
    """The exact posterior of probabilistic PCA, diagonal as the columns of W are orthogonal; `off` spoils its mean."""

    def __init__(self, weight, mean, off=0.0):
        super().__init__()
        self.weight, self.mean, self.off = weight, mean, off
        self.register_buffer("variance", torch.tensor(VARIANCE))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x, y=None):
        inner = self.weight.square().sum(0) + VARIANCE
        log_variance = (VARIANCE / inner).log().expand(len(x), CODE)
        return Posterior((x - self.mean) @ self.weight / inner + self.off, log_variance)


def ppca(off=0.0):
    g = torch.Generator().manual_seed(1)
    weight = torch.linalg.qr(torch.randn(SIZE, CODE, generator=g))[0] * torch.tensor([1.5, 0.7])
    mean = torch.randn(SIZE, generator=g)
    x = torch.randn(40, CODE, generator=g) @ weight.T + mean + VARIANCE**0.5 * torch.randn(40, SIZE, generator=g)
    return {"G": Linear(weight, mean), "E": Exact(weight, mean, off)}, x, weight.numpy(), mean.numpy()


def test_the_bound_is_the_likelihood_where_the_posterior_is_exact():
    """With the posterior of probabilistic PCA the bound has no gap: it equals N(x; mean, W W' + variance I)."""
    nets, x, weight, mean = ppca()
    exact = log_normal(x.numpy().astype(float), mean, weight @ weight.T + VARIANCE * np.eye(SIZE))
    with torch.no_grad():
        found = VAE(draws=4000).measures(nets, batch(x))["elbo"].numpy()
    assert np.abs(found - exact).max() < 0.15 and abs((found - exact).mean()) < 0.02


def test_a_wrong_posterior_costs_its_kl_divergence():
    """The gap of the bound is KL(q | exact posterior): off^2 / (2 variance) for each dimension of a shifted mean."""
    nets, x, weight, mean = ppca(off=0.4)
    exact = log_normal(x.numpy().astype(float), mean, weight @ weight.T + VARIANCE * np.eye(SIZE))
    gap = sum(0.5 * 0.4**2 * ((weight[:, k] ** 2).sum() + VARIANCE) / VARIANCE for k in range(CODE))
    with torch.no_grad():
        found = VAE(draws=4000).measures(nets, batch(x))["elbo"].numpy()
    assert (exact - found).mean() == pytest.approx(gap, rel=0.03)


def test_the_loss_is_the_negative_bound():
    nets, x, *_ = ppca()
    game = VAE(variance=VARIANCE, draws=1)
    terms = game.bound_turn(nets, batch(x, seed=5))
    loss = terms["reconstruction"] + terms["kl"]
    assert torch.allclose(loss, -game.measures(nets, batch(x, seed=5))["elbo"], atol=1e-5)
    assert torch.equal(terms["_kl_nats"], terms["kl"])


@pytest.mark.parametrize("learned", [True, False])
def test_a_linear_vae_learns_what_probabilistic_pca_knows(learned):
    """Trained by the engine, its bound reaches the largest likelihood of PPCA (Lucas et al. 2019, 1911.02469)."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(CODE, SIZE)) * [[1.0], [0.6]]
    data = rng.normal(size=(4000, CODE)) @ mixing + 0.25 * rng.normal(size=(4000, SIZE))
    x = torch.from_numpy(data.astype(np.float32))
    values, vectors = np.linalg.eigh(np.cov(data.T, bias=True))
    rest = values[:-CODE].mean()  # the most likely variance; W from the leading eigenvectors
    best = vectors[:, -CODE:] * np.sqrt(values[-CODE:] - rest)
    most = log_normal(data, data.mean(0), best @ best.T + rest * np.eye(SIZE)).mean()

    torch.manual_seed(0)
    linear = MLP(hidden=(), d_hidden=(), z_dim=CODE, output="linear")
    nets = Autoencoder(body=linear).build(Spec("points", (SIZE,), low=-1, high=1, dtype="float32"))
    game = VAE(variance=0.0 if learned else float(rest), warmup=0.0)
    adam = Optimizer(lr=2e-2, lr_end=1e-4, betas=(0.9, 0.999))
    config = Config("vae", None, Autoencoder(body=linear), game, g=adam, d=adam, train=Train(batch=500))

    def feed(start, draw):
        return {"x": x[(start + torch.arange(500)) % len(x)]}

    engine = Engine(nets, game, config, feed, 400_000, averaged=("G", "E"))
    for _ in range(800):
        engine.step()
    with torch.no_grad():
        found = VAE(variance=game.variance, draws=64).measures(nets, batch(x))["elbo"].mean().item()
    assert most - 0.05 < found < most + 0.01
    if learned:
        assert float(nets["E"].variance) == pytest.approx(rest, rel=0.1)


def test_kl_and_likelihood_by_hand():
    posterior = Posterior(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, math.log(4.0)]]))
    assert posterior.kl()[0].tolist() == pytest.approx([0.5, 0.5 * (4 - 1 - math.log(4))])
    x, made = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[0.0, 2.0]]])
    expected = 0.5 * (1 / 0.5 + 2 * math.log(2 * math.pi * 0.5))
    assert negative_log_likelihood(x, made, torch.tensor(0.5)).item() == pytest.approx(expected)


def test_free_bits_are_free_of_gradient_below_and_the_plain_sum_above():
    kl = torch.tensor([[0.1, 0.2, 2.0], [0.3, 1.6, 4.0]], requires_grad=True)
    found = with_free_bits(kl, 0.5)  # means over the batch: 0.2, 0.9, 3
    assert found.tolist() == pytest.approx([0.5 + 0.9 + 3.0] * 2)
    found.mean().backward()
    assert kl.grad.tolist() == [[0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]
    assert torch.equal(with_free_bits(kl, 0.0), kl.sum(1))


def test_warm_up_and_beta_weigh_the_kl_term_alone():
    nets, x, *_ = ppca()
    whole = VAE(variance=VARIANCE, warmup=0.0).bound_turn(nets, batch(x))
    half = VAE(variance=VARIANCE, warmup=0.2, beta=3.0).bound_turn(nets, batch(x, progress=0.1))
    assert torch.allclose(half["kl"], 1.5 * whole["kl"]) and torch.equal(
        half["reconstruction"], whole["reconstruction"]
    )


def test_a_learned_variance_is_the_mean_of_the_last_errors():
    nets, x, *_ = ppca()
    E, errors = nets["E"], []
    for seed in range(3):
        terms = VAE().bound_turn(nets, batch(x, seed=seed))
        made = nets["G"](E(x).sample(Draw(seed, len(x), slice(None)).normal(CODE)))
        errors.append((made - x).square().mean().item())
    assert float(E.variance) == pytest.approx(np.mean(errors), rel=1e-5)
    assert terms["_deviation"].item() == pytest.approx(np.mean(errors) ** 0.5, rel=1e-5)


@pytest.mark.parametrize("wrong", [{"variance": -1.0}, {"beta": -0.1}, {"draws": 0}, {"warmup": 2.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        VAE(**wrong)
