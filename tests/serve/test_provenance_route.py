"""POST /v1/provenance: what an uploaded file says of its origin."""

import numpy as np
import pytest
from PIL import Image

fastapi = pytest.importorskip("fastapi")
pytest.importorskip("httpx")
pytest.importorskip("c2pa")

from fastapi.testclient import TestClient  # noqa: E402

from ganworks.files import provenance  # noqa: E402
from ganworks.files.provenance.certificates import self_signed  # noqa: E402
from ganworks.files.provenance.signing import Signer  # noqa: E402
from ganworks.serve import provenance as route  # noqa: E402

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8))
NOTE = provenance.note(model="m", seed=1)


@pytest.fixture(scope="module")
def client():
    app = fastapi.FastAPI()
    app.include_router(route.provenance_routes())
    return TestClient(app)


def ask(client, content, name):
    return client.post("/v1/provenance", files={"file": (name, content)})


def test_outcome_and_validation_state(client):
    marked = provenance.encode([PICTURE], "png", NOTE)
    signed, _ = Signer(*self_signed()).signed(marked, "a.png", NOTE)
    broken = signed[:-30] + bytes([signed[-30] ^ 1]) + signed[-29:]
    for content, outcome, state in (
        (marked, "marked", "not_present"), (signed, "signed", "valid"), (broken, "tampered", "invalid"),
        (provenance.encode([PICTURE], "png", None), "unknown", "not_present"), (b"?", "unknown", "not_present"),
    ):  # fmt: skip
        found = ask(client, content, "../a.PNG")
        assert found.status_code == 200, found.text
        assert (found.json()["outcome"], found.json()["validation_state"]) == (outcome, state)
        assert found.json()["file"] == "../a.PNG" and found.json()["object"] == "provenance"


def test_uploads_are_bounded(client, monkeypatch):
    monkeypatch.setattr(route, "LARGEST", 100)
    found = ask(client, bytes(101), "a.png")
    assert found.status_code == 413 and "more than" in found.json()["error"]["message"]
    assert client.post("/v1/provenance").status_code == 422
    assert ask(client, bytes(10), "").status_code in (200, 422)
