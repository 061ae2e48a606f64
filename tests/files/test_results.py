"""What ganworks made: it is not taken for data, and nothing else is overwritten."""

import json

import numpy as np
import pytest
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.machine.places import TakenError
from ganworks.files import provenance
from ganworks.files.glance import Clues
from ganworks.files.listings import FolderListing
from ganworks.files.rasters.write import save_sheet
from ganworks.files.sources import open_source

NOTE = provenance.note(model="m", seed=1)


def picture(seed, side=8):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8))


def photos(folder, count=3):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            picture(k).save(folder / name / f"{k}.png")
    return folder


def lay(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


RESULTS = {
    "run": {"runs/a/manifest.json": {}, "runs/a/plan.json": {}, "runs/a/config.yaml": b"",
            "runs/a/samples/1.png": b"x"},
    "samples": {"samples/samples.json": {"software": "ganworks"}, "samples/0.png": b"x"},
    "bulk": {"more/done.jsonl": {"settings": {}}, "more/0.png": b"x"},
    "applied": {"applied/applied.jsonl": {"output": "0.png"}, "applied/0.png": b"x"},
    "examples": {"heard/examples.json": {"software": "ganworks"}, "heard/0.png": b"x"},
    "sheet": {"sheet.png": provenance.encode([picture(9)], "png", NOTE)},
    "animation": {"all.webp": provenance.encode([picture(9, 64), picture(8, 64)], "webp", NOTE)},
    "gif": {"all.gif": provenance.encode([picture(9), picture(8)], "gif", NOTE)},
    "beside": {"grid.png": b"x", "grid.png.unmarked.json": {}},
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_results_beside_data_are_left_out(name, tmp_path):
    before = open_source(photos(tmp_path))
    stamp = before.stamp()
    for place, content in RESULTS[name].items():
        lay(tmp_path / place, content)
    after = open_source(tmp_path)
    assert len(after) == 6 and after.classes == ("cat", "dog") and after.stamp() == stamp
    said = "1 runs of ganworks were left out" if name == "run" else "that ganworks made were left out"
    assert any(said in note for note in after.notes)
    assert len(Clues(tmp_path).of("picture")) == 6


def test_a_run_is_never_data(tmp_path):
    for place, content in RESULTS["run"].items():
        lay(tmp_path / place, content)
    for look in (open_source, Clues):
        with pytest.raises(UsageError, match="is a run of ganworks, not data"):
            look(tmp_path / "runs" / "a")
    with pytest.raises(UsageError, match="holds no images"):
        open_source(tmp_path)
    assert Clues(tmp_path).names == []


def test_files_of_others_are_data(tmp_path):
    photos(tmp_path)
    for place, content in {
        "web/manifest.json": {"name": "a site"}, "web/0.png": b"x",
        "more/samples.json": {"by": "somebody"}, "more/0.png": b"x",
        "rest/done.jsonl": {"task": 1}, "rest/0.png": b"x",
    }.items():  # fmt: skip
        lay(tmp_path / place, content)
    assert not FolderListing(tmp_path).results and len(open_source(tmp_path)) == 9


def test_samples_are_data_where_there_is_nothing_else(tmp_path):
    for name in ("cat", "dog"):
        lay(tmp_path / name / "samples.json", {"software": "ganworks"})
        for k in range(3):
            lay(tmp_path / name / f"{k}.png", provenance.encode([picture(k)], "png", NOTE))
    lay(tmp_path / "README.txt", b"Made up.")
    source = open_source(tmp_path)
    assert len(source) == 6 and source.classes == ("cat", "dog") and not any("made" in n for n in source.notes)
    assert len(Clues(tmp_path).of("picture")) == 6
    stamp = source.stamp()
    lay(tmp_path / "cat" / "3.png", b"x")
    assert open_source(tmp_path).stamp() != stamp
    assert len(open_source(tmp_path / "cat")) == 4


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif"])
def test_a_sheet_is_known_again(suffix, tmp_path):
    path = tmp_path / f"sheet{suffix}"
    save_sheet(picture(0, 200), path)
    assert provenance.is_result(path)
    save_sheet(picture(1, 200), path)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_file_of_somebody_else_is_not_overwritten(form, tmp_path):
    path = tmp_path / f"mine.{form.lower()}"
    picture(0).save(path, form)
    before = path.read_bytes()
    with pytest.raises(TakenError, match=r"mine.* is there already, and nothing says that ganworks wrote it"):
        save_sheet(picture(1), path)
    with pytest.raises(TakenError):
        provenance.replace_result(path, b"other")
    assert path.read_bytes() == before
    provenance.replace_result(path, before)
