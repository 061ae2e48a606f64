"""The engine against hand-written loops, itself resumed, itself split, and broken numbers."""

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from toys import POINTS, SPEC, engine, feed, run, same

from ganworks.core.errors import GanworksError
from ganworks.core.settings import Optimizer
from ganworks.core.spec import Draw, key
from ganworks.games.adversarial import Adversarial
from ganworks.networks.dcgan import DCGAN
from ganworks.networks.mlp import MLP
from ganworks.training.engine import NonFiniteError
from ganworks.training.processes import Group


def test_one_step_is_the_textbook_step():
    """Non-saturating GAN, plain SGD: one engine step against the equations written out with autograd."""
    e = engine(
        Adversarial(loss="non-saturating", r1=0, r2=0),
        optimizer=Optimizer(name="sgd", lr=0.1, betas=(0.0, 0.9)),
    )
    other = engine(Adversarial(loss="non-saturating", r1=0, r2=0))
    G, D = other.nets["G"], other.nets["D"]
    for p in [*G.parameters(), *D.parameters()]:
        p.requires_grad_(True)
        p.grad = None
    z = [Draw(key(0, 0, turn, 0), 32, slice(None)).normal(4) for turn in (0, 1)]
    x = feed(0, Draw(key(0, 0, 0, 0, "data"), 32, slice(0, None, 1)))["x"]
    loss = (softplus(-D(x)) + softplus(D(G(z[0]).detach()))).mean()
    grads = torch.autograd.grad(loss, list(D.parameters()))
    with torch.no_grad():
        for p, g in zip(D.parameters(), grads, strict=True):
            p.sub_(0.1 * g)
    grads = torch.autograd.grad(softplus(-D(G(z[1]))).mean(), list(G.parameters()))
    with torch.no_grad():
        for p, g in zip(G.parameters(), grads, strict=True):
            p.sub_(0.1 * g)
    e.step()
    for name in ("G", "D"):
        for a, b in zip(e.nets[name].parameters(), other.nets[name].parameters(), strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_resume_is_bit_exact(name):
    settings = Optimizer(name=name, lr=1e-3, lr_end=1e-4, betas=(0.5, 0.99), beta2_start=0.9, warmup=0.1)
    straight, first = run(engine(optimizer=settings), 20), run(engine(optimizer=settings), 11)
    second = engine(optimizer=settings)
    second.load(*first.state())
    assert same(straight, run(second, 9))


def test_resume_is_bit_exact_with_batch_norm_buffers():
    def make():
        torch.default_generator.manual_seed(1)
        return engine(nets=MLP(hidden=(16,), z_dim=4, norm="batch", output="linear").build(SPEC))

    first, second = run(make(), 5), make()
    second.load(*first.state())
    assert {"buffer/G/body.1.running_var", "ema/G/0/body.1.running_var"} <= set(first.state()[0])
    average = second.average(0)
    assert torch.equal(average["body.1.running_var"], second.ema_moving["G"][0][1])
    assert same(run(make(), 9), run(second, 4))


ENTRIES = [
    "param/G",
    "param/D",
    "ema/G/0",
    "ema/G/1",
    *(f"optim/{n}/{k}" for n in "GD" for k in ("exp_avg", "exp_avg_sq", "step")),
]
COUNTERS = ["steps", "seen", "position", "retries", "lr_scale", "best", "reached"]


def test_the_state_holds_these_entries():
    tensors, counters = run(engine(), 1).state()
    assert sorted(tensors) == sorted(ENTRIES) and sorted(counters) == sorted(COUNTERS)


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_tensor_can_be_left_out_of_the_state(entry):
    """Left out, it is refused by name; reset to its initial value, the result changes. So every entry is needed."""
    settings = Optimizer(lr=1e-3, betas=(0.5, 0.99))
    straight, first = run(engine(optimizer=settings), 8), run(engine(optimizer=settings), 4)
    tensors, counters = first.state()
    with pytest.raises(GanworksError, match=entry):
        engine(optimizer=settings).load({k: v for k, v in tensors.items() if k != entry}, counters)
    fresh = engine(optimizer=settings)
    initial = fresh.state()[0].get(entry, torch.zeros_like(tensors[entry]))
    fresh.load(tensors | {entry: initial}, counters)
    assert not same(straight, run(fresh, 4))


@pytest.mark.parametrize("counter", COUNTERS)
def test_no_counter_can_be_left_out_of_the_state(counter):
    first = run(engine(), 4)
    first.clock.retries, first.clock.lr_scale, first.clock.best, first.clock.reached = 1, 0.5, 3.0, True
    tensors, counters = first.state()
    straight = engine()
    straight.load(tensors, counters)
    run(straight, 4)
    with pytest.raises(GanworksError, match=counter):
        engine().load(tensors, {k: v for k, v in counters.items() if k != counter})
    fresh = engine()
    fresh.load(tensors, counters | {counter: getattr(engine().clock, counter)})
    assert not same(straight, run(fresh, 4))


def test_accumulation_equals_the_whole_batch():
    smooth = Optimizer(lr=1e-3, eps=1e-3)  # a small eps turns rounding of a near-zero gradient into a full step
    whole, split = run(engine(optimizer=smooth), 10), run(engine(optimizer=smooth, accumulate=4), 10)
    for name in ("param/G", "param/D"):
        torch.testing.assert_close(whole.state()[0][name], split.state()[0][name], atol=1e-6, rtol=1e-4)


def test_two_processes_would_see_the_rows_of_one():
    """Rank r of w draws and fetches exactly the global rows r, r+w, ...; the mean gradient is then the same."""
    alone = engine().batch_at(0, 0)
    parts = [engine(group=Group(rank, 2)).batch_at(0, 0) for rank in range(2)]
    z, both = alone.draw.normal(3), [p.draw.normal(3) for p in parts]
    for rank in range(2):
        assert torch.equal(z[rank::2], both[rank])
        assert torch.equal(alone["x"][rank::2], parts[rank]["x"])


def test_averages_follow_their_half_lives():
    e = engine(total=10**9)
    e.clock.seen = 10**6  # past the ramp
    start = e.ema["G"][0].clone()
    e.config.train.ema[0]
    e.step()
    weight = 0.5 ** (32 / 100)
    torch.testing.assert_close(e.ema["G"][0], weight * start + (1 - weight) * e.flats["G"].data, atol=1e-6, rtol=1e-5)


def test_only_the_moving_player_gets_gradients():
    e = engine(Adversarial(train="G"))
    before = e.flats["D"].data.clone()
    run(e, 3)
    assert torch.equal(before, e.flats["D"].data)
    e = engine(Adversarial(train="D"))
    before = e.flats["G"].data.clone()
    run(e, 3)
    assert torch.equal(before, e.flats["G"].data)


def test_turns_of_n_critic_use_different_data():
    e = engine(Adversarial(n_critic=3))
    e.step()
    assert e.clock.position == 4 * 32 and e.clock.seen == 32


class Poison(nn.Module):
    """D whose logits turn infinite once `armed`."""

    def __init__(self):
        super().__init__()
        self.inner, self.armed, self.value = nn.Linear(2, 1), False, float("nan")

    def forward(self, x, y=None):
        out = self.inner(x)[:, 0]
        return out * self.value if self.armed else out


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_loss_is_caught_before_any_update(value):
    nets = {"G": MLP(hidden=(8,), z_dim=4, output="linear").build(SPEC)["G"], "D": Poison()}
    e = run(engine(Adversarial(loss="wasserstein", r1=0, r2=0), nets=nets), 3)
    before, _ = e.state()
    e.nets["D"].armed, e.nets["D"].value = True, value
    with pytest.raises(NonFiniteError, match="not finite"):
        e.step()
    after, _ = e.state()
    assert all(torch.equal(v, after[k]) for k, v in before.items())


def test_flat_parameters_are_the_networks_own_in_channels_last():
    from ganworks.core.spec import Spec
    from ganworks.training.flat_buffer import FlatBuffer

    net = DCGAN(width=8).build(Spec("images", (1, 16, 16)))["D"]
    before = {k: v.clone() for k, v in net.state_dict().items()}
    flat = FlatBuffer(net, channels_last=True)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    flat.data.zero_()
    assert all(
        (p == 0).all() and p.is_contiguous(memory_format=torch.channels_last) for p in net.parameters() if p.dim() == 4
    )


def test_evaluation_mode_and_random_state_are_left_alone():
    torch.default_generator.manual_seed(3)
    before = torch.get_rng_state()
    e = engine()
    torch.set_rng_state(before)
    e.average(0)
    e.means()
    assert torch.equal(before, torch.get_rng_state()) and len(POINTS) == 1000


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("adam", lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.5, 0.9), eps=1e-8)),
        ("rmsprop", lambda p: torch.optim.RMSprop(p, lr=1e-2, alpha=0.9, eps=1e-8)),
        ("sgd", lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.5)),
    ],
)
def test_steppers_are_torchs_optimisers(name, make):
    from ganworks.training.flat_buffer import FlatBuffer, FlatOptimizer

    one, two = nn.Linear(5, 3), nn.Linear(5, 3)
    two.load_state_dict(one.state_dict())
    flat, reference = FlatBuffer(one, channels_last=False), make(two.parameters())
    stepper = FlatOptimizer(flat, Optimizer(name=name, lr=1e-2, betas=(0.5, 0.9)))
    for k in range(5):
        gradients = [torch.randn(p.shape, generator=torch.Generator().manual_seed(k)) for p in two.parameters()]
        for mine, theirs, g in zip(one.parameters(), two.parameters(), gradients, strict=True):
            mine.grad.copy_(g)
            theirs.grad = g.clone()
        stepper.step(0.0, 1.0)
        reference.step()
    for mine, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_examples_are_loaded_in_float32_while_the_networks_compute_in_bf16():
    def turned(start, draw):
        turn = torch.eye(2, 3).mul(0.7).expand(draw.total, 2, 3)
        grids.append(nn.functional.affine_grid(turn, [draw.total, 1, 300, 300], align_corners=False))
        return feed(start, draw)

    grids, e = [], engine(batch=2)
    e.feed, e.bf16 = turned, True
    e.step()
    exact = 0.7 * (2 * torch.arange(300) + 1 - 300) / 300  # centres of pixels
    torch.testing.assert_close(grids[0][0, 0, :, 0], exact, rtol=0, atol=1e-6)  # .6 pixels off in bf16
