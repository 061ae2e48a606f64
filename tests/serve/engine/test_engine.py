"""The engine answers with the bytes of the command line, whatever else it is asked at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from served import CLASSES, Noisy, pictures_run, same_bytes, serving, write_run

from ganworks.core.errors import UsageError
from ganworks.serve.asks import DecodeAsk, SampleAsk, WalkAsk
from ganworks.serve.engine import (
    BusyError,
    Engine,
    Limits,
    TooLargeError,
    TooLateError,
    UnknownModelError,
    WrongUseError,
)
from ganworks.use.model import Model


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    return {"pictures": pictures_run(folder / "a"), "plain": write_run(folder / "b", classes=())}


async def measured(engine: Engine, name: str) -> None:
    """Wait until the places of a model are known."""
    await engine.sample(SampleAsk(name))
    loaded = engine._models._place(name, "sample").loaded
    while any(lane.measuring is not None for lane in loaded.lanes.values()):
        await asyncio.sleep(0.01)
    assert all(lane.places.sizes for lane in loaded.lanes.values())


def mixed_asks(name: str, classes: int, count: int) -> list[SampleAsk]:
    draw = np.random.default_rng(7)
    return [
        SampleAsk(
            name,
            int(draw.choice([1, 1, 1, 5, 150])),
            int(draw.integers(50)),
            int(draw.integers(500)),
            int(draw.integers(classes)) if classes and k % 2 else None,
            float(draw.choice([1.0, 0.7])),
        )
        for k in range(count)
    ]


@pytest.mark.parametrize("name", ["pictures", "plain"])
def test_mixed_concurrent_requests_get_the_bytes_of_the_command_line(runs, name):
    asks = mixed_asks(name, len(CLASSES) if name == "pictures" else 0, 60)
    model = Model.load(runs[name], device="cpu")
    expected = [model.sample(a.n, a.seed, a.labels, a.truncation, a.start) for a in asks]

    async def work(engine):
        first = await asyncio.gather(*map(engine.sample, asks))  # canonical windows, while places are measured
        await measured(engine, name)
        runs_before = engine.figures()["runs"]
        second = await asyncio.gather(*map(engine.sample, asks))
        assert engine.figures()["runs"] - runs_before < len(asks), "requests must share batches"
        return [*first, *second]

    found = serving(runs, work)
    assert all(same_bytes(a, b) for a, b in zip(found, expected * 2, strict=True))
    assert all(
        np.array_equal(a.labels, b.labels) for a, b in zip(found, expected, strict=False) if b.labels is not None
    )


def test_latents_and_walks_are_the_bytes_of_the_model(runs):
    model = Model.load(runs["pictures"], device="cpu")
    z = model.latents(130, 3)
    walk = model.walk([1, 2, 3], 40, "dog", 0.8)
    own = model.decode(z, ["cat", "owl"])

    async def work(engine):
        for _ in range(2):
            assert same_bytes(await engine.decode(DecodeAsk("pictures", z.tolist(), ["cat", "owl"])), own)
            found = await engine.walk(WalkAsk("pictures", (1, 2, 3), 40, "dog", 0.8))
            assert same_bytes(found, walk)
            await measured(engine, "pictures")
        with pytest.raises(UsageError, match="Latents must be"):
            await engine.decode(DecodeAsk("pictures", [[1.0, 2.0]]))
        with pytest.raises(UsageError, match="rows of numbers"):
            await engine.decode(DecodeAsk("pictures", [["a"], [None]]))

    serving(runs, work)


def test_a_stream_is_the_samples_in_order(runs):
    ask = SampleAsk("pictures", 300, 5, 70, ["cat", "owl"])
    expected = Model.load(runs["pictures"], device="cpu").sample(300, 5, ["cat", "owl"], start=70)

    async def work(engine):
        return [part async for part in engine.stream(ask)]

    parts = serving(runs, work, limits=Limits(slice=64, samples=64))
    assert [len(part) for part in parts] == [58, 64, 64, 64, 50]
    assert np.array_equal(np.concatenate([part.data for part in parts]), expected.data)
    assert np.array_equal(np.concatenate([part.indices for part in parts]), expected.indices)
    assert np.array_equal(np.concatenate([part.labels for part in parts]), expected.labels)


def test_a_stream_that_is_left_stops(runs):
    async def work(engine):
        async for _ in engine.stream(SampleAsk("pictures", 100_000)):
            break
        await asyncio.sleep(0.05)
        assert engine.figures()["queued"] == {"pictures": 0, "plain": 0} and engine.figures()["under_way"] == 0

    serving(runs, work)


def test_a_long_request_does_not_hold_up_single_ones(runs):
    async def work(engine):
        await measured(engine, "pictures")
        long = asyncio.create_task(engine.sample(SampleAsk("pictures", 9000, 1)))
        await asyncio.sleep(0.02)
        for seed in range(5):
            await engine.sample(SampleAsk("pictures", 1, seed))
        assert not long.done(), "the long one would have to be over for this test to mean nothing"
        return await long

    expected = Model.load(runs["pictures"], device="cpu").sample(9000, 1)
    assert same_bytes(serving(runs, work), expected)


def test_models_share_the_thread(runs):
    async def work(engine):
        for name in runs:
            await measured(engine, name)
        long = asyncio.create_task(engine.sample(SampleAsk("pictures", 9000)))
        await asyncio.sleep(0.02)
        await engine.sample(SampleAsk("plain", 500))
        assert not long.done()
        await long

    serving(runs, work)


def test_requests_that_nobody_waits_for_are_not_run(runs):
    async def work(engine):
        await measured(engine, "pictures")
        engine._worker._change.acquire()  # nothing is taken from the queue
        try:
            kept = asyncio.create_task(engine.sample(SampleAsk("pictures", 1, 1)))
            left = asyncio.create_task(engine.sample(SampleAsk("pictures", 1, 2)))
            late = asyncio.create_task(engine.sample(SampleAsk("pictures", 1, 3, deadline_s=0.05)))
            await asyncio.sleep(0.01)
            left.cancel()
            await asyncio.sleep(0.1)
        finally:
            engine._worker._change.release()
        assert len(await kept) == 1
        with pytest.raises(TooLateError, match=r"0\.05 s") as error:
            await late
        assert error.value.reason == "too_late"
        with pytest.raises(asyncio.CancelledError):
            await left
        figures = engine.figures()
        assert (figures["late"], figures["gone"]) == (1, 1)

    serving(runs, work)


def test_a_full_queue_refuses_with_a_time_to_come_back(runs):
    async def work(engine):
        await measured(engine, "pictures")
        asks = [engine.sample(SampleAsk("pictures", 64, seed)) for seed in range(40)]
        found = await asyncio.gather(*asks, return_exceptions=True)
        refused = [error for error in found if isinstance(error, BusyError)]
        assert 20 < len(refused) < 40 and engine.figures()["refused"] == len(refused)
        assert all(error.seconds >= 1 and error.reason == "busy" for error in refused)
        assert all(isinstance(one, BusyError) or len(one) == 64 for one in found)

    serving(runs, work, limits=Limits(waiting=8))


def test_what_would_come_too_late_is_refused_at_once(runs):
    async def work(engine):
        await measured(engine, "pictures")
        long = asyncio.create_task(engine.sample(SampleAsk("pictures", 9000)))
        await asyncio.sleep(0.02)
        with pytest.raises(BusyError, match=r"deadline is 0\.01 s"):
            await engine.sample(SampleAsk("pictures", 2000, deadline_s=0.01))
        await long

    serving(runs, work)


def test_wrong_requests_say_what_is_wrong(runs):
    async def work(engine):
        with pytest.raises(UnknownModelError, match='Did you mean "pictures"'):
            await engine.sample(SampleAsk("picture"))
        with pytest.raises(UsageError, match="no class"):
            await engine.sample(SampleAsk("pictures", labels="cow"))
        with pytest.raises(UsageError, match="no option"):
            await engine.sample(SampleAsk("pictures", options={"where": "x"}))
        with pytest.raises(UsageError, match="plain values"):
            await engine.sample(SampleAsk("pictures", options={"where": {1}}))
        with pytest.raises(TooLargeError, match="n=10,001"):
            await engine.sample(SampleAsk("pictures", 10_001))
        with pytest.raises(TooLargeError):
            await engine.walk(WalkAsk("pictures", tuple(range(100)), 100))
        with pytest.raises(WrongUseError, match="`sample`"):
            await engine.predict(replace_files("pictures"))

    serving(runs, work)


def replace_files(name):
    from ganworks.serve.asks import PredictAsk

    return PredictAsk(name, (("a.png", png()),))


def png() -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "png")
    return buffer.getvalue()


def test_describe_says_what_a_program_needs(runs):
    facts = serving(runs, lambda engine: engine.describe("pictures"))
    model = Model.load(runs["pictures"], device="cpu")
    assert facts["use"] == "sample" and facts["classes"] == list(CLASSES) and facts["z_dim"] == model.z_dim
    assert facts["fingerprint"] == model.fingerprint and facts["state"]["state"] == "loaded"
    assert len(facts["sha256"]) == 64 and facts["limits"]["samples"] == 10_000


def test_draining_answers_what_came_and_refuses_what_comes(runs):
    async def work(engine):
        await measured(engine, "pictures")
        before = asyncio.create_task(engine.sample(SampleAsk("pictures", 300)))
        await asyncio.sleep(0)
        assert await engine.drain(10) and len(await before) == 300 and not engine.ready
        with pytest.raises(UsageError.__base__, match="takes no more"):
            await engine.sample(SampleAsk("pictures"))

    serving(runs, work)


def test_only_the_culprit_of_a_batch_fails(runs):
    async def work(engine):
        await measured(engine, "pictures")
        lane = next(iter(engine._models._place("pictures", "sample").loaded.lanes.values()))
        run = lane.model.run

        def poisoned(z, *rest):
            if (z.abs() > 50).any():
                raise ValueError("poison")
            return run(z, *rest)

        lane.model.run = poisoned
        z = np.zeros((1, lane.model.z_dim), np.float32)
        asks = [engine.decode(DecodeAsk("pictures", z + (60 if k == 3 else 0))) for k in range(16)]
        found = await asyncio.gather(*asks, return_exceptions=True)
        assert [k for k, one in enumerate(found) if isinstance(one, ValueError)] == [3]
        assert len([one for one in found if not isinstance(one, BaseException)]) == 15

    serving(runs, work)


def test_an_answer_that_differs_from_its_window_ends_the_use_of_places(runs, monkeypatch):
    monkeypatch.setattr("ganworks.serve.engine.lanes._AUDIT", 1)
    expected = Model.load(runs["pictures"], device="cpu").sample(3, 9)

    async def work(engine):
        await measured(engine, "pictures")
        lane = next(iter(engine._models._place("pictures", "sample").loaded.lanes.values()))
        run, whole = lane.model.run, lane.model.chunk
        lane.model.run = lambda z, *rest: run(z, *rest) if len(z) == whole else run(z, *rest) ^ 1
        found = await engine.sample(SampleAsk("pictures", 3, 9))
        assert not lane.places.sizes
        return found

    assert same_bytes(serving(runs, work), expected)


def test_options_are_those_of_the_model_and_kept(runs):
    asked = replace(SampleAsk("plain", 2), options={})

    async def work(engine):
        a, b = await engine.sample(asked), await engine.sample(asked)
        return same_bytes(a, b)

    assert serving(runs, work)


def test_noise_that_a_network_draws_is_keyed():
    from served import model_of

    model = model_of(Noisy())
    assert model.draws


def test_asking_whether_it_is_busy_disturbs_nothing(runs):
    """Read by the event loop while the worker's thread changes the queues."""

    async def work(engine):
        await measured(engine, "pictures")
        asks = [asyncio.create_task(engine.sample(SampleAsk("pictures", 40, seed))) for seed in range(60)]
        await asyncio.sleep(0)
        seen = set()
        while not all(ask.done() for ask in asks):
            for _ in range(200):
                seen.add(engine.refusal("pictures", 1e-6) is None)
                assert engine.refusal(None, 1e-6) is None, "another model is free"
            await asyncio.sleep(0)
        assert False in seen and engine.refusal("pictures", 1e-6) is None
        await asyncio.gather(*asks)

    serving(runs, work)
