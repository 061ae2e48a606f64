"""Players, games and recipes of time series, and the defects of other implementations that they do not have."""

from dataclasses import replace

import pytest
import torch
from recipe_checks import check_recipe
from series_data import SMALL, batch, plain, ragged

import ganworks as gw
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.spec import Draw
from ganworks.games.penalties import gradient_penalty, logits_and_gradient_norms
from ganworks.kinds.series.data.code import decode
from ganworks.kinds.series.data.layout import Basis, measured, normal_score, uniform_score
from ganworks.kinds.series.domain import SeriesDomain as Domain
from ganworks.kinds.series.game import SeriesGame
from ganworks.kinds.series.networks.families import RecurrentSteps, SeriesNetworks, scales_of
from ganworks.kinds.series.networks.parts import chosen, in_range
from ganworks.kinds.series.networks.timegan import TimeGAN
from ganworks.kinds.series.timegan_game import TimeGANGame, moments, next_step
from ganworks.use.model import Model

KINDS = [("chain", "dense"), ("conv", "conv"), ("recurrent", "dense"), ("dense", "conv"), ("basis", "basis")]


@pytest.fixture(scope="module")
def short():
    return Domain(length=8).open(plain())


@pytest.fixture(scope="module")
def several():
    return Domain().open(ragged())


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_players_fit_and_every_parameter_learns(kinds, short, several):
    data = short if kinds[0] == "basis" else several
    nets = SeriesNetworks(*kinds, **SMALL).build(data.spec)
    game, one = SeriesGame(loss="relativistic"), batch(data)
    for turn in (game.discriminator_turn, game.generator_turn):
        terms = turn(nets, one)
        assert all(term.shape == (6,) and torch.isfinite(term).all() for term in terms.values()), terms
        sum(t.mean() for n, t in terms.items() if not n.startswith("_")).backward()
    missing = [n for net in nets.values() for n, p in net.named_parameters() if p.grad is None]
    assert not missing
    with torch.device("meta"):
        SeriesNetworks(*kinds, **SMALL).build(data.spec)


def test_the_range_that_is_announced_is_met(several):
    G = SeriesNetworks("conv", "conv", **SMALL).build(several.spec)["G"]
    x = G(torch.randn(32, G.z_dim), torch.arange(32) % 2).detach()
    lengths = decode(several.layout, x.numpy())[3]
    parts = several.layout.split(x)
    n = len(several.layout.numbers)
    for row, count in zip(parts.steps[:, :, :n], lengths, strict=True):
        assert torch.allclose(row[:count].amin(0), torch.full((n,), -1.0), atol=1e-3)
        assert torch.allclose(row[:count].amax(0), torch.full((n,), 1.0), atol=1e-3)


def test_lengths_vary_and_are_followed(several):
    for kind in ("conv", "recurrent"):
        G = SeriesNetworks(kind, "dense", **SMALL).build(several.spec)["G"].eval()
        model = Model(G, several.spec, {}, device="cpu")
        made = model.sample(40, seed=1)
        made = replace(made, maker=Domain())
        lengths = {len(item["step"]) if isinstance(item, dict) else len(item) for item in made.items}
        assert (
            len(lengths) > (1 if kind == "recurrent" else 3)
            and min(lengths) >= 1
            and max(lengths) <= several.layout.steps
        ), kind


def test_attributes_begin_with_the_shares_of_the_data():
    series, _ = ragged(60)
    import pandas

    frames = [pandas.DataFrame(s).assign(site="x" if k < 45 else "y", kind="ab"[k % 2]) for k, s in enumerate(series)]
    data = Domain(labels="kind").open(frames)
    G = SeriesNetworks("dense", "dense", **SMALL).build(data.spec)["G"]
    attributes = data.layout.split(G(torch.randn(2000, G.z_dim), torch.zeros(2000, dtype=torch.int64))).attributes
    assert attributes.shape[1] == 2 and set(attributes.flatten().tolist()) <= {0.0, 1.0}
    assert abs(float(attributes[:, 0].mean()) - 0.75) < 0.04


def test_categories_are_one_place_with_the_gradient_of_the_softmax():
    logits = torch.randn(5, 3, requires_grad=True)
    out = chosen(logits)
    assert torch.equal(out.detach().sum(1), torch.ones(5)) and set(out.detach().flatten().tolist()) <= {0.0, 1.0}
    (out * torch.arange(3.0)).sum().backward()
    assert logits.grad.abs().sum() > 0


def test_steps_after_the_end_do_not_set_the_range():
    x, active = torch.tensor([[[0.0], [2.0], [50.0]]]), torch.tensor([[1.0, 1.0, -1.0]])
    assert in_range(x, active)[0, :2, 0].tolist() == pytest.approx([-1, 1], abs=1e-5)


