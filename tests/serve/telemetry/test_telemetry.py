"""What the service tells of itself: health, metrics, the lines of the console and the audit log."""

import json
import os
import re
import stat

import fenced
import pytest

from ganworks.core.errors import GanworksError, UsageError
from ganworks.serve.access import audit as audits
from ganworks.serve.access.audit import Audit
from ganworks.serve.access.keys import Key
from ganworks.serve.access.store import KeyStore
from ganworks.serve.telemetry.lines import teller
from ganworks.serve.telemetry.metrics import Counter, Histogram, text
from ganworks.serve.telemetry.state import Facts, State

SAMPLE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\["\\n])*",?)+\})? ([0-9.e+-]+|\+Inf)')


@pytest.fixture
def held(tmp_path):
    return KeyStore(tmp_path / "state")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# Health and metrics ---------------------------------------------------------------------------------------------------


def test_health_needs_no_key_and_names_no_model_without_one(held):
    _, text_ = held.add(Key("", "anna", models=("cats",)))
    service = fenced.build(held, keys="required")
    assert service.call("GET", "/healthz").json == {"status": "ok"}
    said = service.call("GET", "/readyz")
    assert said.status == 200 and said.json == {"status": "ready"}
    assert service.call("GET", "/readyz", key="wrong").json == {"status": "ready"}
    assert service.call("GET", "/readyz", key=text_).json["models"] == {"cats": True}
    assert service.call("GET", "/metrics").status == 401 and service.call("POST", "/healthz").status == 405
    assert service.call("HEAD", "/healthz").body == b""


@pytest.mark.parametrize(
    ("facts", "status", "why"),
    [(Facts({"a": True}), 200, "ready"), (Facts({"a": False, "b": False}), 503, "loading"),
     (Facts({"a": True}, queue=8, capacity=8), 503, "full"), (Facts({"a": True}, queue=7, capacity=8), 200, "ready")],
)  # fmt: skip
def test_readiness(facts, status, why):
    said = fenced.build(facts=lambda: facts).call("GET", "/readyz")
    assert (said.status, said.json["status"]) == (status, why)


def test_while_it_ends_it_is_alive_but_not_ready_and_takes_nothing():
    service = fenced.build()
    service.state.ending = lambda: True
    assert service.call("GET", "/healthz").status == 200
    assert (service.call("GET", "/readyz").status, service.call("GET", "/readyz").json["status"]) == (503, "ending")
    said = service.sample()
    assert said.status == 503 and said.code == "ending" and said.headers["retry-after"] and not service.engine.asked


def test_metrics_are_in_the_format_and_count(held):
    service = fenced.build(facts=lambda: Facts({"digits": True}, queue=3))
    service.sample(5), service.sample(2), service.sample(model="unknown"), service.call("GET", "/../etc/passwd")
    said = service.call("GET", "/metrics")
    assert said.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for line in said.body.decode().splitlines():
        if not line.startswith("# "):
            assert SAMPLE.fullmatch(line), line
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    route = 'route="/v1/models/{name}/sample"'
    assert found[f'ganworks_requests_total{{{route},method="POST",status="200",model="digits"}}'] == 2
    assert found['ganworks_requests_total{route="other",method="GET",status="404",model=""}'] == 1
    assert found['ganworks_results_total{model="digits"}'] == 7 and found["ganworks_queue_length"] == 3
    assert (
        found[f"ganworks_request_seconds_count{{{route}}}"]
        == found[f'ganworks_request_seconds_bucket{{{route},le="+Inf"}}']
        == 3
    )
    assert found["ganworks_memory_bytes"] > 10e6
    assert "unknown" not in said.body.decode() and "passwd" not in said.body.decode()  # no label is a caller's word


def test_histograms_add_up_and_labels_are_escaped():
    seconds = Histogram("s", "Seconds.", (1.0, 2.0), ("a",))
    for value in (0.5, 1.0, 1.5, 9.0):
        seconds.see(value, 'x"\\\n')
    assert text([seconds]).decode().splitlines()[2:] == [
        's_bucket{a="x\\"\\\\\\n",le="1"} 2',
        's_bucket{a="x\\"\\\\\\n",le="2"} 3', 's_bucket{a="x\\"\\\\\\n",le="+Inf"} 4',
        's_sum{a="x\\"\\\\\\n"} 12', 's_count{a="x\\"\\\\\\n"} 4',
    ]  # fmt: skip


