"""The two-player game: who moves, what reaches whom, and that every execution gives the same mathematics."""

import copy

import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw
from ganworks.games.adversarial import Adversarial, DiscriminatorView
from ganworks.games.losses import LOSSES

torch.set_num_threads(1)
SIDE = 8


class Generator(nn.Module):
    z_dim = 3

    def __init__(self):
        super().__init__()
        self.line, self.look = nn.Linear(3, 2 * SIDE * SIDE), nn.Embedding(2, 3)

    def forward(self, z, y=None):
        return self.line(z if y is None else z + self.look(y)).tanh().view(-1, 2, SIDE, SIDE)


class Discriminator(nn.Module):
    def __init__(self, norm=False):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 4, 3, 2, 1),
            nn.BatchNorm2d(4) if norm else nn.Identity(),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(64, 1),
        )
        self.look = nn.Embedding(2, 1)
        self.calls: list[int] = []

    def forward(self, x, y=None):
        self.calls.append(len(x))
        return self.body(x)[:, 0] + (0 if y is None else self.look(y)[:, 0])


def players(norm=False):
    torch.manual_seed(0)
    return {"G": Generator(), "D": Discriminator(norm)}


def batch(size=6, progress=0.0, classes=2, seed=0):
    real = torch.rand(size, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(3)) * 2 - 1
    data = {"x": real, "y": torch.arange(size) % 2}
    draw = Draw(seed, size, slice(0, size))
    return Batch(lambda: dict(data), draw, size=size, progress=progress, num_classes=classes)


def total(terms):
    return sum(v.mean() for k, v in terms.items() if not k.startswith("_"))


def gradients(net):
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in net.parameters()]
    return torch.cat([g.flatten() for g in found])


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("classes", [0, 2])
def test_each_side_trains_itself_only_and_terms_are_per_example(name, classes):
    game = Adversarial(loss=name, gp=1.0, augment="color,translation,cutout")
    for (players_, turn), (own, other) in zip(game.turns(0), (("D", "G"), ("G", "D")), strict=True):
        nets = players()
        assert players_ == (own,)
        nets[other].requires_grad_(False)
        terms = turn(nets, batch(classes=classes))
        assert all(v.shape == (6,) and v.dtype == torch.float32 for v in terms.values())
        names = {"d_loss", "r1", "r2", "gp", "_real", "_fake"} if own == "D" else {"g_loss", "_fake"}
        assert set(terms) == names
        total(terms).backward()
        assert gradients(nets[own]).abs().sum() > 0 and gradients(nets[other]).abs().sum() == 0
        assert not any(v.requires_grad for k, v in terms.items() if k.startswith("_"))


def reference_discriminator(nets, b, game):
    """The same turn written out from the paper, one autograd call per side."""
    x, y = b["x"].clone(), b.y
    fake = nets["G"](b.draw.normal(3), y).detach()
    gamma = game.gammas(b.progress)
    result = 0
    logits = []
    for data, g in ((x, gamma[0]), (fake, gamma[1])):
        data.requires_grad_()
        out = nets["D"](data, y)
        logits.append(out)
        (slope,) = torch.autograd.grad(out.sum(), data, create_graph=True)
        result = result + g / 2 * slope.square().sum((1, 2, 3)).mean()
    return result + nn.functional.softplus(logits[1] - logits[0]).mean()


@pytest.mark.parametrize("backend", ["exact", "func"])
def test_default_discriminator_turn_is_the_written_out_one(backend):
    game = Adversarial(r1=0.7, r2=0.3, r1_end=0.1, burn_in=0.5, penalty_backend=backend)
    nets, again = players(), players()
    got = total(game.discriminator_turn(nets, batch(progress=0.2)))
    expected = reference_discriminator(again, batch(progress=0.2), game)
    torch.testing.assert_close(got, expected)
    got.backward()
    expected.backward()
    torch.testing.assert_close(gradients(nets["D"]), gradients(again["D"]))


def test_one_call_for_both_sides_unless_the_discriminator_mixes_examples():
    game = Adversarial()
    for norm, calls in ((False, [12]), (True, [6, 6])):
        nets = players(norm)
        game.discriminator_turn(nets, batch())
        assert nets["D"].calls == calls
    nets = players()
    nets["D"].mixes_examples = True
    game.discriminator_turn(nets, batch())
    assert nets["D"].calls == [6, 6]
    one, two = players(), players()
    two["D"].mixes_examples = True
    a, b = (game.discriminator_turn(n, batch()) for n in (one, two))
    for name in a:
        torch.testing.assert_close(a[name], b[name])


def test_a_penalty_on_one_side_alone_equals_its_part_of_both():
    both = Adversarial(r1=2.0, r2=2.0).discriminator_turn(players(), batch())
    for name, game in (("r1", Adversarial(r1=2.0, r2=0)), ("r2", Adversarial(r1=0, r2=2.0))):
        alone = game.discriminator_turn(players(), batch())
        assert set(alone) == {"d_loss", name, "_real", "_fake"}
        torch.testing.assert_close(alone[name], both[name])


def test_finite_difference_estimates_both_sides():
    exact = Adversarial().discriminator_turn(players(), batch(64))
    game = Adversarial(penalty_backend="fd", penalty_fraction=0.5)
    draws = [game.discriminator_turn(players(), batch(64, seed=s)) for s in range(60)]
    for name in ("r1", "r2"):
        mean = sum(d[name].mean().item() for d in draws) / len(draws)
        assert mean == pytest.approx(exact[name].mean().item(), rel=0.15)


