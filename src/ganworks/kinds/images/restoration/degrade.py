"""Degrades a batch of images as a short text says; a restoration network learns to undo it.

The text is a chain of steps joined by "+", which are applied in this order. A number may be a range; each image then
draws its own number from it, uniformly. Levels are those of 0..255.

| step | meaning |
|---|---|
| bicubic, lanczos, bilinear, area | shrink by the scale with Pillow's anti-aliased filter (area: its box filter) |
| blur=2 | Gaussian blur, standard deviation in pixels |
| motion=2 | Gaussian blur along one random direction, standard deviation in pixels; a third of it across |
| noise=25 | white Gaussian noise, standard deviation in levels |
| poisson=1 | shot noise: variance = number x level |
| jpeg=40 | through Pillow's JPEG at that quality (1 and 3 channels) |
| grey | BT.601 luma, one channel (3 channels) |
| realistic | blur=0.2-2 or motion, shrink by a random filter, noise=1-15 or poisson, jpeg=40-95 |

With a scale above 1 and no step that shrinks, "bicubic" is inserted after the leading blurs. The result of 8-bit data
is 8-bit again: clipped and rounded, as a file would be. All random numbers come from the draw.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ganworks.core.console.text import counted
from ganworks.core.errors import UsageError, nearest
from ganworks.core.spec import Draw

FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
}
LIMITS = {"blur": (0.05, 10), "motion": (0.05, 10), "noise": (0, 100), "poisson": (0, 20), "jpeg": (1, 95)}
PLAIN = ("grey", "realistic", *FILTERS)
_STEP = re.compile(r"([a-z]+)(?:=(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?)?")

Range = tuple[float, float]


@dataclass(frozen=True)
class Step:
    """One step: its name and the range of its strength (0 to 0 for a step without one)."""

    name: str
    strength: Range = (0.0, 0.0)

    @staticmethod
    def parse(text: str) -> Step:
        """ "noise=25", "noise=5-50", "grey"; raises UsageError for anything else."""
        match = _STEP.fullmatch(text.strip().lower())
        name = match[1] if match else text.partition("=")[0].strip()
        if match is None or name not in (*LIMITS, *PLAIN):
            raise UsageError(f"degrade has no step {text!r}. {nearest(name, [*LIMITS, *PLAIN])}")
        if name in PLAIN:
            if match[2]:
                raise UsageError(f'degrade: "{name}" takes no number.')
            return Step(name)
        if not match[2]:
            raise UsageError(f'degrade: "{name}" needs a number, such as {name}={sum(LIMITS[name]) / 4:g}.')
        low = float(match[2])
        high = float(match[3] or low)
        least, most = LIMITS[name]
        if not least <= low <= high <= most:
            raise UsageError(f"degrade: {name} must lie between {least:g} and {most:g}, not {text.strip()!r}.")
        return Step(name, (low, high))

    def sample(self, draw: Draw) -> Tensor:
        """One strength for each image, [B]."""
        low, high = self.strength
        return low + (high - low) * draw.uniform()


@dataclass(frozen=True)
class Degrade:
    """A chain of degradations; the module's table lists the steps. Raises UsageError for a text that is not a chain.

    text: the chain. scale: the factor by which height and width shrink; both must be multiples of it.
    """

    text: str
    scale: int = 1

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        shrinking = sum(name in (*FILTERS, "realistic") for name in names)
        if self.scale == 1 and any(name in FILTERS for name in names):
            raise UsageError(f"degrade={self.text} shrinks, but scale is 1; give scale=2, 3 or 4.")
        if shrinking > 1:
            raise UsageError(f"degrade={self.text} shrinks twice.")

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order, with "bicubic" inserted where one must shrink."""
        steps = [Step.parse(part) for part in str(self.text).split("+") if part.strip()]
        if self.scale > 1 and not any(step.name in (*FILTERS, "realistic") for step in steps):
            first = next((k for k, step in enumerate(steps) if step.name not in ("blur", "motion")), len(steps))
            steps.insert(first, Step("bicubic"))
        if not steps:
            raise UsageError('degrade needs at least one step when scale is 1, such as "noise=25".')
        return tuple(steps)

    @property
    def margin(self) -> int:
        """Pixels around a crop that the filter that shrinks reaches; a multiple of the scale."""
        return 3 * self.scale if self.scale > 1 else 0

    def channels(self, given: int) -> int:
        """Channels of the result for `given` channels. Raises UsageError where a step cannot work on that number."""
        for step in self.steps:
            if step.name == "grey" and given != 3:
                raise UsageError(f"degrade=grey makes grey of RGB images; these have {counted(given, 'channel')}.")
            if step.name in ("jpeg", "realistic") and given not in (1, 3):
                raise UsageError(f"degrade={step.name}: JPEG holds 1 or 3 channels, not {given}.")
            given = 1 if step.name == "grey" else given
        return given

    def __call__(self, x: Tensor, draw: Draw, eight_bit: bool = True) -> Tensor:
        """[B, C, H, W] in [-1, 1] on the CPU -> [B, C', H / scale, W / scale] in [-1, 1].

        eight_bit: clip and round to 8-bit levels after shrinking and at the end; otherwise nothing is rounded, and JPEG
        is refused.
        """
        x = (x + 1) * 127.5
        for step in self.steps:
            x = self._apply(step, x, draw, eight_bit)
        return (x.clamp(0, 255).round() if eight_bit else x) / 127.5 - 1

    def _apply(self, step: Step, x: Tensor, draw: Draw, eight_bit: bool) -> Tensor:
        if step.name in FILTERS:
            return shrink(x, self.scale, [step.name] * len(x), eight_bit)
        if step.name == "realistic":
            return self._realistic(x, draw, eight_bit)
        if step.name == "grey":
            return to_grey(x)
        if step.name == "jpeg":
            if not eight_bit:
                raise UsageError("degrade=jpeg needs 8-bit images; these are floats with a range of their own.")
            return jpeg(x, step.sample(draw))
        noises: dict[str, Callable[[Tensor, Step, Draw], Tensor]] = {
            "blur": _blur, "motion": _motion, "noise": _noise, "poisson": _poisson,
        }  # fmt: skip
        return noises[step.name](x, step, draw)

    def _realistic(self, x: Tensor, draw: Draw, eight_bit: bool) -> Tensor:
        """One round of milder degradations than those of Real-ESRGAN (Wang et al. 2021, 2107.10833, section 3)."""
        choice = draw.uniform(4)
        round_, along = _blur(x, Step("blur", (0.2, 2.0)), draw), _motion(x, Step("motion", (0.4, 2.5)), draw)
        x = _where(choice[:, 0] < 0.6, round_, along)
        if self.scale > 1:
            names = ["area", "bilinear", "bicubic"]
            x = shrink(x, self.scale, [names[int(3 * c)] for c in choice[:, 1].tolist()], eight_bit)
        white, shot = _noise(x, Step("noise", (1, 15)), draw), _poisson(x, Step("poisson", (0.05, 1.5)), draw)
        x = _where(choice[:, 2] < 0.6, white, shot)
        return jpeg(x, Step("jpeg", (40, 95)).sample(draw)) if eight_bit else x


