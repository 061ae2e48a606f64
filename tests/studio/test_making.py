"""The use of trained networks from the page: the same bytes as the command line gives, and kept results."""

import io
import json

import numpy as np
import pytest
import torch
from asking import client, wait_for, with_runs
from PIL import Image

from ganworks.use.exploring import directions
from ganworks.use.exploring.space import Space
from ganworks.use.model import Model

USED = {"acgan": "image", "table": "table", "text": "text", "points": "points", "pix2pix": "image", "classify": "",
        "inpaint": "image", "series": "series", "wavegan": "audio"}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return with_runs(tmp_path_factory.mktemp("made"), USED)


@pytest.fixture(scope="module")
def studio(folder):
    return client(folder)


def ask(studio, name, what, **body):
    answer = studio.post(f"/api/runs/{name}/{what}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_samples_are_those_of_the_command_line(studio, folder):
    made = ask(studio, "acgan", "sample", n=3, seed=7, start=2, truncation=0.5)
    samples = Model.load(folder / "runs/acgan").sample(3, seed=7, start=2, truncation=0.5)
    assert [item["index"] for item in made["items"]] == [2, 3, 4] and made["media"] == "image"
    for item, (_, content) in zip(made["items"], samples.files(), strict=True):
        assert studio.get(f"/{item['url']}").content == content
    samples.save(folder / "wanted.zip")
    assert studio.get(f"/{made['download']}").content == (folder / "wanted.zip").read_bytes()
    assert made["command"] == "ganworks sample runs/acgan 5 seed=7 truncation=0.5 out=samples.zip"
    assert "start=2" in made["python"] and str(folder) not in json.dumps(made)


def test_the_same_request_is_answered_from_the_disk_also_after_a_restart(studio, folder, monkeypatch):
    asked = {"n": 2, "seed": 11}
    made = ask(studio, "acgan", "sample", **asked)
    other = client(folder)
    monkeypatch.setattr(other.app.state.studio.workshop, "model", None)
    assert ask(other, "acgan", "sample", **asked) == made


@pytest.mark.parametrize("name", ["table", "text", "points", "series", "wavegan"])
def test_other_samples_than_pictures(studio, name):
    made = ask(studio, name, "sample", n=2, seed=1)
    assert made["media"] == USED[name] and len(made["items"]) == 2
    first = made["items"][0]
    shown = {"table": "row", "points": "row", "text": "text", "series": "rows", "audio": "url"}[USED[name]]
    assert first[shown] and (
        made["columns"] is None or len(made["columns"]) == len(first.get("row") or first["rows"][0])
    )
    assert studio.get(f"/{made['download']}").status_code == 200
    detail = studio.get(f"/api/runs/{name}").json()
    assert detail["media"] == made["media"] and detail["can"]["latent"]


def test_a_walk_and_a_moved_latent(studio, folder):
    walk = ask(studio, "acgan", "walk", seeds=[1, 2], steps=3)
    assert len(walk["items"]) == 3 and walk["download"].endswith("walk.webp")
    with Image.open(io.BytesIO(studio.get(f"/{walk['download']}").content)) as film:
        assert film.n_frames == 3
    still = ask(studio, "acgan", "latent", seed=5, moves={"0": 0.0}, labels=0)
    moved = ask(studio, "acgan", "latent", seed=5, moves={"0": 3.0}, labels=0)
    wanted = next(Model.load(folder / "runs/acgan").sample(1, seed=5, labels=0).files())[1]
    one, other = (np.asarray(Image.open(io.BytesIO(studio.get(f"/{m['url']}").content))) for m in (still, moved))
    assert np.array_equal(one, np.asarray(Image.open(io.BytesIO(wanted)))) and not np.array_equal(one, other)
    known = studio.get("/api/runs/acgan/directions").json()
    assert 2 <= len(known) <= 12 and known[0]["low"] < 0 < known[0]["high"]
    assert studio.post("/api/runs/acgan/latent", json={"moves": {"99": 1.0}}).status_code == 400
    assert studio.post("/api/runs/acgan/latent", json={"moves": {"x": 1.0}}).status_code == 400


def test_directions_are_those_of_explore(studio, folder):
    made = studio.app.state.studio.workshop
    space, vectors = made.sliders("acgan", 0)
    wanted = directions.find(Space(Model.load(folder / "runs/acgan"), 0), count=min(12, space.dim))
    assert torch.allclose(vectors, wanted.vectors, atol=1e-5)


def test_a_network_without_gradients_has_its_axes(studio, monkeypatch):
    def none(*_, **__):
        raise RuntimeError("no gradient passes")

    monkeypatch.setattr(directions, "find", none)
    _, vectors = studio.app.state.studio.workshop.sliders("points")
    assert torch.equal(vectors, torch.eye(len(vectors), vectors.shape[1]))


def file(shape=(32, 32, 3), kind="png"):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)).save(out, kind)
    return out.getvalue()


