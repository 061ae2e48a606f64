"""Focal frequency loss and Dice loss against independent computations in float64."""

import numpy as np
import pytest
import torch

from ganworks.games.patches import dice, focal_frequency


def test_focal_frequency_by_numpy():
    g = torch.Generator().manual_seed(0)
    made, wanted = (torch.rand(3, 2, 5, 6, generator=g) * 2 - 1 for _ in range(2))
    expected = []
    for a, b in zip(made.double().numpy(), wanted.double().numpy(), strict=True):
        parts = []
        for one, other in zip(a, b, strict=True):
            gap = np.abs(np.fft.fft2(one) - np.fft.fft2(other)) / np.sqrt(one.size)
            parts.append(((gap / gap.max()) * gap**2).mean())
        expected.append(np.mean(parts))
    assert focal_frequency(made, wanted).tolist() == pytest.approx(expected, rel=1e-5)
    assert focal_frequency(made, made).tolist() == [0, 0, 0]


def test_focal_frequency_weighs_what_is_missing_most():
    """One wave that is missing: the weight is 1 there, and the loss its power over the pixels (Parseval)."""
    wave = torch.cos(2 * torch.pi * torch.arange(8) / 8).expand(1, 1, 8, 8).clone()
    blank = torch.zeros_like(wave).requires_grad_()
    loss = focal_frequency(blank, wave)
    assert loss.item() == pytest.approx(float(wave.square().mean()), rel=1e-5)
    loss.sum().backward()
    step = -blank.grad / blank.grad.norm()
    torch.testing.assert_close(step, wave / wave.norm(), atol=1e-5, rtol=1e-4)


def test_dice_by_hand():
    index = torch.tensor([[[0, 0, 1, 2]]])
    sure = 50.0 * torch.nn.functional.one_hot(index, 3).movedim(3, 1).float()
    assert dice(sure, index).item() == pytest.approx(0, abs=1e-6)
    wrong = sure.roll(1, 1)  # 0, 0 are called 1, 1 is called 2, 2 is called 0
    # classes: (0 + 1) / (1 + 2 + 1), (0 + 1) / (2 + 1 + 1), (0 + 1) / (1 + 1 + 1)
    assert dice(wrong, index).item() == pytest.approx(1 - (1 / 4 + 1 / 4 + 1 / 3) / 3, rel=1e-5)


def test_dice_of_chances_in_float64():
    g = torch.Generator().manual_seed(1)
    logits, index = torch.randn(2, 3, 4, 5, generator=g), torch.randint(3, (2, 4, 5), generator=g)
    expected = []
    for values, truth in zip(logits.double().numpy(), index.numpy(), strict=True):
        chances = np.exp(values) / np.exp(values).sum(0)
        shares = []
        for k in range(3):
            own = truth == k
            shares.append((2 * chances[k][own].sum() + 1) / ((chances[k] ** 2).sum() + own.sum() + 1))
        expected.append(1 - np.mean(shares))
    assert dice(logits, index).tolist() == pytest.approx(expected, rel=1e-5)
