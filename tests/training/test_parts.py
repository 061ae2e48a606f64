"""Players that are a part of another player: they learn in their own turns alone, and are published with the whole."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from toys import engine, run, same

from ganworks.core.errors import GanworksError


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.decoder = nn.Linear(2, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.decoder(self.first(x))


class Game:
    """Turns as named; every player minimises the output of the whole."""

    def __init__(self, *turns):
        self.order = turns

    def turns(self, step, progress=0.0) -> Iterator:
        for players in self.order:
            yield players, lambda nets, batch: {"loss": nets["G"](batch["x"]).square().sum(1)}


def players():
    torch.manual_seed(0)
    whole = Whole()
    return {"G": whole, "GR": whole.decoder, "D": nn.Linear(2, 1)}


def weights(e):
    return {k: v.clone() for k, v in e.nets["G"].state_dict().items()}


def test_a_part_rests_in_the_turns_of_the_whole_and_the_whole_in_those_of_the_part():
    """Also the moments of Adam: gradients of zero would move a player on by its momentum."""
    e = engine(Game(("G",), ("GR",)), nets=players())
    run(e, 5)
    for name, moves in (("G", "first"), ("GR", "decoder")):
        before, e.game = weights(e), Game((name,))
        run(e, 3)
        changed = {k.split(".")[0] for k, v in weights(e).items() if not torch.equal(v, before[k])}
        assert changed == {moves}


def test_the_average_of_the_whole_holds_that_of_the_part():
    e = run(engine(Game(("G",), ("GR",)), nets=players()), 6)
    assert set(e.averages(1)) == {"G"}, "a part is not published by itself"
    average = e.average(1)
    part = e.flats["GR"].named(e.ema["GR"][1])
    assert torch.equal(average["decoder.weight"], part["weight"])
    assert not torch.equal(average["decoder.weight"], e.nets["GR"].weight)


def test_resume_is_bit_exact_with_parts():
    make = lambda: engine(Game(("G",), ("GR",)), nets=players())  # noqa: E731
    first, second = run(make(), 5), make()
    second.load(*first.state())
    assert same(run(make(), 9), run(second, 4))


def test_a_turn_of_nobody_is_an_error():
    with pytest.raises(GanworksError, match="moves E, which is no player of these networks: G, GR, D"):
        run(engine(Game(("E",)), nets=players()), 1)
