"""Bulk generation: restarts, kills, changed settings; always the bytes of one clean run."""

from __future__ import annotations

import json
import multiprocessing
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine.places import TakenError
from ganworks.core.spec import Spec
from ganworks.files import provenance
from ganworks.networks.mlp import MLP
from ganworks.use.bulk import generate
from ganworks.use.model import Model


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _model(shape=(1, 8, 8), classes=("a", "b", "c"), seed=0) -> Model:
    torch.manual_seed(seed)
    spec = Spec("images", shape, classes)
    generator = MLP(hidden=(16,)).build(spec)["G"]
    with torch.no_grad():
        generator.out.weight.mul_(20)
    return Model(generator, spec, device="cpu")


def _content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix in (".png", ".npz")}


class StopError(Exception):
    pass


def _stop_at(limit: int):
    def progress(done: int, total: int) -> None:
        if done >= limit:
            raise StopError

    return progress


@pytest.mark.parametrize("form", ["png", "npz"])
def test_stopped_runs_add_up_to_one_clean_run(tmp_path, form):
    model, seen = _model(), []
    clean = generate(model, 95, tmp_path / "clean", 7, form=form, shard=10, on_progress=lambda *p: seen.append(p))
    assert (clean.made, clean.kept) == (95, 0) and seen[0] == (0, 95) and seen[-1] == (95, 95)
    for limit in (30, 60):
        with pytest.raises(StopError):
            generate(model, 95, tmp_path / "again", 7, form=form, shard=10, on_progress=_stop_at(limit))
    last = generate(model, 95, tmp_path / "again", 7, form=form, shard=10)
    assert last.kept >= 60 and last.made + last.kept == 95
    assert _content(tmp_path / "again") == _content(tmp_path / "clean")
    assert generate(model, 95, tmp_path / "again", 7, form=form, shard=10).made == 0


def test_the_samples_are_those_of_sample_at_any_shard_size(tmp_path):
    model = _model()
    generate(model, 50, tmp_path / "a", 3, form="npz", shard=50, labels=["c", "a"])
    generate(model, 50, tmp_path / "b", 3, form="npz", shard=7, labels=["c", "a"])
    whole = np.load(tmp_path / "a" / "shard-00000.npz")
    parts = [np.load(p) for p in sorted((tmp_path / "b").glob("*.npz"))]
    for name in ("x", "y", "index"):
        assert np.array_equal(whole[name], np.concatenate([part[name] for part in parts]))
    assert np.array_equal(whole["x"], model.sample(50, 3, labels=["c", "a"]).data)
    assert whole["index"].tolist() == list(range(50)) and whole["y"][:3].tolist() == [2, 0, 2]
    generate(model, 20, tmp_path / "png", 3, shard=9)
    assert provenance.read(tmp_path / "png" / "00000013.png")["index"] == 13


def _slowly(out: Path, form: str) -> None:
    torch.set_num_threads(1)
    generate(_model(), 1000, out, 1, form=form, shard=50)


@pytest.mark.parametrize(("name", "form"), [("folder", "png"), ("one.zip", "auto")])
def test_kill_in_the_middle_again_and_again(tmp_path, name, form):
    model = _model()
    (tmp_path / "clean").mkdir()
    generate(model, 1000, tmp_path / "clean" / name, 1, form=form, shard=50)
    out, killed = tmp_path / name, 0
    for pause in (0.01, 0.02, 0.05, 0.1):
        child = multiprocessing.get_context("fork").Process(target=_slowly, args=(out, form))
        child.start()
        time.sleep(pause)
        killed += child.is_alive()
        child.kill()
        child.join()
    assert killed, "no run was caught in the middle: make it longer"
    generate(model, 1000, out, 1, form=form, shard=50)
    if out.is_dir():
        assert _content(out) == _content(tmp_path / "clean" / name) and len(_content(out)) == 1000
    else:
        assert out.read_bytes() == (tmp_path / "clean" / name).read_bytes()
        assert {p.name for p in tmp_path.iterdir()} == {"clean", name}


def test_damaged_missing_and_torn_work_is_done_again(tmp_path):
    model, out = _model(), tmp_path / "out"
    generate(model, 40, out, shard=10)
    good = _content(out)
    (out / "00000005.png").write_bytes(b"half")
    (out / "00000025.png").unlink()
    record = out / "done.jsonl"
    record.write_bytes(record.read_bytes()[:-20])  # the last line was torn by a crash
    assert generate(model, 40, out, shard=10).made == 30
    assert _content(out) == good


