"""Regularisers against independent computations in float64, and the game that puts them together."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import SPEC, engine, run, same

import ganworks as gw
from ganworks.core.errors import UsageError
from ganworks.core.settings import Optimizer
from ganworks.core.spec import Batch, Draw, Spec
from ganworks.games import penalties
from ganworks.games.adversarial import Adversarial
from ganworks.games.regularised import Regularised
from ganworks.networks.mlp import MLP

PLAIN = {"loss": "non-saturating", "r1": 0.0, "r2": 0.0}
IMAGE = Spec("images", (1, 16, 16))


def batch(size=8, spec=SPEC, progress=0.0, seen=0):
    g = torch.Generator().manual_seed(2)
    x = torch.randn(size, *spec.shape, generator=g).clamp(-1, 1)
    return Batch(lambda: {"x": x}, Draw(3, size, slice(None)), size=size, progress=progress, seen=seen)


def nets(spec=SPEC):
    torch.manual_seed(0)
    return MLP(hidden=(16, 16), z_dim=4, output="linear").build(spec)


def test_dragan_is_the_squared_gap_of_the_gradient_from_1_at_noisy_real_examples():
    """D(x) = a . x has gradient a everywhere; D(x) = |x|^2 / 2 has the noisy point itself."""
    x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    flat = penalties.dragan(lambda v: 2 * v.flatten(1).sum(1), x, Draw(1, 5, slice(None)))
    torch.testing.assert_close(flat, torch.full((5,), 10 * (2 * 6**0.5 - 1) ** 2))
    found = penalties.dragan(lambda v: v.square().flatten(1).sum(1) / 2, x, Draw(1, 5, slice(None)), weight=3.0)
    points = x.double() + 0.5 * x.double().std() * Draw(1, 5, slice(None)).uniform(2, 3).double()
    wanted = 3 * (points.flatten(1).norm(dim=1) - 1).square()
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-6)


def test_lecam_by_hand():
    r, f = torch.tensor([1.0, -2.0]), torch.tensor([0.5, -1.0])
    found = penalties.lecam(r, f, torch.tensor(0.25), torch.tensor(-0.5), 2.0)
    assert found.tolist() == [2 * 1.5**2 + 0, 0 + 2 * 1.25**2]


def test_orthogonal_leaves_the_norms_of_filters_free():
    net = nn.Sequential(nn.Linear(3, 2, bias=True), nn.Conv2d(2, 3, 2), nn.Embedding(4, 5))
    wanted = 0.0
    for weight in (net[0].weight, net[1].weight):
        rows = weight.detach().double().flatten(1)
        wanted += sum(float(a @ b) ** 2 for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j)
    assert penalties.orthogonal(net, 0.5).item() == pytest.approx(0.5 * wanted, rel=1e-5)
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[3.0, 0, 0], [0, 7, 0]]))
        nn.init.zeros_(net[1].weight)
    assert penalties.orthogonal(net, 1.0).item() == 0


def test_matched_means_and_latent_contrast_by_hand():
    real, fake = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]], requires_grad=True)
    found = penalties.matched_means(real.requires_grad_(), fake, 0.5)
    assert found.tolist() == [0.5 * (4 + 4)] * 2
    found.sum().backward()
    assert real.grad is None and fake.grad is not None
    assert penalties.latent_contrast(real.detach(), fake.detach(), 20.0).tolist() == [-20.0, -20 * 9.0]


def test_top_keeps_the_fakes_that_d_takes_for_real():
    losses, logits = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.1, -1.0, 5.0, 0.0])
    assert penalties.top(losses, logits, 2).tolist() == [2.0, 0.0, 6.0, 0.0]
    assert penalties.top(losses, logits, 2).mean() == (1.0 + 3.0) / 2


def test_without_regularisers_the_game_is_the_plain_one():
    first, second = Adversarial(**PLAIN, gp=1.0), Regularised(**PLAIN, gp=1.0)
    for turn in ("discriminator_turn", "generator_turn"):
        a, b = (getattr(game, turn)(nets(), batch()) for game in (first, second))
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_every_regulariser_is_a_term_of_its_player():
    game = Regularised(**PLAIN, dragan=10, lecam=0.1, zcr=5, zcr_g=20, ortho=1e-4)
    players = nets()
    game.equip(players)
    d, g = game.discriminator_turn(players, batch()), game.generator_turn(players, batch())
    assert set(d) == {"d_loss", "lecam", "dragan", "zcr", "_real", "_fake"}
    assert set(g) == {"g_loss", "zcr_g", "ortho", "_fake"}
    assert all(t.shape == (8,) for t in [*d.values(), *g.values()]) and (g["zcr_g"] < 0).all()
    draw = Draw(3, 8, slice(None))
    with torch.no_grad():
        draw.normal(4), draw.uniform(2)  # those of the fakes and of dragan
        z = draw.normal(4)
        near = z + 0.05 * draw.normal(4)
        said = [players["D"](players["G"](v)).double() for v in (z, near)]
    torch.testing.assert_close(d["zcr"].double(), 5 * (said[0] - said[1]).square(), rtol=1e-3, atol=1e-9)


class Blind(nn.Module):
    def forward(self, x, y=None):
        return x.flatten(1).sum(1) * 0 + 7


def test_consistency_compares_with_a_shifted_picture():
    players = nets(IMAGE)
    game = Regularised(**PLAIN, cr=10, cr_fake=3)
    terms = game.discriminator_turn(players, batch(spec=IMAGE))
    assert (terms["cr"] > 0).any() and (terms["cr_fake"] > 0).any()
    blind = {**players, "D": Blind()}
    terms = game.discriminator_turn(blind, batch(spec=IMAGE))
    assert (terms["cr"] == 0).all() and (terms["cr_fake"] == 0).all()
    with pytest.raises(UsageError, match="under which D"):
        replace(game, same="")


def test_lazy_terms_come_every_few_steps_with_so_many_times_the_weight():
    often, lazy = (Regularised(**PLAIN, dragan=10, every=n) for n in (1, 4))
    found = [lazy.discriminator_turn(nets(), batch(seen=8 * step)) for step in range(5)]
    assert ["dragan" in terms for terms in found] == [True, False, False, False, True]
    torch.testing.assert_close(found[0]["dragan"], 4 * often.discriminator_turn(nets(), batch())["dragan"])


def test_g_learns_from_fewer_fakes_as_the_budget_is_spent():
    game = Regularised(**PLAIN, top_k=0.5, top_k_by=0.5)
    counts = [int((game.generator_turn(nets(), batch(progress=p))["g_loss"] > 0).sum()) for p in (0, 0.25, 0.5, 1)]
    assert counts == [8, 6, 4, 4]


def test_the_running_means_of_lecam_are_unbiased_and_resume():
    e = engine(Regularised(**PLAIN, lecam=0.1))
    run(e, 1)
    sums = e.nets["D"].logit_means
    assert float(sums[2]) == pytest.approx(0.01) and float(sums[0] / sums[2]) == pytest.approx(
        float(e.logits["_real"].mean()), rel=1e-5
    ), "after one step they are the means of that step"
    make = lambda: engine(Regularised(**PLAIN, lecam=0.1))  # noqa: E731
    first, second = run(make(), 5), make()
    second.load(*first.state())
    assert same(run(make(), 9), run(second, 4))


def test_optimistic_adam_steps_twice_and_takes_the_last_step_back():
    """Against the update of the paper in float64; with a gradient that stays, it is Adam from the second step on."""
    settings = {"lr": 0.01, "betas": (0.5, 0.9)}
    e = engine(Adversarial(**PLAIN), optimizer=Optimizer(name="optimistic", **settings))
    flat, stepper = e.flats["G"], e.steppers["G"]
    g = torch.Generator().manual_seed(0)
    w = flat.data.double()
    m, v, last = (torch.zeros_like(w) for _ in range(3))
    for t in range(1, 5):
        gradient = torch.randn(flat.grad.shape, generator=g)
        flat.grad.copy_(gradient)
        stepper.step(0.0, 1.0)
        m, v = 0.5 * m + 0.5 * gradient.double(), 0.9 * v + 0.1 * gradient.double().square()
        step = m / (1 - 0.5**t) / ((v / (1 - 0.9**t)).sqrt() + 1e-8)
        w, last = w - 2 * 0.01 * step + 0.01 * last, step
        torch.testing.assert_close(flat.data.double(), w, rtol=1e-4, atol=1e-5)


def test_optimistic_steps_calm_a_bilinear_game():
    """min over x, max over y of x y: plain steps spiral out, optimistic ones come to rest (1711.00141, section 3)."""

    def distance(optimistic: bool) -> float:
        x, y, last = 1.0, 1.0, (1.0, 1.0)
        for _ in range(2000):
            gx, gy = y, x
            ahead = (2 * gx - last[1], 2 * gy - last[0]) if optimistic else (gx, gy)
            last = (x, y)
            x, y = x - 0.1 * ahead[0], y + 0.1 * ahead[1]
        return x * x + y * y

    assert distance(True) < 1e-3 and distance(False) > 10


def test_optimistic_training_resumes_bit_for_bit():
    settings = Optimizer(name="optimistic", lr=1e-3)
    first, second = run(engine(optimizer=settings), 5), engine(optimizer=settings)
    second.load(*first.state())
    assert same(run(engine(optimizer=settings), 9), run(second, 4))


def test_packs_are_examples_side_by_side():
    """Each pack is judged as one; R1 is that of D as a function of the whole pack, against autograd in float64."""
    game = Regularised(**{**PLAIN, "r1": 2.0}, pack=2)
    torch.manual_seed(0)
    players = {"G": nets()["G"], "D": MLP(hidden=(16,), z_dim=4).build(Spec("points", (4,)))["D"].double().float()}
    terms = game.discriminator_turn(players, batch(9))
    x = batch(9)["x"][:8].reshape(4, 4)
    assert terms["d_loss"].shape == terms["r1"].shape == (4,)
    torch.testing.assert_close(terms["_real"], players["D"](x).detach())
    copy = MLP(hidden=(16,), z_dim=4).build(Spec("points", (4,)))["D"].double()
    copy.load_state_dict(players["D"].state_dict())
    points = x.double().requires_grad_()
    (gradient,) = torch.autograd.grad(copy(points).sum(), points)
    torch.testing.assert_close(terms["r1"].double(), gradient.square().sum(1), rtol=1e-4, atol=1e-7)
    g = game.generator_turn(players, batch(8))
    g["g_loss"].mean().backward()
    assert g["g_loss"].shape == (4,) and all(p.grad.abs().sum() > 0 for p in players["G"].parameters())


def test_packs_of_any_recipe(tmp_path):
    """D is built for packs, G for examples; the run resumes and samples as others do."""
    settings = {
        "budget": 128,
        "batch": 32,
        "labels": False,
        "train.judge": False,
        "networks.hidden": [8],
        "train.threads": 1,
    }
    list(gw.train("mlp", data="digits", out=tmp_path / "run", game="regularised", **settings, **{"game.pack": 2}))
    assert gw.load(tmp_path / "run").sample(3).numpy().shape == (3, 1, 8, 8)
    with pytest.raises(UsageError, match="without classes"):
        list(
            gw.train(
                "mlp",
                data="digits",
                out=tmp_path / "b",
                game="regularised",
                **{**settings, "labels": True},
                **{"game.pack": 2},
            )
        )
    with pytest.raises(UsageError, match="augment"):
        Regularised(pack=2, augment="cutout")
