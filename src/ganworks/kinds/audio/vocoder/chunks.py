"""Networks on long sequences, chunk by chunk, with the same result as in one piece."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def chunked(
    work: Callable[..., Tensor], inputs: tuple[Tensor, ...], sizes: tuple[int, ...], chunk: int, reach: int, out: int
) -> Tensor:
    """work(*inputs) in chunks of `chunk` frames with `reach` frames of context, joined along the last axis.

    sizes: entries of one frame along the last axis of each input; out: those of the result.
    """
    count, parts = inputs[0].shape[-1] // sizes[0], []
    for first in range(0, count, chunk):
        begin, end = max(0, first - reach), min(count, first + chunk + reach)
        made = work(*(x[..., begin * n : end * n] for x, n in zip(inputs, sizes, strict=True)))
        parts.append(made[..., (first - begin) * out : (min(first + chunk, count) - begin) * out])
    return torch.cat(parts, -1)
