"""LPIPS on made-up weights: its definition written out, and what it does without a file."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.kinds.images.shared.lpips import CONVS, VARIABLE, Lpips, available


def made_up():
    torch.manual_seed(0)
    tensors = {}
    for number, (at, (outputs, inputs, side)) in enumerate(CONVS.items()):
        tensors[f"features.{at}.weight"] = torch.randn(outputs, inputs, side, side) / (inputs * side**2) ** 0.5
        tensors[f"features.{at}.bias"] = torch.randn(outputs) * 0.1
        tensors[f"lin{number}.model.1.weight"] = torch.rand(1, outputs, 1, 1)
    return tensors


def by_definition(tensors, a, b):
    """AlexNet as a module list, and the sum over its five ReLUs of weighted squared differences."""
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(),
    )  # fmt: skip
    layers.load_state_dict({k.removeprefix("features."): v for k, v in tensors.items() if k.startswith("features.")})
    x = torch.from_numpy(np.stack([a, b])).float() / 127.5 - 1
    x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
    total, number = 0.0, 0
    for layer in layers:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            unit = x / x.norm(dim=1, keepdim=True)
            weight = tensors[f"lin{number}.model.1.weight"].view(-1, 1, 1)
            total += ((unit[0] - unit[1]) ** 2 * weight).sum(0).mean().item()
            number += 1
    return total


def test_it_is_its_definition():
    a, b = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 64, 64)).astype(np.uint8)
    tensors = made_up()
    found = Lpips(tensors)(a, b)
    assert found == pytest.approx([by_definition(tensors, p, q) for p, q in zip(a, b, strict=True)], rel=1e-4)
    assert np.array_equal(Lpips(tensors)(a, a), np.zeros(3))
    grey = a[:, :1]
    assert np.allclose(Lpips(tensors)(grey, b[:, :1]), Lpips(tensors)(grey.repeat(3, 1), b[:, :1].repeat(3, 1)))


def test_a_file_is_found_by_its_variable(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert available() is None
    save_file(made_up(), tmp_path / "w.safetensors")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "w.safetensors"))
    assert isinstance(available(), Lpips)
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match=r"features.0.weight"):
        available()
    with pytest.raises(UsageError, match="32 or more"):
        Lpips(made_up())(np.zeros((1, 3, 16, 16), np.uint8), np.zeros((1, 3, 16, 16), np.uint8))
