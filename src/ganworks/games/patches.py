"""Losses for each example on images, patch logits and discriminator features.

Logits are a map [B, 1, h, w] or a list of maps (one for each scale). Every term is the mean over an example's patches,
then over the scales, so that its size does not depend on their number. All terms are [B] float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ganworks.core.spec import Batch
from ganworks.games.losses import Loss

Maps = Tensor | Sequence[Tensor]
_SMOOTH = 1.0  # pixels added to both sides of a Dice coefficient, so that a class that neither map has is right


def _list(maps: Maps) -> list[Tensor]:
    return [maps] if isinstance(maps, Tensor) else list(maps)


def parted(maps: Maps, count: int) -> tuple[list[Tensor], list[Tensor]]:
    """The maps of every scale, split into those of the first `count` examples and those of the rest."""
    return [m[:count] for m in _list(maps)], [m[count:] for m in _list(maps)]


def per_example(maps: Maps) -> Tensor:
    """The mean of each example over its patches and over the scales: [B] float32."""
    return torch.stack([m.float().flatten(1).mean(1) for m in _list(maps)]).mean(0)


def distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of two batches [B, ...], for each example: [B] float32."""
    return (made.float() - wanted.float()).abs().flatten(1).mean(1)


def focal_frequency(made: Tensor, wanted: Tensor, alpha: float = 1.0) -> Tensor:
    """[B]: focal frequency loss of images [B, C, H, W], Jiang et al. 2021 (2012.12821), equations 7 to 9.

    The squared distances of the two spectra (orthonormal, of each channel), weighted by their own roots to the power
    `alpha` over the largest of the channel, which are held fixed: what is missing most counts most.
    """
    gap = torch.fft.fft2(wanted.float(), norm="ortho") - torch.fft.fft2(made.float(), norm="ortho")
    squared = gap.real.square() + gap.imag.square()
    weight = squared.detach().sqrt() ** alpha
    weight = weight / weight.amax((2, 3), keepdim=True).clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight * squared).flatten(1).mean(1)


def dice(logits: Tensor, index: Tensor) -> Tensor:
    """[B]: 1 - the Dice coefficient of class probabilities, mean over the classes.

    logits: [B, K, H, W]; index: the true classes, int64 [B, H, W]. For each class 2 sum(p g) / (sum(p^2) + sum(g)),
    Milletari et al. 2016 (1606.04797), section 3. One pixel is
    added to both sides, so that a class which neither map has counts as right.
    """
    chances = logits.float().softmax(1)
    truth = functional.one_hot(index, logits.shape[1]).movedim(3, 1).to(chances.dtype)
    shared = 2 * (chances * truth).flatten(2).sum(2)
    return 1 - ((shared + _SMOOTH) / (chances.square() + truth).flatten(2).sum(2).add(_SMOOTH)).mean(1)


def discriminator_terms(loss: Loss, real: Maps, fake: Maps) -> Tensor:
    """D's loss [B] from logits on real and on generated examples; a paired loss compares patch by patch."""
    return per_example([loss.discriminator(r, f) for r, f in zip(_list(real), _list(fake), strict=True)])


def generator_terms(loss: Loss, real: Maps | None, fake: Maps) -> Tensor:
    """G's loss [B] from logits on generated examples; `real` may be None unless `loss.paired`."""
    if real is None:
        return per_example([loss.generator(None, f) for f in _list(fake)])
    return per_example([loss.generator(r, f) for r, f in zip(_list(real), _list(fake), strict=True)])


def feature_matching(real: Sequence, fake: Sequence) -> Tensor:
    """[B]: L1 between D's features of the real and of the generated example (pix2pixHD, 1711.11585, equation 4).

    real, fake: what `features` of a discriminator returns, one list of maps or one for each scale. The logits, which
    are last in each list, are left out. The term is summed over the layers and averaged over elements and scales; no
    gradient flows to `real`.
    """
    if isinstance(real[0], Tensor):
        real, fake = [real], [fake]
    scales = []
    for r, f in zip(real, fake, strict=True):
        pairs = zip(r[:-1], f[:-1], strict=True)
        scales.append(torch.stack([(a.detach().float() - b.float()).abs().flatten(1).mean(1) for a, b in pairs]).sum(0))
    return torch.stack(scales).mean(0)


def shifted(batch: Batch, *images: Tensor) -> list[Tensor]:
    """Random crops of images [B, C, H, W], smaller by a twelfth of each side, at the same place for one example.

    The strides of a network make its gradient a pattern of period 2, 4, 8 pixels. Without shifts, G's pixel
    shuffles would always meet the pattern at the same place, and could answer it with a grid.
    """
    height, width = images[0].shape[2:]
    room = torch.tensor([height // 12 + 1, width // 12 + 1])
    places = (batch.draw.uniform(2).cpu() * room).long().tolist()
    high, wide = height - height // 12, width - width // 12
    parts = [(slice(None), slice(top, top + high), slice(left, left + wide)) for top, left in places]
    return [torch.stack([x[part] for x, part in zip(rows, parts, strict=True)]) for rows in images]
