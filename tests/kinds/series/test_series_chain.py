"""The generator with a likelihood: densities that are densities, a measure that comes back, stages of its game."""

import numpy as np
import pandas as pd
import pytest
import torch
from series_data import SMALL, batch, plain, ragged

from ganworks.core.errors import UsageError
from ganworks.core.settings import Config, Optimizer, Train
from ganworks.kinds.series.data.layout import Decorrelation
from ganworks.kinds.series.domain import SeriesDomain as Domain
from ganworks.kinds.series.game import SeriesGame
from ganworks.kinds.series.networks.chain import around
from ganworks.kinds.series.networks.families import SeriesNetworks
from ganworks.kinds.series.networks.law import Cells, ChangeMixtures, Mixture
from ganworks.training.engine import Engine


def mixture(rows=4, parts=3):
    rng = torch.Generator().manual_seed(0)
    raw = torch.randn(3, rows, parts, generator=rng).double()
    return Mixture(raw[0].log_softmax(-1), 3 * raw[1], raw[2])


def laws(n=2):
    rng = torch.Generator().manual_seed(1)
    one = ChangeMixtures(3, n, 4, 3, torch.rand(n, n, generator=rng).tril(-1))
    with torch.no_grad():
        for p in one.parameters():
            p.copy_(0.2 * torch.randn(p.shape, generator=rng))
        one.start[:, 6:] -= 2.5  # narrow parts
    return one.double(), torch.randn(1, 3, generator=rng).double()


def test_the_masses_of_all_cells_of_a_step_add_up_to_one():
    """Columns depend on each other and on who stands still; the sum is over all pairs of cells of two columns."""
    one, features = laws()
    at = torch.arange(-80, 81).double() / 2
    w = torch.cartesian_prod(at, at)
    cells = w, torch.full_like(w, -0.25), torch.full_like(w, 0.25)
    features = features.expand(len(w), -1)
    with torch.no_grad():
        mass = (-one.surprise(features, *cells)).exp() * 0.25
        plain = one(features, w, one.still(*cells)).density(w).prod(-1) * 0.25
    assert abs(float(mass.sum()) - 1) < 1e-3
    assert abs(float(plain.sum()) - 1) > 0.02, "the density in the middle of each cell, as without a grid, does not"


def test_a_law_sees_the_columns_before_it_alone_and_one_at_a_time_is_as_all_at_once():
    one, features = laws(4)
    rng = torch.Generator().manual_seed(2)
    changes, still = torch.randn(1, 4, generator=rng).double(), torch.tensor([[1.0, 0, 0, 1]]).double()
    whole, inner, ahead = one(features, changes, still), one.begin(features), one.ahead(features)
    for c in range(4):
        alone = one.one(c, inner, ahead, changes[:, :c], still[:, :c], one.dependence())
        assert all(torch.allclose(a, b[:, c]) for a, b in zip(alone, whole, strict=True))
    other = one(features, changes + torch.tensor([[0, 0, 1.0, 0]]), still)
    for a, b in zip(whole, other, strict=True):
        assert torch.equal(a[:, :3], b[:, :3]) and not torch.equal(a[:, 3], b[:, 3])


def test_a_draw_is_the_quantile_of_its_noise_and_its_slope_that_of_the_law():
    one, share = mixture(), torch.tensor([1e-6, 0.2, 0.5, 1 - 1e-6], dtype=torch.float64)
    x = one.quantile(share)
    assert torch.allclose(one.below(x), share, atol=1e-7)
    middle = one.middle.clone().requires_grad_()
    draw = one._replace(middle=middle).quantile(share)[1]
    draw.backward()
    moved = one.middle.clone()
    moved[1, 0] += 1e-4
    slope = (one._replace(middle=moved).quantile(share)[1] - x[1]) / 1e-4
    assert 0 < float(slope) < 1 and abs(float(middle.grad[1, 0] - slope)) < 1e-3


