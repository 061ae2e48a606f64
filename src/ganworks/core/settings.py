"""The complete description of one training: what a recipe returns and what config.yaml holds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ganworks.core.errors import UsageError
from ganworks.core.spec import Spec

Precision = Literal["auto", "fp32", "bf16"]


def half_cosine(start: float, end: float, progress: float, burn_in: float = 1.0) -> float:
    """From `start` to `end` over the first `burn_in` of the budget, constant afterwards (R3GAN, section 4)."""
    if progress >= burn_in:
        return end
    return end + (start - end) * (1 + math.cos(math.pi * progress / burn_in)) / 2


@dataclass(frozen=True)
class Optimizer:
    """How one side is updated.

    lr moves to lr_end by a half cosine over the first `burn_in` of the budget (None: constant), after a linear
    warm-up over the first `warmup`. beta2 moves from beta2_start in the same way (None: constant).
    clip_each, noise: for differential privacy (1607.00133): the length that each example's gradient is cut to (0: not),
    and the noise that is added, in that length (`metrics/privacy.py` gives epsilon).
    """

    name: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: float = 2e-4
    lr_end: float | None = None
    betas: tuple[float, float] = (0.0, 0.99)
    beta2_start: float | None = None
    eps: float = 1e-8
    burn_in: float = 1.0
    warmup: float = 0.0
    clip_each: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.lr <= 10:
            raise UsageError(f"lr must lie above 0 and at most at 10, not {self.lr}; 1e-4 to 2e-3 is usual.")
        if not all(0 <= b < 1 for b in self.betas):
            raise UsageError(f"betas must lie in [0, 1), not {self.betas}.")
        if not 0 < self.burn_in <= 1 or not 0 <= self.warmup < 1:
            raise UsageError("burn_in must lie in (0, 1] and warmup in [0, 1): they are fractions of the budget.")
        if self.clip_each < 0 or self.noise < 0 or (self.noise and not self.clip_each):
            raise UsageError("clip_each and noise must not be negative, and noise needs clip_each above 0.")

    def lr_at(self, progress: float) -> float:
        """Learning rate at a fraction of the budget."""
        end = self.lr if self.lr_end is None else self.lr_end
        ramp = min(1.0, (progress + 1e-3) / self.warmup) if self.warmup else 1.0
        return ramp * half_cosine(self.lr, end, progress, self.burn_in)

    def beta2_at(self, progress: float) -> float:
        """Second beta at a fraction of the budget."""
        start = self.betas[1] if self.beta2_start is None else self.beta2_start
        return half_cosine(start, self.betas[1], progress, self.burn_in)


BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|k|M|)")


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of examples, or seconds of training that calibration turns into examples."""

    examples: int = 0
    seconds: float = 0.0

    @staticmethod
    def parse(text: str | int) -> Budget:
        """ "90s", "10m", "2h" are time; "200k", "1M", "5000" are examples. Note: m is minutes, M is million."""
        match = BUDGET.fullmatch(str(text).strip())
        if not match or float(match[1]) <= 0:
            raise UsageError(f"budget must be a time (90s, 10m, 2h) or a number of examples (200k, 1M), not {text!r}.")
        number, unit = float(match[1]), match[2]
        if unit in ("s", "m", "min", "h"):
            return Budget(seconds=number * {"s": 1, "m": 60, "min": 60, "h": 3600}[unit])
        return Budget(examples=max(1, round(number * {"": 1, "k": 10**3, "M": 10**6}[unit])))


@dataclass(frozen=True)
class Train:
    """How the engine runs. Times are counted in examples seen; 0 means: chosen from the budget.

    ema: half-lives in examples of the averaged generators that are kept; each is held below `ema_ramp` x seen.
    until: stop when a score is reached, e.g. "fd<5" or "coverage>0.9".
    score, show, save: examples between scores, sample grids; seconds between saves.
    """

    batch: int = 64
    budget: str = "10m"
    until: str = ""
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    accumulate: int = 1
    ema: tuple[float, ...] = (20_000.0,)
    ema_ramp: float = 0.1
    score: int = 0
    show: int = 0
    save: float = 60.0
    judge: bool = True
    init: str = ""
    threads: int = 0

    def __post_init__(self) -> None:
        Budget.parse(self.budget)
        if self.batch < 1 or self.accumulate < 1 or self.batch % self.accumulate:
            raise UsageError(f"batch ({self.batch}) must be a positive multiple of accumulate ({self.accumulate}).")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed must be a whole number from 0 to 2^63-1, not {self.seed}.")
        if not self.ema or any(h < 0 for h in self.ema) or self.ema_ramp <= 0:
            raise UsageError("ema needs at least one half-life of 0 or more examples, and ema_ramp above 0.")
        if self.until and not UNTIL.fullmatch(self.until):
            raise UsageError(f'until must look like "fd<5" or "coverage>0.9", not {self.until!r}.')
        if self.until and not self.judge:
            raise UsageError(f"until={self.until} needs scores, but train.judge is off.")


UNTIL = re.compile(r"\s*([a-z_]+)\s*(<|>)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Config:
    """One training, complete: a recipe returns it and config.yaml holds it.

    g, d: optimisers of the generator side (players whose name starts with G) and of the rest.
    notes: what the recipe chose from the data and the budget, and why.
    """

    recipe: str
    domain: Any
    networks: Any
    game: Any
    g: Optimizer = field(default_factory=Optimizer)
    d: Optimizer = field(default_factory=Optimizer)
    train: Train = field(default_factory=Train)
    notes: tuple[str, ...] = ()

    def optimizer(self, player: str) -> Optimizer:
        """The settings of one player."""
        return self.g if player.upper().startswith("G") else self.d


@dataclass(frozen=True)
class Facts:
    """What a recipe may look at to choose its defaults.

    spec, count: one example, and how many are trained on. budget: as asked. device: "cpu", "cuda", "mps".
    gflops: measured convolution speed of this machine, 1e9 multiply-adds x 2 per second, in the better precision.
    domain: the domain as opened. given: the overrides that the user typed, e.g. {"train.batch": 32}.
    """

    spec: Spec
    count: int
    budget: Budget
    device: str
    gflops: float
    domain: Any
    given: dict[str, Any] = field(default_factory=dict)
