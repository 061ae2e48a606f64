"""The domain of clips: films, animations, strips and folders of frames in; .mp4, .gif and .webp out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.core.errors import UsageError, nearest, whole
from ganworks.core.schema.declare import HeldOut, OnCorrupt, check, within
from ganworks.core.spec import Draw, Spec, key
from ganworks.files import provenance
from ganworks.files.array_files import load_npy
from ganworks.files.rasters.decode import DecodeError, decode
from ganworks.files.rasters.pixels import change_channels, resize
from ganworks.files.rasters.read import still
from ganworks.files.rasters.write import picture
from ganworks.kinds.video.data.clips import open_clips
from ganworks.kinds.video.data.dataset import ClipSet, Progress, clip_facts, pack_clips
from ganworks.kinds.video.data.reading import FrameReading
from ganworks.kinds.video.data.writing import mp4
from ganworks.kinds.video.metrics.evaluator import VideoEvaluator
from ganworks.kinds.video.metrics.pictures import enlarged, filmstrips, sheet

USUAL_SIDE = 32  # pixels, the largest default size: what a CPU can learn in minutes
MAX_SIDE, MAX_LENGTH = 512, 256
MOST_FRAMES = 1_000_000  # of one clip
_LOOKED_AT = 16


@dataclass(frozen=True)
class Video:
    """The domain of clips: how files become [T, C, H, W] and back.

    length: length of an example.
    stride: distance between the frames of an example (0: 2 if nine tenths of the clips are long enough, else 1).
    size: size of a frame, one number for squares or (height, width); None: chosen from the data, at most 32.
    channels: 1 or 3; None: chosen from the data.
    labels: whether to use the classes that are found, "on" or "off".
    layout: what images are: "strips" of frames side by side, "folders" of frames, or "auto" to decide by a sample.
    strip: frames in a strip; 0: frames are square.
    fps: frame rate at which films and animations are read; 0: all frames.
    limit: largest number of frames that are read, from the start of a clip.
    flip: whether clips are mirrored at random in training.
    fit: how frames of another aspect ratio are fitted: crop the middle, stretch, or pad with the background.
    background: the colour behind transparent pixels and padding.
    on_corrupt: "error" stops at the first unreadable clip, "skip" leaves such clips out, counts and names them.
    held_out: share of the clips that is kept out of training, for the evaluation.
    Raises UsageError for values outside their range.
    """

    length: Annotated[int, within(1, MAX_LENGTH, unit="frames")] = 16
    stride: Annotated[int, within(0, 1000, unit="frames")] = 0
    size: int | tuple[int, int] | None = None
    channels: int | None = None
    labels: bool | str = True
    layout: Literal["auto", "strips", "folders"] = "auto"
    strip: Annotated[int, within(0, unit="frames")] = 0
    fps: Annotated[float, within(0, 1000, unit="frames per second")] = 0.0
    limit: Annotated[int, within(unit="frames")] = 3000
    flip: bool = False
    fit: Literal["crop", "stretch", "pad"] = "crop"
    background: str = "white"
    on_corrupt: OnCorrupt = "error"
    held_out: HeldOut = 0.1

    forms: ClassVar[tuple[str, ...]] = (".mp4", ".gif", ".webp")
    each: ClassVar[str] = ".mp4"
    options: ClassVar[dict[str, str]] = {
        "first": "an image that is the first frame of every clip (for a model trained with networks.first=on)",
        "content": "a number, the seed of one content for all clips, which differ in their motion",
        "motion": "a number, the seed of one motion for all clips, which differ in their content",
    }
    file_options: ClassVar[tuple[str, ...]] = ("first",)

    def __post_init__(self) -> None:
        check(self)
        if self.channels not in (None, 1, 3):
            raise UsageError(f"channels must be 1 or 3, not {self.channels}.")
        if self._size and not all(4 <= n <= MAX_SIDE for n in self._size):
            raise UsageError(f"size must be 4 to {MAX_SIDE} pixels, not {self.size}.")
        if not self.length <= self.limit <= MOST_FRAMES:
            raise UsageError(f"limit must be from length ({self.length}) to {MOST_FRAMES:,}, not {self.limit}.")

    @property
    def _size(self) -> tuple[int, int] | None:
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def open(self, path: Any, cache: str | Path | None = None, on_progress: Progress | None = None) -> ClipSet:
        """Pack clips, or open their pack. path: a folder, zip or film; a list of arrays [F, H, W, C]; (list, labels).

        Raises UsageError when there are no usable clips, and for a clip that cannot be read unless on_corrupt is
        "skip".
        """
        source = open_clips(path, str(self.labels).lower() not in ("off", "false", "no"), self.layout)
        notes: list[str] = []
        size, channels = self._shape(source, notes)

        def fit(frame: np.ndarray) -> np.ndarray:
            frame = frame if len(frame) == channels else change_channels(frame, channels, self.background)
            return resize(np.ascontiguousarray(frame), size, self.fit, self.background)

        reading = FrameReading(self.limit, self.fps, self.strip, self.background, fit)
        settings = {"fps": self.fps, "strip": self.strip, "fit": self.fit, "background": self.background,
                    "layout": self.layout, "labels": source.labels is not None}  # fmt: skip
        folder = pack_clips(source, reading, (channels, *size), settings, cache=cache, on_corrupt=self.on_corrupt,
                            on_progress=on_progress, notes=tuple(notes))  # fmt: skip
        facts = clip_facts(folder) or {}
        return ClipSet(folder, self.length, self.stride or self._stride(folder), self.held_out, facts.get("rate", 0.0))

    def _stride(self, folder: Path) -> int:
        """The default stride: 2 if nine tenths of the clips are long enough, else 1."""
        frames = np.diff(load_npy(folder / "at.npy"))
        return 2 if float((frames >= 2 * (self.length - 1) + 1).mean()) >= 0.9 and self.length > 1 else 1

    def _shape(self, source: Any, notes: list[str]) -> tuple[tuple[int, int], int]:
        """(height, width) and channels, as set or chosen from the first frames of some clips."""
        if self._size and self.channels:
            return self._size, self.channels
        some = np.unique(np.linspace(0, len(source) - 1, min(_LOOKED_AT, len(source))).round().astype(int))
        seen = [frame for k in some if (frame := self._first(source, int(k))) is not None]
        if not seen:
            raise UsageError(f'"{source.path}": none of the clips looked at can be read; see `ganworks data`.')
        size, channels = self._size, self.channels
        if size is None:
            shapes = {frame.shape[1:] for frame in seen}
            tall, wide = min(shapes)
            if len(shapes) > 1 or max(tall, wide) > USUAL_SIDE:
                tall = wide = min(USUAL_SIDE, *(min(shape) for shape in shapes))
                notes.append(f"frames made {tall} x {wide} (size= chooses another)")
            size = (max(4, tall), max(4, wide))
        if channels is None:
            grey = all((frame == frame[:1]).all() for frame in seen)
            channels = 1 if grey else 3
            notes.append("all frames looked at are grey: one channel" if grey else "colour: three channels")
        return size, channels

    def _first(self, source: Any, index: int) -> np.ndarray | None:
        reading = FrameReading(1, 0.0, self.strip, self.background)
        try:
            return reading.first(source.get(index), source.name(index))
        except DecodeError:
            return None

    def batch(self, data: ClipSet, indices: np.ndarray, draw: Draw) -> dict[str, Tensor]:
        """x [B, T, C, H, W] in [-1, 1], from a random start in each clip; with classes, y [B]."""
        batch = data.fetch(indices, draw.uniform().numpy())
        if self.flip:
            mirrored = (draw.uniform(1, 1, 1, 1) < 0.5).expand_as(batch["x"])
            batch["x"] = torch.where(mirrored, batch["x"].flip(4), batch["x"])
        return batch

    def evaluator(
        self, data: ClipSet, source: Any, config: Any, work: Callable[[str, int, int], None]
    ) -> VideoEvaluator:
        """The evaluator of generated clips: see `VideoEvaluator`."""
        return VideoEvaluator(data, config, work)

    def prepare(self, net: nn.Module, spec: Spec, options: dict[str, Any]) -> nn.Module:
        """The generator with one first frame, content or motion for all clips; UsageError if it has none of these."""
        for name in options:
            if name not in self.options:
                raise UsageError(f'Clips have no option "{name}". {nearest(name, self.options)}')
        if "first" in options:
            if not getattr(net, "predicts", False):
                raise UsageError(
                    "first: this model was not trained to continue a first frame; train one with networks.first=on."
                )
            return FixedLatents(net, options, torch.from_numpy(self.frame(options["first"], spec)))
        if options and not hasattr(net, "parts"):
            raise UsageError(
                "content and motion: this generator does not keep them apart; that of the recipe `video` does."
            )
        return FixedLatents(net, options) if options else net

    def frame(self, given: Any, spec: Spec) -> np.ndarray:
        """An image (path, PIL image or uint8 [C, H, W]) as a frame of the model: float32 [C, H, W] in [-1, 1]."""
        if isinstance(given, Image.Image):
            given = np.atleast_3d(np.asarray(picture(still(given)))).transpose(2, 0, 1)
        if not isinstance(given, np.ndarray):
            path = Path(str(given)).expanduser()
            if not path.is_file():
                raise UsageError(f'first: there is no picture at "{path}".')
            given = decode(path.read_bytes(), path.name, background=self.background)
        _, channels, *size = spec.shape
        array = given if len(given) == channels else change_channels(given, channels, self.background)
        array = resize(np.ascontiguousarray(array), (size[0], size[1]), self.fit, self.background)
        return array.astype(np.float32) / 127.5 - 1

    def encode(self, samples: Any, suffix: str, mark: bool, fps: float = 0.0) -> bytes:
        """One clip, or all of them side by side, as .mp4, .gif or .webp (lossless). fps: 0 for that of the data."""
        fps = float(fps or samples.spec.facts.get("fps", 12.0))
        note = (samples.note(0) if len(samples) == 1 else samples.note()) if mark else None
        frames = sheet(samples.data, samples.spec.num_classes)
        if suffix == ".mp4":
            return mp4(enlarged(frames, 128), fps, json.dumps(note) if note else "")
        pictures = [Image.fromarray(np.ascontiguousarray(f.transpose(1, 2, 0)).squeeze()) for f in frames]
        return provenance.encode(pictures, suffix[1:], note, fps)

    def decode(self, samples: Any) -> list[np.ndarray]:
        """Clips as uint8 [T, H, W, C], the order of most video libraries."""
        return [clip.transpose(0, 2, 3, 1) for clip in samples.data]

    def show(self, x: Tensor | np.ndarray, columns: int | None = None, labels: Any = None) -> Image.Image:
        """Clips [B, T, C, H, W] (floats in [-1, 1] or uint8) as rows of frames, one below the other."""
        return filmstrips(x)


class FixedLatents(nn.Module):
    """A generator in which a part of the latent, or the first frame [C, H, W], is the same for all clips."""

    def __init__(self, net: nn.Module, options: dict[str, Any], first: Tensor | None = None):
        super().__init__()
        self.net, self.z_dim = net, int(net.z_dim)  # pyrefly: ignore
        self.register_buffer("first", first)
        cuts = {}
        if "content" in options or "motion" in options:
            content = int(net.parts[0])  # pyrefly: ignore
            cuts = {"content": slice(0, content), "motion": slice(content, self.z_dim)}
        self.cuts = [cuts[name] for name in cuts if name in options]
        fixed = torch.zeros(self.z_dim)
        for name, cut in cuts.items():
            if name in options:
                generator = torch.Generator().manual_seed(key(name, whole(name, options[name], -(2**63), 2**63 - 1)))
                fixed[cut] = torch.randn(cut.stop - cut.start, generator=generator)
        self.register_buffer("fixed", fixed)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        z = z.clone()
        for cut in self.cuts:
            z[:, cut] = self.fixed[cut]
        if self.first is None:
            return self.net(z, y)
        return self.net(z, y, self.first.expand(len(z), -1, -1, -1))
