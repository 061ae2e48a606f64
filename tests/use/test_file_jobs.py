"""Whole folders through a network: masks, restarts, full disks, links, and nothing of anybody's overwritten."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import noise, pixels
from PIL import Image

from ganworks.cli import main as cli
from ganworks.core.errors import GanworksError, UsageError
from ganworks.core.machine.places import explain
from ganworks.files import atomic
from ganworks.use import file_jobs
from ganworks.use import job_record as applying_files
from ganworks.use.applier import Applier
from ganworks.use.file_jobs import apply_files
from ganworks.use.job_record import RECORD, Record


def test_a_folder_of_masks(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "masks").mkdir()
    for name in ("a", "b", "c"):
        Image.fromarray(np.full((4, 4, 3), 200, np.uint8)).save(tmp_path / "in" / f"{name}.png")
    left = np.repeat([[255, 255, 0, 0]], 4, 0).astype(np.uint8)
    Image.fromarray(left).save(tmp_path / "masks" / "a.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "masks" / "b_mask.png")
    done = apply_files(Applier.load(run), tmp_path / "in", tmp_path / "out", mask=tmp_path / "masks")
    assert (pixels(tmp_path / "out" / "a.png")[..., 0] == np.where(left, 0, 200)).all()
    assert [name for name, _ in done.failed] == ["b.png", "c.png"] and "c_mask.png" in done.failed[1][1]
    assert "b_mask.png marks nothing" in done.failed[0][1] and not (tmp_path / "out" / "b.png").exists()
    shutil.copy(tmp_path / "masks" / "a.png", tmp_path / "in" / "a_mask.png")  # masks beside their pictures
    done = apply_files(Applier.load(run), tmp_path / "in", tmp_path / "beside", mask=tmp_path / "in")
    assert [b.name for _, b in done.pairs] == ["a.png"] and len(done.failed) == 2


def test_a_folder_restarts_where_it_stopped(run, photos, tmp_path):
    out, model = tmp_path / "out", Applier.load(run)
    done = (
        apply_files(model, photos, out, on_progress=lambda label, k, n: calls.append(k))
        if (calls := []) is not None
        else None
    )
    assert len(done.pairs) == 3 and done.kept == 0 and done.left == 1 and calls == [0, 1, 2, 3]
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    assert apply_files(model, photos, out).kept == 3
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.png")} == before
    Image.fromarray(noise(6, 9, 3, seed=9)).save(photos / "a.png")  # another input
    (out / "deep" / "b c.png").write_bytes(b"damaged")  # another output
    record = out / applying_files.RECORD
    record.write_bytes(record.read_bytes() + b'{"output": "torn')  # as a kill leaves it
    done = apply_files(model, photos, out)
    assert done.kept == 1 and np.array_equal(pixels(out / "a.png"), pixels(photos / "a.png"))
    assert apply_files(model, photos, out).kept == 3
    assert apply_files(model, photos, out, seed=1).kept == 0  # another seed makes others


def test_the_work_is_kept_when_it_is_killed(run, photos, tmp_path):
    model, left = Applier.load(run), [2]
    inner = model.domain

    class Dying:
        def apply(self, *args):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return inner.apply(*args)

    model.domain = Dying()
    with pytest.raises(KeyboardInterrupt):
        apply_files(model, photos, tmp_path / "out")
    model.domain = inner
    assert apply_files(model, photos, tmp_path / "out").kept == 2
    assert not list((tmp_path / "out").rglob(".*.gwtmp"))


def test_a_folder_is_written_by_one_process_at_a_time(run, photos, tmp_path):
    model, out, said = Applier.load(run), tmp_path / "out", []

    def second(label, done, total):
        with pytest.raises(UsageError, match=rf"Another process is writing to {out}\. Wait for it, or choose"):
            apply_files(model, photos, out, seed=1)
        said.append(done)

    done = apply_files(model, photos, out, on_progress=second)
    assert len(done.pairs) == 3 and not done.failed and said == [0, 1, 2, 3]
    assert apply_files(model, photos, out).kept == 3


def test_a_full_disk_ends_the_work_and_what_is_done_stays(run, photos, tmp_path, monkeypatch):
    model, out, made = Applier.load(run), tmp_path / "out", []

    def full(path, content):
        made.append(path)
        if len(made) == 2:
            raise explain(OSError(errno.ENOSPC, "full"), path)
        return atomic.replace_file(path, content)

    monkeypatch.setattr(file_jobs, "atomic", SimpleNamespace(**{**vars(atomic), "replace_file": full}))
    done = apply_files(model, photos, out)
    monkeypatch.undo()
    assert len(done.pairs) == 1 and [name for name, _ in done.failed] == ["deep/b c.png", "deep/er/ü.png"]
    assert "There is no room to write" in done.failed[0][1] and done.failed[1][1] == "not begun."
    assert apply_files(model, photos, out).kept == 1


def test_the_record_and_the_outputs_are_not_written_through_links(run, photos, tmp_path):
    model, out, own = Applier.load(run), tmp_path / "out", tmp_path / "own"
    own.write_text("")
    out.mkdir()
    (out / applying_files.RECORD).symlink_to(own)
    with pytest.raises(GanworksError, match=r"applied\.jsonl: it is a symbolic link"):
        apply_files(model, photos, out)
    assert own.read_text() == ""


def test_inputs_and_strangers_are_never_overwritten(run, photos, tmp_path):
    model, before = Applier.load(run), (photos / "a.png").read_bytes()
    with pytest.raises(UsageError, match="folder of the inputs"):
        apply_files(model, photos, photos)
    with pytest.raises(UsageError, match="input itself"):
        apply_files(model, photos / "a.png", photos / "a.png")
    os.link(photos / "a.png", tmp_path / "other.png")
    with pytest.raises(UsageError, match="input itself"):
        apply_files(model, photos / "a.png", tmp_path / "other.png")
    (tmp_path / "mine.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="nothing says that ganworks wrote it"):
        apply_files(model, photos / "a.png", tmp_path / "mine.png")
    assert (tmp_path / "mine.png").read_bytes() == b"mine"
    for mark, seed in ((False, 0), (False, 0), (True, 0)):  # of the same bytes, or with our note
        apply_files(model, photos / "a.png", tmp_path / f"{mark}.png", mark=mark, seed=seed)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(b"mine")
    done = apply_files(model, photos, tmp_path / "mine")
    assert (
        len(done.pairs) == 2
        and "not made by" in done.failed[0][1]
        and (tmp_path / "mine" / "a.png").read_bytes() == b"mine"
    )
    inside = photos / "applied"
    assert len(apply_files(model, photos, inside).pairs) == len(apply_files(model, photos, inside).pairs) == 3
    assert (photos / "a.png").read_bytes() == before


def test_what_cannot_be_read_is_named_and_the_rest_is_done(run, photos, tmp_path, capsys):
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:40])
    assert cli.main(["apply", str(run), str(photos), f"out={tmp_path / 'out'}"]) == 1
    said = capsys.readouterr()
    assert "3 done" in said.out and "1 of 4" in said.err and "broken.png" in said.err and "Traceback" not in said.err
    assert cli.main(["apply", str(run), str(photos / "broken.png"), f"out={tmp_path / 'x.png'}"]) == 2
    assert not (tmp_path / "x.png").exists()


def test_another_form_never_merges_two_names(run, tmp_path):
    (tmp_path / "in").mkdir()
    for suffix in ("png", "bmp"):
        Image.fromarray(noise(4, 4, 3)).save(tmp_path / "in" / f"a.{suffix}")
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "in" / "b.jpg")
    apply_files(Applier.load(run), tmp_path / "in", tmp_path / "out", form="png")
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == ["a.bmp.png", "a.png.png", "b.png"]
    with pytest.raises(UsageError, match="pictures as"):
        apply_files(Applier.load(run), tmp_path / "in", tmp_path / "out", form="xyz")


def test_a_zip_is_read_in_place(run, photos, tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(photos / "a.png", "x/a.png")
    apply_files(Applier.load(run), tmp_path / "in.zip", tmp_path / "out")
    assert np.array_equal(pixels(tmp_path / "out" / "x" / "a.png"), pixels(photos / "a.png"))


def test_a_record_holds_each_line_once_and_nothing_torn(tmp_path):
    facts, record, path = {"seed": 0}, Record(tmp_path), tmp_path / RECORD
    for name in ("a.png", "b.png"):
        record.add(name, facts, "1")
    whole = path.read_bytes()
    Record(tmp_path).add("b.png", facts, "1")
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-9])
    again = Record(tmp_path)
    assert again.owns("a.png") and not again.owns("b.png")
    again.add("b.png", facts, "1")
    assert path.read_bytes() == whole
    path.write_bytes(b'{"outp')
    fresh = Record(tmp_path)
    for name in ("a.png", "b.png"):
        fresh.add(name, facts, "1")
    assert path.read_bytes() == whole
