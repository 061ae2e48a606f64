"""Encodes series as vectors of a `SeriesLayout` and decodes vectors to series, rounded like the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganworks.kinds.series.data.layout import (
    TINY,
    Parts,
    SeriesLayout,
    active_steps,
    from_uniform,
    lengths_of,
    to_uniform,
)


def encode(layout: SeriesLayout, x: Tensor, active: Tensor, length: Tensor, static: Tensor, texts: Tensor) -> Tensor:
    """Series -> vectors [n, size] float32.

    x: [n, T, numbers] float64. active: bool [n, T], which steps exist. length: [n]. static: encoded attributes [n, A].
    texts: encoded categories [n, T, K].
    """
    lengths = scales = x.new_zeros(len(x), 0, dtype=torch.float32)
    if layout.scale == "series":
        low = x.masked_fill(~active[:, :, None], torch.inf).amin(1)
        high = x.masked_fill(~active[:, :, None], -torch.inf).amax(1)
        middle, half = (high + low) / 2, (high - low) / 2
        scales = to_uniform(layout.table("scales"), torch.cat([middle, half], 1))
    else:
        ends = torch.tensor([[c.low, c.high] for c in layout.numbers], dtype=torch.float64).reshape(-1, 2)
        middle, half = ends.mean(1), (ends[:, 1] - ends[:, 0]) / 2
        middle, half = middle.expand(len(x), -1), half.expand(len(x), -1)
    shape = (x - middle[:, None]) / half[:, None].clamp_min(TINY)
    flags = torch.ones_like(x[:, :, 0], dtype=torch.float32) if x.shape[2] else torch.ones(x.shape[:2])
    if layout.variable:
        lengths = to_uniform(layout.table("lengths"), length[:, None])
        flags = active_steps(length, layout.steps).float()
    steps = torch.cat([shape.float(), texts], 2) * active[:, :, None]
    return layout.join(Parts(static.float(), lengths, scales, steps, flags))


def decode(layout: SeriesLayout, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Vectors [n, size] -> (numbers [n, T, columns] float64, rounded as in the data; category codes [n, T, m];
    attributes: name -> values [n]; lengths [n]).
    """
    parts = layout.split(torch.from_numpy(np.ascontiguousarray(x)).double())
    n = len(layout.numbers)
    if layout.scale == "series":
        middle, half = from_uniform(layout.table("scales"), parts.scales).split(n, 1)
    else:
        ends = torch.tensor([[c.low, c.high] for c in layout.numbers], dtype=torch.float64).reshape(-1, 2)
        middle, half = ends.mean(1)[None], (ends[:, 1:] - ends[:, :1]).T / 2
    values = (middle[:, None] + half[:, None] * parts.steps[:, :, :n]).numpy()
    values = np.stack([c.rounded(values[:, :, i]) for i, c in enumerate(layout.numbers)], 2) if n else values
    codes, at = [], n
    for column in layout.categories:
        codes.append(parts.steps[:, :, at : at + column.width].argmax(2).numpy())
        at += column.width
    lengths = lengths_of(parts.active.numpy()) if layout.variable else np.full(len(x), layout.steps)
    attributes, at = {}, 0
    for column in layout.attributes:
        held = parts.attributes[:, at : at + column.width]
        at += column.width
        if column.kind == "category":
            attributes[column.name] = np.array(column.values, object)[held.argmax(1).numpy()]
        else:
            table = torch.tensor([column.knots], dtype=torch.float64)
            attributes[column.name] = column.rounded(from_uniform(table, held)[:, 0].numpy())
    return values, np.stack(codes, 2) if codes else np.zeros((*values.shape[:2], 0), np.int64), attributes, lengths
