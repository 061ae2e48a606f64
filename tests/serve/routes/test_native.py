"""The native API: what it sends is what the command line writes for the same request."""

import io
import json
import zipfile

import numpy as np
import pytest
from http_service import client_of, run
from pictures import noise
from PIL import Image

from ganworks.cli.main import main
from ganworks.serve.routes import native

KINDS = ("dcgan", "table", "text", "series", "audio", "video", "points", "classify", "shift")


@pytest.fixture(scope="module")
def client():
    with client_of(*KINDS) as made:
        yield made


def cli(tmp_path, *words):
    """What a command writes to its `out`."""
    words = [str(word) for word in words]
    out = next(word for word in words if word.startswith("out="))
    place = tmp_path / out.removeprefix("out=")
    assert main([f"out={place}" if word == out else word for word in words]) == 0
    return place


def png(width=9, height=6, seed=0):
    buffer = io.BytesIO()
    Image.fromarray(noise(height, width, 3, seed=seed)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "form"),
    [("dcgan", "png"), ("dcgan", "webp"), ("dcgan", "gif"), ("dcgan", "npz"), ("dcgan", "zip"), ("table", "csv"),
     ("table", "parquet"), ("text", "txt"), ("text", "json"), ("series", "csv"), ("series", "parquet"),
     ("audio", "wav"), ("audio", "flac"), ("audio", "zip"), ("video", "mp4"), ("video", "gif"), ("points", "npz")],
)  # fmt: skip
def test_samples_are_those_of_the_command_line(client, tmp_path, name, form):
    place = cli(tmp_path, "sample", run(name), 3, "seed=5", f"out=x.{form}")
    answer = client.post(f"/v1/models/{name}/sample", json={"n": 3, "seed": 5, "format": form})
    assert answer.status_code == 200, answer.text
    assert answer.content == place.read_bytes()
    beside = place.with_name(f"{place.name}.mark.json")
    if beside.exists():
        mark = json.loads(beside.read_text())
        assert json.loads(answer.headers["x-ganworks-mark"]).items() <= mark.items()
    assert answer.headers["x-ganworks-seed"] == "5" and len(answer.headers["x-ganworks-model-sha256"]) == 64
    assert f"{name}-seed-5.{form}" in answer.headers["content-disposition"]


def test_one_sample_is_its_own_file(client, tmp_path):
    place = cli(tmp_path, "sample", run("dcgan"), 1, "seed=7", "labels=2", "truncation=0.5", "out=folder")
    answer = client.post("/v1/models/dcgan/sample", json={"seed": 7, "labels": "2", "truncation": 0.5})
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == (place / "00000000.png").read_bytes()
    assert Image.open(io.BytesIO(answer.content)).size == (12, 12)


def test_the_accept_header_chooses(client):
    ask = {"n": 2}
    kinds = {"image/webp": "image/webp", "*/*": "application/zip", "application/x-npz": "application/x-npz",
             "text/html, image/gif;q=0.5, image/*;q=0.1": "image/gif"}  # fmt: skip
    for wish, got in kinds.items():
        assert client.post("/v1/models/dcgan/sample", json=ask, headers={"accept": wish}).headers["content-type"] == got
    refused = client.post("/v1/models/dcgan/sample", json=ask, headers={"accept": "text/html"})
    assert refused.status_code == 406 and "image/png" in refused.json()["error"]["message"]


@pytest.mark.parametrize(("name", "form"), [("table", "csv"), ("text", "txt"), ("series", "csv")])
def test_long_answers_are_sent_in_pieces_with_the_same_bytes(client, tmp_path, monkeypatch, name, form):
    monkeypatch.setattr(native, "PART", 200)
    place = cli(tmp_path, "sample", run(name), 500, "seed=2", f"out=x.{form}")
    with client.stream("POST", f"/v1/models/{name}/sample", json={"n": 500, "seed": 2, "format": form}) as answer:
        assert "content-length" not in answer.headers
        assert answer.read() == place.read_bytes()
    mark = json.loads(answer.headers["x-ganworks-mark"])
    assert mark["count"] == 500 and mark["indices"] == [0, 499]


