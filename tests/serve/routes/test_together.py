"""What the protocols share: the same bytes for the same seed, ids of requests, and the end of a client."""

import asyncio
import base64
import io
import socket
import threading

import httpx
import numpy as np
import pytest
from http_service import client_of, listening, run
from PIL import Image
from starlette.testclient import TestClient

from ganworks.serve.app import create_app
from ganworks.serve.engine import BusyError, CannotLoadError, Limits, TooLateError
from ganworks.serve.routes import native
from ganworks.serve.routes.errors import plain
from ganworks.use.model import Model


def test_a_seed_gives_the_same_picture_through_each_protocol():
    with client_of("dcgan") as client:
        native = client.post("/v1/models/dcgan/sample", json={"seed": 11, "labels": "1", "truncation": 0.7}).content
        said = client.post("/v1/images/generations", json={"prompt": "1 seed=11 truncation=0.7"}).json()
        assert base64.b64decode(said["data"][0]["b64_json"]) == native
        inputs = [
            {"name": "seed", "shape": [1], "datatype": "INT64", "data": [11]},
            {"name": "label", "shape": [1], "datatype": "INT64", "data": [1]},
            {"name": "truncation", "shape": [1], "datatype": "FP32", "data": [0.7]},
        ]
        output = client.post("/v2/models/dcgan/infer", json={"inputs": inputs}).json()["outputs"][0]
        pixels = np.array(output["data"], np.uint8).reshape(output["shape"])[0]
        assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(native))))


def test_every_answer_has_an_id():
    with client_of("dcgan") as client:
        assert client.get("/v1/models", headers={"x-request-id": "mine-7"}).headers["x-request-id"] == "mine-7"
        assert client.get("/nothing", headers={"x-request-id": "a b"}).headers["x-request-id"] not in ("", "a b")


def test_every_route_names_a_scope():
    with client_of("dcgan") as client:
        paths = client.get("/openapi.json").json()["paths"]
    scopes = {path: {said["x-scope"] for said in verbs.values()} for path, verbs in paths.items()}
    assert set().union(*scopes.values()) <= {"models", "sample", "apply", "admin", "public"}
    assert scopes["/v1/models/{name}/apply"] == {"apply"} and scopes["/v2/health/live"] == {"public"}


def test_a_message_names_no_path_of_the_server():
    assert plain("/home/me/runs/a/generator.safetensors is damaged.") == "generator.safetensors is damaged."
    assert plain("C:\\runs\\a\\b.png is gone") == "b.png is gone"
    assert plain("use /v1/models/a/sample.") == "use /v1/models/a/sample."


class Stub:
    """An engine that does what it is told."""

    names, paths, limits, ready, watermark = ["dcgan"], {"dcgan": run("dcgan")}, Limits(), True, None

    def __init__(self, work, stream=None):
        self.sample, self.stream = work, stream


def test_a_stream_ends_when_its_client_goes(monkeypatch):
    monkeypatch.setattr(native, "PART", 1)
    ended = threading.Event()

    async def stream(ask):
        try:
            yield Model.load(run("dcgan")).sample(2)
            await asyncio.Event().wait()
        finally:
            ended.set()

    with listening(create_app(Stub(None, stream))) as url:
        with httpx.stream("POST", f"{url}/v1/models/dcgan/sample", json={"n": 500, "format": "zip"}) as answer:
            assert next(answer.iter_raw()).startswith(b"PK") and not ended.is_set()
        assert ended.wait(20)


@pytest.mark.parametrize(
    ("error", "status"),
    [(BusyError("Wait.", 2.4), 429), (TooLateError("Late."), 504), (CannotLoadError("Broken."), 503),
     (MemoryError("not enough memory"), 503), (ZeroDivisionError("a secret"), 500)],
)  # fmt: skip
def test_what_the_engine_says_becomes_a_status(error, status):
    async def work(ask):
        raise error

    with TestClient(create_app(Stub(work)), raise_server_exceptions=False) as client:
        answer = client.post("/v1/models/dcgan/sample", json={})
        spoken = client.post("/v2/models/dcgan/generate", json={})
    assert answer.status_code == status and answer.json()["error"].keys() >= {"message", "type", "param", "code"}
    assert isinstance(spoken.json()["error"], str)
    assert ("retry-after" in answer.headers) == (status in (429, 503)) and "secret" not in answer.text
    if status == 429:
        assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize("path", ["/v1/models/dcgan/sample", "/v1/images/generations"])
def test_work_ends_when_its_client_goes(path):
    begun, ended = threading.Event(), threading.Event()

    async def work(ask):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    body = b'{"prompt": ""}' if "images" in path else b"{}"
    with listening(create_app(Stub(work))) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
            client.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
            assert begun.wait(20)
            assert not ended.wait(0.05)
        assert ended.wait(20)
