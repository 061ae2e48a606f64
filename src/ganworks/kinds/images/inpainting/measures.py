"""Measures of a filled hole, taken in the hole: L1, PSNR and gradient energy; and two simple fills to compare with.

Images are [n, C, H, W] on the scale 0..255, masks [n, 1, H, W] with 1 = hole. A blur does best on L1 alone; the ratio
of gradient energies exposes it (a smooth fill has below 0.1, the truth 1). L1 in turn exposes invented texture.
"""

from __future__ import annotations

import numpy as np
import torch

from ganworks.core.errors import UsageError
from ganworks.kinds.images.shared.fidelity import MOST_DB, RANGE, ssim
from ganworks.layers.fill import harmonic_fill


def _checked(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if filled.shape != truth.shape or filled.ndim != 4 or mask.shape != (len(truth), 1, *truth.shape[2:]):
        raise UsageError(
            f"Filled images and truth [n, C, H, W] and masks [n, 1, H, W] are needed, not {filled.shape}, "
            f"{truth.shape} and {mask.shape}."
        )
    mask = np.asarray(mask) > 0.5
    if not mask.any((1, 2, 3)).all():
        raise UsageError("A mask without a hole cannot be scored.")
    return np.asarray(filled, np.float64), np.asarray(truth, np.float64), mask


def hole_l1(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean absolute difference in the hole of each image [n], as a share of the range."""
    filled, truth, mask = _checked(filled, truth, mask)
    return (np.abs(filled - truth) * mask).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * truth.shape[1] * RANGE)


def hole_psnr(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """PSNR over the pixels of the hole of each image [n] in dB, at most 100."""
    filled, truth, mask = _checked(filled, truth, mask)
    error = ((filled - truth) ** 2 * mask).sum((1, 2, 3)) / (mask.sum((1, 2, 3)) * truth.shape[1])
    return np.minimum(MOST_DB, 10 * np.log10(RANGE**2 / np.maximum(error, 1e-300)))


def gradient_energy(images: np.ndarray, mask: np.ndarray, seams: bool = False) -> np.ndarray:
    """Sum [n] of the squared steps between neighbours that both lie in the hole, over all channels.

    seams: take the steps across the edge of the hole instead. They are kept apart, since a fill that does not match its
    surroundings has steps there that are not texture: the mean colour would seem to be as rough as the truth.
    """
    x, inside = np.asarray(images, np.float64), np.asarray(mask) > 0.5
    pair = np.logical_xor if seams else np.logical_and
    across = (np.diff(x, axis=3) ** 2 * pair(inside[..., 1:], inside[..., :-1])).sum((1, 2, 3))
    down = (np.diff(x, axis=2) ** 2 * pair(inside[:, :, 1:], inside[:, :, :-1])).sum((1, 2, 3))
    return across + down


def energy_ratio(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray, seams: bool = False) -> float:
    """Gradient energy of all holes together, over that of the truth: 1 = as much texture. NaN if the truth is flat."""
    filled, truth, mask = _checked(filled, truth, mask)
    real = gradient_energy(truth, mask, seams).sum()
    return float(gradient_energy(filled, mask, seams).sum() / real) if real > 0 else float("nan")


def mean_fill(truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Each image with the mean colour of its known pixels in the hole; [n, C, H, W] float64."""
    x, inside = np.asarray(truth, np.float64), np.asarray(mask) > 0.5
    mean = (x * ~inside).sum((2, 3), keepdims=True) / np.maximum((~inside).sum((2, 3), keepdims=True), 1)
    return np.where(inside, mean, x)


def harmonic(truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Each image with the harmonic fill in the hole (see `fill.harmonic_fill`); [n, C, H, W] float64."""
    x, hole = torch.from_numpy(np.asarray(truth, np.float64)), torch.from_numpy(np.asarray(mask, np.float64))
    return np.concatenate([harmonic_fill(x[i : i + 1], hole[i : i + 1]).numpy() for i in range(len(x))])


def measure(filled: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Values per image [n]: hole_l1, hole_psnr, ssim (whole image), area (share that is hole) and energy.

    energy is the ratio of gradient energies. The mean of `energy` over images differs from `energy_ratio`, which weighs
    images by their texture.
    """
    real = gradient_energy(truth, mask)
    return {
        "hole_l1": hole_l1(filled, truth, mask),
        "hole_psnr": hole_psnr(filled, truth, mask),
        "ssim": ssim(filled, truth),
        "energy": np.where(real > 0, gradient_energy(filled, mask) / np.maximum(real, 1e-12), np.nan),
        "area": (np.asarray(mask) > 0.5).mean((1, 2, 3)),
    }


def by_area(values: dict[str, np.ndarray], steps: int = 5) -> list[tuple[str, int, dict[str, float]]]:
    """Means over images whose holes have a similar area: rows (such as "20 to 40 %", images, {measure: mean}).

    steps: bins of equal width; empty ones are left out.
    """
    place = np.minimum((values["area"] * steps).astype(int), steps - 1)
    rows = []
    for n in np.unique(place):
        chosen = place == n
        means = {k: float(np.nanmean(v[chosen])) for k, v in values.items() if k != "area"}
        rows.append((f"{100 * n // steps} to {100 * (n + 1) // steps} %", int(chosen.sum()), means))
    return rows
