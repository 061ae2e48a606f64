"""What a service is sent that it should not be: each gets its status and a sentence, and the service goes on.

The inputs are harmless: where something is too large, the limit of the service is lowered.
"""

import io
import json
import struct
import zipfile
import zlib

import numpy as np
import pytest
from http_service import client_of
from pictures import noise
from PIL import Image

from ganworks.serve import archives
from ganworks.serve.engine import Limits as EngineLimits
from ganworks.serve.service import Limits

JSON = {"content-type": "application/json"}
SAMPLE = "/v1/models/dcgan/sample"


@pytest.fixture(scope="module")
def client():
    limits = Limits(upload_bytes=100_000, at_once=5_000, job_bytes=10_000_000, deadline_s=150.0)
    engine = {"limits": EngineLimits(upload_bytes=100_000, pixels=10_000)}
    with client_of("dcgan", "points", "text", "shift", engine=engine, limits=limits) as made:
        yield made
        assert made.post(SAMPLE, json={"seed": 3}).status_code == 200  # it goes on


def refused(answer, *statuses):
    """That an answer is an error of these statuses, in the shape of all errors, with a sentence that names no path."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    error = answer.json()["error"]
    message = error if isinstance(error, str) else error["message"]
    assert message.rstrip().endswith((".", "?")) and " " in message and "Traceback" not in message
    assert "/tmp" not in answer.text and "/home" not in answer.text and "site-packages" not in answer.text
    return message


def sample(client, text, headers=JSON):
    return client.post(SAMPLE, content=text if isinstance(text, bytes) else text.encode(), headers=headers)


SEEDS = ["-1", str(2**63), str(2**64), "1.5", '"7"', "true", "9" * 5000, "null", "[1]"]
COUNTS = ["0", "-1", str(10**9 + 1), "1e3", "2.0", '"8"', "1e999"]
REALS = ["NaN", "Infinity", "-Infinity", "1e999", "-0.0", "0", "-1", "11", '"1"', "true"]
LABELS = ["-1", "3", "1e9", '"cat"', '""', '"\\u0000"', "[]", '[["1"]]', "true", "{}", f'"{"x" * 1000}"']


@pytest.mark.parametrize("seed", SEEDS)  # row 29
def test_seeds(client, seed):
    refused(sample(client, f'{{"seed": {seed}}}'), 422, 400)


@pytest.mark.parametrize("n", COUNTS)  # row 30
def test_counts(client, n):
    refused(sample(client, f'{{"n": {n}}}'), 422, 400)


def test_a_count_beyond_what_a_job_makes(client):  # row 30
    assert "makes up to" in refused(sample(client, '{"n": 1000000000}'), 413)
    refused(client.post("/v1/models/points/sample", json={"n": 10**9}), 413)


@pytest.mark.parametrize("label", LABELS)  # row 31
def test_labels(client, label):
    refused(sample(client, f'{{"labels": {label}}}'), 400, 422)


@pytest.mark.parametrize("value", REALS)  # row 32
def test_truncations(client, value):
    refused(sample(client, f'{{"truncation": {value}}}'), 422)
    if value in ('"1"', "true"):
        return  # an option may be a word, as on the command line
    refused(
        client.post("/v1/models/text/sample", content=f'{{"options": {{"temperature": {value}}}}}', headers=JSON),
        400, 422,
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"{", b'{"n": 1,}', b"[]", b"1", b'"n"', b"null", '{"n": 1}'.encode("utf-16"), b"\xff\xfe",
     b'{"labels": "\\ud800"}', b'{"n": 1, "n": 2}', b'{"m": 1}', b"[" * 5_000, b'{"n":' + b"[" * 5_000, b'{"n": 1}\x00',
     b'{"options": {"a": {"b": 1}}}', b'{"options": {"a": [1]}}', b'{"options": {"nope": 1}}', b'{"format": "exe"}'],
)  # fmt: skip
def test_bodies(client, body):  # row 33
    refused(sample(client, body), 400, 422)


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"},
     {"content-type": "multipart/form-data; boundary=x"}, {**JSON, "content-encoding": "gzip"}],
)  # fmt: skip
def test_media_types(client, headers):  # row 33, 34
    refused(sample(client, "{}", headers), 415)


@pytest.mark.parametrize("accept", ["text/html", "image/svg+xml", "image/png;q=0", "x" * 3000])
def test_accept(client, accept):
    refused(client.post(SAMPLE, json={}, headers={"accept": accept}), 406)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "x", "1e999", "601", ""])
def test_deadlines(client, seconds):
    refused(client.post(SAMPLE, json={}, headers={"x-ganworks-deadline-s": seconds}), 400)


def png(*size, mode="RGB"):
    buffer = io.BytesIO()
    Image.new(mode, size or (8, 6)).save(buffer, "PNG")
    return buffer.getvalue()


def chunk(kind, data, crc=None):
    checked = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checked)


def says_it_is(width, height):
    """A PNG whose header names a size, with nothing that would fill it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def jpeg():
    buffer = io.BytesIO()
    Image.fromarray(noise(40, 40, 3)).save(buffer, "JPEG")
    return buffer.getvalue()


