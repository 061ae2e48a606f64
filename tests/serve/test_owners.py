"""Jobs belong to the key that asked for them: to all other keys they are not there."""

import asyncio
import shutil

import pytest

from ganworks.core.errors import GanworksError
from ganworks.serve.access.keys import Key
from ganworks.serve.access.ticket import Ticket
from ganworks.serve.jobs import Jobs, NoJobError


def as_key(name, *scopes):
    """What the next lines ask is asked with a key of this name; "" for none."""
    ticket = Ticket("x", "GET", key=Key("0" * 12, name, scopes or ("sample",)) if name else None)
    ticket.enter()


async def write(job):
    job.file.write_bytes(b"result")


async def forever(job):
    await asyncio.Event().wait()


def in_loop(test):
    async def work():
        jobs = Jobs()
        try:
            await asyncio.wait_for(test(jobs), 20)
        finally:
            as_key("")
            await jobs.close()

    asyncio.run(work())


def test_a_job_is_there_for_its_key_and_for_admin_alone():
    async def test(jobs):
        as_key("anna")
        done, running = (jobs.begin(1, "x.zip", "application/zip", work) for work in (write, forever))
        kept = jobs.keep(b"x", "x.png", "image/png")
        await done.task
        for stranger in ("ben", ""):
            as_key(stranger)
            for job in (done, running, kept):
                for look in (jobs.get, jobs.result):
                    with pytest.raises(NoJobError, match="no job"):
                        look(job.id)
                with pytest.raises(NoJobError):
                    await jobs.cancel(job.id)
        assert done.file.exists() and kept.file.exists() and not running.task.done()
        as_key("anna")
        assert jobs.result(done.id) is done and jobs.result(kept.id) is kept
        as_key("root", "admin")
        assert (await jobs.cancel(running.id)).state == "cancelled"

    in_loop(test)


def test_without_keys_jobs_are_for_all():
    async def test(jobs):
        as_key("")
        job = jobs.begin(1, "x.zip", "application/zip", write)
        await job.task
        as_key("anna")
        assert jobs.result(job.id) is job

    in_loop(test)


def test_the_end_of_the_service_cancels_the_jobs_of_all_keys():
    async def work():
        jobs = Jobs()
        as_key("anna")
        job = jobs.begin(1, "x.zip", "application/zip", forever)
        await asyncio.sleep(0)
        as_key("")
        await jobs.close()
        assert job.task.done() and job.state == "cancelled"

    asyncio.run(work())


def test_a_full_disk_takes_no_place_in_the_queue(monkeypatch):
    async def test(jobs):
        from pathlib import Path

        def full(self, content):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(Path, "write_bytes", full)
            for _ in range(jobs.waiting + 2):
                with pytest.raises(GanworksError, match="no room"):
                    jobs.keep(b"x", "x.png", "image/png")
        await jobs.begin(1, "x.zip", "application/zip", write).task  # it was not taken for a job that waits

    in_loop(test)


def test_results_that_a_cleaner_removed_are_gone_and_new_ones_are_made():
    async def test(jobs):
        kept = jobs.keep(b"x", "x.png", "image/png")
        shutil.rmtree(kept.file.parent.parent)
        with pytest.raises(NoJobError):
            jobs.get(kept.id)
        again = jobs.keep(b"y", "y.png", "image/png")
        assert jobs.result(again.id).file.read_bytes() == b"y"

    in_loop(test)
