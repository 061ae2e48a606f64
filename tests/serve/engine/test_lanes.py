"""Who is run next, in what company, and how long it takes: without threads."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from served import ByPlace, Noisy, Plain, model_of

from ganworks.serve.engine.jobs import RowsJob
from ganworks.serve.engine.lanes import PackedBatch, RowsLane, WindowBatch
from ganworks.serve.engine.rows import SeedRows


def on_a_loop(work):
    async def run():
        return work()

    return asyncio.run(run())


def lane_of(net, measured=True) -> RowsLane:
    lane = RowsLane(model_of(net))
    if measured:
        for _ in lane.measuring or ():
            pass
        lane.measuring = None
        lane.places.seconds = {size: 1.0 if size <= 16 else size / 16 for size in lane.places.sizes}
    return lane


def add(lane: RowsLane, *counts: int, seconds: float = 60.0) -> list[RowsJob]:
    made = []
    for seed, n in enumerate(counts):
        rows = SeedRows(lane.model, n, seed, None, 1.0, 3 * seed)
        made.append(RowsJob(rows, np.empty((n, 6), np.float32), seconds))
        lane.jobs.append(made[-1])
    return made


def test_long_and_short_requests_take_turns():
    def work():
        lane = lane_of(Plain())
        long, *short = add(lane, 1000, *[1] * 40)
        batches = 0
        while any(not job.over for job in short):
            batch = lane.take()
            batch.run()
            batches += 1
            assert long.taken, "the long one moves on"
        assert batches <= 4 and 0 < long.taken < 64
        before = long.taken
        lane.take().run()
        assert long.taken == before + 16, "alone, it has all of the batch"

    on_a_loop(work)


@pytest.mark.parametrize("net", [Plain(), ByPlace(), Noisy()], ids=["alike", "by place", "noise"])
def test_what_is_packed_is_what_the_model_makes(net):
    def work():
        lane = lane_of(net)
        jobs = add(lane, 1, 7, 33, 1, 2, 150)
        kinds = set()
        while lane.jobs:
            batch = lane.take()
            kinds.add(type(batch))
            batch.run()
        assert kinds == ({WindowBatch} if lane.model.draws else {PackedBatch})
        for seed, job in enumerate(jobs):
            assert np.array_equal(job.result, lane.model.sample(job.cost, seed, start=3 * seed).data)

    on_a_loop(work)


def test_the_best_batch_is_the_smallest_of_the_fastest():
    lane = lane_of(Plain())
    assert lane._best == 16
    assert [lane._fitting(rows) for rows in (1, 3, 9, 16, 500)] == [1, 3, 9, 16, 16]
    lane.places.seconds |= {8: 0.5, 4: 0.5}
    assert lane._fitting(9) == 8, "a full batch of 8 is faster than 9 in one of 16"
    assert lane._fitting(15) == 8 or lane._fitting(15) == 15


def test_waiting_times_count_batches_and_the_load_of_the_machine():
    def work():
        lane = lane_of(Plain())
        add(lane, *[1] * 32)
        assert lane.wait(1) == pytest.approx(3.0)  # 33 rows in batches of 16, of a second each
        lane.slow = 2.0
        assert lane.wait(1) == pytest.approx(6.0)
        add(lane, 10_000)
        assert lane.wait(1) < 8, "a long request does not hold up a short one"
        assert lane.wait(1000) > 100

    on_a_loop(work)


def test_measuring_goes_first_when_many_wait():
    def work():
        lane = lane_of(Plain(), measured=False)
        assert lane.measuring is not None
        lane.places.seconds[lane.places.chunk] = 0.1
        lane.spent = 0.0
        assert not lane.owed
        add(lane, 1)
        lane.spent = 0.05
        assert lane.owed, "in turn with windows"
        lane.places.spent = 0.1
        assert not lane.owed
        add(lane, *[1] * 12)
        assert lane.owed, "12 windows cost more than measuring"

    on_a_loop(work)


def test_a_batch_waits_only_for_those_that_were_there_just_now():
    def work():
        lane = lane_of(Plain())
        add(lane, 1)
        assert lane.pause(time.monotonic(), 0.003) == 0, "an idle model runs at once"
        lane.last_rows, lane.last_end = 8, time.monotonic()
        assert lane.pause(time.monotonic(), 0.003) == 0.003
        assert lane.pause(time.monotonic() + 1, 0.003) == 0
        add(lane, *[1] * 16)
        assert lane.pause(time.monotonic(), 0.003) == 0, "enough wait for a full batch"

    on_a_loop(work)
