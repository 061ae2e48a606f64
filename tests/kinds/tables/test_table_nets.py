"""The generators of tables, CTGAN's known defects, and the game."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.core.spec import Batch, Draw
from ganworks.games.penalties import LabelledCritic, logits_and_gradient_norms
from ganworks.kinds.tables.domain import ModesTable, Table
from ganworks.kinds.tables.game import Tabular, subsets
from ganworks.kinds.tables.networks import CTGAN, ColumnNetworks, TableCritic


def frame(count=400, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "one": rng.choice(list("ab"), count, p=[0.9, 0.1]),
            "two": rng.choice(list("uvw"), count, p=[0.9, 0.08, 0.02]),
            "three": rng.choice(list("xyz"), count, p=[0.5, 0.3, 0.2]),
            "x": rng.normal(size=count),
        }
    )


def batch_of(data, domain, size=20, seed=0):
    draw = Draw(seed, size, slice(None))
    found = domain.batch(data, data.train[:size], Draw(seed + 1, size, slice(None)))
    return Batch(lambda: found, draw, size=size)


@pytest.fixture(scope="module")
def cells():
    data = Table().open(frame()[["one", "two", "three"]])
    torch.manual_seed(0)
    G = ColumnNetworks(width=16, depth=1, pac=5).build(data.spec)["G"].eval()
    nn.init.normal_(G.out.weight, std=0.5)
    return data, G


def test_rows_are_drawn_as_likely_as_the_logits_say(cells):
    data, G = cells
    with torch.inference_mode():
        made = G(torch.randn(20_000, G.z_dim))
        codes = data.layout.read(made.numpy())[0]
        for row in itertools.product(*map(range, data.layout.sizes)):
            x, seen, log = torch.zeros(1, data.layout.width), torch.zeros(1, 3, dtype=torch.bool), 0.0
            for block in G.order:
                start = data.layout.starts[block]
                log += float(G.logits(x, seen)[0, start : start + data.layout.sizes[block]].log_softmax(0)[row[block]])
                x[0, start + row[block]], seen[0, block] = 1.0, True
            share = float((codes == row).all(1).mean())
            assert abs(share - np.exp(log)) < 0.012, row


def test_what_is_hidden_does_not_reach_the_logits(cells):
    data, G = cells
    x = data.rows(data.train[:6])
    seen = torch.tensor([[True, False, False]]).expand(6, 3)
    other = x.clone()
    other[:, data.layout.sizes[0] :] = x.flip(0)[:, data.layout.sizes[0] :]
    assert torch.equal(G.logits(x, seen), G.logits(other, seen))
    assert torch.allclose(
        G.surprise(x, torch.zeros(6, 3, dtype=torch.bool))[0],
        sum(
            -part.log_softmax(0)[c]
            for part, c in zip(
                G.logits(x, torch.zeros(6, 3, dtype=torch.bool))[0].split(list(data.layout.sizes)),
                data.codes[data.train[0]].tolist(),
                strict=True,
            )
        ),
    )


def test_subsets_have_every_size_and_begin_at_the_usual_order(cells):
    data, _ = cells
    batch = batch_of(data, Table(), 300)
    seen = subsets(batch, 3, [2, 0, 1], 1.0)
    assert set(seen.sum(1).tolist()) == {0, 1, 2}
    assert (seen[:, 2] >= seen[:, 0]).all() and (seen[:, 0] >= seen[:, 1]).all()
    anyhow = subsets(batch, 3, [2, 0, 1], 0.0)
    assert anyhow[anyhow.sum(1) == 1].float().mean(0).min() > 0.1  # each alone in some rows


def test_gradients_reach_g_through_the_choices(cells):
    data, _ = cells
    nets = ColumnNetworks(width=16, depth=1, pac=5).build(data.spec)
    terms = Tabular(likelihood=0.0, adversarial_from=0.0).generator_turn(nets, batch_of(data, Table()))
    terms["g_loss"].mean().backward()
    assert terms["g_loss"].shape == (4,) and float(nets["G"].known.weight.grad.abs().sum()) > 0


# CTGAN: each defect of the known implementation, as a check that it fails and that ours passes ------------------------


@pytest.fixture(scope="module")
def modes():
    data = ModesTable().open(frame())
    torch.manual_seed(0)
    return data, CTGAN(width=16, pac=5).build(data.spec)


def place_of(data, G, vector):
    """(column, value) that a condition's vector stands for."""
    names = [(c["name"], v) for c in data.columns if "shares" in c for v in c["values"]]
    return names[int(vector.argmax())]


def check_condition(data, G):
    for k, column in enumerate(data.columns):
        for code, value in enumerate(column.get("values", [])):
            block = torch.tensor([data.layout.blocks(k)[0]])
            assert place_of(data, G, G.condition(block, torch.tensor([code]))[0]) == (column["name"], value)


