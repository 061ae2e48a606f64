"""How the networks are sized: what they promise about any data and budget, and what the tuned cases must keep."""

import pytest
import torch

from ganworks.core.spec import Spec
from ganworks.kinds.images.sizing import SizingFacts, best_width, choose, forward_gflop, maps, reachable
from ganworks.networks.compact import Compact

MNIST = SizingFacts(count=54_000, height=28, width=28, seconds=300, gflops=700)


def test_more_time_never_means_a_narrower_network_and_always_more_examples():
    plans = [choose(SizingFacts(50_000, 32, 32, 3, seconds=60 * m, gflops=400))[0] for m in (1, 2, 5, 10, 30, 60, 600)]
    widths = [p["width"] for p in plans]
    assert widths == sorted(widths) and widths[0] < widths[-1]
    assert [p["lr"] for p in plans] == sorted((p["lr"] for p in plans), reverse=True)


@pytest.mark.parametrize("size", [8, 28, 32, 64])
@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_the_chosen_network_sees_enough_examples_unless_it_is_the_smallest(size, minutes):
    facts = SizingFacts(10_000, size, size, 3, seconds=60 * minutes, gflops=500)
    width = best_width(facts)
    assert width == 16 or reachable(facts, width) >= 120_000 * width / 32


def test_the_flop_count_is_the_networks_own():
    for shape, width in (((1, 28, 28), 32), ((3, 64, 64), 16), ((1, 8, 8), 24), ((3, 33, 20), 16)):
        D = Compact(width=width).build(Spec("images", shape))["D"]
        seen = {}

        def count(module, _inputs, output, seen=seen):
            seen[module] = 2 * module.weight.numel() * output[0, 0].numel()

        for module in D.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(count)
        D(torch.zeros(1, *shape))
        total = sum(seen.values()) / 1e9
        assert forward_gflop(width, shape[1:], shape[0]) == pytest.approx(total, rel=0.03)


def test_maps_end_at_full_size_and_start_small():
    assert maps(28, 28) == [(7, 7), (14, 14), (28, 28)]
    assert maps(8, 8) == [(4, 4), (8, 8)] and maps(3, 3) == [(3, 3)]
    assert maps(30, 20)[-1] == (30, 20)


def test_few_images_shown_often_are_augmented_and_many_are_not():
    few = choose(SizingFacts(count=100, height=64, width=64, channels=3, examples=200_000))
    assert few[0]["augment"] == "color,translation,cutout" and "100 examples" in few[1][-1]
    assert choose(MNIST)[0]["augment"] == ""


def test_gamma_grows_with_the_image_and_falls_over_the_training():
    small, large = (choose(SizingFacts(10_000, n, n, seconds=600))[0] for n in (28, 56))
    assert large["gamma"] == pytest.approx(2 * small["gamma"], rel=1e-3)
    assert small["gamma_end"] == pytest.approx(small["gamma"] / 30, rel=1e-3)


def test_every_choice_is_explained_with_its_number():
    settings, why = choose(MNIST)
    text = " ".join(why)
    assert f"Width {settings['width']} for the generator" in text and f"{settings['lr']:g}" in text
    assert f"{settings['examples']:,}" in text and f"Gamma {settings['gamma']:g}" in text