def test_an_lstm_makes_several_steps_per_cell():
    net = RecurrentSteps(SeriesNetworks("recurrent", per_cell=4, hidden=(8,), noise=3), steps=10, static=5, outputs=2)
    assert net.cells == 3 and net.noise_dim == 9
    assert net(torch.randn(2, 5), torch.randn(2, 9)).shape == (2, 10, 2)
    assert scales_of(24) == [6, 12, 24] and scales_of(129) == [5, 9, 17, 33, 65, 129]


def test_the_basis_has_unit_variance_and_no_dependence(short):
    x = short.vectors(short.train)
    basis = Basis.of(short.layout)
    coordinates = basis.there(measured(short.layout, x))
    covariance = torch.cov(coordinates.T)
    wide = basis.spread > 0.011
    assert wide.sum() > 5
    assert torch.allclose(covariance[wide][:, wide], torch.eye(int(wide.sum())), atol=0.2)
    assert torch.allclose(basis.back(coordinates), measured(short.layout, x), atol=1e-3)
    u = torch.linspace(-0.9, 0.9, 9)
    assert torch.allclose(uniform_score(normal_score(u)), u, atol=1e-5)


def test_the_basis_wants_short_series_of_one_length(several):
    with pytest.raises(UsageError, match="one length"):
        SeriesNetworks("basis", "basis", **SMALL).build(several.spec)


def batch_norm_penalty(D, real, fake, draw, weight=10.0):
    """The defect: one norm over the whole batch (a DGAN port; 1704.00028 takes one per example)."""
    x = (real + draw.uniform(1) * (fake - real)).detach().requires_grad_()
    gradient = torch.autograd.grad(D(x).sum(), x, create_graph=True)[0]
    return weight * (gradient.square().sum().sqrt() - 1).square().expand(len(x))


def test_the_penalty_takes_the_norm_of_each_example():
    """A critic of slope 1 everywhere is what WGAN-GP asks for: the penalty per example is 0, that of the batch is
    not."""
    slope = torch.nn.functional.normalize(torch.randn(12), dim=0)
    D = lambda x, y=None: x @ slope  # noqa: E731
    real, fake = torch.randn(16, 12), torch.randn(16, 12)
    ours = gradient_penalty(D, real, fake, Draw(0, 16, slice(None)))
    theirs = batch_norm_penalty(D, real, fake, Draw(0, 16, slice(None)))
    assert ours.shape == (16,) and ours.max() < 1e-8
    assert theirs.min() > 80  # 10 x (sqrt 16 - 1)^2


def test_the_game_penalises_each_example_by_itself(short):
    """Doubling the batch with the same examples leaves the mean penalty of both discriminators as it is."""
    nets = SeriesNetworks("basis", "basis", **SMALL).build(short.spec)
    seen = nets["D"].seen(short.vectors(short.train[:4]))
    one = logits_and_gradient_norms(nets["D"].logits, seen)[1]
    two = logits_and_gradient_norms(nets["D"].logits, torch.cat([seen, seen]))[1]
    assert torch.allclose(one, two[:4], rtol=1e-4) and torch.allclose(one.mean(), two.mean(), rtol=1e-4)


def test_divergence_is_an_error_and_not_a_missing_attribute(several, tmp_path):
    """The defect elsewhere: attributes that turn NaN are taken for placeholders and left out, silently."""
    nets = SeriesNetworks("dense", "dense", **SMALL).build(several.spec)
    with torch.no_grad():
        for p in nets["G"].parameters():
            p.fill_(torch.nan)
    terms = SeriesGame().generator_turn(nets, batch(several))
    assert not torch.isfinite(terms["g_loss"]).any()
    with pytest.raises(GanworksError):
        small = {f"networks.{name}": value for name, value in SMALL.items()}
        kinds = {"networks.generator": "dense", "networks.discriminator": "dense", "train.judge": False}
        given = {"modules": {"G": nets["G"]}, "budget": 32, "batch": 8, **small, **kinds}
        list(gw.train("series", ragged(), out=tmp_path / "nan", **given))


def test_the_auxiliary_discriminator_sees_only_what_stands_before_the_steps(several):
    D = SeriesNetworks("conv", "conv", **SMALL).build(several.spec)["D"]
    x = several.vectors(several.train[:5])
    other = x.clone()
    other[:, D.view.static :] = 0
    y = torch.zeros(5, dtype=torch.int64)
    assert torch.equal(D.auxiliary(x, y), D.auxiliary(other, y)) and not torch.equal(D(x, y), D(other, y))
    with_it = SeriesGame().discriminator_turn(
        {"G": SeriesNetworks("conv", **SMALL).build(several.spec)["G"], "D": D}, batch(several)
    )
    assert "aux_d_loss" in with_it and "aux_r1" in with_it


