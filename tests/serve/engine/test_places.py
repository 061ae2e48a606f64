"""Places of a batch that give the same bytes are told from those that do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from served import ByOthers, ByPlace, BySize, Noisy, Plain, model_of

from ganworks.serve.engine.places import Places, slots


def _measured(net) -> Places:
    places = Places(model_of(net))
    for _ in places.measure():
        assert not places.sizes, "nothing is used before all of it is measured"
    return places


def test_every_place_of_a_network_without_differences_is_used():
    places = _measured(Plain())
    assert sorted(places.sizes) == [2**k for k in range(places.chunk.bit_length())]
    assert all(len({*classes}) == 1 for classes in [places.canonical, *places.sizes.values()])


def test_rows_that_round_differently_are_apart():
    places = _measured(ByPlace())
    even, odd = places.canonical[:2]
    assert even != odd and places.canonical.tolist() == [even, odd] * (places.chunk // 2)
    assert places.sizes[1].tolist() == [even]
    assert places.sizes[4].tolist() == [even, odd] * 2
    assert slots(places.sizes[4], [odd, even, odd]) == [1, 0, 3]
    assert slots(places.sizes[4], [odd, odd, odd]) is None


@pytest.mark.parametrize("net", [ByOthers(), Noisy()], ids=["rows depend on others", "draws noise"])
def test_nothing_is_used_of_networks_without_places_of_their_own(net):
    assert not _measured(net).sizes


def test_sizes_that_round_differently_are_left_out():
    whole = model_of(Plain()).chunk
    assert sorted(_measured(BySize(whole)).sizes) == [whole]


def test_a_network_that_fails_in_other_shapes_is_left_in_its_window():
    class Fails(Plain):
        def forward(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
            if len(z) == 2:
                raise ValueError("two rows")
            return super().forward(z, y)

    assert not _measured(Fails()).sizes


def test_doubt_ends_the_use_even_while_measuring():
    places = Places(model_of(Plain()))
    steps = places.measure()
    next(steps)
    places.doubt()
    for _ in steps:
        pass
    assert not places.sizes


def test_slots_take_each_place_once():
    assert slots(np.zeros(3, int), [0, 0, 0, 0]) is None
    assert sorted(slots(np.zeros(4, int), [0, 0, 0, 0]) or []) == [0, 1, 2, 3]
