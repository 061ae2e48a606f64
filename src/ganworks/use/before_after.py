"""Held-out pictures before and after a translator, as pairs of files for the report: NAME-before.png, NAME-after.png.

Nothing is drawn where the evaluator has written files of such names itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ganworks.core.chance import seeded
from ganworks.core.contracts import ChangesPictures, HasUnseen
from ganworks.core.spec import Draw, Spec, key
from ganworks.files.rasters.pixels import to_image, viewable
from ganworks.files.rasters.sheet import side_by_side
from ganworks.files.rasters.write import save_picture
from ganworks.runs.published import Published

PAIRS = 4


def draw_pairs(found: Published, domain: Any, data: Any, folder: Path, count: int = PAIRS) -> list[Path]:
    """Write up to `count` pairs and `before-after.png`, all of them side by side, into `folder`; returns the files.

    found: the network, its spec and card. domain, data: as for the training. Nothing is written when nothing
    is held out, when examples are not pictures, or when `folder` has pairs already.
    """
    held = np.asarray(data.held)
    if not len(held) or not _pictures(found.spec, domain) or _own(folder):
        return []
    chosen = held[np.unique(np.linspace(0, len(held) - 1, min(count, len(held))).round().astype(int))]
    if isinstance(data, HasUnseen):  # two sets without pairs: their batches are drawn from the training side
        raw = torch.from_numpy(data.unseen("source", len(chosen))).float()
        batch = {"src": (raw - found.spec.low) * (2 / (found.spec.high - found.spec.low)) - 1}
    else:
        batch = domain.batch(data, chosen, Draw(key("before-after"), len(chosen), slice(None)))
    pairs = [_pair(found.net, domain, found.spec, batch, row) for row in range(len(batch["src"]))]
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, pair in enumerate(pairs, 1):
        for name, image in zip(("before", "after"), pair, strict=True):
            files.append(save_picture(image, folder / f"held-out-{number}-{name}.png"))
    sheet = side_by_side([(f"held-out {number}", *pair) for number, pair in enumerate(pairs, 1)])
    return [*files, save_picture(sheet, folder / "before-after.png")]


def _pictures(spec: Spec, domain: Any) -> bool:
    """Whether the network turns pictures into pictures."""
    return len(spec.shape) == 3 and len(spec.source or spec.shape) == 3 and isinstance(domain, ChangesPictures)


def _own(folder: Path) -> list[Path]:
    """Files of pairs that an evaluator has drawn."""
    return [path for path in folder.glob("*-before.png") if not path.name.startswith("held-out-")]


def _pair(
    net: nn.Module, domain: Any, spec: Any, batch: Mapping[str, Tensor], row: int
) -> tuple[Image.Image, Image.Image]:
    """One example before and after. Holes are shown grey; a model of several classes is asked for another class."""
    options: dict[str, Any] = {}
    x = given = batch["src"][row : row + 1]
    if "mask" in batch:
        options["mask"] = batch["mask"][row : row + 1]
        x = batch["x"][row : row + 1]
        given = torch.where(options["mask"] > 0.5, torch.zeros(()), x)
    if spec.num_classes and "y" in batch:
        options["label"] = spec.classes[(int(batch["y"][row]) + 1) % spec.num_classes]
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    options = {name: v.to(device) if isinstance(v, Tensor) else v for name, v in options.items()}
    with torch.inference_mode(), seeded("before-after", row):
        made = domain.apply(net, x.to(device, torch.float32), spec, options)
    return _image(given), _image(made)


def _image(x: Tensor) -> Image.Image:
    return to_image(viewable(x)[0]).convert("RGB")
