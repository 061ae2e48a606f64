"""Long work: queued, watched, resumed, cancelled, kept for a while and within a size."""

import asyncio
import json
import zipfile

import pytest
from http_service import client_of, run

from ganworks.cli import sample as cli_sample
from ganworks.cli.main import main
from ganworks.core.errors import UsageError
from ganworks.serve import service
from ganworks.serve.jobs import Jobs, JobStateError, NoJobError, TooManyJobsError, events_of


async def write(job):
    job.file.write_bytes(b"x" * 100)


async def forever(job):
    job.file.write_bytes(b"half")
    await asyncio.Event().wait()


async def fails(job):
    raise UsageError("It cannot be done.")


def begin(jobs, work=write, total=3):
    return jobs.begin(total, "x.zip", "application/zip", work)


def in_loop(test, **settings):
    async def work():
        jobs = Jobs(**settings)
        try:
            return await asyncio.wait_for(test(jobs), 20)
        finally:
            await jobs.close()

    return asyncio.run(work())


def test_a_job_ends_with_a_result_that_is_kept():
    async def test(jobs):
        job = begin(jobs)
        with pytest.raises(JobStateError):
            jobs.result(job.id)
        await job.task
        assert jobs.result(job.id).file.read_bytes() == b"x" * 100 and job.done == 3
        folder = job.file.parent.parent
        await jobs.close()
        assert not folder.exists()

    in_loop(test)


def test_a_job_that_fails_says_why_and_leaves_nothing():
    async def test(jobs):
        job = begin(jobs, fails)
        await job.task
        assert job.state == "failed" and not job.file.parent.exists()
        with pytest.raises(UsageError, match="cannot be done"):
            jobs.result(job.id)

    in_loop(test)


def test_a_job_is_cancelled_waiting_running_and_done():
    async def test(jobs):
        running, waiting = begin(jobs, forever), begin(jobs)
        await asyncio.sleep(0.01)
        assert (running.state, waiting.state) == ("running", "queued")
        for job in (waiting, running):
            assert (await jobs.cancel(job.id)).state == "cancelled"
            assert not job.file.exists()
        done = begin(jobs)
        await done.task
        await jobs.cancel(done.id)
        assert not done.file.exists()
        with pytest.raises(JobStateError):
            jobs.result(done.id)

    in_loop(test)


def test_no_more_jobs_wait_than_are_taken():
    async def test(jobs):
        for _ in range(3):
            begin(jobs, forever)
        with pytest.raises(TooManyJobsError):
            begin(jobs)

    in_loop(test, waiting=2)


def test_results_are_forgotten_by_age_and_by_size():
    async def test(jobs):
        made = [begin(jobs) for _ in range(3)]
        await asyncio.gather(*(job.task for job in made))
        with pytest.raises(NoJobError):
            jobs.get(made[0].id)
        assert not made[0].file.exists() and jobs.result(made[2].id)
        jobs.keep_s = 0.0
        with pytest.raises(NoJobError):
            jobs.get(made[2].id)

    in_loop(test, most_bytes=250)


def test_events_are_resumed_after_the_last_one_that_came():
    async def test(jobs):
        job = begin(jobs)
        job.progress(1)
        job.progress(2)
        await job.task
        every = [event async for event in events_of(job, 0)]
        assert [e.splitlines()[1] for e in every] == [
            "event: queued", "event: progress", "event: progress", "event: running", "event: done"
        ]  # fmt: skip
        assert [event async for event in events_of(job, 3)] == every[3:]
        waiting = begin(jobs, forever)
        quiet = events_of(waiting, 2, silence=0.01)
        assert (await anext(quiet)).startswith(":")  # a comment keeps the connection alive
        await quiet.aclose()

    in_loop(test)


def test_very_many_samples_become_a_job_with_the_bytes_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "FILES", 100)
    monkeypatch.setattr(cli_sample, "_BULK", 100)
    assert main(["sample", str(run("dcgan")), "130", "seed=4", "labels=2,0", f"out={tmp_path / 'x.zip'}"]) == 0
    with client_of("dcgan") as client:
        body = {"n": 130, "seed": 4, "labels": ["2", "0"]}
        answer = client.post("/v1/models/dcgan/sample", json=body)
        assert answer.status_code == 202
        job = answer.headers["location"]
        events = client.get(f"{job}/events")
        assert events.headers["cache-control"] == "no-store" and events.headers["x-accel-buffering"] == "no"
        assert events.text.rstrip().splitlines()[-2] == "event: done"
        last = client.get(f"{job}/events", headers={"last-event-id": "1"}).text
        assert last and last in events.text and "event: queued" not in last
        facts = client.get(job).json()
        assert facts["state"] == "done" and facts["done"] == 130
        made = client.get(facts["links"]["result"])
        assert made.content == (tmp_path / "x.zip").read_bytes()
        assert "dcgan-seed-4.zip" in made.headers["content-disposition"]
        assert client.delete(job).json()["state"] == "cancelled"
        assert client.get(f"{job}/result").status_code == 409
        assert client.get("/v1/jobs/nope").status_code == 404


def test_any_request_for_samples_can_be_a_job(tmp_path):
    with client_of("text") as client:
        for form in ("jsonl", "npz"):
            body = {"n": 300, "seed": 4, "format": form}
            job = client.post("/v1/models/text/sample", json={**body, "background": True}).headers["location"]
            assert client.get(f"{job}/events").text.count("event: done") == 1
            assert client.get(f"{job}/result").content == client.post("/v1/models/text/sample", json=body).content
        wrong = client.post("/v1/models/text/sample", json={"options": {"temperature": -1}, "background": True})
        client.get(f"{wrong.headers['location']}/events")
        facts = client.get(wrong.headers["location"]).json()
        assert facts["state"] == "failed" and "temperature" in facts["error"]["message"]
        assert client.get(f"{wrong.headers['location']}/result").status_code == 400


def test_a_zip_of_many_files_is_changed_by_a_job(tmp_path):
    from pictures import noise
    from PIL import Image

    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for k in range(9):
            Image.fromarray(noise(4, 4, 3, seed=k)).save(tmp_path / "a.png")
            archive.write(tmp_path / "a.png", f"{k}.png")
    with client_of("shift") as client:
        answer = client.post("/v1/models/shift/apply", files={"file": ("in.zip", (tmp_path / "in.zip").read_bytes())})
        assert answer.status_code == 202
        client.get(f"{answer.headers['location']}/events")
        (tmp_path / "out.zip").write_bytes(client.get(f"{answer.headers['location']}/result").content)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert len(archive.namelist()) == 10 and len(json.loads(archive.read("applied.json"))) == 9