def test_gamma_schedule_is_a_half_cosine_then_constant():
    game = Adversarial(r1=2.0, r2=1.0, r1_end=0.2, burn_in=0.4)
    assert game.gammas(0) == (2.0, 1.0)
    assert game.gammas(0.2) == pytest.approx((1.1, 1.0))
    assert game.gammas(0.4) == game.gammas(1.0) == pytest.approx((0.2, 1.0))


def test_generator_turn_reads_real_data_only_for_the_paired_loss():
    def forbidden():
        raise AssertionError("read real data")

    b = Batch(forbidden, Draw(0, 6, slice(0, 6)), size=6)
    assert "g_loss" in Adversarial(loss="hinge").generator_turn(players(), b)
    with pytest.raises(AssertionError, match="read real data"):
        Adversarial(loss="relativistic").generator_turn(players(), b)


def test_augmentation_is_seen_by_both_sides_and_may_be_shared():
    seen = []

    class Spy(Discriminator):
        def forward(self, x, y=None):
            seen.append(x.detach())
            return super().forward(x, y)

    ones = Batch(lambda: {"x": torch.ones(6, 2, SIDE, SIDE)}, Draw(0, 6, slice(0, 6)), size=6)
    nets = {"G": Generator(), "D": Spy()}
    nets["G"].forward = lambda z, y=None: torch.ones(len(z), 2, SIDE, SIDE)
    for shared in (True, False):
        seen.clear()
        Adversarial(augment="cutout", pair_augment=shared).discriminator_turn(nets, ones)
        real, fake = seen[0].chunk(2)
        assert (real == 0).any() and (fake == 0).any() and torch.equal(real, fake) == shared
    game = Adversarial(augment="cutout", augment_ramp=0.5)
    assert game._views(nets["D"], batch(progress=0.0))[0].p == 0
    assert game._views(nets["D"], batch(progress=0.25))[0].p == pytest.approx(0.5)
    assert game._views(nets["D"], batch(progress=0.9))[0].p == 1


def test_penalty_is_taken_through_the_augmentation():
    """A hole passes no gradient to the image before augmentation."""

    class Sum(nn.Module):
        def forward(self, x, y=None):
            return x.flatten(1).sum(1)

    nets = {"G": Generator(), "D": Sum()}
    terms = Adversarial(r1=2.0, r2=2.0, augment="cutout").discriminator_turn(nets, batch(64))
    pixels = 2 * SIDE * SIDE
    assert (terms["r1"] < pixels).all() and terms["r1"].min() == pixels * 3 / 4


def test_slices_of_a_batch_add_up_to_the_whole():
    """Keyed randomness: accumulation in slices is the same game."""
    whole = batch(6)
    game = Adversarial(augment="color,cutout", gp=1.0)
    expected = game.discriminator_turn(players(), whole)
    for rows in (slice(0, 2), slice(2, 6)):
        part = Batch(
            lambda rows=rows: {k: v[rows] for k, v in whole.items()},
            Draw(0, 6, rows),
            size=rows.stop - rows.start,
            num_classes=2,
        )
        got = game.discriminator_turn(players(), part)
        for name in expected:
            torch.testing.assert_close(got[name], expected[name][rows])


def test_turns_clipping_and_one_sided_training():
    assert [p for p, _ in Adversarial(n_critic=3).turns(0)] == [("D",)] * 3 + [("G",)]
    assert [p for p, _ in Adversarial(train="G").turns(0)] == [("G",)]
    assert [p for p, _ in Adversarial(train="D", n_critic=2).turns(0)] == [("D",)] * 2
    nets = players()
    before = copy.deepcopy(nets["G"].state_dict())
    game = Adversarial(loss="wasserstein", clip=0.01, r1=0, r2=0)
    game.after(nets, ("G",))
    assert max(p.abs().max().item() for p in nets["D"].parameters()) > 0.01
    game.after(nets, ("D",))
    assert max(p.abs().max().item() for p in nets["D"].parameters()) <= 0.01 + 1e-9
    assert all(torch.equal(v, before[k]) for k, v in nets["G"].state_dict().items())


def test_bfloat16_autocast_keeps_terms_in_float32_and_near():
    exact = Adversarial().discriminator_turn(players(), batch(64))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = Adversarial().discriminator_turn(players(), batch(64))
    for name in exact:
        assert rounded[name].dtype == torch.float32
        assert rounded[name].mean().item() == pytest.approx(exact[name].mean().item(), rel=0.05, abs=5e-3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "hindge"}, "hinge"),
        ({"r1": -1}, "r1 .*-1"),
        ({"augment": "colour"}, "color"),
        ({"penalty_backend": "exakt"}, "exact"),
        ({"train": "both sides"}, "both"),
        ({"n_critic": 0}, "n_critic"),
        ({"augment_p": 1.5}, "augment_p"),
        ({"burn_in": 0}, "burn_in"),
        ({"r2": float("nan")}, "r2"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, words):
    with pytest.raises(UsageError, match=words):
        Adversarial(**settings)


def test_sight_without_labels_stays_without():
    sight = DiscriminatorView(nn.Identity())
    assert sight.rows(torch.arange(1)).y is None and sight.beside(sight).y is None
