"""Who may ask the studio, and what every answer says to browsers."""

import re

import pytest
from asking import TOKEN, client
from starlette.testclient import TestClient

from ganworks.studio.app import create_studio

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def app(folder):
    return create_studio(folder, TOKEN)


@pytest.fixture
def stranger(app):
    return TestClient(app, base_url="http://localhost")


@pytest.fixture
def known(app):
    return TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {TOKEN}"})


def every_address(app):
    """(method, path) of every route under api/."""
    pattern = re.compile(r"\{[^}]*\}")
    found = set()
    for route in walk(app.routes):
        for method in getattr(route, "methods", None) or ():
            found.add((method, pattern.sub("x", route.path)))
    return sorted(each for each in found if each[1].startswith("/api/") and each[0] != "HEAD")


def walk(routes):
    for route in routes:
        yield route
        inner = getattr(route, "effective_route_contexts", None)
        if inner is not None:
            yield from inner()


def test_no_address_answers_without_the_token(app, stranger):
    addresses = every_address(app)
    assert len(addresses) >= 25
    for method, path in addresses:
        answer = stranger.request(method, path, headers=JSON)
        assert answer.status_code == 401, (method, path)
        assert "token" in answer.json()["error"]["message"]


@pytest.mark.parametrize("wrong", ["", "x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "\u00fc"])
def test_a_wrong_token_opens_nothing(stranger, wrong):
    assert stranger.get("/api/state", headers={"authorization": f"Bearer {wrong}".encode()}).status_code == 401
    entered = stranger.get("/", params={"token": wrong}, follow_redirects=False)
    assert entered.status_code == 303 and "set-cookie" not in entered.headers


def test_the_address_with_the_token_sets_a_cookie_that_is_not_the_token(stranger):
    entered = stranger.get("/", params={"token": TOKEN, "lang": "zh"}, follow_redirects=False)
    cookie = entered.headers["set-cookie"]
    assert entered.status_code == 303 and entered.headers["location"] == "./?lang=zh"
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
    assert stranger.get("/api/state").status_code == 200


def test_the_cookie_of_another_studio_opens_nothing(app, folder, stranger):
    other = TestClient(create_studio(folder, TOKEN + "-other"), base_url="http://localhost")
    other.get("/", params={"token": TOKEN + "-other"})
    assert other.get("/api/state").status_code == 200
    for name, value in other.cookies.items():
        stranger.cookies.set(name, value)
    assert stranger.get("/api/state").status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8421", "127.0.0.1.evil.example", "", "[::1].x", "10.0.0.5", "a@localhost"]
)
def test_other_names_of_this_machine_are_refused(known, host):
    assert known.get("/api/state", headers={"host": host}).status_code in (400, 421)
    assert known.get("/", headers={"host": host}).status_code in (400, 421)


def test_two_hosts_are_none(known):
    twice = [("host", "localhost"), ("host", "localhost"), ("authorization", f"Bearer {TOKEN}")]
    assert known.get("/api/state", headers=twice).status_code == 400


def test_names_of_a_proxy_and_addresses_are_taken_when_they_were_asked_for(folder):
    app = create_studio(folder, TOKEN, hosts=("gan.example",), any_address=True)
    asked = TestClient(app, headers={"authorization": f"Bearer {TOKEN}"})
    for host in ("gan.example", "GAN.example:443", "10.0.0.5:8421", "[fe80::1]:80"):
        assert asked.get("/api/state", headers={"host": host}).status_code == 200
    assert asked.get("/api/state", headers={"host": "other.example"}).status_code == 421
    assert asked.get("/api/state", headers={"host": "10.0.0.5", "origin": "https://gan.example"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost.evil.example", "sec-fetch-site": "cross-site"},
    ],
)
def test_requests_of_other_sites_are_refused_though_they_bring_the_token(known, headers):
    assert known.post("/api/runs/x/stop", headers={**JSON, **headers}).status_code == 403
    assert known.get("/api/state", headers=headers).status_code == 403


def test_requests_of_the_page_itself_are_taken(known):
    for headers in ({"origin": "http://localhost"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert known.post("/api/runs/x/stop", headers={**JSON, **headers}).status_code == 404  # there is no such run


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_what_a_form_of_another_site_can_send_is_refused(known, kind):
    answer = known.post("/api/data", headers={"content-type": kind}, content=b"--x--")
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "path",
    ["//api/state", "/%61pi/state", "/api%2fstate", "/static/../api/state", "/API/state", "/openapi.json", "/docs"],
)
def test_other_spellings_of_an_address_open_nothing(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code in (401, 404) and "folder" not in answer.json()


def test_uploads_of_other_sites_are_refused_though_the_browser_sends_its_cookie(stranger):
    stranger.get("/", params={"token": TOKEN})
    for headers in ({"origin": "http://evil.example", "x-ganworks": "1"}, {"sec-fetch-site": "cross-site"}, {}):
        answer = stranger.post("/api/data", files={"file": ("a.csv", b"x\n1\n")}, headers=headers)
        assert answer.status_code in (403, 415)
    assert not [each for each in stranger.get("/api/data").json() if each["id"] == "a.csv"]


def test_news_need_the_token_and_no_other_site_reads_them(stranger, known):
    assert stranger.get("/api/events").status_code == 401
    assert known.get("/api/events", headers={"origin": "http://evil.example"}).status_code == 403


def test_an_answer_is_not_split_by_what_was_asked(stranger):
    answer = stranger.get("/?token=x&a=%0d%0aset-cookie:%20a=b&%0d%0ax=y", follow_redirects=False)
    assert answer.status_code == 303 and "set-cookie" not in answer.headers and "\n" not in answer.headers["location"]


def test_two_tokens_are_none(known):
    both = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x"), ("host", "localhost")]
    assert TestClient(known.app, base_url="http://localhost").get("/api/state", headers=both).status_code == 401


def test_every_answer_carries_the_policies(known, stranger):
    for asked in (known.get("/"), known.get("/api/state"), stranger.get("/api/state"), known.get("/api/nothing")):
        policy = asked.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'") and "unsafe" not in policy
        assert asked.headers["x-content-type-options"] == "nosniff"
        assert asked.headers["x-frame-options"] == "DENY"
        assert asked.headers["referrer-policy"] == "no-referrer"
    assert known.get("/api/state").headers["cache-control"] == "no-store"


def test_a_proxy_may_show_it_under_a_path_that_it_keeps_or_strips(folder):
    asked = client(folder, root_path="gan")
    assert asked.get("/gan", follow_redirects=False).headers["location"] == "/gan/"
    for prefix in ("", "/gan"):
        assert asked.get(f"{prefix}/").status_code == 200
        assert asked.get(f"{prefix}/api/state").status_code == 200
        assert asked.get(f"{prefix}/vendor/uplot-1.6.32.min.css").status_code == 200
        entered = asked.get(f"{prefix}/", params={"token": TOKEN}, follow_redirects=False)
        assert entered.headers["location"] == "./" and "Path=/gan/" in entered.headers["set-cookie"]
    assert asked.get("/ganx/api/state").status_code == 404


def test_errors_are_sentences_and_show_no_path(known, folder):
    for path, status in (("/api/runs/none", 404), ("/api/nothing", 404), ("/api/compare?runs=", 400)):
        answer = known.get(path)
        assert answer.status_code == status and answer.json()["error"]["message"].endswith((".", "?"))
        assert str(folder) not in answer.text
    assert known.put("/api/state", headers=JSON).status_code == 405
    assert known.post("/api/runs", json={"data": 3}).status_code == 400
