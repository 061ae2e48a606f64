"""HiFi-GAN's generator (Kong et al. 2020, 2010.05646, section 2.2 and appendix A): mel frames -> samples.

Transposed convolutions raise the frame rate step by step to the sample rate. After each, the outputs of three residual
stacks with different kernel lengths are averaged (multi-receptive field fusion). The upsampling factors are free here,
odd ones included, as long as their product is the hop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from ganworks.core.errors import UsageError
from ganworks.kinds.audio.vocoder.chunks import chunked

SLOPE = 0.1
MOST = 16  # largest factor of a step


@dataclass(frozen=True)
class Size:
    """A published variant. width: channels of the first layer, halved by every step. steps: the factors for hop 256.

    kernels, dilations: those of the residual stacks. double: whether each dilated convolution is followed by a plain
    one.
    """

    width: int
    steps: tuple[int, ...]
    kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    double: bool = True


SIZES = {
    "V1": Size(512, (8, 8, 2, 2)),
    "V2": Size(128, (8, 8, 2, 2)),
    "V3": Size(256, (8, 8, 4), (3, 5, 7), ((1, 2), (2, 6), (3, 12)), double=False),
}


def check_steps(steps: tuple[int, ...], hop: int) -> tuple[int, ...]:
    """The factors `steps`; UsageError unless each is 2 to 16 and their product is the hop."""
    if any(not 2 <= step <= MOST for step in steps) or math.prod(steps) != hop:
        product = " x ".join(map(str, steps))
        raise UsageError(
            f"networks.steps={','.join(map(str, steps))}: {product} = {math.prod(steps)}, but each frame stands for "
            f"hop={hop} samples. Give factors of 2 to {MOST} whose product is {hop}, or leave steps out."
        )
    return steps


def fitting_steps(hop: int, like: tuple[int, ...]) -> tuple[int, ...]:
    """Factors whose product is the hop: `like` if it fits, else at most as many, of similar size, in falling order.

    Raises UsageError for a hop that needs a factor above 16 or more factors than `like` has.
    """
    if math.prod(like) == hop:
        return like
    primes, rest = [], hop
    for n in range(2, MOST + 1):
        while rest % n == 0:
            primes.append(n)
            rest //= n
    if rest > 1 or not primes:
        raise UsageError(
            f"hop={hop} cannot be reached by steps of 2 to {MOST}: its factor {rest} is too large. "
            "Choose a hop such as 64, 200, 256 or 300."
        )
    steps = [1] * min(len(like), len(primes))
    for prime in sorted(primes, reverse=True):
        best = min(range(len(steps)), key=lambda k: steps[k])
        steps[best] *= prime
    if max(steps) > MOST:
        raise UsageError(f"hop={hop} needs more than {len(like)} steps; name them: networks.steps=8,8,4,2.")
    return tuple(sorted(steps, reverse=True))


def _conv(width: int, kernel: int, dilation: int) -> nn.Module:
    return weight_norm(nn.Conv1d(width, width, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation))


class Stack(nn.Module):
    """Residual units with one kernel length: x + conv(act(conv_dilated(act(x)))), or without the second convolution."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...], double: bool):
        super().__init__()
        self.first = nn.ModuleList(_conv(width, kernel, d) for d in dilations)
        self.second = nn.ModuleList(_conv(width, kernel, 1) for _ in dilations) if double else None
        self.reach = sum((kernel - 1) // 2 * (d + double) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for k, conv in enumerate(self.first):
            y = conv(F.leaky_relu(x, SLOPE))
            x = x + (y if self.second is None else self.second[k](F.leaky_relu(y, SLOPE)))
        return x


class HifiGenerator(nn.Module):
    """Log-mel frames [B, mels, T] -> samples [B, 1, T hop] float32 in [-1, 1].

    reach: the frames on either side on which a sample depends.
    """

    def __init__(self, mels: int, steps: tuple[int, ...], size: Size):
        super().__init__()
        widths = [size.width // 2**k for k in range(len(steps) + 1)]
        if widths[-1] < 1:
            raise UsageError(f"{len(steps)} steps halve the width {size.width} below 1; use fewer, larger steps.")
        self.first = weight_norm(nn.Conv1d(mels, size.width, 7, padding=3))
        self.ups = nn.ModuleList(
            weight_norm(nn.ConvTranspose1d(a, b, 2 * u, u, (u + 1) // 2, u % 2))
            for a, b, u in zip(widths, widths[1:], steps, strict=False)
        )
        self.stacks = nn.ModuleList(
            nn.ModuleList(Stack(w, k, d, size.double) for k, d in zip(size.kernels, size.dilations, strict=True))
            for w in widths[1:]
        )
        self.last = weight_norm(nn.Conv1d(widths[-1], 1, 7, padding=3))
        self.reach, self.hop = self._reach(steps), math.prod(steps)

    def _reach(self, steps: tuple[int, ...]) -> int:
        rate, frames = 1.0, 3.0
        for step, stacks in zip(steps, self.stacks, strict=True):
            frames, rate = frames + 1 / rate, rate * step
            frames += max(stack.reach for stack in stacks) / rate  # pyrefly: ignore
        return math.ceil(frames + 3 / rate) + 1

    def long(self, mel: Tensor, chunk: int) -> Tensor:
        """As forward, in chunks of `chunk` frames."""
        return chunked(self, (mel,), (1,), chunk, self.reach, self.hop)

    def forward(self, mel: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.first(mel)
        for up, stacks in zip(self.ups, self.stacks, strict=True):
            x = up(F.leaky_relu(x, SLOPE))
            x = torch.stack([stack(x) for stack in stacks]).mean(0)  # pyrefly: ignore
        with torch.autocast(x.device.type, enabled=False):
            return torch.tanh(self.last(F.leaky_relu(x.float(), SLOPE)))