PICTURES = {
    "empty": ("a.png", b"", 422, 400),
    "larger than its limit": ("a.png", png(101, 100), 413),  # row 12
    "says it is huge": ("a.png", says_it_is(50_000, 50_000), 413, 422),
    "too many bytes": ("a.png", b"\x89PNG" + bytes(100_001), 413),  # row 34
    "cut": ("a.jpg", jpeg()[:900], 422),  # row 13
    "cut in its header": ("a.png", png()[:20], 422),
    "wrong checksum": ("a.png", png()[:29] + b"\0\0\0\0" + png()[33:], 422),
    "a page": ("a.png", b"<html>no picture</html>", 422),  # row 14
    "drawing": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415),  # row 40
    "PostScript": ("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", 422),
    "no suffix": ("a", png(), 400),
    "program": ("a.exe", b"MZ", 415),
    "weights": ("a.pt", b"PK\3\4", 415),
    "no array": ("a.npy", b"\x93NUMPY\1\0", 422, 400),
    "film": ("a.mp4", b"nothing", 415),  # its frames would hold up everybody else
    "no zip": ("a.zip", b"nothing", 422),
}


@pytest.mark.parametrize("what", PICTURES)
def test_pictures(client, what):
    name, content, *statuses = PICTURES[what]
    files = {"file": (name, content)}
    refused(client.post("/v1/models/shift/apply", files=files), *statuses)
    answer = client.post("/v1/models/shift/predict", files=files)
    refused(answer, *statuses, 400, 415)
    files = {"image": (name, content)}
    answer = client.post("/v1/images/edits", files=files, data={"model": "shift", "prompt": ""})
    refused(answer, *statuses, 400, 415)


@pytest.mark.parametrize(
    "name", ["../../x.png", "/etc/x.png", "..\\x.png", "\u202egnp.png", "a\nb.png", "x" * 300 + ".png", "-rf.png"]
)
def test_names_of_uploads_stay_names(client, name):  # row 22, 36
    answer = client.post("/v1/models/shift/apply", files={"file": (name, png())})
    assert answer.status_code == 200, answer.text
    said = answer.headers["content-disposition"].partition("filename=")[2].strip('"')
    assert "/" not in said and "\\" not in said and ".." not in said and said.isascii()


@pytest.mark.parametrize(
    ("fields", "files"),
    [({"seed": "-1"}, {}), ({"seed": "9" * 50}, {}), ({"seed": "1.5"}, {}), ({"sed": "1"}, {}),
     ({"options": "nonsense"}, {}), ({"options": "[1]"}, {}), ({"options": '{"noise": NaN}'}, {}),
     ({"options": '{"mask": "/etc/passwd"}'}, {}), ({"options": '{"seed": 1}'}, {}), ({"options": '{"noise": {}}'}, {}),
     ({"options": '{"noise": 1e999}'}, {}), ({"format": "../x"}, {}), ({"reverse": "perhaps"}, {}),
     ({}, {"mask": ("m.png", png(3, 3))}), ({}, {"mask": ("m.png", b"no picture")}), ({}, {"other": ("o.png", png())})],
)  # fmt: skip
def test_fields_of_forms(client, fields, files):
    files = {"file": ("a.png", png()), **files}
    refused(client.post("/v1/models/shift/apply", data=fields, files=files), 400, 422)


