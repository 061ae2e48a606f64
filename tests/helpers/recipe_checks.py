"""What every recipe has to do, whatever its task: train, resume bit for bit, publish networks that load alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import ganworks as gw
from ganworks.runs.published import Published, load_net, published
from ganworks.runs.run import Run

SMALL = {"batch": 8, "budget": 48, "train.judge": False, "train.precision": "fp32", "train.threads": 1}


def clamps_between(outputs: Any, inputs: Any) -> list[str]:
    """The clamps on the ways of a gradient from a tensor to tensors it is taken of."""
    ends = {id(leaf) for leaf in (inputs if isinstance(inputs, list | tuple) else [inputs])}
    reached: dict[Any, bool] = {}
    stack = [outputs.grad_fn]
    while stack:
        node = stack[-1]
        below = [n for n, _ in node.next_functions if n is not None]
        if missing := [n for n in below if n not in reached]:
            stack += missing
            continue
        reached[node] = id(getattr(node, "variable", None)) in ends or any(reached[n] for n in below)
        stack.pop()
    return [node.name() for node, on in reached.items() if on and ("Clamp" in node.name() or "Hardtanh" in node.name())]


@contextmanager
def no_clamp_below_penalties() -> Iterator[None]:
    """Inside, a penalised gradient that passes through a clamp is an error.

    The gradient of a clamp at its bounds was 1 up to torch 2.13 and is 0 since, and data are often just there: white,
    black, silence.
    """
    plain = torch.autograd.grad

    def looked_at(outputs: Any, inputs: Any, *more: Any, **how: Any) -> Any:
        if how.get("create_graph"):
            found = clamps_between(outputs, inputs)
            assert not found, f"a penalty is taken through {found}"
        return plain(outputs, inputs, *more, **how)

    torch.autograd.grad = looked_at
    try:
        yield
    finally:
        torch.autograd.grad = plain


def check_recipe(
    name: str, data: Any, tmp_path: Path, *, resumes: bool = True, **settings: Any
) -> dict[str, Published]:
    """Train straight and with an interruption in the middle; compare all tensors; load what was published, alone.

    resumes: False leaves the interruption out, where the same recipe was interrupted on other data. settings: as for
    `gw.train`, over SMALL. Returns the published networks by player.
    """
    settings = SMALL | settings
    straight, out = tmp_path / f"{name}-straight", tmp_path / f"{name}-run"
    with no_clamp_below_penalties():
        list(gw.train(name, data=data, out=straight, **settings))
    if resumes:
        _interrupted(name, data, straight, out, settings)
    for file in straight.glob("*.safetensors"):
        alone = shutil.copy(file, tmp_path / file.name)
        assert load_net(alone).net is not None
    assert list(straight.glob("samples/*.*")), "nothing to look at"
    return published(straight)


def _interrupted(name: str, data: Any, straight: Path, out: Path, settings: dict[str, Any]) -> None:
    """Interrupt and resume the training that went straight; every tensor is the same."""
    total = int(settings["budget"])
    for event in gw.train(name, data=data, out=out, **{**settings, "train.save": 0.0}):
        if getattr(event, "path", "").startswith(str(out / "state")) and event.seen >= total / 2:
            break
    assert total / 2 <= Run.open(out).load_state()[1]["seen"] < total, "the interruption came too late"
    list(gw.train(name, data=data, out=out, **{**settings, "train.save": 0.0}))
    (first, counters), (second, others) = (Run.open(path).load_state()[:2] for path in (straight, out))
    assert counters["seen"] == others["seen"] == total
    different = [k for k, v in first.items() if not torch.equal(v, second[k])]
    assert not different, f"not the same after a resume: {different[:5]}"
