"""LPIPS on made-up weights: its definition written out, and what it does without a file."""

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ganworks.core.errors import UsageError
from ganworks.kinds.images.shared.lpips import VARIABLE, Lpips, available
from ganworks.pretrained.architectures.plain import VGG16, AlexNet, SqueezeNet

# the maps that LPIPS 0.1 compares: the number of layers before each, and its channels
MAPS = {
    AlexNet: ((2, 64), (5, 192), (8, 384), (10, 256), (12, 256)),
    VGG16: ((4, 64), (9, 128), (16, 256), (23, 512), (30, 512)),
    SqueezeNet: ((2, 64), (5, 128), (8, 256), (10, 384), (11, 384), (12, 512), (13, 512)),
}


def made_up(kind=AlexNet):
    torch.manual_seed(0)
    tensors = {}
    for name, value in kind().state_dict().items():
        spread = 0.1 if value.ndim == 1 else (2 / value[0].numel()) ** 0.5
        tensors[name] = torch.randn(value.shape) * spread
    linear = {f"lin{n}.model.1.weight": torch.rand(1, c, 1, 1) for n, (_, c) in enumerate(MAPS[kind])}
    return {**tensors, **linear}


def alexnet_layers():
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(),
    )  # fmt: skip


def by_definition(kind, tensors, a, b):
    """The layers one after another, and the sum over the compared maps of weighted squared differences."""
    layers = alexnet_layers() if kind is AlexNet else kind().features
    layers.load_state_dict({k.removeprefix("features."): v for k, v in tensors.items() if k.startswith("features.")})
    x = torch.from_numpy(np.stack([a, b])).float() / 127.5 - 1
    x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
    total, ends = 0.0, {end: n for n, (end, _) in enumerate(MAPS[kind])}
    for count, layer in enumerate(layers, 1):
        x = layer(x)
        if count in ends:
            unit = x / x.norm(dim=1, keepdim=True).clamp_min(1e-10)
            weight = tensors[f"lin{ends[count]}.model.1.weight"].view(-1, 1, 1)
            total += ((unit[0] - unit[1]) ** 2 * weight).sum(0).mean().item()
    return total


@pytest.mark.parametrize("kind", MAPS, ids=lambda kind: kind.architecture)
def test_it_is_its_definition(kind):
    a, b = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 48, 40)).astype(np.uint8)
    tensors = made_up(kind)
    judge = Lpips.of(tensors)
    found = judge(a, b)
    wanted = [by_definition(kind, tensors, p, q) for p, q in zip(a, b, strict=True)]
    assert found == pytest.approx(wanted, rel=1e-4) and min(wanted) > 0
    assert np.array_equal(judge(a, a), np.zeros(2))
    grey = a[:, :1]
    assert np.allclose(judge(grey, b[:, :1]), judge(grey.repeat(3, 1), b[:, :1].repeat(3, 1)))


def test_a_file_is_found_by_its_variable(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert available() is None
    tensors = made_up()
    save_file(tensors, tmp_path / "w.safetensors")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "w.safetensors"))
    assert isinstance(available(), Lpips)
    linear = {k: v for k, v in tensors.items() if k.startswith("lin")}
    save_file({k: v for k, v in tensors.items() if k not in linear}, tmp_path / "net.safetensors")
    with pytest.raises(UsageError, match="no network that is known"):
        Lpips.of(linear)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "net.safetensors"))
    with pytest.raises(UsageError, match="lin0"):
        available()
    torch.save(linear, tmp_path / "alex.pth")
    monkeypatch.setenv(VARIABLE, f"{tmp_path}/net.safetensors{os.pathsep}{tmp_path}/alex.pth")
    assert isinstance(available(), Lpips)
    with pytest.raises(UsageError, match="32 or more"):
        Lpips.of(made_up())(np.zeros((1, 3, 16, 16), np.uint8), np.zeros((1, 3, 16, 16), np.uint8))