def test_timegan_stages_follow_each_other(several):
    game, one = TimeGANGame(), batch(several)
    nets = TimeGAN(hidden=6, noise=2, z_dim=4).build(several.spec)
    stages = [[players for players, _ in game.turns(0, p)] for p in (0.0, 0.25, 0.9)]
    assert stages == [[("G", "E")], [("G",)], [("G",), ("G", "E"), ("D",)]] and game.phases == (0.0, 0.2, 0.3)
    for progress in (0.0, 0.25, 0.9):
        for _, turn in game.turns(0, progress):
            assert all(t.shape == (6,) and torch.isfinite(t).all() for t in turn(nets, one).values())


PUBLISHED = {"roots": True, "apart": True, "repeats": 2, "supervised": 100.0, "matched": 100.0, "carried": 0.1}


def test_timegan_as_published_weighs_roots_and_moments(several):
    """The terms of the generator's turn against the formulas of the authors' code, in float64, on data of 0 to 1."""
    torch.manual_seed(0)
    game, one = TimeGANGame(**PUBLISHED), batch(several)
    nets = TimeGAN(hidden=6, noise=0, uniform=True, z_dim=4, d_steps=True, d_layers=2, d_both=False, apart=True)
    nets = nets.build(several.spec)
    assert nets["GR"] is nets["G"].recovery and nets["G"].noise == nets["G"].layout.widths[3]
    terms = game.generator_turn(nets, one)
    G, real = nets["G"], nets["E"].given(one["x"], one.y)
    with torch.no_grad():
        latents, static = G.latents(one.draw.normal(G.z_dim), one.y)
        errors = next_step(G, nets["E"](real.steps, real.static), real.active, real.static).double()
    assert torch.allclose(terms["supervise"].double(), 100 * errors.mean().sqrt().expand(6), rtol=1e-4)
    assert terms["g_loss"].shape == terms["moments"].shape == (6,)
    assert nets["D"](latents, static).shape == latents.shape[:2]
    scale = torch.rand(6, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shift = torch.rand(6, 4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    wanted = (scale.mean(0) - shift.mean(0)).abs().mean()
    wanted += ((scale.var(0) + 1e-6).sqrt() - (shift.var(0) + 1e-6).sqrt()).abs().mean()
    assert torch.allclose(moments(scale, shift), wanted.expand(6))


def test_timegan_as_published_moves_recovery_with_the_embedder_alone(several):
    game = TimeGANGame(**PUBLISHED)
    stages = [[players for players, _ in game.turns(0, p)] for p in (0.0, 0.25, 0.9)]
    assert stages == [[("GR", "E")], [("G",)], [("G",), ("GR", "E")] * 2 + [("D",)]]
    nets = TimeGAN(hidden=6, noise=2, z_dim=4, apart=True).build(several.spec)
    resting = TimeGANGame(**PUBLISHED, rest=1e3).discriminator_turn(nets, batch(several))
    assert (resting["d_loss"] == 0).all()
    assert (TimeGANGame(**PUBLISHED, rest=1e-3).discriminator_turn(nets, batch(several))["d_loss"] > 0).all()


def test_timegan_supervises_the_next_step_and_not_the_same_one():
    class Shift:
        def ahead(self, latents, static):
            return torch.cat([latents[:, 1:], latents[:, -1:]], 1)

    latents = torch.rand(3, 5, 2)
    assert next_step(Shift(), latents, torch.ones(3, 5), torch.zeros(3, 0)).abs().max() == 0
    same = type("Same", (), {"ahead": lambda self, latents, static: latents})()
    assert next_step(same, latents, torch.ones(3, 5), torch.zeros(3, 0)).min() > 0


def test_recipes_resume_bit_for_bit(tmp_path):
    small = {"networks.hidden": (8,), "networks.d_hidden": (8,)}
    check_recipe("series", plain(), tmp_path, **{"domain.length": 8, **small})
    check_recipe("series", ragged(), tmp_path / "b", **{"networks.z_dim": 4, "networks.noise": 2, **small})
    check_recipe("timegan", plain(80), tmp_path / "c", **{"domain.length": 8, "networks.hidden": 6})


def test_sampling_by_label_gives_the_label(tmp_path):
    settings = {"networks.hidden": (8,), "networks.d_hidden": (8,), "train.judge": False, "train.threads": 1}
    list(gw.train("series", ragged(), out=tmp_path / "run", budget=16, batch=8, **settings))
    made = Model.load(tmp_path / "run").sample(5, labels="b")
    tables = made.items
    assert all(set(map(str, t["label"])) == {"b"} for t in tables) and len(tables) == 5