def test_a_larger_count_goes_on_and_a_smaller_one_is_refused(tmp_path):
    model = _model()
    generate(model, 25, tmp_path / "a", shard=10)
    assert generate(model, 60, tmp_path / "a", shard=10).kept == 20
    generate(model, 60, tmp_path / "b", shard=10)
    assert _content(tmp_path / "a") == _content(tmp_path / "b")
    with pytest.raises(UsageError, match="already holds 60 samples"):
        generate(model, 59, tmp_path / "a", shard=10)


@pytest.mark.parametrize("name", ["folder", "a.zip"])
def test_changed_settings_are_refused_with_the_differences(tmp_path, name):
    out = tmp_path / name
    generate(_model(), 20, out, 1, shard=10)
    for changed, part in (
        ({"seed": 2}, "seed: 1 -> 2"),
        ({"labels": "a"}, "labels: "),
        ({"truncation": 0.5}, "truncation: 1.0 -> 0.5"),
        ({"mark": False}, "mark: True -> False"),
        ({"shard": 5}, "shard: 10 -> 5"),
    ):
        with pytest.raises(UsageError, match=part):
            generate(_model(), 20, out, **{"seed": 1, "shard": 10, **changed})
    with pytest.raises(UsageError, match="model: "):
        generate(_model(seed=9), 20, out, 1, shard=10)
    assert generate(_model(), 20, out, 1, shard=10).kept == 20


