"""What every recipe has to do, whatever its task: train, resume bit for bit, publish networks that load alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

import ganworks as gw
from ganworks.runs.published import Published, load_net, published
from ganworks.runs.run import Run

SMALL = {"batch": 8, "budget": 48, "train.judge": False, "train.precision": "fp32", "train.threads": 1}


def check_recipe(name: str, data: Any, tmp_path: Path, **settings: Any) -> dict[str, Published]:
    """Train straight and with an interruption in the middle; compare all tensors; load what was published, alone.

    settings: as for `gw.train`, over SMALL. Returns the published networks by player.
    """
    settings = SMALL | settings
    total, straight, out = int(settings["budget"]), tmp_path / f"{name}-straight", tmp_path / f"{name}-run"
    list(gw.train(name, data=data, out=straight, **settings))
    for event in gw.train(name, data=data, out=out, **{**settings, "train.save": 0.0}):
        if getattr(event, "path", "").startswith(str(out / "state")) and event.seen >= total / 2:
            break
    assert total / 2 <= Run.open(out).load_state()[1]["seen"] < total, "the interruption came too late"
    list(gw.train(name, data=data, out=out, **{**settings, "train.save": 0.0}))
    (first, counters), (second, others) = (Run.open(path).load_state()[:2] for path in (straight, out))
    assert counters["seen"] == others["seen"] == total
    different = [k for k, v in first.items() if not torch.equal(v, second[k])]
    assert not different, f"not the same after a resume: {different[:5]}"
    for file in straight.glob("*.safetensors"):
        alone = shutil.copy(file, tmp_path / file.name)
        assert load_net(alone).net is not None
    assert list(straight.glob("samples/*.*")), "nothing to look at"
    return published(straight)
