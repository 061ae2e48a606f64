"""A run folder survives: kills while it is made, what others put into it, another process, and disks without locks."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from interleave import Actor, Killed, orders

import ganworks as gw
from ganworks.cli.main import main
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.events import Finished, Saved
from ganworks.files import atomic
from ganworks.report.page.pages import write_pages
from ganworks.runs import published
from ganworks.runs.folders import find_folder
from ganworks.runs.manifest import Manifest
from ganworks.runs.run import Run
from ganworks.use.evaluate import evaluate_run

SETTINGS = {
    "budget": 640,
    "batch": 64,
    "train.judge": False,
    "train.precision": "fp32",
    "train.save": 0.0,
    "networks.hidden": [8],
    "train.threads": 1,
}


def train(out: Path, **more):
    return gw.train("mlp", data="digits", out=out, **(SETTINGS | more))


def state(seen: int) -> tuple[dict, dict]:
    return {"w": torch.full((2,), float(seen))}, {"seen": seen}


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("straight") / "run"
    list(train(out))
    return out


@pytest.fixture
def description(straight) -> tuple:
    run = Run.open(straight)
    return run.config(), run.spec(), run.plan()


def test_a_start_that_was_killed_at_any_step_is_taken_up_again(tmp_path, description, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda fd: None)
    folder, count = tmp_path / "run", 0

    def make() -> tuple[Path, list[Actor]]:
        shutil.rmtree(folder, ignore_errors=True)
        return folder, [Actor("create", lambda: Run.create(folder, *description).close())]

    for schedule in orders(make, kills=1, everything=True):
        count += 1
        assert schedule.actors[0].error is None or isinstance(schedule.actors[0].error, Killed)
        schedule.actors[0].error = None
        gc.collect()  # the lock goes with the object that held it
        if not Run.exists(folder):
            Run.create(folder, *description).close()
        assert Run.open(folder).plan() == description[2], schedule.trace
    assert count > 10


@pytest.mark.parametrize(
    "names", [(".DS_Store",), ("Thumbs.db", "desktop.ini"), (".directory", "._x"), (".probe",), (".nfs0001", ".owner")]
)
def test_what_systems_leave_in_a_folder_does_not_count(tmp_path, description, monkeypatch, names):
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/digits-mlp-1")
    (folder / "samples").mkdir(parents=True)
    for name in names:
        (folder / name).write_text("")
        (folder / "samples" / ".DS_Store").write_text("")
    assert find_folder("digits", "mlp", {}) == folder
    Run.create(folder, *description).close()
    assert Run.open(folder).spec() == description[1]


@pytest.mark.parametrize("names", [("config.yaml",), (".lock", "notes.txt"), (".lock", "state/notes.txt")])
def test_what_a_user_has_in_a_folder_counts(tmp_path, description, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="not a run of ganworks"):
        Run.create(tmp_path, *description)
    assert all((tmp_path / name).read_text() == "mine" for name in names)


def test_a_second_start_that_comes_too_late_is_told_so(tmp_path, description):
    Run.create(tmp_path / "run", *description).close()
    with pytest.raises(UsageError, match=r"began in .* meanwhile"):
        Run.create(tmp_path / "run", *description)
    Run.open(tmp_path / "run").__enter__().close()  # and left unlocked


def test_things_of_the_user_stay_and_folders_that_go_are_made_again(tmp_path):
    out = tmp_path / "run"
    for event in train(out):
        if isinstance(event, Saved) and event.seen == 0:
            (out / "state" / "x").mkdir()
            (out / "state" / "notes.txt").write_text("mine")
            (out / "best.safetensors").write_bytes((out / "generator.safetensors").read_bytes())
            (out / "theirs.safetensors").write_text("no tensors")
            shutil.rmtree(out / "samples", ignore_errors=True)
    assert isinstance(event, Finished) and any((out / "samples").iterdir())
    assert {"x", "notes.txt"} < {p.name for p in (out / "state").iterdir()}
    assert len(list((out / "state").iterdir())) == 4
    assert gw.load(out, device="cpu") and list(published.published(out)) == ["G"]


def test_nothing_is_deleted_through_a_link(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "000000000001.safetensors").write_text("mine")
    out = tmp_path / "run"
    out.mkdir()
    with Run(out) as run:
        run.write({"plan.json": "{}"})
        (out / "state").symlink_to(theirs)
        for seen in (1000, 2000, 3000, 4000):
            run.save_state(*state(seen))
        assert run.load_state()[1]["seen"] == 4000
    assert len(list(theirs.iterdir())) == 5 and (theirs / "000000000001.safetensors").read_text() == "mine"


def test_a_manifest_can_name_nothing_for_deletion_but_states(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    with Run(tmp_path / "run") as run:
        run.write({"plan.json": "{}", "report.html": "x"})
        run._manifest.raw |= {"retired": ["../mine.txt", "report.html", "state/../../mine.txt", "a\0b"]}
        run._manifest._store(retired=run._manifest.raw["retired"], pending={"../mine.txt": atomic.sha256(mine)})
        run.save_state(*state(1))
        assert mine.exists() and run.path("report.html").exists() and "../mine.txt" not in run.manifest["files"]


@pytest.mark.parametrize("until", ["begun", "ended"])
def test_an_evaluation_beside_a_training_loses_nothing(straight, tmp_path, until):
    """It reads the run while the training is at its first states, and writes before or after the training has ended."""
    out, opened = tmp_path / "run", None
    for event in train(out):
        if isinstance(event, Saved) and event.seen == 128:
            opened = Run.open(out)
            if until == "begun":
                evaluate_run(opened, work=lambda *_: None, count=100)
    if until == "ended":
        evaluate_run(opened, work=lambda *_: None, count=100)
    run = Run.open(out)
    assert run.load_state()[1]["seen"] == 640 and run.load_state()[2] == []
    assert {"eval.json", "README.md", "state/000000000640.safetensors"} <= set(run.manifest["files"])
    again = list(train(out))
    assert again[0].seen == 640 and not any(isinstance(event, Saved) for event in again)
    assert (out / "generator.safetensors").read_bytes() == (straight / "generator.safetensors").read_bytes()


def test_a_network_whose_save_was_killed_is_good_after_a_report(straight, tmp_path, monkeypatch, recwarn):
    out = tmp_path / "run"
    shutil.copytree(straight, out)
    net = published.published(out)["G"]
    header = published.header(net.spec, {**net.card, "seen": 641})
    real, left = Manifest._store, [2]

    def store(self, **more):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        real(self, **more)

    monkeypatch.setattr(Manifest, "_store", store)
    with suppress(KeyboardInterrupt):
        Run.open(out).publish({"G": (net.net.state_dict(), header)})
    monkeypatch.undo()
    assert gw.load(out, device="cpu").info["seen"] == 641
    write_pages(out)
    assert gw.load(out, device="cpu").info["seen"] == 641
    assert Run.open(out).manifest["files"]["generator.safetensors"]["sha256"] == atomic.sha256(
        out / "generator.safetensors"
    )
    assert not [w for w in recwarn if "manifest" in str(w.message)]


def test_a_state_that_the_manifest_forgot_is_the_last_resort(tmp_path):
    with Run(tmp_path / "run") as run:
        run.write({"plan.json": "{}"})
        for seen in (1, 2, 3):
            run.save_state(*state(seen))
        for name in list(run.manifest["files"]):
            if name.startswith("state/"):
                (run.folder / name).rename(run.folder / name.replace("00.", "99.").replace("state/00", "state/99"))
        _, counters, warnings = run.load_state()
        assert counters["seen"] == 3 and len(warnings) == 3 and "not the file that manifest.json names" in warnings[-1]


def test_a_manifest_that_goes_missing_is_written_again_by_the_trainer_alone(tmp_path):
    with Run(tmp_path / "run") as run:
        run.write({"plan.json": "{}"})
        other = Run.open(tmp_path / "run")
        (tmp_path / "run" / "manifest.json").unlink()
        with pytest.raises(UsageError, match=r"no manifest\.json"):
            other.write({"report.html": "x"})
        run.save_state(*state(1))
    assert Run.open(tmp_path / "run").load_state()[1]["seen"] == 1


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_disk_whose_locks_fail_is_a_sentence(tmp_path, straight, monkeypatch, reason):
    def flock(fd: int, operation: int) -> None:
        raise OSError(reason, os.strerror(reason))

    shutil.copytree(straight, tmp_path / "run")
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UsageError, match=f"cannot be locked: {os.strerror(reason)}.*out=FOLDER"):
        list(train(tmp_path / "new"))
    with pytest.raises(GanworksError, match=f"could not be written: {os.strerror(reason)}"):
        write_pages(tmp_path / "run")
    assert gw.load(tmp_path / "run", device="cpu").info["seen"] == 640


def test_a_disk_without_locks_is_held_by_files(tmp_path, monkeypatch, recwarn):
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    out = tmp_path / "run"
    events = train(out)
    next(events)
    with pytest.raises(UsageError, match=r"is being trained by .*no locks of the system.* remove .*\.lock"):
        next(train(out))
    assert isinstance(list(events)[-1], Finished)
    assert not (out / ".lock").exists() and not [w for w in recwarn if "flock" in str(w.message)]


def test_scores_are_printed_when_the_run_cannot_be_written(straight, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    shutil.copytree(straight, out)
    real = os.open

    def read_only(path, flags, *args, **more):
        if flags & (os.O_WRONLY | os.O_RDWR) and Path(path).is_relative_to(out):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", read_only)
    assert main(["eval", str(out), "count=100"]) == 1
    said = capsys.readouterr()
    assert "Judged by" in said.out and "precision" in said.out
    assert "The evaluation was made, but not kept." in said.err and "the disk is read-only" in said.err
    assert not (out / "eval.json").exists()


def test_a_training_goes_on_without_the_run_that_it_began_from(straight, tmp_path):
    source, out = tmp_path / "source", tmp_path / "run"
    shutil.copytree(straight, source)
    for event in train(out, init=str(source)):
        if isinstance(event, Saved) and event.seen == 128:
            break
    shutil.rmtree(source)
    assert isinstance(list(train(out, init=str(source)))[-1], Finished)