def test_label_sets_are_bounded():
    counter = Counter("c", "Many.", ("a",))
    for i in range(5000):
        counter.add(str(i))
    assert len(counter.values) == 2000


# The audit log --------------------------------------------------------------------------------------------------------


def test_a_line_for_each_request_with_all_that_counts_and_nothing_secret(held, tmp_path):
    key, text_ = held.add(Key("", "anna"))
    log = Audit(tmp_path / "log" / "audit.jsonl")
    service = fenced.build(held, audit=log, keys="required")
    service.sample(5, text_, headers={"x-request-id": "mine", "cookie": "secret-cookie"})
    service.call("POST", "/v1/images/generations", body={"model": "cats", "n": 2, "secret": "payload"}, key=text_)
    service.call("GET", "/v1/models", key="gwk_wrong")
    service.call("GET", f"/v1/{text_}?token={text_}")
    service.call("GET", "/healthz")
    log.close()
    first, second, third, fourth = lines(log.path)
    assert set(first) == {"time", "request", "key", "client", "method", "route", "model", "sha256", "n", "cost",
                          "status", "seconds", "bytes"}  # fmt: skip
    assert {k: first[k] for k in ("request", "key", "client", "model", "sha256", "n", "cost", "status")} == {
        "request": "mine", "key": key.id, "client": "127.0.0.1", "model": "digits", "sha256": fenced.SHA, "n": 5,
        "cost": 5, "status": 200}  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first["time"]) and first["seconds"] >= 0
    assert (second["model"], second["n"], second["route"]) == ("cats", 2, "/v1/images/generations")
    assert (third["key"], third["status"], third["route"]) == (None, 401, "/v1/models")
    assert (fourth["route"], fourth["status"]) == (None, 400)
    kept = log.path.read_text()
    assert all(word not in kept for word in ("gwk_", text_, "secret", "payload", "wrong"))
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["a%0ab", "a\nb", 'a","key":"x', "a\x1b[2Jb", "a\u2028b", "x" * 500])
def test_names_of_callers_stay_within_their_line(tmp_path, name, capsys):
    log = Audit(tmp_path / "audit.jsonl")
    service = fenced.build(audit=log, tell=teller("lines"))
    service.call("POST", "/v1/images/generations", body={"model": name})
    service.call("GET", f"/v1/{name}", headers={"user-agent": name.encode("ascii", "replace").decode()})
    log.close()
    assert len(lines(log.path)) == 2 and len(log.path.read_text()) < 1200
    said = capsys.readouterr().out
    assert said.count("\n") == 2 and "\x1b" not in said and "\u2028" not in said


def test_the_console_covers_keys_in_paths(capsys):
    service = fenced.build(tell=teller("lines"))
    service.call("GET", "/v1/gwk_0123456789ab_secretsecret/x")
    said = capsys.readouterr().out
    assert "gwk_0123456789ab..." in said and "secret" not in said and " 404 GET " in said


def test_a_path_cannot_pretend_to_be_fields(capsys):
    service = fenced.build(tell=teller("lines"))
    service.call("GET", "/v1/x key=admin 200 GET /")
    assert " key=" not in capsys.readouterr().out


def test_the_console_as_json(capsys):
    fenced.build(tell=teller("json")).sample(3)
    assert json.loads(capsys.readouterr().out)["n"] == 3
    assert teller("off") is None
    with pytest.raises(UsageError, match="lines, json or off"):
        teller("loud")


def test_the_log_is_rotated_by_size(tmp_path):
    log = Audit(tmp_path / "audit.jsonl", size=1000, kept=2)
    service = fenced.build(audit=log)
    for _ in range(20):
        service.call("GET", "/v1/models")
    log.close()
    files = sorted(tmp_path.glob("audit.jsonl*"))
    assert [file.name for file in files] == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(file.stat().st_size <= 1000 and lines(file) for file in files)


