"""Generators of clips: one that separates content from motion, and one of 3-D convolutions.

`MotionContent` is MoCoGAN (Tulyakov et al. 2017, 1707.04993): a content code that all frames of a clip share, a
recurrent cell that turns noise into a motion code for each frame, and an image generator that draws each frame from
both. Four mechanisms are added: the content code scales the channels of every map; the motion code names places, whose
position maps are added to every map; frames use a palette of a few colours that the clip keeps; and the content code
draws sprites that are placed there (`Sprites`). The convolutions on each frame guide the sprites at first, and fade.
`Volume` draws the whole clip by transposed 3-D convolutions, as VGAN (Vondrick et al. 2016, 1609.02612) does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganworks.core.errors import UsageError
from ganworks.core.schema.declare import Count, Width, check
from ganworks.core.spec import Spec
from ganworks.kinds.video.networks.critic import ClipCritic, clip_shape, time_of
from ganworks.kinds.video.networks.sprites import Anchors, Sprites, widths
from ganworks.layers.strided import center_crop, conv_down, conv_up, size_plan
from ganworks.networks.compact import GAIN, act, filled

OWN = 3.0  # limit of the convolutions' colour before tanh: from black to white
MASK = 10.0  # limit of the convolutions' addition to the logits of masks, beside sprites
UNSEEN = 1e-3  # a fade below which the convolutions are skipped: less than a step of 8 bits


class LabelledLatent(nn.Module):
    """x [B, n], labels y [B] -> x with the embedded label appended, [B, n + extra]; x itself without classes."""

    def __init__(self, classes: int, extra: int):
        super().__init__()
        self.table = nn.Embedding(classes, extra) if classes else None
        self.extra = extra if classes else 0

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        if self.table is None:
            return x
        if y is None:
            raise UsageError("This generator was trained with classes; give one label per latent.")
        return torch.cat([x, self.table(y).to(x.dtype)], 1)


class Motion(nn.Module):
    """Start [B, n], noise [B, T, k], label code [B, m] -> motion codes [B, T, size]; 1707.04993, section 3.1.

    It is computed in float32, since positions accumulate over the frames of a clip.
    """

    def __init__(self, start: int, noise: int, size: int):
        super().__init__()
        self.begin = nn.Linear(start, size)
        self.cell = nn.GRUCell(noise, size)
        self.leave = nn.Linear(size, size)

    def forward(self, start: Tensor, noise: Tensor, label: Tensor) -> Tensor:
        h, codes = self.begin(start).tanh(), []
        for n in noise.unbind(1):
            h = self.cell(torch.cat([n, label], 1), h)
            codes.append(h)
        h = torch.stack(codes, 1)
        return h + act(self.leave(h))


class FirstFrame(nn.Module):
    """The encoder of a given first frame: [B, C, H, W] -> code [B, size]."""

    def __init__(self, channels: int, size: tuple[int, ...], width: int, code: int):
        super().__init__()
        plan = size_plan(size[0], size[1])
        sizes = [channels, *reversed(widths(width, len(plan.strides) or 1))]
        strides = plan.strides[::-1] or ((1, 1),)
        self.built = plan.built
        self.downs = nn.ModuleList(
            filled(conv_down(a, b, s), GAIN) for a, b, s in zip(sizes, sizes[1:], strides, strict=False)
        )
        self.code = filled(nn.Linear(sizes[-1] * math.prod(plan.base), code), 1.0)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, (0, self.built[1] - x.shape[3], 0, self.built[0] - x.shape[2]))
        for down in self.downs:
            x = act(down(x))
        return self.code(x.flatten(1))


class FrameStage(nn.Module):
    """Upsampling, plus position maps, batch norm over all frames, and a scale of the channels by the content code."""

    def __init__(self, up: nn.Module | None, width: int, code: int, hills: int):
        super().__init__()
        self.up = up
        self.hills = filled(nn.Conv2d(hills, width, 1, bias=False), 2.0) if hills else None
        self.norm = nn.BatchNorm2d(width)
        self.scale = filled(nn.Linear(code, width), 0.5)

    def forward(self, x: Tensor, code: Tensor, frames: int, hills: Callable[[int, int], Tensor]) -> Tensor:
        x = x if self.up is None else self.up(x)
        if self.hills is not None:
            x = x + self.hills(hills(*x.shape[2:]).contiguous(memory_format=torch.channels_last))
        x = self.norm(x)
        scale = (1 + self.scale(code)).to(x.dtype).repeat_interleave(frames, 0)
        return act(x * scale[:, :, None, None])


class FrameGenerator(nn.Module):
    """z [B, z_dim], y [B] or None -> clips [B, T, C, H, W] in (-1, 1).

    z holds the content, the start of the motion, and noise for each frame, in this order (`parts`). first [B, C, H, W]:
    the frame that a clip begins with where given [B] is 1; its code replaces the content and the start of the motion.
    drawn: the first frame of the clip is G's reconstruction. Raises UsageError for a first frame unless it `predicts`.
    """

    def __init__(self, cfg: MotionContent, spec: Spec):
        super().__init__()
        frames, channels, *size = clip_shape(spec)
        self.frames, self.size, self.noise = frames, tuple(size), cfg.noise
        self.parts = (cfg.content, cfg.start, frames * cfg.noise)
        self.z_dim, self.predicts = sum(self.parts), cfg.first
        plan = size_plan(*size)
        sizes = widths(cfg.width, max(1, len(plan.strides)))
        self.label = LabelledLatent(spec.num_classes, cfg.label)
        code = cfg.content + self.label.extra
        self.motion = Motion(cfg.start + self.label.extra, cfg.noise + self.label.extra, cfg.motion)
        self.anchors = Anchors(cfg.motion, cfg.anchors) if cfg.anchors else None
        self.lowest = (sizes[0], *plan.base)
        self.what = filled(nn.Linear(code, math.prod(self.lowest)), 0.7)
        self.where = filled(nn.Linear(cfg.motion, math.prod(self.lowest)), 2.0)
        strides = plan.strides or ((1, 1),)
        ups = [None, *(filled(conv_up(a, b, s), 1.0) for a, b, s in zip(sizes, sizes[1:], strides, strict=False))]
        self.stages = nn.ModuleList(FrameStage(up, w, code, 4 * cfg.anchors) for up, w in zip(ups, sizes, strict=True))
        self.channels = channels
        self.sprites = cfg.sprites_of(code, self.size)
        masks = cfg.palette + (self.sprites is not None)
        self.to_image = filled(conv_up(sizes[-1], channels + masks, strides[-1]), 1.0)
        self.colours = nn.Linear(code, cfg.palette * channels) if cfg.palette else None
        self.register_buffer("fade", torch.ones(()))  # set by the game
        self.seen = FirstFrame(channels, self.size, cfg.width, cfg.content + cfg.start) if cfg.first else None

    def forward(
        self,
        z: Tensor,
        y: Tensor | None = None,
        first: Tensor | None = None,
        given: Tensor | None = None,
        drawn: bool = False,
    ) -> Tensor:
        content, start, noise = z.float().split(self.parts, 1)
        if first is not None:
            given = torch.ones(len(z), device=z.device) if given is None else given
            seen = self._encoder()(first).float().split(self.parts[:2], 1)
            content, start = (torch.lerp(a, b, given[:, None]) for a, b in zip((content, start), seen, strict=True))
        content = self.label(content, y)
        label = content[:, self.parts[0] :]
        with torch.autocast(z.device.type, enabled=False):
            codes = self.motion(torch.cat([start, label], 1), noise.unflatten(1, (self.frames, -1)), label)
            x = self.what(content)[:, None] + self.where(codes)
            places = None if self.anchors is None else self.anchors(codes.flatten(0, 1))
        made = self._drawn(x.flatten(0, 1), content, codes, places).unflatten(0, (len(z), self.frames))
        if first is None or given is None or drawn:
            return made
        begun = torch.where(given[:, None, None, None] > 0, first.to(made.dtype), made[:, 0])
        return torch.cat([begun[:, None], made[:, 1:]], 1)

    def _encoder(self) -> nn.Module:
        if self.seen is None:
            raise UsageError("This generator was not trained to continue a first frame (networks.first=on).")
        return self.seen

    def _drawn(self, x: Tensor, content: Tensor, codes: Tensor, places: Tensor | None) -> Tensor:
        """Smallest maps [B * T, n], content codes [B, m], motion codes [B, T, q], places [B * T, k, 2] -> frames
        [B * T, C, H, W]. The convolutions are left out once they have faded."""
        if self.sprites is not None and places is not None and float(self.fade) < UNSEEN:
            return self._painted(self.sprites(content, codes, places), content, 0.0)
        x = self._own(x, content, places)
        if self.colours is None:
            return x.tanh()
        paint, masks = x.split([self.channels, x.shape[1] - self.channels], 1)
        paint = self.fade * OWN * (paint / OWN).tanh()
        if self.sprites is None or places is None:
            return self._painted(masks.softmax(1), content, paint)
        masks = self.fade * MASK * (masks / MASK).tanh()
        return self._painted(self.sprites(content, codes, places, masks), content, paint)

    def _own(self, x: Tensor, content: Tensor, places: Tensor | None) -> Tensor:
        """The output of the convolutions, [B * T, C + masks, H, W]."""

        def hills(height: int, width: int) -> Tensor:
            assert self.anchors is not None and places is not None
            return self.anchors.maps(places, height, width)

        x = x.unflatten(1, self.lowest).contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x, content, self.frames, hills)
        return center_crop(self.to_image(x).float(), *self.size)

    def _painted(self, shares: Tensor, content: Tensor, own: Tensor | float) -> Tensor:
        """Shares [B * T, K, H, W] of the clip's K colours, and colour of the convolutions [B * T, C, H, W] -> frames.

        The palette of a clip cannot flicker. The convolutions learn positions several times as fast but flicker, so
        they fade in the course of the training (`fade`).
        """
        table = self.colours(content).float().unflatten(1, (-1, self.channels))  # pyrefly: ignore
        table = table.repeat_interleave(self.frames, 0)
        return (own + torch.einsum("nkhw,nkc->nchw", shares, table).float()).tanh()


class VolumeGenerator(nn.Module):
    """z [B, z_dim], y [B] or None -> clips [B, T, C, H, W] in (-1, 1), by 3-D convolutions over time and space."""

    predicts = False

    def __init__(self, cfg: Volume, spec: Spec):
        super().__init__()
        self.frames, channels, *size = clip_shape(spec)
        self.z_dim, self.size = cfg.z_dim, tuple(size)
        plan = size_plan(*size)
        strides = plan.strides or ((1, 1),)
        base, steps = time_of(self.frames, len(strides))
        sizes = widths(cfg.width, len(strides))
        self.label = LabelledLatent(spec.num_classes, cfg.label)
        self.lowest = (sizes[0], base, *plan.base)
        self.project = filled(nn.Linear(cfg.z_dim + self.label.extra, math.prod(self.lowest)), 1.0)
        pairs = zip(sizes, [*sizes[1:], channels], steps, strides, strict=True)
        self.ups = nn.ModuleList(_up3d(a, b, (t, *s)) for a, b, t, s in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm3d(w) for w in sizes)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.project(self.label(z, y)).unflatten(1, self.lowest)
        for norm, up in zip(self.norms, self.ups, strict=True):
            x = up(act(norm(x)))
        x = x.float().tanh().transpose(1, 2)[:, : self.frames]
        return center_crop(x.flatten(0, 1), *self.size).unflatten(0, (len(z), self.frames))


def _up3d(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.ConvTranspose3d:
    """A transposed convolution that multiplies (t, h, w) by `stride`: kernel 4 where it doubles, else 3."""
    layer = nn.ConvTranspose3d(inputs, outputs, [4 if s == 2 else 3 for s in stride], stride, padding=1)  # pyrefly: ignore
    taps = zip(layer.kernel_size, layer.stride, strict=True)
    nn.init.normal_(layer.weight, std=(inputs * math.prod(k / s for k, s in taps)) ** -0.5)
    nn.init.zeros_(layer.bias)  # pyrefly: ignore
    return layer


@dataclass(frozen=True)
class MotionContent:
    """Networks for clips [T, C, H, W]: a generator with separate content and motion, critics of clips and of frames.

    width: channels of the largest map that has any, in G; twice as many on each smaller one, up to 4 times.
    d_width: channels of the largest map that has any, in the critics; twice as many on each smaller one, up to 4 times.
    content: size of a clip's content code.
    start: size of the latent from which a clip's motion starts.
    noise: size of the noise that drives the motion in each frame.
    motion: size of the recurrent cell.
    label: size of a label's embedding.
    anchors: places that the motion code names in each frame, each with a sprite.
    palette: colours of a clip; 0: no palette.
    sprites: side of a sprite in cells; 0: no sprites.
    modes: modes of deformation of the sprites, which the motion code controls.
    first: whether clips can continue a given first frame.
    frames: whether there is a critic of single frames.
    """

    width: Width = 24
    d_width: Width = 32
    content: Count = 32
    start: Count = 16
    noise: Count = 4
    motion: Count = 48
    label: Count = 8
    anchors: int = 4
    palette: int = 8
    sprites: int = 16
    modes: int = 2
    first: bool = False
    frames: bool = True

    def __post_init__(self) -> None:
        check(self)

    def sprites_of(self, code: int, size: tuple[int, ...]) -> Sprites | None:
        """The sprites; None without sprites, a palette or anchors."""
        if not (self.palette and self.anchors and self.sprites):
            return None
        return Sprites(code, self.motion, size, count=self.anchors, cells=self.sprites, modes=self.modes,
                       outputs=self.palette, width=self.width)  # fmt: skip

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "D"} and, with `frames`, "D_frame", from torch's global generator. Raises UsageError."""
        if min(self.anchors, self.palette, self.sprites, self.modes) < 0:
            raise UsageError(
                f"All sizes must be at least 1, and anchors, palette, sprites and modes at least 0, not {self}."
            )
        return {"G": FrameGenerator(self, spec), **critics(spec, self.d_width, self.frames)}


