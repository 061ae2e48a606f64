"""Trainings are processes of their own: started, paused, resumed, stopped, killed, found again after a restart."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from asking import client, stand_in, wait_for

from ganworks.studio.places import Place
from ganworks.studio.trainings import jobs as jobs_module
from ganworks.studio.trainings import processes
from ganworks.studio.trainings.jobs import Jobs

LONG = {"data": "builtin:digits", "settings": {"budget": "1000000"}}


@pytest.fixture
def studio(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs_module, "PROGRAM", stand_in(tmp_path))
    found = client(tmp_path / "work")
    yield found
    jobs = Jobs(Place(tmp_path / "work"))
    for name in jobs.names():
        if (pid := jobs.running(name)) is not None:
            os.kill(pid, signal.SIGKILL)


def status(studio, name, wanted):
    return wait_for(lambda: (s := studio.get(f"/api/runs/{name}").json())["status"] == wanted and s, f"{name} {wanted}")


def seen(studio, name, least):
    return wait_for(lambda: (s := studio.get(f"/api/runs/{name}").json())["seen"] >= least and s, f"{name} at {least}")


def process(studio, name):
    return studio.app.state.studio.runs.jobs.running(name)


def again(tmp_path):
    """A new server over the same folder."""
    return client(tmp_path / "work")


def test_a_training_is_started_and_finishes(studio):
    answer = studio.post("/api/runs", json={**LONG, "settings": {"budget": "100"}})
    assert answer.status_code == 201 and answer.json()["status"] == "running"
    assert answer.json()["name"] == "digits-image-1" and answer.json()["recipe"] == "image"
    done = status(studio, "digits-image-1", "finished")
    assert (done["seen"], done["share"], done["data"]) == (100, 1.0, "digits")
    assert done["command"] == "ganworks train image data=digits out=runs/digits-image-1 budget=100"
    assert studio.post("/api/runs/digits-image-1/resume", json={}).status_code == 409
    curves = studio.get("/api/runs/digits-image-1/curves").json()
    assert curves["x"] == list(range(10, 110, 10)) and curves["series"]["g_loss"] == curves["x"]
    second = studio.post("/api/runs", json={**LONG, "settings": {"budget": "10"}}).json()
    assert second["name"] == "digits-image-2"


def test_pause_resume_and_stop(studio):
    studio.post("/api/runs", json={**LONG, "name": "mine"})
    seen(studio, "mine", 30)
    studio.post("/api/runs/mine/pause", json={})
    paused = status(studio, "mine", "paused")
    assert process(studio, "mine") is None and paused["alarm"] is None
    studio.post("/api/runs/mine/resume", json={})
    later = seen(studio, "mine", paused["seen"] + 20)
    assert later["status"] == "running"
    studio.post("/api/runs/mine/stop", json={})
    assert status(studio, "mine", "stopped")["seen"] >= later["seen"]
    assert studio.post("/api/runs/mine/pause", json={}).json()["status"] == "paused"


def test_a_new_server_knows_a_running_training_and_can_stop_it(studio, tmp_path):
    studio.post("/api/runs", json={**LONG, "name": "mine"})
    at = seen(studio, "mine", 10)["seen"]
    other = again(tmp_path)
    assert other.get("/api/state").json()["runs"][0]["status"] == "running"
    assert seen(other, "mine", at + 20)
    other.post("/api/runs/mine/stop", json={})
    assert status(other, "mine", "stopped") and status(studio, "mine", "stopped")


def test_a_killed_training_is_told_and_goes_on(studio, tmp_path):
    studio.post("/api/runs", json={**LONG, "name": "mine"})
    at = seen(studio, "mine", 20)["seen"]
    os.kill(process(studio, "mine"), signal.SIGKILL)
    ended = status(studio, "mine", "stopped")
    assert "Resume" in ended["alarm"] and again(tmp_path).get("/api/runs/mine").json()["status"] == "stopped"
    studio.post("/api/runs/mine/resume", json={})
    assert seen(studio, "mine", at + 20)["status"] == "running"


def test_a_failed_start_says_why(studio, tmp_path):
    studio.post("/api/runs", json={**LONG, "name": "mine", "settings": {"budget": "wrong"}})
    assert "budget must be a time" in status(studio, "mine", "failed")["alarm"]
    assert again(tmp_path).get("/api/runs/mine").json()["status"] == "failed"


def test_a_server_killed_before_it_wrote_the_number_down_finds_the_process(studio, tmp_path):
    studio.post("/api/runs", json={**LONG, "name": "mine"})
    pid = process(studio, "mine")
    path = tmp_path / "work/.studio/jobs/mine.json"
    record = json.loads(path.read_text())
    assert record["pid"] == pid and record["identity"]
    path.write_text(json.dumps({**record, "pid": None, "identity": ""}))
    assert process(again(tmp_path), "mine") == pid


def test_a_signal_that_was_written_down_and_not_sent_is_sent_after_a_restart(studio, tmp_path):
    studio.post("/api/runs", json={**LONG, "name": "mine"})
    seen(studio, "mine", 10)
    path = tmp_path / "work/.studio/jobs/mine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "asked": "pause", "signalled": False}))
    other = again(tmp_path)
    other.app.state.studio.runs.jobs.settle()
    assert status(other, "mine", "paused")


def test_a_process_is_asked_once_though_the_button_is_pressed_twice(studio, monkeypatch):
    studio.post("/api/runs", json={**LONG, "name": "mine"})
    seen(studio, "mine", 10)
    sent = []
    with monkeypatch.context() as patched:
        patched.setattr(jobs_module.os, "kill", lambda pid, number: sent.append(number))
        for _ in range(3):
            studio.post("/api/runs/mine/stop", json={})
    assert len(sent) == 1


def test_a_number_that_another_process_has_now_is_never_signalled(studio, tmp_path, monkeypatch):
    studio.post("/api/runs", json={**LONG, "name": "mine", "settings": {"budget": "20"}})
    status(studio, "mine", "finished")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        path = tmp_path / "work/.studio/jobs/mine.json"
        record = {**json.loads(path.read_text()), "pid": stranger.pid}  # the identity is that of the old process
        path.write_text(json.dumps(record))
        (tmp_path / "work/runs/mine/.owner").write_text(f"process {stranger.pid} on {os.uname().nodename}")
        old = time.time() - 3600
        os.utime(tmp_path / "work/runs/mine/.owner", (old, old))
        other = again(tmp_path)
        assert process(other, "mine") is None
        for what in ("stop", "pause"):
            other.post(f"/api/runs/mine/{what}", json={})
        assert stranger.poll() is None
        stranger.kill()


def test_an_ended_child_is_no_running_process():
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        known = processes.identity(child.pid)
        assert processes.runs(child.pid, known)
        wait_for(lambda: not processes.runs(child.pid, known), "the zombie to count as ended")
    assert processes.runs(os.getpid(), processes.identity(os.getpid()))
    assert not processes.runs(os.getpid(), "another time") and not processes.runs(None, "x")
    assert not processes.began_before(os.getpid(), time.time() - 86_400)


def test_a_run_is_moved_to_the_trash_and_not_while_it_trains(studio, tmp_path):
    studio.post("/api/runs", json={**LONG, "name": "mine"})
    seen(studio, "mine", 10)
    headers = {"content-type": "application/json"}
    assert studio.delete("/api/runs/mine", headers=headers).status_code == 409
    studio.post("/api/runs/mine/stop", json={})
    status(studio, "mine", "stopped")
    assert studio.delete("/api/runs/mine", headers=headers).status_code == 200
    assert studio.get("/api/state").json()["runs"] == []
    kept = next((tmp_path / "work/trash").iterdir())
    assert (kept / "metrics.jsonl").is_file() and (kept / "studio.log").is_file()


@pytest.mark.parametrize("name", ["../up", "a/b", "..", ".hidden", "x" * 101])
def test_names_of_runs_lead_nowhere_else(studio, tmp_path, name):
    answer = studio.post("/api/runs", json={**LONG, "name": name, "settings": {"budget": "10"}})
    made = {path.name for path in (tmp_path / "work").iterdir()}
    assert made <= {"runs", "data", ".studio"}
    if answer.status_code == 201:
        assert "/" not in answer.json()["name"] and not answer.json()["name"].startswith(".")


@pytest.mark.parametrize(
    "settings", [{"out": "/x"}, {"data": "x"}, {"plugin": "os"}, {"a b": "1"}, {"--x": "1"}, {"seed": "1\n2"}]
)
def test_settings_that_only_the_command_line_has_are_refused(studio, settings):
    assert studio.post("/api/runs", json={**LONG, "settings": settings}).status_code == 400
    assert studio.get("/api/state").json()["runs"] == []


def test_names_and_recipes_that_are_not_there(studio):
    assert studio.post("/api/runs", json={"data": "nothing.csv"}).status_code == 404
    assert studio.post("/api/runs", json={"data": "builtin:nothing"}).status_code == 404
    assert studio.post("/api/runs", json={**LONG, "recipe": "imagge"}).status_code == 400
    studio.post("/api/runs", json={**LONG, "name": "mine", "settings": {"budget": "10"}})
    assert studio.post("/api/runs", json={**LONG, "name": "mine"}).status_code == 409
    for what in ("stop", "pause", "resume", "publish"):
        assert studio.post(f"/api/runs/none/{what}", json={}).status_code == 404


def test_a_page_may_fetch_what_the_state_names_and_nothing_else(studio, tmp_path):
    studio.post("/api/runs", json={**LONG, "name": "mine", "settings": {"budget": "10"}})
    status(studio, "mine", "finished")
    run = tmp_path / "work/runs/mine"
    (run / "samples").mkdir()
    (run / "samples/000000000010.png").write_bytes(b"picture")
    (run / "secret.txt").write_text("secret")
    (tmp_path / "outside.png").write_bytes(b"outside")
    (run / "samples/000000000020.png").symlink_to(tmp_path / "outside.png")
    (run / "report.html").write_text("<script>1</script>")
    detail = studio.get("/api/runs/mine").json()
    assert [each["seen"] for each in detail["snapshots"]] == [10]
    assert studio.get(f"/{detail['snapshots'][0]['url']}").content == b"picture"
    for name in (
        "secret.txt",
        "samples/000000000020.png",
        "../mine/secret.txt",
        "%2e%2e/%2e%2e/outside.png",
        "state/x",
    ):
        assert studio.get(f"/api/runs/mine/files/{name}").status_code == 404, name
    report = studio.get("/api/runs/mine/files/report.html")
    assert report.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert str(tmp_path) not in studio.get("/api/state").text + studio.get("/api/runs/mine").text


def test_runs_side_by_side(studio):
    for name in ("a", "b"):
        studio.post("/api/runs", json={**LONG, "name": name, "settings": {"budget": "10"}})
        status(studio, name, "finished")
    found = studio.get("/api/compare?runs=a,b").json()
    assert [row[0] for row in found["rows"]] == ["a", "b"]
    assert all(len(row) == len(found["columns"]) for row in found["rows"])
    assert studio.get("/api/compare?runs=a,none").status_code == 404


def test_recipes_come_with_their_settings(studio):
    found = studio.get("/api/recipes/dcgan").json()
    assert found["schema"]["properties"]["recipe"]["const"] == "dcgan" and found["kind"] == "images"
    assert found["often"][:2] == ["budget", "size"] and found["text"]
    assert studio.get("/api/recipes/none").status_code == 400
    assert "dcgan" in [each["name"] for each in studio.get("/api/state").json()["recipes"]]