def send(studio, name, what, **parts):
    files = {part: (f"{part} 1.png", content) for part, content in parts.items() if isinstance(content, bytes)}
    texts = {part: text for part, text in parts.items() if isinstance(text, str)}
    return studio.post(f"/api/runs/{name}/{what}", files=files, data=texts, headers={"x-ganworks": "1"})


def test_a_picture_is_changed(studio):
    made = send(studio, "pix2pix", "apply", file=file()).json()
    for part in ("before", "after"):
        with Image.open(io.BytesIO(studio.get(f"/{made[part]}").content)) as image:
            assert image.mode == "RGB"
    assert made["media"] == "image" and made["command"].startswith("ganworks apply runs/pix2pix 'file 1.png' ")
    assert send(studio, "pix2pix", "apply", file=file(), options='{"nothing": 1}').status_code == 400
    assert send(studio, "pix2pix", "apply", file=b"no picture").status_code == 400


def test_a_hole_is_filled_where_the_mask_is_white(studio):
    assert "mask" in send(studio, "inpaint", "apply", file=file()).json()["error"]["message"]
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 255
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "png")
    made = send(studio, "inpaint", "apply", file=file(), mask=out.getvalue()).json()
    before, after = (np.asarray(Image.open(io.BytesIO(studio.get(f"/{made[p]}").content))) for p in ("before", "after"))
    changed = (before != after).any(2)
    assert changed[mask > 0].any() and not changed[mask == 0].any()


def test_a_picture_is_classified(studio):
    made = send(studio, "classify", "predict", file=file()).json()
    shares = [each["probability"] for each in made["classes"]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "what", "body", "status"),
    [
        ("none", "sample", {}, 404),
        ("pix2pix", "latent", {}, 409),
        ("acgan", "sample", {"n": 0}, 400),
        ("acgan", "sample", {"n": 10**9}, 400),
        ("acgan", "sample", {"seed": -1}, 400),
        ("acgan", "sample", {"labels": "no such class"}, 400),
        ("acgan", "sample", {"truncation": 0}, 400),
        ("acgan", "sample", {"extra": 1}, 400),
        ("acgan", "sample", {"options": {"nothing": 1}}, 400),
        ("acgan", "walk", {"seeds": [1]}, 400),
        ("acgan", "walk", {"seeds": list(range(20)), "steps": 200}, 400),
    ],
)
def test_what_cannot_be_asked(studio, name, what, body, status):
    answer = studio.post(f"/api/runs/{name}/{what}", json=body)
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_only_results_are_served(studio, folder):
    for path in ("x/y", "../jobs/x.json", "a/answer.json", "%2e%2e/token"):
        assert studio.get(f"/api/results/{path}").status_code == 404


def test_results_are_bounded(studio, folder):
    results = studio.app.state.studio.results
    results._most = 3
    keys = [ask(studio, "acgan", "sample", n=1, seed=seed)["download"].split("/")[2] for seed in range(100, 105)]
    assert not (results.folder / keys[0]).exists() and (results.folder / keys[-1]).exists()
    assert len([p for p in results.folder.iterdir() if not p.name.startswith(".")]) <= 3
    results._most = 1000


def test_publishing_says_how_to_serve(studio, folder):
    for name in ("acgan", "table", "acgan"):
        found = studio.post(f"/api/runs/{name}/publish", json={}).json()
    assert found["command"] == "ganworks serve runs/table runs/acgan"
    listed = json.loads((folder / "served.json").read_text())
    assert [one["path"] for one in listed["models"]] == ["runs/table", "runs/acgan"]


def test_too_many_at_once_are_refused(folder):
    import asyncio
    import threading

    from ganworks.studio.making import workshop
    from ganworks.studio.places import RefusedError

    shop, stop = workshop.Workshop(client(folder).app.state.studio.runs), threading.Event()

    async def flood():
        work = [asyncio.ensure_future(shop.do(lambda: stop.wait(20))) for _ in range(workshop._WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="too much"):
            await shop.do(lambda: None)
        stop.set()
        await asyncio.gather(*work)

    asyncio.run(flood())
    wait_for(stop.is_set, "the end")
