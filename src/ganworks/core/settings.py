"""The complete description of one training: what a recipe returns and what config.yaml holds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from ganworks.core.errors import UsageError, show
from ganworks.core.schema.declare import OF_BUDGET, Chance, Count, check, within
from ganworks.core.spec import Spec

Precision = Literal["auto", "fp32", "bf16"]
_MOST_AVERAGES = 32


def half_cosine(start: float, end: float, progress: float, burn_in: float = 1.0) -> float:
    """From `start` to `end` over the first `burn_in` of the budget, constant afterwards (R3GAN, section 4)."""
    if progress >= burn_in:
        return end
    return end + (start - end) * (1 + math.cos(math.pi * progress / burn_in)) / 2


@dataclass(frozen=True)
class Optimizer:
    """How one side is updated.

    name: the algorithm; "optimistic" is Adam that steps ahead of its opponent (1711.00141).
    lr: the initial learning rate, after the warm-up; 1e-4 to 2e-3 is usual.
    lr_end: the learning rate that a half cosine reaches at the fraction `burn_in` of the budget (None: constant).
    betas: decay rates of Adam's two moving averages.
    beta2_start: the initial second beta, which moves to that of `betas` as the learning rate moves (None: constant).
    eps: added to the root of Adam's second moving average.
    burn_in: the fraction of the budget over which learning rate and second beta move.
    warmup: the fraction of the budget over which the learning rate grows from 0, in a straight line.
    clip_each: for DP-SGD (arXiv 1607.00133), the norm that each example's gradient is clipped to (0: not clipped).
    noise: for DP-SGD, the standard deviation of the added noise, in units of `clip_each`; the training and its
        evaluation state the resulting epsilon.
    """

    name: Literal["adam", "rmsprop", "sgd", "optimistic"] = "adam"
    lr: Annotated[float, within(above=0, most=10)] = 2e-4
    lr_end: float | None = None
    betas: tuple[Chance, Chance] = (0.0, 0.99)
    beta2_start: float | None = None
    eps: float = 1e-8
    burn_in: Annotated[float, within(above=0, most=1, unit=OF_BUDGET)] = 1.0
    warmup: Annotated[float, within(0, below=1, unit=OF_BUDGET)] = 0.0
    clip_each: Annotated[float, within(0)] = 0.0
    noise: Annotated[float, within(0)] = 0.0

    def __post_init__(self) -> None:
        check(self)
        if self.noise and not self.clip_each:
            raise UsageError("noise needs clip_each above 0.")

    def lr_at(self, progress: float) -> float:
        """Learning rate at a fraction of the budget."""
        end = self.lr if self.lr_end is None else self.lr_end
        ramp = min(1.0, (progress + 1e-3) / self.warmup) if self.warmup else 1.0
        return ramp * half_cosine(self.lr, end, progress, self.burn_in)

    def beta2_at(self, progress: float) -> float:
        """Second beta at a fraction of the budget."""
        start = self.betas[1] if self.beta2_start is None else self.beta2_start
        return half_cosine(start, self.betas[1], progress, self.burn_in)

    def lazily(self, every: int) -> Optimizer:
        """For a player that takes one more turn, with penalties, on each `every`-th step: k + 1 updates for k = every.

        With c = k / (k + 1) the learning rate becomes c lr and the betas beta^c, so that k steps move it as far as
        before (Karras et al. 2020, 1912.04958, appendix B). every = 1: the same, as there is no further turn.
        """
        if every == 1:
            return self
        c = every / (every + 1)
        return replace(
            self,
            lr=c * self.lr,
            lr_end=None if self.lr_end is None else c * self.lr_end,
            betas=(self.betas[0] ** c, self.betas[1] ** c),
            beta2_start=None if self.beta2_start is None else self.beta2_start**c,
        )


_LARGEST_BUDGET = 1e12  # of any unit
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
        if not match or not 0 < float(match[1]) < _LARGEST_BUDGET:
            what = "a time (90s, 10m, 2h) or a number of examples (200k, 1M)"
            raise UsageError(f"budget must be {what}, not {show(text)}.")
        number, unit = float(match[1]), match[2]
        if unit in ("s", "m", "min", "h"):
            return Budget(seconds=number * {"s": 1, "m": 60, "min": 60, "h": 3600}[unit])
        return Budget(examples=max(1, round(number * {"": 1, "k": 10**3, "M": 10**6}[unit])))


@dataclass(frozen=True)
class Train:
    """How the engine runs.

    batch: examples in one step.
    budget: how long to train: a time ("90s", "10m", "2h"), kept by doing fewer examples where steps are slower than
        measured, or a number of examples ("200k", "1M").
    until: stop when a score is reached, e.g. "fd<5" or "coverage>0.9"; "" for never.
    seed: the seed of all random draws of the training.
    device: "cpu", "cuda", "mps", or "auto" for the best one that is available.
    precision: "fp32", "bf16" for mixed precision, or "auto" for the faster one.
    accumulate: slices of a batch over which gradients are accumulated, to save memory. They add up to the whole batch,
        but where layers look at several examples at a time, such as batch norm: these see a slice.
    ema: half-lives of the averaged generators that are kept.
    ema_ramp: each half-life is held below this share of the examples seen so far.
    score: examples between two scores; 0: chosen from the budget.
    show: examples between two pictures of samples; 0: chosen from the budget.
    save: time between two saves.
    judge: whether the training is scored as it runs.
    init: a run or a generator.safetensors whose weights the training begins with; "" for none.
    threads: CPU threads; 0: the number that is measured to be fastest.
    """

    batch: Annotated[int, within(1, unit="examples")] = 64
    budget: str = "10m"
    until: str = ""
    seed: Annotated[int, within(0, 2**63 - 1)] = 0
    device: str = "auto"
    precision: Precision = "auto"
    accumulate: Count = 1
    ema: tuple[Annotated[float, within(0, unit="examples")], ...] = (20_000.0,)
    ema_ramp: Annotated[float, within(above=0)] = 0.1
    score: Annotated[int, within(unit="examples")] = 0
    show: Annotated[int, within(unit="examples")] = 0
    save: Annotated[float, within(unit="seconds")] = 60.0
    judge: bool = True
    init: str = ""
    threads: Annotated[int, within(0, 1024)] = 0

    def __post_init__(self) -> None:
        Budget.parse(self.budget)
        check(self)
        if self.batch % self.accumulate:
            raise UsageError(f"batch ({self.batch}) must be a positive multiple of accumulate ({self.accumulate}).")
        if not 1 <= len(self.ema) <= _MOST_AVERAGES:
            raise UsageError(f"ema needs at least one half-life, and {_MOST_AVERAGES} at most, not {len(self.ema)}.")
        if self.until and not UNTIL.fullmatch(self.until):
            raise UsageError(f'until must look like "fd<5" or "coverage>0.9", not {show(self.until)}.')
        if self.until and not self.judge:
            raise UsageError(f"until={self.until} needs scores, but train.judge is off.")


UNTIL = re.compile(r"\s*([a-z_]+)\s*(<|>)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Config:
    """One training, complete: a recipe returns it and config.yaml holds it.

    recipe: the recipe that chose it.
    domain: what the data is and how it is read.
    networks: the players.
    game: who moves in which order, and what each player minimises.
    g: the optimiser of the generator side (players whose name starts with G).
    d: the optimiser of the other players.
    train: how the engine runs.
    notes: what the recipe chose for the data and the budget, and why.
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
    """What a recipe chooses its settings from.

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
