"""What the studio is sent that it should not be: each gets its status and a sentence, and the studio goes on.

The inputs are harmless: where something is too large, the limit of the studio is lowered.
"""

import io
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from asking import client, stand_in, with_runs
from PIL import Image

from ganworks.core.errors import UsageError
from ganworks.core.plugins import own
from ganworks.studio.data import looks, uploads
from ganworks.studio.data.uploads import Limits
from ganworks.studio.trainings import control
from ganworks.studio.trainings import jobs as jobs_module

JSON = {"content-type": "application/json"}
FORM = {"x-ganworks": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return with_runs(tmp_path_factory.mktemp("asked"), ("acgan", "pix2pix", "classify"))


@pytest.fixture(scope="module")
def studio(folder):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jobs_module, "PROGRAM", stand_in(folder))
        made = client(folder)
        made.app.state.studio.looks._look = lambda *arguments: None
        yield made
    assert made.get("/api/state").status_code == 200  # it goes on
    assert not made.app.state.studio.runs.jobs.names()  # nothing was started


def refused(answer, *statuses):
    """That an answer is an error of these statuses, with a sentence that names no path and no class of ours."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    message = answer.json()["error"]["message"]
    assert message.rstrip().endswith((".", "?")) and " " in message and "Traceback" not in message
    assert "/tmp" not in answer.text and "/home" not in answer.text and "site-packages" not in answer.text
    return message


def ask(studio, what, text):
    content = text if isinstance(text, bytes) else text.encode()
    return studio.post(f"/api/runs/acgan/{what}", content=content, headers=JSON)


SEEDS = ["-1", str(2**63), str(2**64), "1.5", '"7"', "true", "9" * 5000, "null", "[1]"]  # row 29
COUNTS = ["0", "-1", "1001", str(10**9), "2.0", '"8"', "1e999"]  # row 30
REALS = ["NaN", "Infinity", "-Infinity", "1e999", "-0.0", "0", "-1", "11", '"1"', "true"]  # row 32
LABELS = ["-1", "99", "1e9", '"no such class"', '"\\u0000"', '[["1"]]', "true", "{}", "[]", f'"{"x" * 1000}"']  # row 31


@pytest.mark.parametrize(
    ("what", "body"),
    [
        *(("sample", f'{{"seed": {value}}}') for value in SEEDS),
        *(("walk", f'{{"seeds": [1, {value}]}}') for value in SEEDS),
        *(("latent", f'{{"seed": {value}}}') for value in SEEDS),
        *(("sample", f'{{"n": {value}}}') for value in COUNTS),
        *((what, f'{{"truncation": {value}, "seeds": [1, 2]}}') for value in REALS for what in ("walk",)),
        *((what, f'{{"truncation": {value}}}') for value in REALS for what in ("sample", "latent")),
        *(("latent", f'{{"moves": {{"0": {value}}}}}') for value in ("NaN", "1e999", "21", '"1"', "true", "null")),
        *(("latent", f'{{"moves": {{"{name}": 1}}}}') for name in ("-1", "999", "9" * 400, "٣x", "")),
        *((what, f'{{"labels": {value}}}') for value in LABELS for what in ("sample", "latent")),
        *(("sample", f'{{"options": {{"nope": {value}}}}}') for value in ("1", '"x"', "[1]", "{}", "NaN", "null")),
    ],
)  # fmt: skip
def test_values_of_samples(studio, what, body):
    refused(ask(studio, what, body), 400, 422)


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"{", b'{"n": 1,}', b"[]", b"1", b'"n"', b"null", '{"n": 1}'.encode("utf-16"), b"\xff\xfe",
     b'{"labels": "\\ud800"}', b'{"m": 1}', b"[" * 5_000, b'{"n":' + b"[" * 5_000, b'{"n": 1}\x00',
     b'{"n": 1, "n": 2}'],
)  # fmt: skip
def test_bodies(studio, body):  # row 33
    refused(ask(studio, "sample", body), 400, 422)
    refused(studio.post("/api/runs", content=body, headers=JSON), 400, 422)
    refused(studio.post("/api/data", content=body, headers=JSON), 400, 404, 422)


def test_too_large_a_body(studio):  # row 34
    for path in ("/api/data", "/api/runs", "/api/runs/acgan/sample", "/api/runs/acgan/stop"):
        refused(studio.post(path, content=b" " * ((1 << 20) + 1), headers=JSON), 413)
        if not path.endswith("stop"):  # which reads nothing
            refused(studio.post(path, content=iter([b" " * 600_000] * 2), headers=JSON), 413)


@pytest.mark.parametrize(
    "path",
    ["/api/runs/..%2f..", "/api/runs/%00", "/api/runs/.hidden", "/api/runs/acgan/files/..%2f..%2fx", "/api/looks/../x",
     "/api/runs/acgan/files/%2fetc%2fpasswd", "/api/runs/acgan/files/state/x", "/api/results/..%2f/x", "/api/nothing",
     "/api/results/abc/answer.json", "/api/results/abc/..%2fx", "/api/looks/x/..%2flook.json", "/api//runs",
     "/api/data/..%2fruns", "/api/data/.x", "/api/data/builtin:..%2fx", "/api/runs/acgan%5cx", "/api/recipes/..%2fx",
     "/api/jobs/..%2fx", "/api/runs/" + "x" * 3000, "/static/..%2f..%2fapp.py", "/static/%2fetc/passwd", "/vendor/../x",
     "/api/events?from=%00", "/api/events?from=W10", "/api/compare?runs=..%2fx", "/api/runs/acgan/curves?points=0"],
)  # fmt: skip
def test_addresses(studio, path):  # row 36
    refused(studio.get(path), 400, 404)


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "PATCH", "CONNECT", "QUERY"])
def test_methods(studio, method):
    for path in ("/", "/static/js/main.js", "/api/state", "/api/runs/acgan/sample"):
        answer = studio.request(method, path, headers=JSON)
        assert answer.status_code in (400, 403, 404, 405, 415)
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_method_is_not_overridden(studio):  # row 36
    headers = {**JSON, "x-http-method-override": "DELETE"}
    assert studio.get("/api/runs/acgan", headers=headers).status_code == 200
    assert studio.get("/api/runs/acgan").status_code == 200


def png(*size):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((*(size or (32, 32)), 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = {
    "empty": ("a.png", b""),  # row 14
    "a page": ("a.png", b"<html>no picture</html>"),
    "cut": ("a.png", png()[:40]),  # row 13
    "wrong checksum": ("a.png", png()[:29] + b"\0\0\0\0" + png()[33:]),  # row 12
    "drawing": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),  # row 40
    "PostScript": ("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n"),
    "program": ("a.exe", b"MZ"),
    "weights": ("a.pt", b"PK\3\4"),  # row 1
    "no name": ("", png()),
}


@pytest.mark.parametrize("what", PICTURES)
@pytest.mark.parametrize("use", ["pix2pix/apply", "classify/predict"])
def test_pictures(studio, use, what):
    answer = studio.post(f"/api/runs/{use}", files={"file": PICTURES[what]}, headers=FORM)
    if what == "no name":
        assert answer.status_code in (200, 400)
    else:
        refused(answer, 400, 413, 415, 422)


@pytest.mark.parametrize(
    "fields",
    [{"seed": "-1"}, {"seed": "9" * 50}, {"seed": "1.5"}, {"seed": "²"}, {"options": "nonsense"}, {"options": "[1]"},
     {"options": '{"mask": "/etc/passwd"}'}, {"options": '{"nope": 1}'}, {"options": '{"a": NaN}'},
     {"options": '{"watermark": "x"}'}, {"options": '{"mark": "off"}'}, {"options": "[" * 5000},
     {"options": '{"workers": "99"}'}, {"options": '{"on_progress": "x"}'}],
)  # fmt: skip
def test_fields_of_forms(studio, fields):
    answer = studio.post("/api/runs/pix2pix/apply", files={"file": ("a.png", png())}, data=fields, headers=FORM)
    refused(answer, 400, 422)


def raw(*parts, end=b"--b--\r\n"):
    """A form as bytes: (headers of a part, its content)."""
    return b"".join(b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + end


FILE = b'Content-Disposition: form-data; name="file"; filename="a.csv"'
TEXT = b'Content-Disposition: form-data; name="name"'


@pytest.mark.parametrize(
    "body",
    [
        raw((FILE, b"a,b"), end=b""),  # cut off
        raw((FILE, b"a,b"))[:-12],
        raw((TEXT, b"x")),  # no file
        raw((TEXT, b"x"), (TEXT, b"y"), (FILE, b"a,b")),  # a field twice
        raw((TEXT, b"x" * 70_000), (FILE, b"a")),
        raw((FILE + b"\r\nX: " + b"y" * 9000, b"a")),
        raw(*((TEXT.replace(b'"name"', b'"n%d"' % k), b"x") for k in range(60))),
        raw((FILE.replace(b"a.csv", b"../.."), b"a")),
        raw((FILE.replace(b"a.csv", b"d/" * 20 + b"a"), b"a"), (FILE, b"b")),
        b"nonsense", b"", b"--b--\r\n",
    ],
)  # fmt: skip
def test_forms(studio, folder, body):
    before = sorted((folder / "data").iterdir())
    headers = {**FORM, "content-type": "multipart/form-data; boundary=b"}
    refused(studio.post("/api/data", content=body, headers=headers), 400, 413)
    assert sorted((folder / "data").iterdir()) == before  # nothing of it is left, not even hidden


def test_all_of_a_form_counts_not_only_its_files(studio, monkeypatch):
    monkeypatch.setattr(uploads, "_OVERHEAD", 1000)
    monkeypatch.setattr(studio.app.state.studio, "limits", Limits(size=1000))
    parts = [(TEXT.replace(b'"name"', b'"n%d"' % k), b"x" * 400) for k in range(6)]
    headers = {**FORM, "content-type": "multipart/form-data; boundary=b"}
    content = iter([raw(*parts, (FILE, b"a"))])  # in chunks, with no length said
    refused(studio.post("/api/data", content=content, headers=headers), 413)


def test_a_disk_that_fills_up_while_a_form_arrives(studio, folder, monkeypatch):
    monkeypatch.setattr(uploads, "_STRIDE", 100)
    rooms = iter([10**12, 0])
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(rooms)))
    headers = {**FORM, "content-type": "multipart/form-data; boundary=b"}
    before = sorted((folder / "data").iterdir())
    refused(studio.post("/api/data", content=raw((FILE, b"x" * 2000)), headers=headers), 413)
    assert sorted((folder / "data").iterdir()) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("init", value) for value in ("/etc/x", "~/x", "../x", "runs/../../x", "C:\\x", "\\\\host\\x", "a,/etc/x")),
        *(("exclude", value) for value in ("/etc/passwd", "..", "data/../../x", "a;../x", "x=/etc/x", " /etc/x")),
        *((name, "os.path") for name in ("networks", "game", "domain", "game.loss")),
        *(("loss", value) for value in ("os:system", "data.mine:loss", "a.b")),
        *((name, "x") for name in ("plugin", "out", "data", "tensorboard", "a b", "", "-x", "x" * 200, "a\n")),
        *(("budget", value) for value in ("a\nb", "\0", "x" * 600, "\x1b[31m")),
    ],
)
def test_settings_that_are_for_the_command_line_alone(studio, name, value):
    body = {"data": "builtin:digits", "settings": {name: value}}
    refused(studio.post("/api/runs", json=body), 400, 422)


@pytest.mark.parametrize("value", ["runs/a", "data/x.csv", "0.5", "1e-4", "64,96", "[0.0, 0.9]", "fd<5", "10m", "a..b"])
def test_settings_that_name_nothing_outside_are_taken(value):
    assert control.checked({"init": value}) == {"init": value}
    assert control.checked({"networks": "dcgan", "loss": "non-saturating", "g.lr": "1e-4"})


@pytest.mark.parametrize("data", ["", "..", "/etc", "x/y", ".hidden", "builtin:x", "nope", "x" * 5000])
def test_data_that_is_not_there(studio, data):
    refused(studio.post("/api/runs", json={"data": data}), 400, 404)


@pytest.mark.parametrize("recipe", ["os:system", "../x", "nope", "image data=x", "--help"])
def test_recipes_that_are_not_there(studio, recipe):
    before = len(studio.app.state.studio.looks._jobs)
    refused(studio.post("/api/runs", json={"data": "builtin:digits", "recipe": recipe}), 400, 404)
    refused(studio.get("/api/data/builtin:digits", params={"recipe": recipe}), 400, 404)
    assert len(studio.app.state.studio.looks._jobs) == before


def test_a_training_of_the_studio_imports_no_module(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(jobs_module.subprocess, "Popen", lambda *a, **k: started.append(k) or SimpleNamespace(pid=0))
    client(tmp_path).app.state.studio.runs.jobs.start("a", ["train"])
    (tmp_path / "mine.py").write_text("raise AssertionError('it was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(own.SWITCH, started[0]["env"][own.SWITCH])
    for work in (lambda: own.import_named("mine", "plugin="), lambda: own.part_named("networks", "mine.Net")):
        with pytest.raises(UsageError, match="command line alone"):
            work()


def test_no_more_trainings_run_than_are_allowed(studio, monkeypatch):
    monkeypatch.setattr(jobs_module, "MOST", 0)
    assert "wait" in refused(studio.post("/api/runs", json={"data": "builtin:digits"}), 429)


def test_no_more_looks_wait_than_are_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(looks, "_WAITING", 2)
    asked = client(tmp_path)
    asked.app.state.studio.looks._look = lambda *arguments: None
    for name in "abc":
        (tmp_path / "data" / f"{name}.csv").write_text("x\n1\n")
    statuses = [asked.get(f"/api/data/{name}.csv").status_code for name in "abca"]
    assert statuses == [202, 202, 503, 202]  # one that is under way is not begun again


def test_a_link_in_a_run_does_not_lead_out_of_it(studio, folder):
    secret = folder / "secret.txt"
    secret.write_text("kept to itself")
    run = folder / "runs" / "linked"
    shutil.copytree(folder / "runs" / "acgan", run)
    for name in ("config.yaml", "README.md", "plan.json", "spec.yaml"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(secret)
    shown = studio.get("/api/runs/linked")
    assert shown.status_code == 200 and "kept to itself" not in shown.text
    for name in ("config.yaml", "README.md", "plan.json", "spec.yaml"):
        refused(studio.get(f"/api/runs/linked/files/{name}"), 404)
    shutil.rmtree(run)


def test_names_in_answers_are_escaped_as_json(studio):  # row 40
    answer = studio.get("/api/runs/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["error"]["message"]