def test_a_full_disk_loses_lines_and_nothing_else(tmp_path, monkeypatch, capsys):
    log = Audit(tmp_path / "audit.jsonl")
    service = fenced.build(audit=log)
    write, full = os.write, [True]

    def refuse(descriptor, data):
        if full[0] and data.startswith((b"{", b"\n{")):
            write(descriptor, bytes(data[:7]))  # a part of it fits
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(audits.os, "write", refuse)
    assert [service.sample().status for _ in range(3)] == [200] * 3
    fenced.wait_until(lambda: log.lost == 3)
    assert b"ganworks_audit_lines_lost_total 3\n" in service.call("GET", "/metrics").body
    fenced.wait_until(lambda: log.lost == 4)
    full[0] = False
    assert service.sample().status == 200
    log.close()
    whole = [json.loads(line) for line in log.path.read_text().splitlines() if line.endswith("}")]
    assert whole[0]["lost"] == 4 and whole[1]["status"] == 200 and len(whole) == 2
    assert capsys.readouterr().err.count("The service goes on") == 1


def test_more_lines_than_can_wait_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(audits, "_WAITING", 2)
    monkeypatch.setattr(Audit, "_write_all", lambda self: None)
    log = Audit(tmp_path / "audit.jsonl")
    service = fenced.build(audit=log)
    assert [service.sample().status for _ in range(5)] == [200] * 5 and log.lost == 3


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GanworksError, match="Cannot write"):
        Audit(tmp_path / "file" / "audit.jsonl")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(GanworksError, match="symbolic link"):
        Audit(tmp_path / "link")


def test_work_that_outlives_its_request_has_a_line_of_its_own(held, tmp_path):
    """As that of a job, which is answered with 202 and goes on."""
    import asyncio
    from types import SimpleNamespace

    from ganworks.serve.access.gate import Gate
    from ganworks.serve.access.metered import Metered
    from ganworks.serve.access.ticket import Ticket

    key, _ = held.add(Key("", "anna", quota=10))
    log = Audit(tmp_path / "audit.jsonl")
    state, gate = State(audit=log), Gate(held, True)
    engine = Metered(fenced.Engine(), gate, lambda model: 4096, state.late)

    async def job():
        ticket = Ticket("r1", "POST", route="/v1/jobs", key=key)
        token = ticket.enter()
        state.begin()
        working = asyncio.create_task(engine.sample(SimpleNamespace(model="digits", n=4, seed=0)))
        state.end(ticket)
        Ticket.leave(token)
        await working

    asyncio.run(job())
    log.close()
    first, second = lines(log.path)
    assert (first["n"], second["n"], second["cost"], second["request"], second["key"]) == (0, 4, 4, "r1", key.id)
    assert held.spent("anna") == 4


# The page of the addresses --------------------------------------------------------------------------------------------


def test_docs_is_a_page_that_loads_nothing(held):
    import base64
    import hashlib

    from ganworks.serve.app import create_app

    held.add(Key("", "anna"))
    service = fenced.build(held, keys="required", app=create_app)
    said = service.call("GET", "/docs")
    text_ = said.body.decode()
    assert (
        said.status == 200 and "/v1/models/{name}/sample" in text_ and "truncation" in text_ and "digits" not in text_
    )
    assert not re.search(r"<script|src=|https?:|@import|url\(|<link", text_)
    style = re.search("<style>(.*)</style>", text_, re.S)[1].encode()
    assert base64.b64encode(hashlib.sha256(style).digest()).decode() in said.headers["content-security-policy"]
    assert service.call("GET", "/openapi.json").status == 200 and service.call("POST", "/docs").status == 401


def test_every_address_of_the_service_declares_a_scope_that_keys_have():
    from ganworks.serve.access.keys import SCOPES
    from ganworks.serve.app import create_app

    for path, operations in create_app(fenced.Engine()).openapi()["paths"].items():
        for verb, said in operations.items():
            assert said.get("x-scope") in (*SCOPES, "models", "public"), f"{verb} {path} declares no scope"
