"""Writing frames as a film: H.264 in MP4, the same bytes for the same frames on every run."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np

from ganworks.files.provenance import films
from ganworks.files.rasters.film import pyav, state_colours

_HOW = {"crf": "12", "preset": "medium", "x264-params": "mbtree=0"}  # with mbtree, the bytes differ between runs


def mp4(frames: np.ndarray, fps: float, mark: dict[str, Any] | None = None) -> bytes:
    """uint8 [T, 1 or 3, H, W] -> the bytes of an .mp4. mark: a note to store, or None. Odd sides get one more row
    or column; colour has half the resolution (4:2:0), which every player supports."""
    av = pyav()
    frames = frames.repeat(3, 1) if frames.shape[1] == 1 else frames
    frames = np.pad(frames, ((0, 0), (0, 0), (0, frames.shape[2] % 2), (0, frames.shape[3] % 2)), "edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as film:
        if mark is not None:
            film.metadata["comment"] = films.comment(mark)
        rate = Fraction(fps).limit_denominator(1001)
        stream = film.add_stream("libx264", rate=rate, options=_HOW)
        stream.height, stream.width = frames.shape[2:]
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        state_colours(stream.codec_context, 5)
        for k, frame in enumerate(frames):
            new = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.transpose(1, 2, 0)), format="rgb24")
            new = new.reformat(format="yuv420p", dst_colorspace=5, dst_color_range=1)
            new.pts, new.time_base = k, 1 / rate
            for packet in stream.encode(new):
                film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)
    films.finish(buffer, ".mp4", mark)
    return buffer.getvalue()
