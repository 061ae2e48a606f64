"""Trained classifiers in use: the right class by name, whatever the pictures come in, and files that say so."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from standins import publish

import ganworks as gw
from ganworks.cli import main as cli
from ganworks.core.config import to_dict
from ganworks.core.errors import UsageError
from ganworks.core.machine.places import TakenError
from ganworks.files.weights import write
from ganworks.metrics.estimate import wilson
from ganworks.runs.published import header
from ganworks.use.predictor import Predictions, Predictor

COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def paint(name: str, seed: int = 0, size: tuple[int, int] = (8, 8)) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-20, 21, (*size, 3))
    return (np.array(COLOURS[name]) + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return publish(tmp_path / "run")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """20 pictures in folders by colour, of several sizes; one of them lies in the wrong folder."""
    for k in range(20):
        name = list(COLOURS)[k % 3]
        folder = tmp_path / "photos" / ("blue" if k == 0 else name)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(paint(name, k, (8 + k, 8))).save(folder / f"{k:02d}.png")
    return tmp_path / "photos"


def test_a_folder_by_class_has_an_accuracy(run, photos):
    found = Predictor.load(run).predict(photos)
    by_name = dict(zip(found.names, found.labels, strict=True))
    assert len(found) == 20 and all(abs(found.probabilities.sum(1) - 1) < 1e-6)
    assert all(found.classes[by_name[n]] == n.split("/")[0] for n in by_name if n != "blue/00.png")
    assert found.classes[by_name["blue/00.png"]] == "red"
    expected = wilson(19 / 20, 20)
    assert found.accuracy == (expected.value, expected.low, expected.high)
    assert found.best(0, 2)[0][1] >= found.best(0, 2)[1][1]


def test_alone_or_among_others_the_answer_is_the_same(run, photos):
    model = Predictor.load(run)
    many = model.predict(photos)
    for name in ("red/03.png", "green/19.png"):
        alone = model.predict(photos / name)
        assert len(alone) == 1 and alone.accuracy is None
        assert np.array_equal(alone.probabilities[0], many.probabilities[many.names.index(name)])


def test_labels_of_other_classes_say_nothing(run, photos):
    (photos / "red").rename(photos / "crimson")
    assert Predictor.load(run).predict(photos).accuracy is None
    (photos / "labels.csv").write_text("file,label\nblue/00.png,red\n")  # does not name all pictures
    found = Predictor.load(run).predict(photos)
    assert found.accuracy is None and len(found) == 20


def test_arrays_and_images_in_memory(tmp_path, run, photos):
    model = gw.load(run / "classifier.safetensors")
    assert isinstance(model, Predictor)
    arrays = np.stack([paint(name) for name in COLOURS])
    for data in (arrays, arrays.transpose(0, 3, 1, 2), (arrays, np.array(["red", "green", "red"]))):
        assert model.predict(data).labels.tolist() == [0, 1, 2]
    assert model.predict((arrays, np.array(["red", "green", "red"]))).accuracy[0] == pytest.approx(2 / 3)
    np.savez(tmp_path / "d.npz", x=arrays, y=np.array(["red", "green", "blue"]))
    assert gw.predict(run, tmp_path / "d.npz").accuracy[0] == 1
    assert model.predict(Image.fromarray(arrays[2])).best(0)[0][0] == "blue"
    x = torch.from_numpy(arrays[:1].transpose(0, 3, 1, 2) / 127.5 - 1).float()
    assert np.allclose(model(x), (4 * x.mean((2, 3)).double()).softmax(1).numpy())
    with pytest.raises(UsageError, match="looks at"):
        model(torch.zeros(1, 3, 4, 4))


def test_files_that_say_so(run, photos, tmp_path):
    found = Predictor.load(run).predict(photos)
    with found.save(tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20 and list(rows[0]) == [
        "file",
        "class",
        "probability",
        "truth",
        "p(red)",
        "p(green)",
        "p(blue)",
    ]
    first = rows[0]
    assert first["file"] == found.names[0] and float(first[f"p({first['class']})"]) == float(first["probability"])
    table = json.loads(found.save(tmp_path / "a.json").read_text())
    assert table["accuracy"]["value"] == 0.95 and table["classes"] == ["red", "green", "blue"]
    assert table["predictions"][0]["probabilities"] == {c: float(first[f"p({c})"]) for c in COLOURS}
    with pytest.raises(UsageError, match=r"\.csv or \.json"):
        found.save(tmp_path / "a.txt")


def test_the_command_line(run, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["predict", "run", "photos", "out=a.csv", "top=2"]) == 0
    said = capsys.readouterr().out
    assert "Accuracy against the labels" in said and "95.0 %" in said and "a.csv" in said and "red/03.png" in said
    Path("photos", "red", "broken.png").write_bytes(b"\x89PNG broken")
    assert cli.main(["predict", "run", "photos"]) == 1
    assert "broken.png" in capsys.readouterr().err
    for wrong, message in (
        (["predict", "run"], "classifier.safetensors"),
        (["predict", "run", "nowhere"], "nowhere"),
        (["predict", "run", "photos", "out=a.txt"], ".csv or .json"),
        (["predict", "run", "photos", "top=0"], "top"),
        (["predict", "run", "photos", "tpo=2"], '"top"'),
        (["predict", "run/generator.safetensors", "photos"], "ganworks apply"),
        (["predict", "run", "photos/red/broken.png"], "can be read"),
    ):
        assert cli.main(wrong) == 2, wrong
        assert message in capsys.readouterr().err, wrong


def test_names_of_strangers_act_nowhere(run, photos, tmp_path, monkeypatch, capsys):
    """Neither in a terminal nor in a spreadsheet; the JSON holds them as they are."""
    hostile = ("=cmd|' /C calc'!A0", "@x\x1b[2J\u202e\nline", "-2+3")
    monkeypatch.chdir(tmp_path)
    model = Predictor.load(run)
    card = {**model.info, "domain": to_dict(model.domain), "use": "predict", "player": "C"}
    spec = replace(model.spec, classes=hostile)
    card = {name: value for name, value in card.items() if name not in ("path", "spec", "format")}
    write(run / "classifier.safetensors", model.net.state_dict(), header(spec, card))
    (photos / "red" / "03.png").rename(photos / "red" / "=1\x1b]0;t\x07.png")
    assert cli.main(["predict", str(run), str(photos / "red"), "out=p.csv"]) == 0
    out = capsys.readouterr().out
    assert "@x\\x1b[2J\\u202e\\nline" in out and "=1\\x1b]0;t\\x07.png" in out
    assert all(c.isprintable() or c == "\n" for c in out)
    text = Path("p.csv").read_text()
    rows = list(csv.reader(text.splitlines()))
    assert rows[0][3:] == ["p(=cmd|' /C calc'!A0)", "p(@x\\x1b[2J\\u202e\\nline)", "p(-2+3)"]
    assert "'=1\\x1b]0;t\\x07.png" in {row[0] for row in rows}
    assert {row[1] for row in rows[1:]} == {f"'{hostile[0]}"} and all(float(row[2]) > 0.3 for row in rows[1:])
    assert cli.main(["predict", str(run), str(photos / "red"), "out=p.json"]) == 0
    raw = Path("p.json").read_text()
    assert json.loads(raw)["classes"] == list(hostile) and all(c.isprintable() or c == "\n" for c in raw)


def test_a_picture_of_sixteen_bits_in_memory_is_scaled_not_clipped(run):
    deep = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    model, seen = Predictor.load(run), []
    net, model.net = model.net, lambda x: seen.append(x[0]) or net(x)
    model.predict(Image.fromarray(deep))
    model.predict(Image.fromarray(np.rint(deep / 257).astype(np.uint8)))
    assert torch.equal(*seen) and len(seen[0].unique()) == 64


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_file_of_somebody_else_is_not_overwritten(suffix, tmp_path):
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"mine")
    found = Predictions(("a", "b"), ("1.png",), np.array([[0.2, 0.8]]), np.array([-1]))
    with pytest.raises(TakenError, match="nothing says that ganworks wrote it"):
        found.save(path)
    assert path.read_bytes() == b"mine"
    path.unlink()
    found.save(path)
    Predictions(("c", "d"), ("1.png",), np.array([[0.2, 0.8]]), np.array([0])).save(path)
    assert "truth" in path.read_text()
