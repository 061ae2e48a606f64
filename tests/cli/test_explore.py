"""`ganworks explore`: the files that it writes, and what it refuses."""

import pytest
from PIL import Image

from ganworks.cli.main import main
from ganworks.files import provenance


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore") / "run"
    words = ["networks.width=8", "budget=64", "batch=16", "evaluate=off"]
    assert main(["train", "dcgan", "data=digits", f"out={folder}", *words]) == 0
    return str(folder)


def test_everything_lies_in_one_folder_with_marks(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["explore", run, "steps=2", "count=2"]) == 0
    for name in ("walk.webp", "classes.webp", "directions.png"):
        mark = provenance.read(tmp_path / "explored" / name)
        assert mark is not None and mark["generated"]
    with Image.open(tmp_path / "explored" / "classes.webp") as film:
        assert film.n_frames == 20


def test_what_another_model_made_is_kept(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "explored").mkdir()
    (tmp_path / "explored" / "walk.webp").write_bytes(b"of another model")
    for _ in range(2):  # the second time, explored-2/ is its own
        assert main(["explore", run, "steps=1", "count=1", "seeds=1,2"]) == 0
    assert (tmp_path / "explored" / "walk.webp").read_bytes() == b"of another model"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["explored", "explored-2"]


def test_a_picture_is_projected_and_a_sum_shown(run, tmp_path, capsys):
    Image.new("RGB", (30, 20), "white").save(tmp_path / "white.png")
    assert main(["explore", run, "project", str(tmp_path / "white.png"), "steps=3", f"out={tmp_path}/p.png"]) == 0
    assert "Error" in capsys.readouterr().out
    assert main(["explore", run, "sum", "1 - 2 + 3", f"out={tmp_path}/s.png"]) == 0
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width > 3 * sheet.height


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["wlak"], "walk"),
        (["directions", "method=pca"], "method"),
        (["directions", "count=0"], "count"),
        (["project"], "Name one picture"),
        (["project", "nowhere.png"], "nowhere.png"),
        (["sum", "1 2"], "sum of seeds"),
        (["walk", "steps=0"], "steps"),
        (["walk", "more"], "no more words"),
        (["walk", "method=sefa"], "no option"),
        (["classes", "labels=1"], "two of them"),
        (["classes", "labels=1,nobody"], "nobody"),
        (["walk", "label=1,2"], "class"),
        (["directions", "out=sheet.txt"], "png"),
    ],
)
def test_what_is_refused(run, words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explore", run, *words]) == 2
    assert said in capsys.readouterr().err
