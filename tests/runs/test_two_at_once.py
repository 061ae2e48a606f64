"""Two processes that write one run, in every order of their file steps, each killed at every step: nothing is lost."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from interleave import Actor, Killed, orders

from ganworks.files import atomic, weights
from ganworks.runs.manifest import Manifest
from ganworks.runs.run import Run

CARD = {"ganworks": "{}"}
NET = "generator.safetensors"


def state(seen: int) -> tuple[dict, dict]:
    return {"w": torch.full((2,), float(seen))}, {"seen": seen}


def net(seen: int) -> dict:
    return {"G": ({"w": torch.full((2,), float(seen))}, CARD)}


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, bytes]:
    """The files of a run with two states, a network, an evaluation and a report, and of things of its user."""
    folder = tmp_path_factory.mktemp("base") / "run"
    with Run(folder) as run:
        run.write({"plan.json": "{}", "eval.json": "old", "eval/a.png": "old", "report.html": "old"})
        run.publish(net(0))
        for seen in (0, 100):
            run.save_state(*state(seen))
    (folder / "state" / "mine").mkdir()
    (folder / "state" / "mine" / "notes.txt").write_text("mine")
    (folder / "state" / "000000000007.safetensors").write_text("mine")
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: content for name, content in files.items() if not name.startswith(".")}


def laid_out(files: dict[str, bytes], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("eval", "state/mine"):
        (folder / part).mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def trained(run: Run) -> None:
    """A trainer that saves twice; both of the states that there were go."""
    run.save_state(*state(200))
    run.save_state(*state(300))


def saved(run: Run) -> None:
    run.save_state(*state(200))


def published(run: Run) -> None:
    run.publish(net(200))


def evaluated(run: Run) -> None:
    run.write({"eval.json": "new", "eval/a.png": "new", "eval/b.png": "new"})


def reported(run: Run) -> None:
    run.write({"report.html": "new", "README.md": "new"})


def read_state(old: Run) -> None:
    """As init=RUN beside a trainer: what it gets is as new as what was saved when it began."""
    run = Run.open(old.folder)
    states = [name for name in run.manifest["files"] if name.startswith("state/")]
    found = run.load_state()
    assert found is not None and found[2] == []
    assert f"state/{found[1]['seen']:012d}.safetensors" >= max(states)


def read_net(old: Run) -> None:
    """As `sample` does: a whole network, and nothing to be told."""
    manifest = Manifest(old.folder)
    manifest.read()
    assert manifest.steadily(lambda: ((note := manifest.tensors(NET)[1]), not note)) == ""


def read_text(old: Run) -> None:
    assert old.read("report.html") in ("old", "new")


def check(folder: Path, actors: list[Actor]) -> None:
    """Every entry fits its file, nothing that a finished actor did is lost, and the run goes on."""
    for actor in actors:
        assert actor.error is None or isinstance(actor.error, Killed), actor.error
    finished = {actor.name for actor in actors if actor.error is None}
    run = Run.open(folder)
    for name in run.manifest["files"]:
        run.verify(name)
    with Run(folder) as run:  # the next trainer
        tensors, counters, warnings = run.load_state()
        assert warnings == [] and tensors["w"].tolist() == [counters["seen"]] * 2
        least = {"train": 300, "save": 200}
        assert counters["seen"] >= max([100, *(least[n] for n in least if n in finished)])
        files = run.manifest["files"]
        assert {"plan.json", "eval.json", "eval/a.png", "report.html", NET} <= set(files)
        for name in files:
            assert files[name]["sha256"] == atomic.sha256(folder / name)
        for actor, names in {"eval": ("eval.json", "eval/a.png", "eval/b.png"), "report": ("report.html",)}.items():
            if actor in finished:
                assert all(run.read(name) == "new" for name in names)
        run.save_state(*state(900))
        kept = {p.name for p in (folder / "state").iterdir() if not atomic.is_temporary(p)}
        states = {Path(n).name for n in run.manifest["files"] if n.startswith("state/")}
        assert len(states) == 2 and kept == states | {"mine", "000000000007.safetensors"}
        assert weights.load(folder / NET).sealed
        assert set(run.manifest) <= {"format", "files", "retired"}
        assert json.loads((folder / "manifest.json").read_text()) == run.manifest


TRAINERS = {"train": trained, "save": saved, "publish": published}
WRITERS = {"eval": evaluated, "eval2": evaluated, "report": reported}
READERS = {"state": read_state, "net": read_net, "text": read_text}


@pytest.mark.parametrize(
    ("names", "kills", "least"),
    [
        (("train", "eval"), 1, 40),
        (("save", "report"), 1, 20),
        (("eval", "eval2"), 1, 20),
        (("eval", "report"), 1, 20),
        (("train", "state"), 0, 50),
        (("publish", "net"), 1, 20),
        (("publish", "report"), 1, 20),
        (("report", "text"), 1, 20),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_in_every_order_and_with_every_kill_nothing_is_lost(base, tmp_path, names, kills, least):
    folder = tmp_path / "run"
    runs: list[Run] = []

    def make() -> tuple[Path, list[Actor]]:
        laid_out(base, folder)
        runs[:] = [Run.open(folder) for _ in names]  # the others read it long before they write
        does = TRAINERS | WRITERS | READERS
        for name, run in zip(names, runs, strict=True):
            if name in TRAINERS:
                run.__enter__()
        return folder, [Actor(n, partial(does[n], r), n not in READERS) for n, r in zip(names, runs, strict=True)]

    count = 0
    for schedule in orders(make, kills=kills):
        count += 1
        try:
            for run in runs:
                run.close()
            check(schedule.folder, schedule.actors)
        except BaseException as error:
            error.add_note("\n".join(schedule.trace))
            raise
    assert count >= least
