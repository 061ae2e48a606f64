"""How wide the residual GANs are: as published, or as wide as the budget of a CPU allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ganworks.core.settings import Facts
from ganworks.core.spec import Spec
from ganworks.kinds.images.residual.networks import D_LADDERS, LADDERS, ResNetGAN, ladder

WIDTHS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
NEED = 10_000  # examples for each unit of width that a training should see, as `image` asks of its channels
UTILISATION = 0.3  # share of the measured convolution speed that training steps reach
_LONG = 10**10  # pixels that a budget in examples shows, above which a CPU, too, takes the published networks


@dataclass(frozen=True)
class Form:
    """The form that a recipe takes. width: the unit of channels. published: as in the paper. notes: reasons."""

    width: int
    published: bool
    notes: tuple[str, ...] = ()


def doublings(spec: Spec) -> int:
    """How often the smallest map is doubled; 3 for 32 pixels, 5 for 128."""
    return len(ResNetGAN.plan(spec).strides)


def alike(spec: Spec) -> bool:
    """Whether all maps have the same number of channels, as for CIFAR-10: images of less than 64 pixels."""
    return doublings(spec) < 4


def gflops(networks: ResNetGAN, spec: Spec) -> tuple[float, float]:
    """Cost in GFLOP of a forward pass of one image through G and through D: their convolutions of 3x3."""
    count, pixels = doublings(spec), spec.shape[1] * spec.shape[2]
    g = [networks.width * n for n in ladder(count, LADDERS)]
    d = [(networks.d_width or networks.width) * n for n in ladder(count, D_LADDERS)]
    costs = []
    for widths in (g, d):
        maps = [pixels / 4 ** (count - n) for n in range(1, count + 1)]
        costs.append(sum(_block(a, b, networks) * size for (a, b), size in zip(pairwise(widths), maps, strict=True)))
    return costs[0] * 2 / 1e9, costs[1] * 2 / 1e9


def _block(low: int, high: int, networks: ResNetGAN) -> float:
    """Multiplications for each pixel of the larger map, between widths of the smaller and of the larger one."""
    if networks.bottleneck:
        inner = max(1, low // 4)
        return (18 * inner**2 + inner * (low + high)) * networks.blocks
    return 9 * (low * high + high**2) * networks.blocks


def form(facts: Facts, published: int, make: Callable[[int], ResNetGAN]) -> Form:
    """The published width, or on a CPU the widest one that sees enough examples within a budget of time.

    published: the paper's width. make: networks of a width. The small form has one turn each. A budget in examples
    says nothing of the time: the width is then the published one, or 8 for small runs.
    """
    pixels = facts.spec.shape[1] * facts.spec.shape[2]
    if facts.budget.examples or facts.device != "cpu":
        full = facts.device != "cpu" or facts.budget.examples * pixels > _LONG
        return Form(published if full else min(8, published), full)

    def reachable(width: int) -> int:
        g, d = gflops(make(width), facts.spec)
        cost = 4 * g + 8 * d  # of a turn of each: backward passes cost twice a forward one
        return int(facts.budget.seconds * facts.gflops * UTILISATION / max(cost, 1e-9))

    widths = [w for w in WIDTHS if w < published] + [published]
    width = max((w for w in widths if reachable(w) >= NEED * w), default=widths[0])
    said = f"networks.width={width}: the budget shows about {reachable(width):,} examples"
    if reachable(width) < NEED * width:
        said += f", fewer than the {NEED * width:,} that the narrowest networks need; train for longer"
    else:
        said += f"; the published {published} would need more" if width < published else ", as published"
    return Form(width, width == published, (f"{said}.",))