@dataclass(frozen=True)
class Volume:
    """Networks for clips [T, C, H, W]: a generator of 3-D convolutions, critics of clips and of frames.

    width: channels of the largest map that has any, in G; twice as many on each smaller one, up to 4 times.
    d_width: channels of the largest map that has any, in the critics; twice as many on each smaller one, up to 4 times.
    z_dim: size of the latent.
    label: size of a label's embedding.
    frames: whether there is a critic of single frames.
    """

    width: Width = 32
    d_width: Width = 32
    z_dim: Count = 96
    label: Count = 8
    frames: bool = False

    def __post_init__(self) -> None:
        check(self)

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        """New networks {"G", "D"} and, with `frames`, "D_frame", initialised from torch's global generator."""
        return {"G": VolumeGenerator(self, spec), **critics(spec, self.d_width, self.frames)}


def critics(spec: Spec, width: int, frames: bool) -> dict[str, nn.Module]:
    """{"D": critic of clips} and, with `frames`, {"D_frame": critic of clips of one frame}."""
    shape = clip_shape(spec)
    nets: dict[str, nn.Module] = {"D": ClipCritic(shape, width, spec.num_classes)}
    if frames:
        nets["D_frame"] = ClipCritic((1, *shape[1:]), width, spec.num_classes)
    return nets
