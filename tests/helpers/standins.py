"""Small stand-ins for what a training publishes: networks and domains that do something that can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganworks.core.config import to_dict
from ganworks.core.spec import Spec
from ganworks.files.weights import write
from ganworks.kinds.images.domain import Images
from ganworks.runs.published import header


class Shift(nn.Module):
    """x + shift, and noise when asked for: what a translator is for the tests."""

    def __init__(self, channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.shift.view(1, -1, 1, 1)


class Votes(nn.Module):
    """Logits from the mean of each channel: a picture is of the class of its strongest channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return 4 * x.mean((2, 3)) * self.scale


@dataclass(frozen=True)
class ShiftNet:
    makes: ClassVar[dict[str, str]] = {"G": "apply", "G_back": "apply", "C": "predict"}

    def build(self, spec: Spec) -> dict[str, nn.Module]:
        return {"G": Shift(spec.shape[0]), "G_back": Shift(spec.source[0] if spec.source else 1),
                "C": Votes(spec.shape[0])}  # fmt: skip


@dataclass(frozen=True)
class Shifting:
    """Shifts; enlarges by facts["scale"] (nearest); fills holes with black; draws noise of a strength."""

    keeps_grey: ClassVar[bool] = True
    options: ClassVar[dict[str, str]] = {"noise": "strength", "mask": "holes", "label": "a class"}
    fit: str = "crop"
    background: str = "white"

    def apply(self, net: nn.Module, x: Tensor, spec: Spec, options: dict[str, Any]) -> Tensor:
        out = net(x) + float(options.get("noise", 0)) * torch.randn(x.shape)
        if "mask" in options:
            out = torch.where(options["mask"] > 0, -torch.ones(()), x)
        scale = int(spec.facts.get("scale", 1))
        out = out.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        return out.expand(-1, spec.shape[0], -1, -1)

    def predict(self, net: nn.Module, x: Tensor) -> Tensor:
        return net(x).softmax(1)

    def converter(self, spec: Spec, source: Any) -> Any:
        channels, height, width = spec.shape
        settings = {"fit": self.fit, "background": self.background, "labels": False, "on_corrupt": "skip"}
        return Images(size=(height, width), channels=channels, **settings).plan(source).convert


def publish(
    folder: Path, *, shift: float = 0.0, channels: int = 3, made: int | None = None, scale: int = 1, size: int = 8
) -> Path:
    """A run folder with generator.safetensors, generator-back.safetensors and classifier.safetensors in it."""
    folder.mkdir(parents=True, exist_ok=True)
    classes = ("red", "green", "blue")[: made or channels]
    spec = Spec(
        "images", (made or channels, size, size), classes, source=(channels, size, size), facts={"scale": scale}
    )
    networks = ShiftNet()
    for player, name, use in (("G", "generator", "apply"), ("G_back", "generator-back", "apply"),
                              ("C", "classifier", "predict")):  # fmt: skip
        net = networks.build(spec)[player]
        if isinstance(net, Shift):
            nn.init.constant_(net.shift, shift if player == "G" else -shift)
        card = {"networks": to_dict(networks), "domain": to_dict(Shifting()), "player": player, "use": use,
                "recipe": "standin", "seen": 1, "half_life": 0.0}  # fmt: skip
        write(folder / f"{name}.safetensors", net.state_dict(), header(spec, card))
    return folder
