"""A run folder: what a copy may lose, what it says of the machine, what it notes, and how often it is read."""

import os
import shutil
from pathlib import Path

import pytest

import ganworks as gw
from ganworks.cli.main import main
from ganworks.core.events import Finished
from ganworks.files.recognise import recognise
from ganworks.report import read
from ganworks.runs.manifest import Manifest
from ganworks.runs.run import Run

SETTINGS = {"budget": 500, "batch": 50, "train.precision": "fp32", "networks.hidden": [16], "train.threads": 1}


class Killed(BaseException):
    """Ends a save in its middle."""


def begin(out, recipe="mlp") -> None:
    """A run that was stopped at its first event."""
    events = gw.train(recipe, data="digits", out=out, **SETTINGS, **{"train.judge": False})
    next(events)
    events.close()


def test_empty_folders_that_a_copy_lost_come_back(tmp_path):
    begin(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "samples", ignore_errors=True)
    events = list(gw.train("mlp", data="digits", out=tmp_path / "run", **SETTINGS, **{"train.judge": False}))
    assert isinstance(events[-1], Finished) and any((tmp_path / "run" / "samples").iterdir())


@pytest.mark.parametrize("recipe", ["mlp", "classify"])
def test_a_plan_does_not_say_where_the_cache_is(tmp_path, recipe):
    more = {} if recipe == "mlp" else {"labels": 100, "networks.width": 4}
    own = {k: v for k, v in SETTINGS.items() if recipe == "mlp" or not k.startswith("networks")}
    events = gw.train(recipe, data="digits", out=tmp_path / "run", **own, **more, **{"train.judge": False})
    next(events)
    events.close()
    text = (tmp_path / "run" / "plan.json").read_text()
    packed = Run.open(tmp_path / "run").plan()["data"]["packed"]
    assert os.environ["GANWORKS_CACHE"] not in text
    assert packed and "/" not in packed and (Path(os.environ["GANWORKS_CACHE"]) / packed).is_dir()


def test_what_the_user_was_told_is_noted_and_not_said_again(tmp_path):
    found, settings = recognise("digits"), {**SETTINGS, "train.judge": False}
    del settings["networks.hidden"]
    for recipe, said in ((found, False), (None, True)):
        out = tmp_path / str(said)
        for _ in range(2):  # begun, and resumed
            events = gw.train(recipe, data="digits", out=out, **settings)
            notes = next(events).notes
            events.close()
            assert (found.because in notes) == said and len(notes) > 1
        assert Run.open(out).plan()["notes"][0] == found.because == Run.open(out).config().notes[0]


def test_eval_reads_the_log_of_a_run_once(tmp_path, monkeypatch, capsys):
    begin(tmp_path / "run")
    lines, reads = read._lines, []
    monkeypatch.setattr(read, "_lines", lambda path, *rest: reads.append(path) or lines(path, *rest))
    assert main(["eval", str(tmp_path / "run"), "count=100"]) == 0
    assert reads == [tmp_path / "run" / "metrics.jsonl"]
    assert {"report.html", "README.md", "eval.json"} <= set(Run.open(tmp_path / "run").manifest["files"])
    assert "Judged by" in capsys.readouterr().out


def test_a_save_killed_before_its_manifest_is_finished_by_whoever_comes_next(tmp_path, monkeypatch):
    """Its state counts, and the oldest goes, as it would have without the kill."""
    begin(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    with run:
        tensors, counters, _ = run.load_state()
        for seen in (10**6, 2 * 10**6):
            run.save_state(tensors, counters | {"seen": seen})
        real, left = Manifest._store, [1]

        def store(self, **more):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            real(self, **more)

        monkeypatch.setattr(Manifest, "_store", store)
        with pytest.raises(Killed):
            run.save_state(tensors, counters | {"seen": 3 * 10**6})
        monkeypatch.undo()
    assert Run.open(tmp_path / "run").load_state()[1]["seen"] == 2 * 10**6
    Run.open(tmp_path / "run").write({"report.html": "page"})
    there = sorted(path.name for path in (tmp_path / "run" / "state").iterdir())
    assert there == ["000002000000.safetensors", "000003000000.safetensors"]
    assert Run.open(tmp_path / "run").load_state()[1]["seen"] == 3 * 10**6