def test_the_condition_names_the_asked_value_of_every_column(modes, monkeypatch):
    data, nets = modes
    check_condition(data, nets["G"])
    monkeypatch.setattr(  # the defect: offsets of columns that are never filled in
        type(nets["G"]), "condition", lambda self, block, code: nn.functional.one_hot(code, self.extra).float()
    )
    with pytest.raises(AssertionError):
        check_condition(data, nets["G"])


def test_sampling_asks_for_values_as_frequent_as_they_are_training_for_their_logarithms(modes):
    data, nets = modes
    torch.manual_seed(0)
    block, code = nets["G"].draw(20_000, torch.device("cpu"))
    true = np.array(data.columns[1]["shares"])

    def is_true(codes):
        return np.abs(np.bincount(codes.numpy(), minlength=3) / len(codes) - true).max() < 0.02

    assert is_true(code[block == 1])
    asked, rows = data.by_value(Draw(0, 20_000, slice(None)))
    mine = asked[:, 0] == 1
    counts = true * len(data.train)
    share = np.bincount(asked[mine, 1].numpy(), minlength=3) / int(mine.sum())
    assert np.abs(share - np.log1p(counts) / np.log1p(counts).sum()).max() < 0.02
    assert not is_true(asked[mine, 1])  # the defect: these frequencies at sampling too
    has = data.codes[rows].long().gather(1, asked[:, :1])[:, 0]
    assert torch.equal(has, asked[:, 1]) and np.isin(rows.numpy(), data.train).all()


def test_a_sampled_row_does_not_depend_on_its_companions(modes):
    G, z = modes[1]["G"], torch.randn(32, 128)

    def first(net, rows):
        torch.manual_seed(1)
        return net.made(rows, torch.zeros(len(rows), net.extra))[1][0]

    G.train()
    assert not torch.allclose(first(G, z), first(G, z[:7]), atol=1e-4)  # the defect: batch statistics at sampling
    G.eval()
    assert torch.allclose(first(G, z), first(G, z[:7]), atol=1e-5)


def test_every_pack_has_a_gradient_norm_of_its_own():
    torch.manual_seed(0)
    D, x = TableCritic(6, 4, 8), torch.randn(3, 4, 6)
    norms = logits_and_gradient_norms(LabelledCritic(D), x)[1]
    alone = torch.cat([logits_and_gradient_norms(LabelledCritic(D), pack[None])[1] for pack in x])
    assert norms.shape == (3,) and torch.allclose(norms, alone)
    defect = alone.sum().expand(3)  # one norm for the whole batch
    assert not torch.allclose(norms, defect)


def test_the_game_of_ctgan_has_terms_for_each_pack_and_row(modes):
    data, nets = modes
    game, batch = Tabular(likelihood=0.0, adversarial_from=0.0, asked=1.0), batch_of(data, ModesTable())
    critic = game.critic_turn(nets, batch)
    assert {k: tuple(v.shape) for k, v in critic.items()} == {"d_loss": (4,), "gp": (4,), "_real": (4,), "_fake": (4,)}
    terms = game.generator_turn(nets, batch)
    assert terms["g_loss"].shape == (4,) and terms["asked"].shape == (20,)
    plain = batch_of(data, Table())  # rows as they come: each real row stands beside a value of its own
    seen = game._real(nets["G"], plain)[:, data.layout.width :]
    for row, vector in zip(data.train[:20], seen, strict=True):
        column, value = place_of(data, nets["G"], vector)
        assert data.frame[column].iloc[row] == value
    assert game.generator_turn(nets, plain)["asked"].shape == (20,)
    with pytest.raises(UsageError, match="no multiple of"):
        game.critic_turn(nets, batch_of(data, ModesTable(), 19))


def test_turns_follow_the_settings():
    players = lambda game, at: [p for p, _ in game.turns(0, at)]  # noqa: E731
    assert players(Tabular(), 0.99) == [("G",)]
    late = Tabular(adversarial_from=0.5, n_critic=2)
    assert players(late, 0.4) == [("G",)] and players(late, 0.6) == [("D",), ("D",), ("G",)]
    assert late.phases == (0.0, 0.5)
    for wrong in ({"likelihood": -1}, {"usual": 2}, {"likelihood": 0.0}, {"loss": "none"}, {"n_critic": 0}):
        with pytest.raises(UsageError):
            Tabular(**wrong)


@pytest.mark.parametrize("networks", [ColumnNetworks(width=16), CTGAN(width=16)], ids=["columns", "residual"])
def test_networks_build_without_memory(networks):
    with torch.device("meta"):
        nets = networks.build(ModesTable().open(frame()).spec)
    assert all(p.is_meta for net in nets.values() for p in net.parameters())
