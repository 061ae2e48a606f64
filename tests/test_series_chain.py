"""The generator with a likelihood: densities that are densities, a measure that comes back, stages of its game."""

import numpy as np
import pytest
import torch
from test_series_nets import SMALL, batch, plain, ragged

from ganworks.data.series_layout import Even
from ganworks.domains.series import Series as Domain
from ganworks.engine import Engine
from ganworks.errors import UsageError
from ganworks.games.series import SeriesGame
from ganworks.networks.series import Series
from ganworks.networks.series_chain import Law
from ganworks.settings import Config, Optimizer, Train


def law(n=3):
    rng = torch.Generator().manual_seed(0)
    draw = lambda *shape: 0.4 * torch.randn(*shape, generator=rng).double()  # noqa: E731
    return Law(draw(1, n), draw(1, n), draw(1, n), draw(1, n), draw(1, n, n).tril(-1))


def test_the_density_of_a_draw_is_that_of_its_noise_and_the_volume():
    one, noise = law(), torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    volume = torch.autograd.functional.jacobian(one.draw, noise)[0, :, 0]
    wanted = 0.5 * noise.square().sum() + 1.5 * np.log(2 * np.pi) + torch.linalg.slogdet(volume).logabsdet
    assert torch.allclose(one.surprise(one.draw(noise)), wanted, atol=1e-9)


def test_a_density_without_the_volume_would_be_seen():
    """What the test above is for: the Gaussian term alone is another number."""
    one, noise = law(), torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    assert abs(float(one.surprise(one.draw(noise)) - 0.5 * noise.square().sum() - 1.5 * np.log(2 * np.pi))) > 0.1


def test_steps_are_measured_apart_and_come_back():
    level = 100 * np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal(900)))
    x = np.stack([level, level * (1.01 + 0.001 * np.random.default_rng(1).standard_normal(900))], 1)
    data = Domain(length=10).open(x)
    even = Even.of(data.layout)
    values = torch.from_numpy(data.values(data.train)[0])
    w = even.there(values)
    assert bool(even.log.all()), "changes grow with the level, so logarithms are taken"
    assert torch.allclose(even.back(w), values, rtol=1e-4)
    assert abs(float(torch.corrcoef(w.reshape(-1, 2).T)[0, 1])) < 0.05 and abs(float(w[..., 1].std()) - 1) < 0.1
    assert np.corrcoef(x.T)[0, 1] > 0.99


def test_the_likelihood_learns_and_samples_follow():
    data = Domain(length=8).open(plain(400))
    nets = Series("chain", "basis", hidden=(24,), d_hidden=(8,)).build(data.spec)
    game = SeriesGame(likelihood=1.0, adversarial_from=1.0)
    fast = Optimizer(lr=5e-3, betas=(0.9, 0.99))
    config = Config("x", None, None, game, g=fast, d=fast, train=Train(batch=32, ema=(0.0,)))
    feed = lambda start, draw: {"x": data.vectors(data.train[draw.integers(len(data.train)).numpy()], draw)}  # noqa: E731
    engine = Engine(nets, game, config, feed, 32 * 60)
    before = float(nets["G"].surprise(data.vectors(data.train), None).mean())
    untouched = [p.clone() for p in nets["D"].parameters()]
    while engine.progress < 1:
        engine.step()
    after = float(nets["G"].surprise(data.vectors(data.train), None).mean())
    assert after < before - 0.2
    assert all(torch.equal(a, b) for a, b in zip(untouched, nets["D"].parameters(), strict=True)), "D does not play"


def test_attributes_and_length_depend_on_what_stands_before():
    series, labels = ragged(60)
    data = Domain().open((series, labels))
    G = Series("chain", "dense", **SMALL).build(data.spec)["G"]
    with torch.no_grad():  # at first, the last layers are zero and nothing depends on anything
        for p in G.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    y = torch.zeros(5, dtype=torch.int64)
    z = torch.randn(5, G.z_dim, generator=torch.Generator().manual_seed(0))
    x = G(z, y)
    assert torch.equal(x, G(z, y)) and not torch.equal(x, G(z, y + 1))
    with pytest.raises(UsageError, match="labels are needed"):
        G(z, None)
    parts = data.layout.split(x)
    assert bool((parts.steps[parts.active < 0] == 0).all())


def test_stages_of_the_game():
    game = SeriesGame(likelihood=1.0, adversarial_from=0.6)
    who = [[players[0] for players, _ in game.turns(0, p)] for p in (0.1, 0.65, 0.9)]
    assert who == [["G"], ["G", "D"], ["D", "G"]] and game.phases == (0.0, 0.6, 0.7)
    assert [p[0] for p, _ in SeriesGame().turns(0, 0.0)] == ["D", "G"] and SeriesGame().phases == (0.0,)
    assert [p[0] for p, _ in SeriesGame(likelihood=1.0, adversarial_from=1.0).turns(0, 1.0)] == ["G"]
    with pytest.raises(UsageError, match="likelihood"):
        SeriesGame(adversarial_from=0.5)


def test_the_weight_of_the_discriminator_is_that_of_its_terms_alone():
    data = Domain().open(ragged())
    nets = Series("chain", "dense", **SMALL).build(data.spec)
    one = SeriesGame(likelihood=1.0, adversarial_from=0.5).generator_turn(nets, batch(data))
    ten = SeriesGame(likelihood=1.0, adversarial_from=0.5, adversarial=10.0).generator_turn(nets, batch(data))
    assert torch.allclose(ten["g_loss"], 10 * one["g_loss"], rtol=1e-4)
    assert torch.allclose(ten["surprise"], one["surprise"], rtol=1e-4)