def spells(count=1200):
    """Two columns that go together and now and then stand still for a while, on grids of their own."""
    rng = np.random.default_rng(0)
    moves = rng.standard_normal((count, 2)) @ [[1, 0.9], [0, 0.3]]
    moves *= np.repeat(rng.random(count // 12) < 0.5, 12)[:, None]
    level = np.zeros(2)
    rows = [level := 0.9 * level + m if m.any() else level for m in moves]
    return np.round(np.array(rows) * 4) / 4


def test_what_stands_still_is_seen_and_made_although_columns_are_measured_by_each_other():
    data = Domain(length=8).open(spells())
    G = SeriesNetworks("chain", "basis", hidden=(8,), d_hidden=(8,)).build(data.spec)["G"].eval()
    values = torch.from_numpy(data.values(data.train)[0])
    cells = G.measure.cells(values)
    changes = Cells(cells.w[:, 1:] - cells.w[:, :-1], cells.low[:, 1:], cells.high[:, 1:]).over(G.unit)
    still = G.next.still(*changes)
    assert torch.equal(still == 1, values[:, 1:] == values[:, :-1]) and 0.3 < float(still.mean()) < 0.7
    alone = still[..., 1] - still[..., 0]
    assert bool((alone != 0).any()), "one column may stand still while the other does not"
    with torch.no_grad():
        G.next.start[:, 0] = 50.0  # all weight on the part that stands still
        G.next.start.unflatten(1, (3, -1))[:, 2, 0] = -7.0
        G.start.start[:] = -1.0  # begins in the middle of the data
        made = data.layout.split(G(torch.randn(16, G.z_dim, generator=torch.Generator().manual_seed(0))))
    values = G.measure.values(made)
    settled = torch.stack([grid.settle(values[..., c])[0] for c, grid in enumerate(G.measure.grids)], -1)
    assert bool((settled == settled[:, :1]).all()) and float(settled.std()) > 0.1


@pytest.mark.parametrize("source", [spells(), plain()], ids=["grid", "continuous"])
def test_what_the_laws_see_when_a_series_is_made_is_what_they_saw_when_it_was_learnt(source, monkeypatch):
    torch.manual_seed(0)  # a network whose series stay within the range that data can have
    data = Domain(length=8, scale="global").open(source)
    G = SeriesNetworks("chain", "basis", hidden=(8,), d_hidden=(8,)).build(data.spec)["G"].eval()
    with torch.no_grad():
        for p in G.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    seen, begin = [], G.next.begin
    monkeypatch.setattr(G.next, "begin", lambda features: seen.append(features) or begin(features))
    with torch.no_grad():
        x = G(0.5 * torch.randn(8, G.z_dim, generator=torch.Generator().manual_seed(0)))
        made = torch.stack(seen, 1)
        G.surprise(x, None)
    assert float(made[:, -1].std(0).mean()) > 0.05
    assert float((made - seen[-1]).abs().max()) < 1e-3


def test_the_time_of_day_goes_on_within_a_window():
    stamps = np.datetime64("2024-01-01T00") + np.arange(200) * np.timedelta64(1, "h")
    table = {"date": stamps.astype(str).tolist(), "load": np.sin(np.arange(200.0)).round(2).tolist()}
    data = Domain(length=8).open(pd.DataFrame(table))
    G = SeriesNetworks("chain", "basis", hidden=(8,), d_hidden=(8,)).build(data.spec)["G"]
    attributes = data.layout.split(torch.from_numpy(data.raw(np.arange(5)))).attributes
    context = G._context(attributes, attributes[:, :0], torch.full((5,), 8.0))
    hours = [G._later(context, t)[:, :24].argmax(1).tolist() for t in (0, 3, 22)]
    assert hours == [[(k + t) % 24 for k in range(5)] for t in (0, 3, 22)]
    assert torch.equal(G._later(context, 3)[:, 24:], context[:, 24:])


def test_a_memory_of_the_round_before_looks_at_the_same_time_and_never_ahead():
    weights = around(60, 24)
    assert bool((weights.triu(1) == 0).all()) and bool((weights[:11] == 0).all()), "nothing is half a round ago"
    assert weights[40].argmax() == 41 - 24 and float(weights[40].sum()) == pytest.approx(1)
    assert float(weights[40, 30:].sum()) == 0, "steps just made are no memory"
    assert around(10, 0).shape == (10, 10) and not around(10, 0).any()


def test_noise_and_dropout_are_for_learning_alone():
    data = Domain(length=8).open(plain())
    G = SeriesNetworks("chain", "basis", hidden=(8,), d_hidden=(8,), dropout=0.3, jitter=0.3).build(data.spec)["G"]
    with torch.no_grad():
        for p in G.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    x = data.vectors(data.train[:6])
    z = torch.randn(6, G.z_dim, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(G.surprise(x, None), G.surprise(x, None))
    assert torch.equal(G(z), G(z)), "what is made is a function of its noise, in training too"
    G.eval()
    assert torch.equal(G.surprise(x, None), G.surprise(x, None))
    with pytest.raises(UsageError, match="dropout"):
        SeriesNetworks("chain", "basis", dropout=1.0)


def test_steps_are_measured_apart_and_come_back():
    level = 100 * np.exp(np.cumsum(0.02 * np.random.default_rng(0).standard_normal(900)))
    x = np.stack([level, level * (1.01 + 0.001 * np.random.default_rng(1).standard_normal(900))], 1)
    data = Domain(length=10).open(x)
    even = Decorrelation.of(data.layout)
    values = torch.from_numpy(data.values(data.train)[0])
    w = even.there(values)
    assert bool(even.log.all()), "changes grow with the level, so logarithms are taken"
    assert torch.allclose(even.back(w), values, rtol=1e-4)
    assert abs(float(torch.corrcoef(w.reshape(-1, 2).T)[0, 1])) < 0.05 and abs(float(w[..., 1].std()) - 1) < 0.1
    assert np.corrcoef(x.T)[0, 1] > 0.99


def test_the_likelihood_learns_and_samples_follow():
    data = Domain(length=8).open(plain(400))
    nets = SeriesNetworks("chain", "basis", hidden=(24,), d_hidden=(8,)).build(data.spec)
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
    G = SeriesNetworks("chain", "dense", **SMALL).build(data.spec)["G"]
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
    nets = SeriesNetworks("chain", "dense", **SMALL).build(data.spec)
    one = SeriesGame(likelihood=1.0, adversarial_from=0.5).generator_turn(nets, batch(data))
    ten = SeriesGame(likelihood=1.0, adversarial_from=0.5, adversarial=10.0).generator_turn(nets, batch(data))
    assert torch.allclose(ten["g_loss"], 10 * one["g_loss"], rtol=1e-4)
    assert torch.allclose(ten["surprise"], one["surprise"], rtol=1e-4)
