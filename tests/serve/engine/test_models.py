"""Models are loaded once, given up when room is needed, and replaced when their files change."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from served import same_bytes, serving, write_run

from ganworks.networks.mlp import MLP
from ganworks.serve.asks import SampleAsk
from ganworks.serve.engine import BusyError, CannotLoadError
from ganworks.serve.engine import models as models_module
from ganworks.use.model import Model

GIB = 2.0**30


@pytest.fixture
def paths(tmp_path) -> dict[str, Path]:
    return {name: write_run(tmp_path / name, seed=k) for k, name in enumerate("abc")}


@pytest.fixture
def opened(monkeypatch) -> list[Path]:
    """The models that were loaded, in order."""
    found: list[Path] = []
    real = models_module.open_model

    def opening(path, *rest):
        found.append(path)
        return real(path, *rest)

    monkeypatch.setattr(models_module, "open_model", opening)
    return found


def test_a_model_is_loaded_at_its_first_use_and_once(paths, opened):
    async def work(engine):
        assert engine.state("a")["state"] == "waiting" and not opened
        await asyncio.gather(*(engine.sample(SampleAsk("a", seed=seed)) for seed in range(20)))
        assert opened == [paths["a"]]
        assert engine.state("a")["state"] == "loaded" and engine.state("b")["state"] == "waiting"

    serving(paths, work)


def test_loading_leaves_the_event_loop_free(paths, monkeypatch):
    real = models_module.open_model
    monkeypatch.setattr(models_module, "open_model", lambda *a: (time.sleep(0.3), real(*a))[1])

    async def work(engine):
        first = asyncio.create_task(engine.sample(SampleAsk("a")))
        ticks = 0
        while not first.done():
            await asyncio.sleep(0.01)
            ticks += 1
            if ticks == 5:
                assert engine.state("a")["state"] == "loading"
        assert ticks > 8
        first.cancel()

    serving(paths, work)


@pytest.mark.parametrize("damage", ["header", "hash", "nan", "missing"])
def test_a_model_that_cannot_be_loaded_says_so_and_harms_nobody(paths, damage, opened, monkeypatch):
    file = paths["a"] / "generator.safetensors"
    if damage == "missing":
        file.unlink()
    elif damage == "nan":
        model = Model.load(paths["a"])
        next(model.net.parameters()).data[0] = float("nan")
        model.save(file)
    else:
        content = bytearray(file.read_bytes())
        content[4 if damage == "header" else -1] ^= 0xFF
        file.write_bytes(content)

    async def work(engine):
        for _ in range(3):
            with pytest.raises(CannotLoadError, match='"a" cannot be loaded') as error:
                await engine.sample(SampleAsk("a"))
            assert error.value.reason == "cannot_load"
        tried = len(opened)
        assert tried <= 1, "a model that failed is not tried at each request"
        assert len(await engine.sample(SampleAsk("b"))) == 1
        assert engine.state("a")["state"] == "failed" and "cannot be loaded" in engine.state("a")["reason"]
        shutil.copytree(paths["c"], paths["a"], dirs_exist_ok=True)
        monkeypatch.setattr(models_module, "_AGAIN_S", 0.0)
        return await asyncio.wait_for(_until_loaded(engine), 10)

    assert same_bytes(serving(paths, work), Model.load(paths["c"], device="cpu").sample())


async def _until_loaded(engine):
    while True:
        try:
            return await engine.sample(SampleAsk("a"))
        except CannotLoadError:
            await asyncio.sleep(0.02)


def test_a_run_that_is_trained_on_is_picked_up_without_mixing(paths, monkeypatch):
    monkeypatch.setattr(models_module, "_LOOK_S", 0.0)
    old, new = (Model.load(paths[name], device="cpu").sample(3000, 1) for name in ("a", "b"))

    async def work(engine):
        first = [part async for part in _few(engine.stream(SampleAsk("a", 3000, 1)))]
        os.utime(paths["a"] / "generator.safetensors")  # touched: the same content
        await engine.sample(SampleAsk("a"))
        under_way = asyncio.create_task(engine.sample(SampleAsk("a", 3000, 1)))
        await asyncio.sleep(0.01)
        for name in ("generator.safetensors", "manifest.json"):
            shutil.copy(paths["b"] / name, paths["a"] / "copy")
            (paths["a"] / "copy").replace(paths["a"] / name)
        found = [await under_way]
        while not same_bytes(found[-1], new):
            found.append(await engine.sample(SampleAsk("a", 3000, 1)))
        assert all(same_bytes(one, old) or same_bytes(one, new) for one in found), "old and new in one answer"
        return first

    assert serving(paths, work)


async def _few(parts, most=2):
    async for part in parts:
        yield part
        most -= 1
        if not most:
            return


def test_a_touched_file_is_not_loaded_again(paths, opened, monkeypatch):
    monkeypatch.setattr(models_module, "_LOOK_S", 0.0)

    async def work(engine):
        await engine.sample(SampleAsk("a"))
        for _ in range(5):
            os.utime(paths["a"] / "generator.safetensors")
            await engine.sample(SampleAsk("a"))
            await asyncio.sleep(0.02)
        assert len(opened) == 1

    serving(paths, work)


def test_a_damaged_new_version_leaves_the_old_one(paths, monkeypatch):
    monkeypatch.setattr(models_module, "_LOOK_S", 0.0)
    expected = Model.load(paths["a"], device="cpu").sample()

    async def work(engine):
        await engine.sample(SampleAsk("a"))
        (paths["a"] / "generator.safetensors").write_bytes(b"no network")
        for _ in range(5):
            assert same_bytes(await engine.sample(SampleAsk("a")), expected)
            await asyncio.sleep(0.02)

    serving(paths, work)


def test_the_one_used_longest_ago_makes_room(paths, opened):
    size = (paths["a"] / "generator.safetensors").stat().st_size

    async def work(engine):
        for name in "abac":
            await engine.sample(SampleAsk(name))
        assert [engine.state(name)["state"] for name in "abc"] == ["loaded", "waiting", "loaded"]
        await engine.sample(SampleAsk("b"))
        assert [path.name for path in opened] == ["a", "b", "c", "b"]

    serving(paths, work, memory_gib=2.5 * size / GIB)


def test_a_model_in_use_is_never_given_up(paths):
    size = (paths["a"] / "generator.safetensors").stat().st_size

    async def work(engine):
        async with engine._lease("a", "sample", 1.0) as held:
            with pytest.raises(BusyError, match="no room") as error:
                await engine.sample(SampleAsk("b"))
            assert error.value.seconds and engine.state("a")["state"] == "loaded"
            assert held.thing.sample(1).data.any()

    serving(paths, work, memory_gib=1.5 * size / GIB)


def test_a_model_above_the_budget_says_what_to_do(paths):
    async def work(engine):
        with pytest.raises(CannotLoadError, match="memory="):
            await engine.sample(SampleAsk("a"))

    serving(paths, work, memory_gib=1e-6)


def test_a_file_alone_is_served(tmp_path):
    run = write_run(tmp_path / "run", MLP(hidden=(8,)))
    file = run / "generator.safetensors"
    found = serving({"x": file}, lambda engine: engine.sample(SampleAsk("x", 2)))
    assert np.array_equal(found.data, Model.load(file, device="cpu").sample(2).data)