def zipped(*members, packed=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def link():
    info = zipfile.ZipInfo("a.png")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("members", "statuses"),
    [
        ([("../x.png", png())], (422,)),  # row 9
        ([("/etc/x.png", png())], (422,)),
        ([("a/../../x.png", png())], (422,)),
        ([("c:\\x.png", png())], (422,)),
        ([(link(), "/etc/passwd")], (422,)),
        ([("a.png", png()), ("A.PNG", png())], (422,)),
        ([("a.txt", "no picture")], (422,)),
        ([], (422,)),
        ([(f"{k}.png", b"") for k in range(21)], (413,)),  # row 10, with a lower limit
        ([("a.png", bytes(100_001))], (413,)),
        ([(f"{k}.png", bytes(90_000)) for k in range(10)], (413,)),
    ],
)
def test_zips(client, monkeypatch, members, statuses):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 20)
    for packed in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        files = {"file": ("a.zip", zipped(*members, packed=packed))}
        refused(client.post("/v1/models/shift/apply", files=files), *statuses)
        refused(client.post("/v1/models/shift/predict", files=files), *statuses)


def test_a_member_that_is_packed_too_tightly(client, monkeypatch):  # row 10
    monkeypatch.setattr(archives, "_RATIO", 2)
    monkeypatch.setattr(archives, "_SMALL", 1_000)
    files = {"file": ("a.zip", zipped(("a.png", bytes(2_000)), packed=zipfile.ZIP_DEFLATED))}
    refused(client.post("/v1/models/shift/apply", files=files), 413)


def test_forms_of_very_many_fields(client):  # row 34
    fields = {f"f{k}": "1" for k in range(200)}
    refused(client.post("/v1/models/shift/apply", data=fields, files={"file": ("a.png", png())}), 400, 413, 422)
    refused(client.post("/v1/models/shift/apply", data={"options": "x" * 200_000}, files={"file": ("a.png", png())}),
            400, 413, 422)  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/v1/models/nope", "/v1/models/..%2f..%2fetc", "/v1/models/%00", "/v1//models", "/v1/models/", "//etc/passwd",
     "/v1/models/dcgan\\sample", "/%2e%2e/x", "/v1/jobs/..%2fx", "/v1/jobs/%00/result", "/docs/../x"],
)  # fmt: skip
def test_addresses(client, path):  # row 36
    refused(client.get(path), 404)


def test_methods(client):
    refused(client.put(SAMPLE), 405)
    refused(client.get(SAMPLE, headers={"x-http-method-override": "POST"}), 405)


LATENTS = [[[float("nan")] * 8], [[1e30] * 8], [[0.0] * 3], [[[0.0]]]]


@pytest.mark.parametrize("z", LATENTS)  # row 28
def test_latents(client, z):
    array = np.array(z)
    data = json.dumps(array.ravel().tolist())
    body = f'{{"inputs": [{{"name": "z", "shape": {list(array.shape)}, "datatype": "FP32", "data": {data}}}]}}'
    refused(client.post("/v2/models/dcgan/infer", content=body, headers=JSON), 400, 422)


@pytest.mark.parametrize(
    "prompt", ["x" * 10_001, "\x00", "\u202e", "<script>alert(1)</script>", "1 " * 400, "=", "1=2"]
)
def test_prompts(client, prompt):  # row 31, 40
    message = refused(client.post("/v1/images/generations", json={"model": "dcgan", "prompt": prompt}), 400, 422)
    assert len(message) < 1000


def test_one_that_cannot_be_done_harms_no_other(client):  # row 42
    files = [("file", (f"{k}.png", png())) for k in range(3)] + [("file", ("bad.png", b"no picture"))]
    answer = client.post("/v1/models/shift/predict", files=files)
    if answer.status_code == 200:
        assert len(answer.json()["data"]) == 3 and answer.json()["failed"][0]["file"] == "bad.png"
    else:
        refused(answer, 422)
