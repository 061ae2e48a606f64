"""A signal at any moment of a verb: exit code 130, one sentence, and the same command ends with the same files."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from standins import publish

import ganworks as gw
from ganworks import api
from ganworks.cli import main as cli
from ganworks.report.terminal.meters import Meters
from ganworks.use import bulk, evaluate

SMALL = {"batch": 16, "device": "cpu", "train.threads": 1, "train.precision": "fp32", "networks.hidden": (16,)}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("interrupts") / "run"
    list(gw.train("mlp", data="digits", out=folder, budget=32, **{"train.judge": False}, **SMALL))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    publish(tmp_path / "standin")
    for k in range(3):
        path = tmp_path / "photos" / f"{k}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 60 * k, np.uint8)).save(path)
    return path.parent


@pytest.fixture
def interrupted(monkeypatch, capsys):
    """interrupted(words, number, at, hook): the last line of a command that a signal meets at call `at` of the hook."""

    def go(words: list[str], number: int, at: int, hook: tuple[object, str]) -> str:
        owner, name = hook
        inner, calls = getattr(owner, name), []

        def counted(*given: object, **named: object) -> object:
            calls.append(name)
            if len(calls) == at:
                signal.raise_signal(number)
            return inner(*given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, counted)
            before = signal.getsignal(number)
            assert cli.main(words) == 130, capsys.readouterr()
            assert signal.getsignal(number) is before
        err = capsys.readouterr().err
        assert "Traceback" not in err and "same command" in err.splitlines()[-1]
        return err.splitlines()[-1]

    return go


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of what users look at, and no file that is half written."""
    assert not list(folder.rglob("*.gwtmp"))
    kept = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith(".") and p.suffix != ".jsonl"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept}


METERS = (Meters, "__call__")


@pytest.mark.parametrize(("at", "number"), [(1, signal.SIGHUP), (2, signal.SIGTERM), (3, signal.SIGINT)])
def test_bulk_keeps_what_is_made(run, tmp_path, monkeypatch, interrupted, at, number):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ganworks.cli.sample._BULK", 10)
    words, shards = ["sample", str(run), "30", "out=made", "device=cpu"], bulk.generate
    monkeypatch.setattr(bulk, "generate", lambda *given, **named: shards(*given, shard=10, **named))
    err = interrupted(words, number, at, METERS)
    assert f"{10 * max(0, at - 1)} of 30 samples are in made" in err or at == 1
    assert cli.main(words) == 0
    assert cli.main([*words[:3], "out=clean", "device=cpu"]) == 0
    assert contents(tmp_path / "made") == contents(tmp_path / "clean")


@pytest.mark.parametrize(
    ("verb", "number", "at", "hook"),
    [
        ("sample RUN 4 out=OUT device=cpu", signal.SIGTERM, 2, (os, "fsync")),
        ("sample RUN 4 out=OUT/x.npz device=cpu", signal.SIGHUP, 1, (os, "fsync")),
        ("apply standin photos out=OUT device=cpu", signal.SIGTERM, 2, METERS),
        ("apply standin photos out=OUT device=cpu", signal.SIGINT, 2, (os, "fsync")),
        ("apply standin photos/1.png out=OUT device=cpu", signal.SIGHUP, 1, (os, "fsync")),
        ("predict standin photos out=OUT/p.csv device=cpu", signal.SIGTERM, 1, METERS),
        ("data photos out=OUT/sheet.png", signal.SIGTERM, 2, METERS),
    ],
)
def test_the_same_command_goes_on(run, photos, tmp_path, monkeypatch, interrupted, verb, number, at, hook):
    monkeypatch.chdir(tmp_path)

    def words(out: str) -> list[str]:
        (tmp_path / out).mkdir(exist_ok=True)
        return [word.replace("RUN", str(run)).replace("OUT", out) for word in verb.split()]

    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    interrupted(words("broken"), number, at, hook)
    assert cli.main(words("broken")) == 0
    assert cli.main(words("clean")) == 0
    assert contents(tmp_path / "broken") == contents(tmp_path / "clean") != {}


@pytest.mark.parametrize(("number", "hook"), [(signal.SIGTERM, METERS), (signal.SIGHUP, (evaluate, "published"))])
def test_an_evaluation_leaves_the_scores_of_before(tmp_path, monkeypatch, interrupted, number, hook):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32))
    small = {name: value for name, value in SMALL.items() if name != "networks.hidden"}
    list(gw.train("points", data="x.npy", out="run", budget=32, **small))
    words = ["eval", "run", "count=100"]
    assert cli.main(words) == 0
    before = Path("run/eval.json").read_bytes()
    interrupted([*words, "seed=3"], number, 1, hook)
    assert Path("run/eval.json").read_bytes() == before
    assert cli.main(words) == 0
    assert json.loads(Path("run/eval.json").read_bytes())["metrics"] == json.loads(before)["metrics"]


def test_before_and_after_the_training(tmp_path, monkeypatch, interrupted):
    monkeypatch.chdir(tmp_path)
    settings = (f"{k}={v}" for k, v in SMALL.items() if k != "networks.hidden")
    words = [
        "train",
        "mlp",
        "data=digits",
        "out=run",
        "budget=32",
        *settings,
        "networks.hidden=[16]",
        "train.judge=off",
    ]
    assert "before the training began" in interrupted(words, signal.SIGHUP, 1, (api, "assemble"))
    assert "finished and saved in run" in interrupted(words, signal.SIGTERM, 1, (api, "write_pages"))


def test_under_nohup_a_closed_terminal_is_nothing(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        inner = os.fsync
        monkeypatch.setattr(os, "fsync", lambda handle: signal.raise_signal(signal.SIGHUP) or inner(handle))
        assert cli.main(["sample", str(run), "2", "out=made", "device=cpu"]) == 0
    finally:
        signal.signal(signal.SIGHUP, old)
