"""Uploads: names made safe, whole or not at all, bounded; and what a look finds."""

import io
import os
import zipfile

import numpy as np
import pytest
from asking import client, wait_for
from PIL import Image

from ganworks.studio.data.uploads import Limits

FORM = {"x-ganworks": "1"}


@pytest.fixture
def studio(tmp_path, monkeypatch):
    found = client(tmp_path / "work")
    looks = found.app.state.studio.looks
    monkeypatch.setattr(looks, "_look", lambda *arguments: None)  # what is looked at is tested below
    return found


def entries(tmp_path):
    return sorted(path.name for path in (tmp_path / "work/data").iterdir())


def send(studio, *files, headers=FORM, **fields):
    return studio.post("/api/data", files=[("file", each) for each in files], data=fields, headers=headers)


def picture(colour=0):
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8), colour, np.uint8)).save(out, "png")
    return out.getvalue()


def test_one_file_stays_a_file_and_a_second_one_gets_its_own_name(studio, tmp_path):
    for name in ("rows.csv", "rows-2.csv"):
        answer = send(studio, ("rows.csv", b"a,b\n1,2\n"))
        assert answer.status_code in (201, 202) and answer.json()["data"] == name
    assert (tmp_path / "work/data/rows.csv").read_bytes() == b"a,b\n1,2\n"
    listed = studio.get("/api/data").json()
    assert {"rows.csv", "rows-2.csv", "builtin:digits"} <= {each["id"] for each in listed}


def test_a_folder_keeps_its_shape_and_its_name(studio, tmp_path):
    files = [(f"photos/{kind}/{n}.png", picture(n)) for kind in "ab" for n in range(2)]
    assert send(studio, *files).json()["data"] == "photos"
    found = sorted(
        p.relative_to(tmp_path / "work/data/photos").as_posix() for p in (tmp_path / "work/data/photos").rglob("*.png")
    )
    assert found == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]


def test_names_with_paths_stay_inside(studio, tmp_path):
    files = [
        ("../../evil.txt", b"1"),
        ("/etc/passwd", b"2"),
        ("..\\..\\c.txt", b"3"),
        (".ssh/keys", b"4"),
        ("a/../../d", b"5"),
    ]
    assert send(studio, *files, name="../outside").json()["data"] == "outside"
    assert entries(tmp_path) == ["outside"]
    root = (tmp_path / "work/data/outside").resolve()
    kept = [path for path in root.rglob("*") if path.is_file()]
    assert len(kept) == 5 and all(path.resolve().is_relative_to(root) for path in kept)
    assert not list(tmp_path.rglob("evil.txt"))[1:] and not (tmp_path / "evil.txt").exists()


def test_names_that_become_equal_are_told_apart(studio, tmp_path):
    send(studio, ("a?.txt", b"1"), ("a*.txt", b"2"), ("a_.txt", b"3"), name="set")
    assert sorted(p.read_bytes() for p in (tmp_path / "work/data/set").iterdir()) == [b"1", b"2", b"3"]


@pytest.mark.parametrize(("limits", "files"), [(Limits(files=3), 4), (Limits(size=300), 4)])
def test_too_much_is_refused_and_leaves_nothing(studio, tmp_path, limits, files):
    studio.app.state.studio.limits = limits
    answer = send(studio, *[(f"{n}.bin", b"x" * 100) for n in range(files)])
    assert answer.status_code == 413 and answer.json()["error"]["message"].endswith(".")
    assert entries(tmp_path) == [] and not list((tmp_path / "work/data").glob(".*"))


def body(parts, end=True):
    text = b"".join(
        b'--edge\r\ncontent-disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n' % part for part in parts
    )
    return text + (b"--edge--\r\n" if end else b"")


@pytest.mark.parametrize(
    "content",
    [
        body([(b"a.csv", b"1,2"), (b"b.csv", b"3,4")], end=False),
        body([(b"a.csv", b"x" * 5000)])[:3000],
        b"--edge\r\ncontent-disposition: form-data; name=",
        b"no form at all",
        b"",
        body([]),
        b'--edge\r\ncontent-disposition: form-data; name="x"\r\n\r\ntext only\r\n--edge--\r\n',
    ],
)
def test_half_an_upload_leaves_nothing(studio, tmp_path, content):
    headers = {**FORM, "content-type": "multipart/form-data; boundary=edge"}
    answer = studio.post("/api/data", content=content, headers=headers)
    assert answer.status_code == 400 and answer.json()["error"]["message"]
    assert entries(tmp_path) == [] and not list((tmp_path / "work/data").glob(".*"))


def test_what_a_killed_server_left_is_swept_at_the_next_start(studio, tmp_path):
    from ganworks.files.atomic import temporary_beside

    mine = temporary_beside(tmp_path / "work/data/upload-1")
    dead = mine.with_name(mine.name.replace(f"-{os.getpid()}-", "-999999999-"))
    for folder in (mine, dead):
        folder.mkdir()
    client(tmp_path / "work")
    assert mine.is_dir() and not dead.exists()


@pytest.mark.parametrize("name", ["../runs", "..", ".studio", "a/b", "nothing"])
def test_data_are_named_by_their_name_alone(studio, name):
    assert studio.post("/api/data", json={"path": name}).status_code == 404
    assert studio.post("/api/data", json={"builtin": name}).status_code == 404


def test_data_are_moved_to_the_trash(studio, tmp_path):
    send(studio, ("rows.csv", b"a,b\n1,2\n"))
    assert studio.delete("/api/data/rows.csv", headers={"content-type": "application/json"}).status_code == 200
    assert entries(tmp_path) == [] and len(list((tmp_path / "work/trash").iterdir())) == 1


def looked(studio, answer):
    if answer.status_code == 202:
        key = answer.json()["job"]
        job = wait_for(lambda: (s := studio.get(f"/api/jobs/{key}").json())["state"] != "running" and s, "the look")
        return job.get("result") or job
    return answer.json()


def test_a_look_recognises_counts_and_draws_and_is_kept(tmp_path):
    studio = client(tmp_path / "work")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for n in range(12):
            archive.writestr(f"{('cats', 'dogs', 'cows')[n % 3]}/{n}.png", picture(20 * n))
        archive.writestr("cats/broken.png", b"no picture")
    found = looked(studio, send(studio, ("shades.zip", packed.getvalue())))
    assert (found["recipe"], found["kind"], found["count"]) == ("image", "images", 12)
    assert found["classes"] == [{"name": name, "count": 4} for name in ("cats", "cows", "dogs")]
    assert "broken.png" in found["problems"][0] and found["settings"] == {"domain.on_corrupt": "skip"}
    assert "pictures" in found["because"]
    with Image.open(io.BytesIO(studio.get(f"/{found['sheet']}").content)) as sheet:
        assert sheet.width > 50
    again = client(tmp_path / "work").get("/api/data/shades.zip")
    assert again.status_code == 200 and again.json()["sheet"] == found["sheet"]
    assert str(tmp_path) not in again.text


def test_a_look_at_what_is_no_data_says_so(tmp_path):
    studio = client(tmp_path / "work")
    failed = looked(studio, send(studio, ("what.bin", b"\x00\x01\x02" * 50)))
    assert failed["state"] == "failed" and "recipe" in failed["error"]
    assert str(tmp_path) not in str(failed)
    assert studio.get("/api/data/what.bin").status_code == 400
    assert studio.get("/api/jobs/0000").status_code == 404