def test_json_lines_say_what_is_missing_with_null(client):
    answer = client.post("/v1/models/table/sample", json={"n": 200, "format": "jsonl"})
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert len(rows) == 200 and len({*map(tuple, rows)}) == 1
    assert "NaN" not in answer.text
    texts = client.post("/v1/models/text/sample", json={"n": 2, "format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["index"] for line in texts] == [0, 1]


def test_labels_repeat_over_parts_as_over_the_whole(client, tmp_path, monkeypatch):
    monkeypatch.setattr(native, "PART", 200)
    place = cli(tmp_path, "sample", run("dcgan"), 400, "seed=2", "labels=2,0,1,1,0,1,2", "out=x.zip")
    answer = client.post(
        "/v1/models/dcgan/sample",
        json={"n": 400, "seed": 2, "labels": ["2", "0", "1", "1", "0", "1", "2"], "format": "zip"},
    )
    assert answer.content == place.read_bytes()


def test_a_walk_is_that_of_the_command_line(client, tmp_path):
    for form in ("png", "gif"):
        place = cli(tmp_path, "sample", run("dcgan"), "interpolate=1,2,9", "steps=5", f"out=w.{form}")
        answer = client.post("/v1/models/dcgan/interpolate", json={"seeds": [1, 2, 9], "steps": 5, "format": form})
        assert answer.content == place.read_bytes()


def test_a_picture_is_changed_as_on_the_command_line(client, tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    place = cli(tmp_path, "apply", run("shift"), tmp_path / "a.png", "seed=3", "noise=0.1", "out=b.png")
    answer = client.post(
        "/v1/models/shift/apply",
        files={"file": ("a.png", png())},
        data={"seed": "3", "options": '{"noise": 0.1}'},
    )
    assert answer.status_code == 200, answer.text
    assert answer.content == place.read_bytes() and answer.headers["content-type"] == "image/png"
    mask = io.BytesIO()
    Image.fromarray(np.eye(6, 9, dtype=np.uint8) * 255).save(mask, "PNG")
    (tmp_path / "m.png").write_bytes(mask.getvalue())
    place = cli(tmp_path, "apply", run("shift"), tmp_path / "a.png", f"mask={tmp_path / 'm.png'}", "out=c.webp")
    answer = client.post(
        "/v1/models/shift/apply",
        files={"file": ("a.png", png()), "mask": ("m.png", mask.getvalue())},
        data={"format": "webp"},
    )
    assert answer.content == place.read_bytes() and answer.headers["content-type"] == "image/webp"


def test_a_zip_of_pictures_comes_back_as_a_zip(client):
    given = io.BytesIO()
    with zipfile.ZipFile(given, "w") as archive:
        for k in range(3):
            archive.writestr(f"deep/{k}.png", png(seed=k))
        archive.writestr("broken.png", b"no picture")
        archive.writestr("notes.txt", "not asked for")
    answer = client.post("/v1/models/shift/apply", files={"file": ("a.zip", given.getvalue())})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        lines = {line["input"]: line for line in json.loads(archive.read("applied.json"))}
        assert {*archive.namelist()} == {"deep/0.png", "deep/1.png", "deep/2.png", "applied.json"}
        alone = client.post("/v1/models/shift/apply", files={"file": ("2.png", png(seed=2))})
        assert archive.read("deep/2.png") == alone.content
    assert "cannot be read" in lines["broken.png"]["error"] and "notes.txt" not in lines


def test_classes_are_those_of_the_command_line(client, tmp_path):
    (tmp_path / "in").mkdir()
    pictures = {f"{k}.png": png(8, 8, seed=k) for k in range(3)}
    for name, content in pictures.items():
        (tmp_path / "in" / name).write_bytes(content)
    place = cli(tmp_path, "predict", run("shift"), tmp_path / "in", "out=classes.csv")
    files = [("file", (name, content)) for name, content in pictures.items()]
    answer = client.post("/v1/models/shift/predict", files=files, data={"format": "csv"})
    assert answer.text == place.read_text()
    shown = client.post("/v1/models/shift/predict", files=files, data={"top": "1"}).json()
    assert [row["class"] for row in shown["data"]] == [row.split(",")[1] for row in answer.text.splitlines()[1:]]
    assert all(len(row["probabilities"]) == 1 for row in shown["data"])


def test_models_say_what_they_can(client):
    listed = {entry["id"] for entry in client.get("/v1/models").json()["data"]}
    assert listed == {*KINDS}
    facts = client.get("/v1/models/classify").json()
    assert facts["uses"] == ["sample", "predict"] and "png" in facts["formats"]
    facts = client.get("/v1/models/dcgan").json()
    assert len(facts["fingerprint"]) == len(facts["sha256"]) == 64 and facts["classes"] == ["0", "1", "2"]
    assert client.get("/v1/models/shift").json()["options"]["apply"].keys() >= {"noise", "mask"}
    assert client.get("/v1/models/nope").status_code == 404
