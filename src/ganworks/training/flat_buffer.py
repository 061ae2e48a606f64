"""One contiguous buffer for all parameters of a player, and one for their gradients.

The parameters become views, so that the optimiser, the moving average, the finite check and the all-reduce are
one operation each, whatever the number of layers. This keeps the engine within a few per cent of a bare loop when
networks are tiny (`benchmarks/overhead.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop

from ganworks.core.settings import Optimizer

_ALIGN = 16  # elements: every parameter starts on a cache line


class FlatBuffer:
    """A player's parameters and gradients as flat float32 buffers that the module's tensors are views of.

    without: parts of the module that are players of their own, whose parameters are in their buffers.
    """

    def __init__(self, module: nn.Module, channels_last: bool, without: Sequence[nn.Module] = ()):
        self.module = module
        others = {id(p) for part in without for p in part.parameters()}
        own = {name: p for name, p in module.named_parameters() if id(p) not in others}
        self.names = list(own)
        self.params = params = list(own.values())
        starts, total = [], 0
        for p in params:
            starts.append(total)
            total += -(-p.numel() // _ALIGN) * _ALIGN
        device = params[0].device
        self.data = torch.zeros(total, device=device)
        self.grad = torch.zeros(total, device=device)
        self._layout = [
            (start, p.shape, channels_last and p.dim() == 4) for start, p in zip(starts, params, strict=True)
        ]
        for p, data, grad in zip(params, self.views(self.data), self.views(self.grad), strict=True):
            data.copy_(p.data)
            p.data, p.grad = data, grad

    def views(self, flat: Tensor) -> list[Tensor]:
        """A flat buffer cut into the shapes and memory formats of the parameters."""
        out = []
        for start, shape, last in self._layout:
            part = flat[start : start + shape.numel()]
            if last:
                o, i, h, w = shape
                out.append(part.view(o, h, w, i).permute(0, 3, 1, 2))
            else:
                out.append(part.view(shape))
        return out

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """Name -> view of a flat buffer, in the module's own names."""
        return dict(zip(self.names, self.views(flat), strict=True))


class FlatOptimizer:
    """Adam, optimistic Adam, RMSprop or SGD with momentum over one flat buffer, with its schedules.

    It calls torch's functional optimisers, Adam with the fused kernel: the optimiser classes cost a tenth of a
    millisecond a step in bookkeeping, which slows tiny networks. `kept` is the optimiser's whole state.
    """

    def __init__(self, flat: FlatBuffer, settings: Optimizer):
        self.flat, self.settings = flat, settings
        self.update, names = {
            "adam": (self._adam, ("exp_avg", "exp_avg_sq", "step")),
            "optimistic": (self._optimistic, ("exp_avg", "exp_avg_sq", "step", "last")),
            "rmsprop": (self._rmsprop, ("square_avg", "step")),
            "sgd": (self._sgd, ("momentum_buffer",)),
        }[settings.name]
        self.kept = {k: flat.data.new_zeros(()) if k == "step" else torch.zeros_like(flat.data) for k in names}

    @torch.no_grad()
    def step(self, progress: float, scale: float) -> None:
        """One update at a fraction of the budget; `scale` multiplies the learning rate."""
        self.update(self.settings.lr_at(progress) * scale, self.settings.beta2_at(progress))

    def _adam(self, lr: float, beta2: float) -> None:
        """Kingma and Ba 2014 (1412.6980), algorithm 1."""
        adam(
            [self.flat.data],
            [self.flat.grad],
            [self.kept["exp_avg"]],
            [self.kept["exp_avg_sq"]],
            [],
            [self.kept["step"]],
            fused=True,
            amsgrad=False,
            beta1=self.settings.betas[0],
            beta2=beta2,
            lr=lr,
            weight_decay=0.0,
            eps=self.settings.eps,
            maximize=False,
        )

    def _optimistic(self, lr: float, beta2: float) -> None:
        """Daskalakis et al. 2018 (1711.00141), algorithm 1: twice the step of Adam, less the one before."""
        before, last = self.flat.data.clone(), self.kept["last"]
        self._adam(lr, beta2)
        step = self.flat.data - before
        self.flat.data.add_(step).sub_(last)
        last.copy_(step)

    def _rmsprop(self, lr: float, beta2: float) -> None:
        """Tieleman and Hinton 2012, lecture 6.5; beta2 is its smoothing constant."""
        rmsprop(
            [self.flat.data],
            [self.flat.grad],
            [self.kept["square_avg"]],
            [],
            [],
            [self.kept["step"]],
            foreach=False,
            lr=lr,
            alpha=beta2,
            eps=self.settings.eps,
            weight_decay=0.0,
            momentum=0.0,
            centered=False,
        )

    def _sgd(self, lr: float, beta2: float) -> None:
        """v = beta1 v + g; x = x - lr v (Polyak 1964, without damping)."""
        self.kept["momentum_buffer"].mul_(self.settings.betas[0]).add_(self.flat.grad)
        self.flat.data.add_(self.kept["momentum_buffer"], alpha=-lr)

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `kept` was when it was saved."""
        for name, kept in self.kept.items():
            kept.copy_(tensors[name])
