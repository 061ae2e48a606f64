"""Kills, full disks, locks, tampering, signals: nothing is lost, and what is wrong is said."""

import json
import os
import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch

import ganworks as gw
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.events import Alarm, Finished, Round, Saved
from ganworks.files import atomic, weights
from ganworks.runs.run import Run

SETTINGS = {
    "budget": "6k",
    "batch": 64,
    "train.judge": False,
    "train.precision": "fp32",
    "train.save": 0.0,
    "train.show": 10_000,
    "networks.hidden": [16],
    "train.threads": 1,
}


def train(out: Path, **more):
    return gw.train("mlp", data="digits", out=out, **(SETTINGS | more))


def finish(out: Path, **more) -> list:
    return list(train(out, **more))


def in_child(action, kill_after: float | None = None) -> int:
    """Run in a forked process, killed after some seconds; its wait status."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def contents(out: Path) -> dict:
    tensors, counters, _ = Run.open(out).load_state()
    return {
        **{k: v.numpy().tobytes() for k, v in tensors.items()},
        **{k: v for k, v in counters.items() if k != "seconds"},
        "generator": (out / "generator.safetensors").read_bytes(),
    }


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("straight") / "run"
    events = finish(out)
    assert isinstance(events[-1], Finished) and events[-1].reason == "budget"
    return out


def die_in_save(out: Path, countdown: int) -> None:
    """Train until the n-th step of writing a file, and die right there by SIGKILL, half of a write done."""
    left = [countdown]
    real_fsync, real_replace = os.fsync, Path.replace

    def tick(fd=None):
        left[0] -= 1
        if left[0] == 0:
            if fd is not None:
                os.ftruncate(fd, os.fstat(fd).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def fsync(fd):
        tick(fd if not Path(f"/proc/self/fd/{fd}").is_dir() else None)
        real_fsync(fd)

    def replace(self, target):
        tick()
        done = real_replace(self, target)
        tick()
        return done

    os.fsync, Path.replace = fsync, replace
    finish(out)


def test_killed_many_times_the_weights_are_bit_identical(straight, tmp_path):
    """Kills at random moments and inside saves; the same command goes on each time."""
    out, chance, kills = tmp_path / "run", random.Random(1), 0
    for attempt in range(24):
        if attempt % 2:
            in_child(lambda: finish(out), kill_after=chance.uniform(0.1, 1.2))
        else:
            steps = chance.randint(1, 60)
            in_child(partial(die_in_save, out, steps))
        kills += 1
        if Run.exists(out):
            Run.open(out).config()
            if (out / "generator.safetensors").exists():
                gw.load(out, device="cpu")
    finish(out)
    assert contents(out) == contents(straight) and kills == 24


def test_leaving_the_loop_saves_and_the_same_call_goes_on(straight, tmp_path):
    out = tmp_path / "run"
    for event in train(out):
        if isinstance(event, Saved) and event.seen > 2000:
            break
    assert 0 < Run.open(out).load_state()[1]["seen"] < 6000
    finish(out)
    assert contents(out) == contents(straight)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_save_and_stop(straight, tmp_path, number):
    out, seen, before = tmp_path / "run", [], signal.getsignal(number)
    for event in train(out, **{"train.save": 100.0}):
        seen.append(event)
        if isinstance(event, Round) or len(seen) == 3:
            os.kill(os.getpid(), number)
            break_after = event
    assert break_after and isinstance(seen[-1], Finished) and seen[-1].reason == "interrupted"
    assert signal.getsignal(number) is before
    finish(out, **{"train.save": 100.0})
    assert contents(out) == contents(straight)


def test_a_second_trainer_is_refused(tmp_path):
    out = tmp_path / "run"
    events = train(out)
    next(events)
    with pytest.raises(UsageError, match=f"process {os.getpid()}"):
        next(train(out))
    events.close()
    assert isinstance(finish(out)[-1], Finished)


def test_changed_settings_are_refused_with_the_difference(straight):
    with pytest.raises(UsageError, match=r"train.batch: 64 -> 32"):
        finish(straight, batch=32)
    with pytest.raises(UsageError, match=r"g.lr"):
        finish(straight, **{"g.lr": 1e-5})
    with pytest.raises(UsageError, match="recipe: 'mlp' -> 'lsgan'"):
        list(gw.train("lsgan", data="digits", out=straight, **SETTINGS))


def test_changed_data_is_refused(tmp_path):
    import numpy as np

    x = np.random.default_rng(0).integers(0, 255, (60, 1, 8, 8), np.uint8)
    few = SETTINGS | {"budget": 256}
    list(gw.train("mlp", data=x, out=tmp_path / "run", **few))
    x[3] = 0
    with pytest.raises(UsageError, match="contents changed"):
        list(gw.train("mlp", data=x, out=tmp_path / "run", **few))


def copy(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def states(run: Path) -> list[Path]:
    return sorted((run / "state").glob("*.safetensors"))


def test_a_damaged_state_falls_back_to_the_one_before_and_says_so(straight, tmp_path):
    out = tmp_path / "run"
    for event in train(out):
        if isinstance(event, Saved) and event.seen > 3000:
            break
    newest = states(out)[-1]
    data = bytearray(newest.read_bytes())
    data[-5] ^= 1
    newest.write_bytes(data)
    events = finish(out)
    assert any("passed over" in note for note in events[0].notes)
    assert contents(out) == contents(straight)


def test_all_states_damaged_lists_every_reason(straight, tmp_path):
    out = copy(straight, tmp_path / "run")
    for path in states(out):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError) as caught:
        finish(out)
    assert all(path.name in str(caught.value) for path in states(out))


@pytest.mark.parametrize("name", ["config.yaml", "spec.yaml", "plan.json"])
def test_a_tampered_description_is_refused(straight, tmp_path, name):
    out = copy(straight, tmp_path / "run")
    (out / name).write_text((out / name).read_text() + "\n ")
    with pytest.raises(UsageError, match=name):
        finish(out)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": {"a": 1}}'])
def test_a_damaged_manifest_is_a_sentence(straight, tmp_path, text):
    out = copy(straight, tmp_path / "run")
    (out / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match="manifest"):
        finish(out)


def test_a_hostile_pickle_in_place_of_a_state_is_never_opened(straight, tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/exploded",)

    out = copy(straight, tmp_path / "run")
    manifest = json.loads((out / "manifest.json").read_text())
    for path in states(out):
        path.write_bytes(pickle.dumps(Bomb()))
        manifest["files"][f"state/{path.name}"]["sha256"] = atomic.sha256(path)
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="pickle"):
        finish(out)
    assert not (tmp_path / "exploded").exists()


def test_a_full_disk_loses_nothing(straight, tmp_path, monkeypatch):
    out = tmp_path / "run"
    real = shutil.disk_usage
    for event in train(out):
        if isinstance(event, Saved) and event.seen > 1000:
            break
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=10))
    with pytest.raises(GanworksError, match="room"):
        finish(out)
    monkeypatch.undo()
    monkeypatch.setenv("GANWORKS_CACHE", str(tmp_path / "cache"))
    finish(out)
    assert contents(out) == contents(straight)


def test_a_file_size_limit_is_a_sentence_and_leaves_no_debris(tmp_path):
    import resource

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        try:
            weights.write(tmp_path / "big.safetensors", {"a": torch.zeros(10_000)})
        except GanworksError as error:
            os._exit(0 if "room" in str(error) else 3)

    assert in_child(limited) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a run"):
        finish(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_an_unwritable_place_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        finish(tmp_path / "file" / "run")


def test_non_finite_numbers_roll_back_and_are_explained(tmp_path, monkeypatch):
    """Gradients that turn NaN once: back to the last good state, half the learning rate, training ends well."""
    from ganworks.games import adversarial

    real, broken = adversarial.Adversarial.generator_turn, []

    def poisoned(self, nets, batch):
        terms = real(self, nets, batch)
        if batch.progress < 0.4 or broken:  # the steps that are measured before the training have no progress
            return terms
        broken.append(batch.seen)
        return {k: v * float("nan") for k, v in terms.items()}

    monkeypatch.setattr(adversarial.Adversarial, "generator_turn", poisoned)
    events = finish(tmp_path / "run")
    alarms = [e for e in events if isinstance(e, Alarm) and e.kind == "non-finite"]
    assert len(alarms) == 1 and "Went back" in alarms[0].message and events[-1].reason == "budget"
    counters = Run.open(tmp_path / "run").load_state()[1]
    assert counters["retries"] == 1 and counters["lr_scale"] == 0.5
    tensors = Run.open(tmp_path / "run").load_state()[0]
    assert all(torch.isfinite(v).all() for v in tensors.values())


def test_non_finite_for_ever_stops_with_the_good_state_kept(tmp_path, monkeypatch):
    from ganworks.games import adversarial

    real = adversarial.Adversarial.discriminator_turn
    monkeypatch.setattr(
        adversarial.Adversarial,
        "discriminator_turn",
        lambda self, nets, batch: {
            k: v * (float("inf") if batch.seen > 1000 else 1.0) for k, v in real(self, nets, batch).items()
        },
    )
    with pytest.raises(GanworksError, match="after 3 attempts"):
        finish(tmp_path / "run")
    tensors, counters, _ = Run.open(tmp_path / "run").load_state()
    assert counters["seen"] <= 1088 and all(torch.isfinite(v).all() for v in tensors.values())