def test_one_zip_is_whole_and_marked(tmp_path):
    made = generate(_model(), 23, tmp_path / "a.zip", 4, shard=10)
    assert made.made == 23 and [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert sum(name.endswith(".png") for name in archive.namelist()) == 23
    assert provenance.read(tmp_path / "a.zip")["seed"] == 4


def test_two_processes_on_one_folder(tmp_path):
    model = _model()

    def second(done: int, total: int) -> None:
        with pytest.raises(UsageError, match="Another process is writing"):
            generate(model, 10, tmp_path / "a")

    generate(model, 10, tmp_path / "a", on_progress=second)


def test_points_go_to_arrays_and_not_to_pictures(tmp_path):
    spec = Spec("points", (2,), low=-1.0, high=1.0, dtype="float32")
    model = Model(MLP(z_dim=2).build(spec)["G"], spec, device="cpu")
    generate(model, 10, tmp_path / "a")
    assert np.load(tmp_path / "a" / "shard-00000.npz")["x"].shape == (10, 2)
    with pytest.raises(UsageError, match="no pictures"):
        generate(model, 10, tmp_path / "a.zip")


class _Plain:
    """A maker of files that have no place for the note."""

    forms, plain, each = (".csv",), (".csv",), ""

    def decode(self, samples):
        return list(samples.data)

    def encode(self, samples, suffix, mark):
        return "".join(f"{x.sum()}\n" for x in samples.data).encode()


@pytest.mark.parametrize("mark", [True, False])
def test_plain_files_are_marked_beside(tmp_path, mark):
    model = _model()
    model.domain = _Plain()
    for _ in range(2):
        generate(model, 10, tmp_path / "a", shard=5, mark=mark)
        names = sorted(p.name for p in (tmp_path / "a").iterdir() if not p.name.startswith("."))
        assert names == ["done.jsonl", *(["mark.json"] if mark else []), "shard-00000.csv", "shard-00001.csv"]
    if mark:
        note = json.loads((tmp_path / "a" / "mark.json").read_bytes())
        assert note["generated"] and (note["count"], note["marked"]) == (10, True)


def test_wrong_names_and_full_disks_are_sentences(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="name of a folder"):
        generate(_model(), 1, tmp_path / "a.npz")
    with pytest.raises(UsageError, match="form='tar' is unknown"):
        generate(_model(), 1, tmp_path / "a", form="tar")
    (tmp_path / "b.zip").write_bytes(b"mine")
    with pytest.raises(UsageError, match="was not written by a bulk generation"):
        generate(_model(), 1, tmp_path / "b.zip")
    assert (tmp_path / "b.zip").read_bytes() == b"mine"

    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ganworks.files.atomic._fresh", full)
    with pytest.raises(GanworksError, match="no room to write"):
        generate(_model(), 30, tmp_path / "c", shard=10)
    monkeypatch.undo()
    assert generate(_model(), 30, tmp_path / "c", shard=10).made == 30


def test_links_in_the_folder_are_never_followed(tmp_path):
    out, own = tmp_path / "out", tmp_path / "own"
    own.write_text("mine")
    generate(_model(), 10, out, shard=10)
    good = _content(out)
    (out / "00000003.png").unlink()
    (out / "00000003.png").symlink_to(own)
    assert generate(_model(), 20, out, shard=10).made == 20
    assert own.read_text() == "mine" and not (out / "00000003.png").is_symlink()
    assert {name: _content(out)[name] for name in good} == good
    (out / "done.jsonl").rename(tmp_path / "record")
    (out / "done.jsonl").symlink_to(tmp_path / "record")
    before = (tmp_path / "record").read_bytes()
    with pytest.raises(GanworksError, match=r"done\.jsonl: it is a symbolic link"):
        generate(_model(), 30, out, shard=10)
    assert (tmp_path / "record").read_bytes() == before


def test_files_of_other_work_are_not_overwritten(tmp_path):
    _model().sample(3, 5).save(tmp_path / "a")
    with pytest.raises(TakenError, match=r"a holds samples\.json already, from other work"):
        generate(_model(), 10, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "00000000.png").write_bytes(b"mine")
    with pytest.raises(TakenError, match=r"b holds 00000000\.png"):
        generate(_model(), 10, tmp_path / "b")
    assert (tmp_path / "b" / "00000000.png").read_bytes() == b"mine"


def test_parts_that_a_kill_left_beside_a_finished_zip_are_removed(tmp_path):
    out, parts = tmp_path / "a.zip", tmp_path / ".a.zip.parts"
    generate(_model(), 20, out, shard=10)
    before = out.read_bytes()
    parts.mkdir()
    (parts / "00000019.png").write_bytes(b"x")
    assert generate(_model(), 20, out, shard=10).made == 0 and not parts.exists()
    parts.mkdir()
    with pytest.raises(TakenError, match="seed: 0 -> 1"):  # the finished zip stays, whatever lies beside it
        generate(_model(), 20, out, 1, shard=10)
    assert out.read_bytes() == before


def test_a_shard_that_does_not_fit_is_refused_with_one_that_does(tmp_path, monkeypatch):
    model = _model()
    monkeypatch.setattr("ganworks.core.machine.memory.available", lambda: 100_000)
    with pytest.raises(UsageError, match=r"shard=1,000: the samples of two shards would take .* shard=27 would fit"):
        generate(model, 1000, tmp_path / "a")
    assert generate(model, 27, tmp_path / "b").made == 27  # no more than the samples themselves count


@pytest.mark.parametrize("form", ["png", "npz", "zip"])
def test_a_part_of_a_seed_is_what_it_is_in_the_whole(tmp_path, form):
    model, out = _model(), ".zip" if form == "zip" else ""
    for name, start, count in (("whole", 0, 30), ("part", 12, 15)):
        generate(model, count, tmp_path / f"{name}{out}", 7, ["a", "c"], start=start, form=form, shard=10)
    if form == "npz":
        shards = {n: [np.load(p) for p in sorted((tmp_path / n).glob("*.npz"))] for n in ("whole", "part")}
        whole, part = ({k: np.concatenate([s[k] for s in shards[n]]) for k in "xy"} for n in ("whole", "part"))
        assert all((whole[k][12:27] == part[k]).all() for k in "xy")
        return
    names = [f"{index:08d}.png" for index in range(12, 27)]
    if form == "zip":
        whole, part = ((z := zipfile.ZipFile(tmp_path / f"{n}.zip")) and {x: z.read(x) for x in z.namelist()}
                       for n in ("whole", "part"))  # fmt: skip
    else:
        whole, part = _content(tmp_path / "whole"), _content(tmp_path / "part")
    assert [name for name in part if name.endswith(".png")] == names
    assert all(whole[name] == part[name] for name in names)


def test_a_part_that_was_stopped_goes_on_and_another_part_is_refused(tmp_path):
    model = _model()
    with pytest.raises(StopError):
        generate(model, 30, tmp_path / "part", 7, start=5, shard=10, on_progress=_stop_at(10))
    again = generate(model, 30, tmp_path / "part", 7, start=5, shard=10)
    assert again.kept >= 10 and again.kept + again.made == 30
    with pytest.raises(TakenError, match="start"):
        generate(model, 30, tmp_path / "part", 7, start=6, shard=10)
