"""The one training loop. It knows players, turns, batches, averages, precision and time; nothing of images or losses.

Time is counted in examples seen. Everything random is keyed by (seed, step, turn, global row), so a state of
tensors and a handful of counters is enough to resume bit for bit.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from ganworks.core.console.text import counted
from ganworks.core.contracts import ActsAfterTurns, Game, LossFn, Nets, Terms
from ganworks.core.errors import GanworksError
from ganworks.core.settings import Config
from ganworks.core.spec import Batch, Draw, key
from ganworks.games.hooks import KeepsInNetworks
from ganworks.layers.weights.averaged_spectral import settled
from ganworks.training.flat_buffer import FlatBuffer, FlatOptimizer
from ganworks.training.privacy.dp_sgd import add_clipped, add_noise
from ganworks.training.processes import Group


class Feed(Protocol):
    """Where batches come from: (global positions, this rank's rows, randomness) -> tensors on the device."""

    def __call__(self, start: int, draw: Draw) -> dict[str, Tensor]: ...


@runtime_checkable
class SampledFeed(Protocol):
    """A feed whose batches may be any places: chance(at, size) is a Poisson sample of places, some(count) a few."""

    def at(self, places: np.ndarray, draw: Draw) -> dict[str, Tensor]: ...
    def chance(self, at: int, size: float) -> np.ndarray: ...
    def some(self, count: int) -> np.ndarray: ...


@runtime_checkable
class FollowsWeights(Protocol):
    """A layer that keeps something computed from its weights, such as spectral norm."""

    def weights_changed(self) -> None:
        """Called once after each update of the player that holds the layer."""


@runtime_checkable
class MeasuresItself(Protocol):
    """A player whose buffers hold measurements, such as statistics of batch norm, that an average of them is not."""

    def measure_statistics(self, seed: int) -> None:
        """Measure them anew for the present weights. Called on a copy with averaged weights, for use and scores."""


class NonFiniteError(GanworksError):
    """A loss or gradient was not finite; nothing was updated in this turn."""


@dataclass
class Counters:
    """The counters of a training; part of the saved state."""

    steps: int = 0
    seen: int = 0
    position: int = 0
    retries: int = 0
    lr_scale: float = 1.0
    best: float = float("inf")
    reached: bool = False


@dataclass
class Engine:
    """Players, optimisers and averages of one training.

    feed returns the batch for a stretch of the data order; total is the budget in examples.
    bf16: autocast. averaged: the players of which moving averages are kept, the main one first.
    after: the game's optional `after(nets, players)`, called when a turn's update is done.

    A player may be a part of another one, such as a decoder of the generator that is published: it then learns in its
    own turns alone, and its averages go into those of the whole.
    """

    nets: Nets
    game: Game
    config: Config
    feed: Feed
    total: int
    num_classes: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bf16: bool = False
    group: Group = field(default_factory=Group)
    averaged: tuple[str, ...] = ("G",)

    def __post_init__(self) -> None:
        train = self.config.train
        self.batch, self.slices = train.batch, train.accumulate
        if self.batch % (self.group.world * self.slices):
            raise GanworksError(
                f"batch={self.batch} cannot be shared by {self.group.world} processes x {self.slices} slices."
            )
        if isinstance(self.game, KeepsInNetworks):
            self.game.equip(self.nets)
        self.clock = Counters()
        self.turned = 0, 0.0  # examples seen, and progress, when the total last changed
        for net in self.nets.values():
            net.to(self.device).train()
        convolutional = any(p.dim() == 4 for net in self.nets.values() for p in net.parameters())
        self.averaged = tuple(name for name in self.averaged if name in self.nets)
        self.parts = {name: _parts(net, self.nets) for name, net in self.nets.items()}
        self.flats = {
            name: FlatBuffer(net, convolutional, [self.nets[n] for n in self.parts[name].values()])
            for name, net in self.nets.items()
        }
        self.steppers = {name: FlatOptimizer(flat, self.config.optimizer(name)) for name, flat in self.flats.items()}
        kept = dict.fromkeys([*self.averaged, *(n for name in self.averaged for n in self.parts[name].values())])
        self.ema = {name: [self.flats[name].data.clone() for _ in train.ema] for name in kept}
        self.moving = {n: {k: b for k, b in self.nets[n].named_buffers() if b.is_floating_point()} for n in self.ema}
        self.ema_moving = {n: [[b.clone() for b in self.moving[n].values()] for _ in train.ema] for n in self.ema}
        self.after = self.game.after if isinstance(self.game, ActsAfterTurns) else None
        self.following = {
            n: [m for m in net.modules() if isinstance(m, FollowsWeights)] for n, net in self.nets.items()
        }
        self._measured: dict[tuple[str, int], dict[str, Tensor]] = {}
        self.terms: dict[str, list[Tensor]] = {}
        self.logits: dict[str, Tensor] = {}
        self._focus: tuple[str, ...] = ()
        self.private = {name for name in self.nets if self.config.optimizer(name).clip_each}

    @property
    def progress(self) -> float:
        """Fraction of the budget that is spent, 0 to 1; it goes on from where it was when the total changed."""
        seen, done = self.turned
        return min(1.0, done + (1.0 - done) * (self.clock.seen - seen) / (self.total - seen))

    def retime(self, total: int) -> None:
        """Train for `total` examples in all, more than are seen; what is left of schedules is spread on the rest."""
        self.turned, self.total = (self.clock.seen, self.progress), total

    def step(self) -> None:
        """All turns of one step. Raises NonFiniteError before any update of the turn that failed."""
        clock = self.clock
        self._measured = {}
        self.seed_layers(key(self.config.train.seed, "layers", clock.steps, clock.retries, self.group.rank))
        for turn, (players, loss) in enumerate(self.game.turns(clock.steps, self.progress)):
            self.freeze_all_but(players)
            for name in players:
                self.flats[name].grad.zero_()
            places = self.sampled.chance(clock.position, self.batch) if self.private.intersection(players) else None
            for part in range(self.slices):
                batch = self.batch_at(turn, part, places)
                if batch.size:
                    self._backward(loss, batch)
            if self.private:
                self._add_noise(players, turn)
            self._update(players)
            clock.position += self.batch
        clock.steps += 1
        clock.seen += self.batch
        self._average()

    @property
    def sampled(self) -> SampledFeed:
        """The feed, of which Poisson samples are taken."""
        assert isinstance(self.feed, SampledFeed)
        return self.feed

    def seed_layers(self, seed: int) -> None:
        """For layers that draw themselves (dropout). torch.manual_seed would queue a CUDA call on every step."""
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def batch_at(self, turn: int, part: int, places: np.ndarray | None = None) -> Batch:
        """A slice of this turn's batch: of the stretch of the order that is due, or of these places."""
        clock, stride = self.clock, self.group.world * self.slices
        count = self.batch if places is None else len(places)
        rows = slice(self.group.rank * self.slices + part, None, stride)
        salt = (self.config.train.seed, clock.steps, turn, clock.retries)
        draw = Draw(key(*salt), count, rows, self.device)
        start, data_draw = clock.position, None

        def load() -> dict[str, Tensor]:
            nonlocal data_draw
            data_draw = Draw(key(*salt, "data"), count, rows, self.device)
            with torch.autocast(self.device.type, enabled=False):  # coordinates of a warp need float32
                return self.feed(start, data_draw) if places is None else self.sampled.at(places, data_draw)

        return Batch(
            load,
            draw,
            size=len(range(count)[rows]),
            seen=clock.seen,
            progress=self.progress,
            num_classes=self.num_classes,
        )

    def freeze_all_but(self, players: tuple[str, ...]) -> None:
        if players == self._focus:
            return
        if missing := [name for name in players if name not in self.flats]:
            raise GanworksError(
                f"The game moves {', '.join(missing)}, which is no player of these networks: {', '.join(self.flats)}."
            )
        for name, flat in self.flats.items():
            for p in flat.params:
                p.requires_grad_(name in players)
        self._focus = players

    def losses(self, loss: LossFn, batch: Batch) -> Terms:
        """The terms of a loss, in the precision of this training."""
        with torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else contextlib.nullcontext():
            return loss(self.nets, batch)

    def _backward(self, loss: LossFn, batch: Batch) -> None:
        terms = self.losses(loss, batch)
        means = {name: term.float().mean() for name, term in terms.items() if not name.startswith("_")}
        total = torch.stack(list(means.values())).sum() if len(means) > 1 else next(iter(means.values()))
        if self.private.intersection(self._focus):
            self._clip([term for name, term in terms.items() if not name.startswith("_")], batch.size)
        else:
            (total / self.slices if self.slices > 1 else total).backward()
        if not math.isfinite(float(total.detach())):  # shared with every process through the gradient
            for name in self._focus:
                self.flats[name].grad.fill_(torch.nan)
        for name, mean in means.items():
            self.terms.setdefault(name, []).append(mean.detach())
        for name, term in terms.items():
            if name.startswith("_"):
                self.logits[name] = term.detach()

    def _clip(self, terms: list[Tensor], size: int) -> None:
        """Accumulate the clipped gradients of a DP-SGD turn, over the number of examples that is drawn on average."""
        if not self.private.issuperset(self._focus) or len(self._focus) > 1:
            raise GanworksError(f"clip_each works on turns of one player; {', '.join(self._focus)} move together here.")
        limit = self.config.optimizer(self._focus[0]).clip_each
        add_clipped(terms, self.flats[self._focus[0]].params, limit, size, self.batch / self.group.world)

    def _add_noise(self, players: tuple[str, ...], turn: int) -> None:
        """Add noise to the gradients of a DP-SGD turn, the same in every process."""
        for name in self.private.intersection(players):
            settings, clock = self.config.optimizer(name), self.clock
            self.group.mean_(self.flats[name].grad)
            seed = key(self.config.train.seed, "private", clock.steps, turn, clock.retries)
            add_noise(self.flats[name].grad, settings.clip_each, settings.noise, self.batch, seed)

    def _update(self, players: tuple[str, ...]) -> None:
        for name in players:
            grad = self.flats[name].grad
            self.group.mean_(grad)
            if not math.isfinite(float(grad.sum())) and not torch.isfinite(grad).all():
                last = {n: round(float(v[-1]), 4) for n, v in self.terms.items() if v}
                raise NonFiniteError(
                    f"The loss or gradient of {name} is not finite at {counted(self.clock.seen, 'example')}; "
                    f"the last losses were {last}."
                )
        for name in players:
            self.steppers[name].step(self.progress, self.clock.lr_scale)
            for layer in self.following[name]:
                layer.weights_changed()
        if self.after is not None:
            self.after(self.nets, players)

    def _average(self) -> None:
        train, seen = self.config.train, self.clock.seen
        for name in self.ema:
            moving = list(self.moving[name].values())
            for half_life, flat, buffers in zip(train.ema, self.ema[name], self.ema_moving[name], strict=True):
                life = min(half_life, train.ema_ramp * seen)
                weight = 1.0 - 0.5 ** (self.batch / life) if life > 0 else 1.0
                flat.lerp_(self.flats[name].data, weight)
                if buffers:  # the statistics of batch norm belong to the weights that made them
                    torch._foreach_lerp_(buffers, moving, weight)

    def means(self) -> dict[str, float]:
        """Mean of every loss term since the last call."""
        out = {name: float(torch.stack(values).mean()) for name, values in self.terms.items() if values}
        self.terms = {}
        for name, values in self.logits.items():
            out[name.lstrip("_")] = float(values.float().mean())
        return out

    def average(self, which: int = 0, player: str | None = None) -> dict[str, Tensor]:
        """State dict of the averaged generator of one half-life, averaged or
        measured buffers included; tensors are copies."""
        player = player or self.averaged[0]
        weights = self.flats[player].named(self.ema[player][which])
        for prefix, part in self.parts[player].items():
            weights |= {f"{prefix}.{k}": v for k, v in self.flats[part].named(self.ema[part][which]).items()}
        named = weights | dict(zip(self.moving[player], self.ema_moving[player][which], strict=True))
        live = self.nets[player].state_dict()
        named |= settled(self.nets[player], {**live, **weights})
        if isinstance(self.nets[player], MeasuresItself):
            named |= self._measure(player, which, named)
        return {k: named.get(k, v).detach().cpu().contiguous().clone() for k, v in live.items()}

    def _measure(self, player: str, which: int, named: dict[str, Tensor]) -> dict[str, Tensor]:
        """The buffers of a player as measured with its averaged weights; once for each step."""
        if (player, which) not in self._measured:
            twin = copy.deepcopy(self.nets[player])
            twin.load_state_dict(named, strict=False)
            twin.measure_statistics(key(self.config.train.seed, "measure"))
            self._measured[player, which] = dict(twin.named_buffers())
        return self._measured[player, which]

    def averages(self, which: int = 0) -> dict[str, dict[str, Tensor]]:
        """State dicts of all averaged players of one half-life."""
        return {player: self.average(which, player) for player in self.averaged}

    def restart_averages(self, player: str) -> None:
        """Start the averages of a player again from its present weights."""
        for name in (player, *self.parts[player].values()):
            for flat, buffers in zip(self.ema[name], self.ema_moving[name], strict=True):
                flat.copy_(self.flats[name].data)
                for mean, now in zip(buffers, self.moving[name].values(), strict=True):
                    mean.copy_(now)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, counters): all that is needed to resume bit for bit; tensors are copies on the CPU."""
        tensors: dict[str, Tensor] = {}
        for name, flat in self.flats.items():
            tensors[f"param/{name}"] = flat.data
            tensors |= {f"buffer/{name}/{k}": v for k, v in self.nets[name].named_buffers()}
            tensors |= {f"optim/{name}/{k}": v for k, v in self.steppers[name].kept.items()}
        for name, flats in self.ema.items():
            tensors |= {f"ema/{name}/{i}": flat for i, flat in enumerate(flats)}
            for i, buffers in enumerate(self.ema_moving[name]):
                tensors |= {f"ema/{name}/{i}/{k}": b for k, b in zip(self.moving[name], buffers, strict=True)}
        return {k: v.detach().cpu().clone() for k, v in tensors.items()}, dict(vars(self.clock))

    def load(self, tensors: Mapping[str, Tensor], counters: Mapping[str, Any]) -> None:
        """The inverse of `state`. Raises GanworksError that names what is missing or of another shape."""
        missing = [k for k in vars(self.clock) if k not in counters]
        wanted = [f"optim/{n}/{k}" for n, s in self.steppers.items() for k in s.kept]
        missing += [name for name in wanted if name not in tensors]
        if missing:
            raise GanworksError(f"The saved state is incomplete; it lacks {', '.join(missing[:8])}.")
        self.load_weights(tensors, "the saved state")
        for name, stepper in self.steppers.items():
            prefix = f"optim/{name}/"
            stepper.load({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        self.clock = Counters(**{k: counters[k] for k in vars(self.clock)})
        self.terms, self.logits = {}, {}

    def load_weights(self, tensors: Mapping[str, Tensor], where: str) -> None:
        """Load parameters, buffers and averages alone (a warm start). where: their source, for the GanworksError."""
        wanted = {k: v for k, v in self.state()[0].items() if not k.startswith("optim/")}
        wrong = [k for k, v in wanted.items() if k not in tensors or tensors[k].shape != v.shape]
        if wrong:
            raise GanworksError(
                f"{where} does not fit these networks: {', '.join(wrong[:8])} is missing or of another shape."
            )
        self._measured = {}
        with torch.no_grad():
            for name, flat in self.flats.items():
                flat.data.copy_(tensors[f"param/{name}"])
                for k, v in self.nets[name].named_buffers():
                    v.copy_(tensors[f"buffer/{name}/{k}"])
            for name, flats in self.ema.items():
                for i, flat in enumerate(flats):
                    flat.copy_(tensors[f"ema/{name}/{i}"])
                    for k, b in zip(self.moving[name], self.ema_moving[name][i], strict=True):
                        b.copy_(tensors[f"ema/{name}/{i}/{k}"])


def _parts(net: nn.Module, players: Nets) -> dict[str, str]:
    """Where other players stand within a network: prefix of their names -> player."""
    return {
        prefix: name for prefix, part in net.named_modules() for name in players if part is players[name] is not net
    }