def _where(first: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(first[:, None, None, None], a, b)


def to_grey(x: Tensor) -> Tensor:
    """RGB [B, 3, H, W] -> [B, 1, H, W], ITU-R BT.601 weights, on the scale of x."""
    return (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def shrink(x: Tensor, scale: int, filters: list[str], eight_bit: bool = True) -> Tensor:
    """Shrink [B, C, H, W] in 0..255 to H / scale and W / scale by Pillow, with one filter for each image.

    8-bit images are rounded first and go through Pillow's 8-bit path: the result is bit for bit that of `Image.resize`.
    """
    height, width = (n // scale for n in x.shape[2:])
    dtype = np.uint8 if eight_bit else np.float32
    planes = (x.clamp(0, 255).round() if eight_bit else x).numpy().astype(dtype)
    out = np.empty((*x.shape[:2], height, width), np.float32)
    for row, name in enumerate(filters):
        for channel, plane in enumerate(planes[row]):
            out[row, channel] = np.asarray(Image.fromarray(plane).resize((width, height), FILTERS[name]))
    return torch.from_numpy(out)


def jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Compress [B, C, H, W] in 0..255, C 1 or 3, by Pillow's JPEG (4:2:0 chroma), and decode it; quality: [B]."""
    pixels = x.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()
    out = []
    for row, q in zip(pixels, quality.tolist(), strict=True):
        file = io.BytesIO()
        Image.fromarray(row[:, :, 0] if row.shape[2] == 1 else row).save(file, "JPEG", quality=round(q))
        made = np.asarray(Image.open(file))
        out.append(torch.from_numpy(made.reshape(row.shape).transpose(2, 0, 1).astype(np.float32)))
    return torch.stack(out)


def gaussians(along: Tensor, across: Tensor, angle: Tensor, radius: int) -> Tensor:
    """Gaussian kernels [B, 2 radius + 1, 2 radius + 1] that sum to 1.

    along, across: standard deviations [B] in pixels, along the angle [B] (radians) and across it.
    """
    at = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = at[:, None].expand(len(at), -1), at.expand(len(at), -1)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    u, v = x * cos + y * sin, y * cos - x * sin
    kernel = torch.exp(-((u / along[:, None, None]) ** 2 + (v / across[:, None, None]) ** 2) / 2)
    return kernel / kernel.sum((1, 2), keepdim=True)


def filtered(x: Tensor, kernels: Tensor) -> Tensor:
    """Filter each image of [B, C, H, W] with its own kernel of [B, k, k]; borders are reflected."""
    b, _, height, width = x.shape
    radius = min(kernels.shape[1] // 2, height - 1, width - 1)
    cut = kernels.shape[1] // 2 - radius
    if cut:
        kernels = kernels[:, cut:-cut, cut:-cut]
        kernels = kernels / kernels.sum((1, 2), keepdim=True)
    padded = functional.pad(x, (radius,) * 4, mode="reflect").transpose(0, 1)
    return functional.conv2d(padded, kernels[:, None].to(x.dtype), groups=b).transpose(0, 1).reshape(x.shape)


def _blur(x: Tensor, step: Step, draw: Draw) -> Tensor:
    sigma = step.sample(draw)
    return filtered(x, gaussians(sigma, sigma, torch.zeros_like(sigma), math.ceil(3 * step.strength[1])))


def _motion(x: Tensor, step: Step, draw: Draw) -> Tensor:
    sigma, angle = step.sample(draw), draw.uniform() * math.pi
    return filtered(x, gaussians(sigma, (sigma / 3).clamp_min(0.05), angle, math.ceil(3 * step.strength[1])))


def _noise(x: Tensor, step: Step, draw: Draw) -> Tensor:
    return x + draw.normal(*x.shape[1:]) * step.sample(draw)[:, None, None, None]


def _poisson(x: Tensor, step: Step, draw: Draw) -> Tensor:
    """Shot noise, approximated by a Gaussian of the same mean and variance."""
    variance = x.clamp_min(0) * step.sample(draw)[:, None, None, None]
    return x + draw.normal(*x.shape[1:]) * variance.sqrt()
