"""`ganworks studio` as a process: its address, a real training that outlives it, and what it refuses."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest
from asking import wait_for

from ganworks.cli.main import main
from ganworks.studio.keeping import kept_token
from ganworks.studio.places import Place

SMALL = {"batch": "16", "budget": "100000000", "device": "cpu", "precision": "fp32", "judge": "off", "evaluate": "off",
         "train.threads": "1", "train.save": "600"}  # fmt: skip


@contextmanager
def opened(folder, log, *words):
    """A studio in a process of its own: (process, client that holds its cookie)."""
    with log.open("wb") as out:
        command = [sys.executable, "-m", "ganworks", "studio", str(folder), "open=off", "port=0", *words]
        with subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as server:
            found = wait_for(lambda: re.search(r"http://\S+\?token=\S+", log.read_text()), "the address", 120)
            url, _, _ = found[0].partition("?")
            with httpx.Client(base_url=url, timeout=60, follow_redirects=True) as asking:
                wait_for(lambda: _answers(asking, found[0]), "the server", 120)
                yield server, asking
            server.kill()


def _answers(asking, url):
    try:
        return asking.get(url).status_code == 200
    except httpx.TransportError:
        return False


def summary(asking):
    return asking.get("api/runs/mine").json()


def test_a_training_outlives_a_killed_server_and_is_paused_and_resumed_by_the_next(tmp_path):
    folder, log = tmp_path / "work", tmp_path / "log"
    try:
        with opened(folder, log) as (server, asking):
            body = {"data": "builtin:digits", "recipe": "image", "name": "mine", "settings": SMALL}
            assert asking.post("api/runs", json=body).status_code == 201
            wait_for(lambda: summary(asking)["seen"] > 0, "the training", 240)
            cookies = dict(asking.cookies)
            server.send_signal(signal.SIGKILL)
            server.wait()
        with opened(folder, log) as (server, asking):
            assert dict(asking.cookies) == cookies  # an open page goes on
            at = summary(asking)
            assert at["status"] == "running" and at["phase"] == "training"
            wait_for(lambda: summary(asking)["seen"] > at["seen"], "more examples", 120)
            asking.post("api/runs/mine/pause", json={})
            paused = wait_for(lambda: (s := summary(asking))["status"] == "paused" and s, "the pause", 120)
            assert (
                paused["seen"] > 0 and not list((folder / "runs/mine").glob(".owner")) and paused["uses"] == ["sample"]
            )
            assert f"state/{paused['seen']:012d}.safetensors" in (folder / "runs/mine/manifest.json").read_text()
            asking.post("api/runs/mine/resume", json={})
            wait_for(lambda: summary(asking)["seen"] > paused["seen"], "the training to go on", 240)
            second = subprocess.run(
                [sys.executable, "-m", "ganworks", "studio", str(folder), "open=off"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert second.returncode == 2 and "open already" in second.stderr + second.stdout
            server.send_signal(signal.SIGINT)
            assert server.wait(60) in (0, 130) and "trainings" in log.read_text().lower()
    finally:
        _end(folder)


def _end(folder):
    from ganworks.studio.trainings.jobs import Jobs

    if (pid := Jobs(Place(folder)).running("mine")) is not None:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "b"], "one folder"),
        (["x", "token=short"], "token"),
        (["x", "token=with spaces in it"], "token"),
        (["x", "port=nine"], "port"),
        (["x", "port=99999"], "port"),
        (["x", "host=no.such.host.invalid"], "listen"),
        (["x", "nothing=1"], "nothing"),
        (["file"], "file"),
    ],
)
def test_wrong_words(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["studio", *words, *(["open=off"] if "file" not in words else [])]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_when_it_was_asked_for(tmp_path, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert main(["studio", str(tmp_path), f"port={other.getsockname()[1]}", "open=off"]) == 2
    assert "port=" in capsys.readouterr().err


def test_the_token_is_kept_for_the_user_alone(tmp_path):
    place = Place(tmp_path)
    place.prepare()
    token = kept_token(place)
    assert len(token) >= 32 and kept_token(place) == token
    path = place.own / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert kept_token(place) != token and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_page_needs_no_torch():
    code = (
        "import sys; from ganworks.studio.app import create_studio; from starlette.testclient import TestClient\n"
        "import tempfile; folder = tempfile.mkdtemp()\n"
        "asked = TestClient(create_studio(folder, 'x' * 32), base_url='http://localhost',"
        " headers={'authorization': 'Bearer ' + 'x' * 32})\n"
        "assert asked.get('/').status_code == asked.get('/api/state').status_code == 200\n"
        "assert asked.get('/api/data').status_code == 200\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules and 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
