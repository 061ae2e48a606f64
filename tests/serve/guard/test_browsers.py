"""Hosts, origins and headers: what a browser on this machine can be made to send, and what it gets."""

import json
from pathlib import Path

import fenced
import pytest

from ganworks.serve.access.keys import Key
from ganworks.serve.access.store import KeyStore
from ganworks.serve.guard.headers import ALWAYS, Paths
from ganworks.serve.guard.hosts import is_local


@pytest.fixture(scope="module")
def service():
    return fenced.build()


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "localhost.", "gan.localhost"],
)
def test_names_of_this_machine(service, host):
    assert service.call("GET", "/v1/models", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"]
)
def test_foreign_names_that_lead_here(service, host):
    said = service.call("GET", "/v1/models", headers={"host": host})
    assert said.status == 421 and b"digits" not in said.body and b"evil" not in said.body


@pytest.mark.parametrize(
    "host", ["", "a b", "x/y", "localhost:99999", "localhost:8000:1", "user@localhost", "[::1", "a\x0bb", "localhost#"]
)
def test_what_is_no_host(service, host):
    assert service.call("GET", "/v1/models", headers={"host": host}).status == 400


def test_two_hosts(service):
    assert service.call("GET", "/v1/models", again=[("host", "localhost")]).status == 400


def test_names_that_the_owner_allows_and_addresses_where_others_reach_it(tmp_path):
    held = KeyStore(tmp_path)
    _, text = held.add(Key("", "anna"))
    named = fenced.build(held, hosts=("gan.example.org",))
    statuses = [
        named.call("GET", "/v1/models", headers={"host": h}, key=text).status
        for h in ("gan.example.org", "GAN.example.org:443")
    ]
    assert statuses == [200, 200]
    public = fenced.build(held, host="0.0.0.0")
    known = {"10.0.0.1:8000": 200, "[fe80::1]": 200, "evil.example": 421, "localhost": 200}
    assert {h: public.call("GET", "/v1/models", headers={"host": h}, key=text).status for h in known} == known


@pytest.mark.parametrize("origin", ["http://evil.example", "https://localhost.evil.example:8000", "null", "",
                                    "http://localhost:3000", "http://localhost", "file://", "http://user@localhost:8000",
                                    "http://localhost:8000/x"])  # fmt: skip
def test_pages_of_other_sites_can_change_nothing(service, origin):
    said = service.sample(headers={"origin": origin})
    assert said.status == 403 and said.code == "foreign_origin"
    assert not any(name.startswith("access-control") for name in said.headers)


def test_a_browser_that_says_cross_site_without_an_origin(service):
    assert service.sample(headers={"sec-fetch-site": "cross-site"}).status == 403
    assert service.sample(headers={"sec-fetch-site": "same-site"}).status == 403
    assert service.sample(headers={"sec-fetch-site": "same-origin"}).status == 200


def test_own_pages_and_programs_may(service):
    assert service.sample(headers={"origin": "http://localhost:8000"}).status == 200
    assert (
        service.sample(headers={"origin": "https://gan.localhost", "host": "gan.localhost"}).status == 200
    )  # behind TLS
    assert service.sample().status == 200


def test_reading_across_origins_stays_closed(service):
    said = service.call("OPTIONS", "/v1/models/digits/sample", headers={
        "origin": "http://evil.example", "access-control-request-method": "POST"})  # fmt: skip
    assert said.status >= 400 and not any(name.startswith("access-control") for name in said.headers)
    said = service.call("GET", "/v1/models", headers={"origin": "http://evil.example"})
    assert said.headers["cross-origin-resource-policy"] == "same-origin"
    assert not any(name.startswith("access-control") for name in said.headers)


@pytest.mark.parametrize(
    "path", ["/v1/models", "/nothing", "/v1/broken", "/healthz", "/readyz", "/metrics", "/docs", "/v1/names-a-path"]
)
def test_every_answer_has_the_headers(service, path):
    said = service.call("GET", path)
    for name, _ in ALWAYS:
        assert name.decode() in said.headers
    assert "server" not in said.headers and len(said.headers["x-request-id"]) == 16
    assert int(said.headers.get("content-length", len(said.body))) == len(said.body)


def test_answers_below_the_application_have_them_too():
    with fenced.listening(fenced.build()) as port:
        one = fenced.connected(port)
        one.sendall(b"no http at all\r\n\r\n")
        said = fenced.read_all(one).lower()
    assert said.startswith(b"http/1.1 400 ") and b"uvicorn" not in said and b"\r\nserver:" not in said
    assert all(name + b":" in said for name, _ in ALWAYS)


def test_a_failure_tells_nothing_of_the_program(service, capsys):
    said = service.call("GET", "/v1/broken")
    assert said.status == 500 and b"secret" not in said.body and b"Zero" not in said.body
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_error_names_the_model_and_not_where_it_lies(tmp_path):
    service = fenced.build(engine=fenced.Engine(places={"digits": tmp_path / "runs" / "digits-1"}))
    said = service.call("GET", "/v1/names-a-path")
    assert said.json["error"]["message"] == "digits/state is damaged."
    paths = Paths({"digits": Path("runs/digits")})
    assert (
        paths.without(b"runs/digits: damaged; other-runs/digits; runs/digits-2")
        == b"digits: damaged; other-runs/digits; runs/digits-2"
    )
    assert str(Path.home()).encode() not in paths.without(f"see {Path.home()}/x".encode())


@pytest.mark.parametrize(("sent", "kept"), [("abc-1.2_X", True), ("x" * 64, True), ("x" * 65, False), ("", False),
                                            ("a b", False), ("a\x1b[31m", False), ("é", False), ('"}', False),
                                            ("-a", False)])  # fmt: skip
def test_request_ids(service, sent, kept):
    got = service.call("GET", "/v1/models", headers={"x-request-id": sent}).headers["x-request-id"]
    assert (got == sent) is kept and got


def test_two_request_ids_are_none(service):
    said = service.call("GET", "/v1/models", headers={"x-request-id": "a"}, again=[("x-request-id", "b")])
    assert said.headers["x-request-id"] not in ("a", "b")


def test_local_names():
    assert all(map(is_local, ("localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "x.localhost")))
    assert not any(map(is_local, ("", "0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org")))


def test_too_large_bodies(monkeypatch):
    service = fenced.build(body=1000)
    ok = service.call("POST", "/v1/models/digits/apply", body=b"x" * 1000)
    assert ok.json == {"bytes": 1000}
    said = service.call("POST", "/v1/models/digits/apply", body=b"x" * 1001)
    assert said.status == 413 and said.code == "too_large" and "1 kB" in said.json["error"]["message"]
    said = service.call("POST", "/v1/models/digits/apply", chunks=[b"x" * 400] * 3)
    assert said.status == 413
    assert service.call("POST", "/v1/models/digits/apply", chunks=[b"x" * 250] * 4).json == {"bytes": 1000}
    said = service.call(
        "POST",
        "/v1/models/digits/sample",
        chunks=[b" " * 999, b'{"n": 1}'],
        headers={"content-type": "application/json"},
    )
    assert said.status == 413
    for lie in ("1e9", "-1", "99999999999999999999999999", "x", "+5"):
        assert (
            service.call("POST", "/v1/models/digits/apply", headers={"content-length": lie}, chunks=[b"x"]).status
            == 413
        )


def test_below_v2_an_error_is_one_text(service):
    assert isinstance(json.loads(service.call("GET", "/v2/x?key=1").body)["error"], str)
