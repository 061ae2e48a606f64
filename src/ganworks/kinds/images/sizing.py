"""Chooses the size of the networks and the settings of their training from the data and the budget.

The method is fixed: paired relativistic loss, R1 and R2 on every step, Adam with beta1 = 0, cosine schedules that
span the budget. The width of the networks, the learning rate, the strength of the penalties and the span over which the
generator is averaged follow the budget. Each constant says on which data it was tuned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
NEED = 160_000  # examples that D of width 32 should see before a wider one is worth it; grows with the width (MNIST)
UTILISATION = 0.7  # of the measured convolution speed that whole training steps of these networks reach
UNITS_G, UNITS_D = 4, 15  # forward passes per example and step, with both penalties exact
WIDER = 1.5  # G over D, as G runs 4 times for D's 15. MNIST, 200 CPU seconds: distance 19.8, at equal width 25.6
LR = 3e-3  # D of width 32, batch 64; MNIST, 30,000 to 130,000 examples: coverage .505 at 4e-3, .457 at 2e-3
# Gamma at 28 pixels, at the start and at the end of the budget. These values were not tried themselves; they lie
# between trials on MNIST of 180 CPU seconds each (distance, coverage):
# 1 to .1: 15.9, .791; 3 to .3: 12.2, .764; 3 to .05: 14.1, .798; .3 to .03 in 200 seconds: 19.8, .791.
GAMMA, GAMMA_END = 3.0, 0.1
FEW = 20_000  # examples below which the discriminator may memorise them
REPEATS = 300  # times that each example is shown before it does; digits were unharmed at 100


@dataclass(frozen=True)
class SizingFacts:
    """The facts from which the sizes of the networks are chosen.

    count: examples to train on. height, width (pixels), channels, classes: of the data (classes 0: unconditional).
    examples, seconds: the budget, one of them above 0. gflops: measured convolution speed, in GFLOP/s.
    """

    count: int
    height: int
    width: int
    channels: int = 1
    classes: int = 0
    examples: int = 0
    seconds: float = 0.0
    gflops: float = 300.0


def maps(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes (rows, columns) of the compact networks' maps, lowest first; an axis is halved while it stays >= 4."""
    rows, columns = (max(0, (n // 4).bit_length() - 1) for n in (height, width))
    top = max(rows, columns)
    down = range(top, -1, -1)
    return [(-(-height // 2 ** min(rows, k)), -(-width // 2 ** min(columns, k))) for k in down]


def forward_gflop(width: int, size: tuple[int, int], channels: int, blocks: int = 1) -> float:
    """Cost in GFLOP of one forward pass of one image through a compact generator or discriminator."""
    sizes = maps(*size)
    inner = sizes[:-1] if len(sizes) > 2 else sizes  # full size has no blocks (networks/compact.py)
    widths = [width * min(4, 2**n) for n in reversed(range(len(inner)))]
    total = 2 * 16 * channels * width * inner[-1][0] * inner[-1][1]
    for n, ((h, w), c) in enumerate(zip(inner, widths, strict=True)):
        total += blocks * 2 * 2 * 9 * c * c * h * w
        if n:
            total += 2 * 16 * c * widths[n - 1] * inner[n - 1][0] * inner[n - 1][1]
    return total / 1e9


def generator_width(width: int) -> int:
    """Channels of G for a discriminator of `width` channels, a multiple of 8."""
    return 8 * round(width * WIDER / 8)


def reachable(facts: SizingFacts, width: int) -> int:
    """Examples that networks of this width can see within the budget."""
    if facts.examples:
        return facts.examples
    size = (facts.height, facts.width)
    d, g = (forward_gflop(w, size, facts.channels) for w in (width, generator_width(width)))
    cost = UNITS_D * d + UNITS_G * g
    return int(facts.seconds * facts.gflops * UTILISATION / cost)


def best_width(facts: SizingFacts) -> int:
    """Channels of the widest D that still sees enough examples, NEED x (width / 32)."""
    enough = [w for w in WIDTHS if reachable(facts, w) >= NEED * w / 32]
    return max(enough, default=WIDTHS[0])


def choose(facts: SizingFacts) -> tuple[dict[str, Any], list[str]]:
    """Settings and the reasons for them, in sentences.

    Keys: width, d_width, blocks, z_dim (`Compact`); batch, precision, ema_ramp; lr, lr_end, warmup,
    beta2_start, beta2; gamma, gamma_end (r1 and r2), augment (a DiffAugment policy or ""); examples (expected).
    """
    width = best_width(facts)
    examples = max(1, reachable(facts, width))
    lr = round(max(2e-4, min(LR, LR * (300_000 / examples) ** 0.33)) * min(1.0, (32 / width) ** 0.5), 6)
    scale = max(0.3, max(facts.height, facts.width) / 28)  # 8-pixel digits were tuned at 0.3 and 1
    repeats = examples / max(1, facts.count)
    crowded = facts.count < FEW and repeats > REPEATS
    settings = {
        "width": generator_width(width),
        "d_width": width,
        "blocks": 1,
        "z_dim": 32 if max(facts.height, facts.width) <= 16 else 64,
        "batch": 64 if examples < 4_000_000 else 128,
        "precision": "auto",
        "ema_ramp": 0.02,
        "lr": lr,
        "lr_end": lr / 50,
        "warmup": 0.02,
        "beta2_start": 0.9,
        "beta2": 0.99,
        "gamma": round(GAMMA * scale, 4),
        "gamma_end": round(GAMMA_END * scale, 5),
        "augment": policy(facts) if crowded else "",
        "examples": examples,
    }
    return settings, reasons(facts, settings, repeats)


def policy(facts: SizingFacts) -> str:
    """DiffAugment policy for few examples: translation alone up to 16 pixels, else cutout too, and colour for RGB."""
    if max(facts.height, facts.width) <= 16:
        return "translation"
    return "color,translation,cutout" if facts.channels == 3 else "translation,cutout"


def reasons(facts: SizingFacts, settings: dict[str, Any], repeats: float) -> list[str]:
    """Why these settings: one sentence each, for the person who trains."""
    if facts.seconds:
        pace = f"at {facts.gflops:.0f} GFLOP/s {facts.seconds:.0f} s show about {settings['examples']:,} examples to it"
    else:
        pace = f"the budget is {facts.examples:,} examples"
    out = [
        f"Width {settings['d_width']} for the discriminator: {pace}, and wider networks would need more. "
        f"Width {settings['width']} for the generator, which runs 4 times for the discriminator's 15.",
        f"Learning rate {settings['lr']:g}, falling to {settings['lr_end']:g} at the end of the budget: the last "
        "fifth of a short training sharpens what the first part found.",
        f"Gamma {settings['gamma']:g} falling to {settings['gamma_end']:g}: strong first, to keep all kinds of "
        f"images; weak later, to make them sharp. It grows with the image size ({facts.height}x{facts.width}).",
        "The generator is averaged over the last 2 % of what it has seen, so the average keeps up in a short run.",
    ]
    if settings["augment"]:
        out.append(
            f"Augmentation {settings['augment']} on real and generated images alike: each of the "
            f"{facts.count:,} examples is shown {repeats:.0f} times, and D could memorise them."
        )
    return out
