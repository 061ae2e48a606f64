"""The Open Inference Protocol v2, as Triton's client speaks it."""

import json

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from http_service import app_of, client_of, engine_of, listening, run
from pictures import noise

from ganworks.serve.access.keys import Key
from ganworks.serve.access.ticket import Ticket
from ganworks.use.applier import Applier
from ganworks.use.model import Model


@pytest.fixture(scope="module")
def address():
    names = ("dcgan", "text", "table", "series", "shift", "audio")
    with engine_of(*names) as engine, listening(app_of(engine)) as url:
        yield url


@pytest.fixture(scope="module")
def client(address):
    with triton.InferenceServerClient(address.removeprefix("http://")) as made:
        yield made


def tensor(name, array, datatype, binary=True):
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_the_server_and_its_models_are_described(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("dcgan") and client.is_model_ready("dcgan", "1") and not client.is_model_ready("nope")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    facts = client.get_model_metadata("dcgan")
    assert facts["outputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 12, 12, 3]}]
    assert {entry["name"] for entry in facts["inputs"]} == {"seed", "z", "truncation", "label"}
    for name in ("text", "table", "series", "shift", "audio"):
        assert client.get_model_metadata(name)["outputs"]


@pytest.mark.parametrize("binary", [True, False])
def test_pictures_of_seeds_and_classes(client, binary):
    model = Model.load(run("dcgan"))
    wanted = [model.sample(1, seed, label, 0.5).numpy()[0].transpose(1, 2, 0) for seed, label in ((3, 2), (9, 1))]
    inputs = [
        tensor("seed", np.array([3, 9]), "INT64", binary),
        tensor("label", np.array([2, 1]), "INT64", binary),
        tensor("truncation", np.array([0.5], np.float32), "FP32", binary),
    ]
    outputs = [triton.InferRequestedOutput("image", binary_data=binary)]
    made = client.infer("dcgan", inputs, outputs=outputs, request_id="a7")
    assert np.array_equal(made.as_numpy("image"), np.stack(wanted))
    assert made.get_response()["id"] == "a7" and made.get_response()["model_name"] == "dcgan"


def test_pictures_of_latents(client):
    model = Model.load(run("dcgan"))
    z = np.random.default_rng(0).standard_normal((2, model.z_dim)).astype(np.float32)
    made = client.infer("dcgan", [tensor("z", z, "FP32"), tensor("label", np.array([b"2"], object), "BYTES")])
    assert np.array_equal(made.as_numpy("image"), model.decode(z, "2").numpy().transpose(0, 2, 3, 1))


def test_texts_rows_and_series_are_bytes(client, address):
    made = client.infer("text", [tensor("seed", np.array([3, 4]), "INT64")])
    lines = [json.loads(line) for line in made.as_numpy("row")]
    model = Model.load(run("text"))
    assert [line["text"] for line in lines] == [model.sample(1, seed).items[0] for seed in (3, 4)]
    assert client.infer("table", [tensor("seed", np.array([3]), "INT64", binary=False)]).as_numpy("row").shape == (1,)
    rows = json.loads(client.infer("series", [tensor("seed", np.array([3]), "INT64")]).as_numpy("row")[0])
    assert len(rows["rows"]) > 1
    said = httpx.post(f"{address}/v2/models/text/generate", json={"parameters": {"seed": 3}}).json()
    assert said == {"model_name": "text", "model_version": "1", "text_output": lines[0]["text"]}


def test_pictures_are_changed_and_classified(client):
    photos = np.stack([noise(8, 8, 3, seed=k) for k in range(2)])
    made = client.infer("shift", [tensor("image", photos, "UINT8"), tensor("seed", np.array([3]), "INT64")])
    applier = Applier.load(run("shift"))
    assert np.array_equal(made.as_numpy("image"), np.stack([applier.apply(photo, 3) for photo in photos]))


def test_sounds_are_numbers(client):
    made = client.infer("audio", [tensor("seed", np.array([3]), "INT64")]).as_numpy("sample")
    assert np.array_equal(made, Model.load(run("audio")).sample(1, 3).numpy())


@pytest.mark.parametrize(
    "inputs",
    [
        [],
        [{"name": "seed", "shape": [2], "datatype": "INT64", "data": [1]}],
        [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [-1]}],
        [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [2**64]}],
        [{"name": "seed", "shape": [1], "datatype": "INT64", "data": ["x"]}],
        [{"name": "seed", "shape": [1], "datatype": "INT65", "data": [1]}],
        [{"name": "seed", "shape": [-1], "datatype": "INT64", "data": [1]}],
        [{"name": "seed", "shape": [10**9], "datatype": "INT64", "data": [1]}],
        [{"name": "z", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}],
        [{"name": "z", "shape": [1, 2], "datatype": "FP32", "data": [[[[[[[1]]]]]], 2]}],
        [{"name": "image", "shape": [1], "datatype": "INT64", "data": [1]}],
        [{"name": "seed", "shape": [1], "datatype": "INT64", "data": [1], "parameters": {"binary_data_size": 8}}],
        [{"name": "label", "shape": [1], "datatype": "INT64", "data": [9]},
         {"name": "seed", "shape": [1], "datatype": "INT64", "data": [1]}],
        "seed",
        [7],
    ],
)  # fmt: skip
def test_wrong_tensors_are_refused_with_a_sentence(address, inputs):
    answer = httpx.post(f"{address}/v2/models/dcgan/infer", json={"inputs": inputs})
    assert answer.status_code == 400, answer.text
    assert isinstance(answer.json()["error"], str) and len(answer.json()["error"]) > 20


def test_broken_bytes_are_refused(address):
    head = json.dumps({"inputs": [{"name": "seed", "shape": [1], "datatype": "INT64",
                                   "parameters": {"binary_data_size": 8}}]}).encode()  # fmt: skip
    url = f"{address}/v2/models/dcgan/infer"
    for length, tail in (("x", b""), (str(10**6), b""), (str(len(head)), b"123"), (str(len(head)), b"1" * 9)):
        answer = httpx.post(url, content=head + tail, headers={"inference-header-content-length": length})
        assert answer.status_code == 400, answer.text
    assert httpx.get(f"{address}/v2/models/dcgan/versions/7").status_code == 404


class AsAnna:
    """Requests come with a key for samples alone."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        token = Ticket("x", "POST", key=Key("", "anna", scopes=("sample",))).enter()
        try:
            await self.app(scope, receive, send)
        finally:
            Ticket.leave(token)


def test_a_key_for_samples_changes_no_pictures():
    image = {"name": "image", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3]}
    seed = {"name": "seed", "shape": [1], "datatype": "INT64", "data": [1]}
    with client_of("shift", "dcgan", guard=lambda app: app.add_middleware(AsAnna)) as client:
        assert client.post("/v2/models/shift/infer", json={"inputs": [image]}).status_code == 403
        assert client.post("/v2/models/dcgan/infer", json={"inputs": [seed]}).status_code == 200
    with client_of("shift") as client:
        assert client.post("/v2/models/shift/infer", json={"inputs": [image]}).status_code == 200
