"""Who gets in, with what, and how much of it."""

import re
import shutil
import sqlite3
import threading
from pathlib import Path

import fenced
import pytest

from ganworks.core.errors import UsageError
from ganworks.serve.access import gate, store
from ganworks.serve.access.keys import Key, Rate
from ganworks.serve.access.store import KeyStore
from ganworks.serve.run import Settings, needs_keys


@pytest.fixture
def held(tmp_path):
    return KeyStore(tmp_path)


@pytest.fixture
def make(held):
    """Makes a key with these rights; returns its text."""
    return lambda name="anna", **rights: held.add(Key("", name, **rights))[1]


@pytest.fixture
def service(held, make):
    """A service that needs keys."""
    make("somebody")
    return fenced.build(held, keys="required")


def test_without_a_key_nothing_is_told(service):
    for path in ("/v1/models", "/v1/models/digits", "/v1/models/nothing", "/nothing", "/v1/broken", "/metrics"):
        said = service.call("GET", path)
        assert said.status == 401 and said.code == "no_key" and said.headers["www-authenticate"].startswith("Bearer")
        assert b"digits" not in said.body
    assert service.sample().status == 401 and not service.engine.asked


def test_a_key_opens_by_either_header(service, make):
    text = make()
    assert service.call("GET", "/v1/models", key=text).json == ["digits", "cats"]
    assert service.call("GET", "/v1/models", headers={"X-API-Key": text}).status == 200
    assert service.call("GET", "/v1/models", headers={"Authorization": f"bearer   {text} "}).status == 200
    assert service.sample(key=text).json == {"n": 1}


@pytest.mark.parametrize("wrong", ["x", "gwk_", "gwk_000000000000_" + "A" * 43, "é", "x" * 9000, "Bearer x"])
def test_all_wrong_keys_get_the_same_answer(service, wrong):
    said = service.call(
        "GET", "/v1/models", headers={"Authorization": f"Bearer {wrong}"}, client=f"10.0.0.{len(wrong) % 200}"
    )
    assert said.status == 401
    assert said.json["error"]["message"] == "This key is unknown, was revoked or has expired."


def test_other_schemes_are_no_keys(service, make):
    assert service.call("GET", "/v1/models", headers={"Authorization": f"Basic {make()}"}).code == "no_key"


def test_two_different_keys_are_refused(service, make):
    said = service.call("GET", "/v1/models", key=make(), headers={"X-API-Key": make("ben")})
    assert said.status == 400 and said.code == "two_keys"


@pytest.mark.parametrize("query", ["key=K", "api_key=K", "API_KEY=K", "access_token=K", "anything=K", "x=%67wk_aa"])
def test_keys_in_the_address_are_refused_and_not_repeated(service, make, query):
    text = make()
    said = service.call("GET", f"/v1/models?{query.replace('K', text)}", key=text)
    assert said.status == 400 and said.code == "key_in_address" and text.encode() not in said.body
    assert b"keys rotate" in said.body


def test_a_replayed_key_that_was_rotated_or_revoked_is_refused_at_once(service, make, held, tmp_path):
    text = make()
    assert service.sample(key=text).status == 200
    _, newer = KeyStore(tmp_path).rotate("anna")  # as another process does
    assert service.sample(key=text).status == 401 and service.sample(key=newer).status == 200
    KeyStore(tmp_path).revoke("anna")
    assert service.sample(key=newer).status == 401


def test_an_expired_key_is_refused(service, make, monkeypatch):
    now = store.time.time()
    text = make(expires=now + 60)
    assert service.sample(key=text).status == 200
    monkeypatch.setattr(store.time, "time", lambda: now + 60)
    assert service.sample(key=text).status == 401


def test_scopes(service, make):
    sampler, applier, admin = make("s", scopes=("sample",)), make("a", scopes=("apply",)), make("x", scopes=("admin",))
    meter = make("m", scopes=("metrics",))
    may = {
        "/v1/models/digits/sample": (200, 403, 200, 403),
        "/v1/models/digits/apply": (403, 200, 200, 403),
        "/v1/models/digits/unload": (403, 403, 200, 403),
        "/v1/forgotten": (403, 403, 200, 403),  # an address that declares no scope is closed
    }
    for path, statuses in may.items():
        assert (
            tuple(service.call("POST", path, key=k, body={"n": 1}).status for k in (sampler, applier, admin, meter))
            == statuses
        )
    assert [service.call("GET", "/metrics", key=k).status for k in (sampler, meter, admin)] == [403, 200, 200]
    said = service.call("POST", "/v1/models/digits/unload", key=sampler)
    assert said.code == "wrong_scope" and '"admin"' in said.json["error"]["message"]


def test_other_methods_do_not_lead_around_scopes(service, make):
    text = make()
    assert service.call("HEAD", "/v1/models/digits", key=text).status in (200, 405)
    assert service.call("PUT", "/v1/models/digits/sample", key=text).status == 403
    assert service.call("GET", "/v1/models/digits/unload", key=text).status == 403


def test_other_spellings_of_an_address_do_not_lead_around_scopes(service, make):
    text = make(scopes=("apply",))
    for path in (
        "/v1/models/digits/sample/",
        "//v1/models/digits/sample",
        "/v1/models/x/../digits/sample",
        "/V1/models/digits/sample",
    ):
        assert service.call("POST", path, key=text, body={"n": 1}).status == 404
    assert not service.engine.asked


def test_models(service, make):
    text = make(models=("cats",))
    assert service.sample(key=text, model="cats").status == 200
    for model in ("digits", "nothing"):  # one that is there and one that is not look the same
        said = service.sample(key=text, model=model)
        assert said.status == 403 and said.json["error"]["message"] == "This key is not for that model."
        assert service.call("POST", "/v1/images/generations", key=text, body={"model": model}).status == 403
        assert service.call("GET", f"/v1/models/{model}", key=text).status == 403
    assert service.call("POST", "/v1/images/generations", key=text, body={"model": "cats"}).status == 200
    assert service.call("GET", "/v1/models", key=text).json == ["cats"]


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "..", "%2e%2e", "/etc/passwd", "C:\\x", "a\x00b", "digits%00"]
)
def test_paths_in_place_of_names_lead_nowhere(service, make, name):
    text = make(models=("cats",))
    assert service.sample(key=text, model=name).status in (403, 404)
    assert service.call("POST", "/v1/images/generations", key=text, body={"model": name}).status == 403
    assert not service.engine.asked


def test_paths_in_every_field_of_the_real_addresses(held, make):
    """No address of the service opens a file that a caller names, and none says where files lie."""
    from ganworks.serve.app import create_app

    text = make()
    service = fenced.build(held, keys="required", app=create_app)
    document = create_app(service.engine).openapi()
    for name in ("..%2f..%2fetc%2fpasswd", "..", "/etc/passwd", "a\x00b", "runs/digits", "x" * 3000):
        body = {"model": name, "prompt": name, "input": name, "voice": name, "id": name, "name": name, "n": 1}
        for path, operations in document["paths"].items():
            address = re.sub(r"\{\w+\}", lambda _, name=name: name, path)
            for verb in operations:
                said = service.call(verb.upper(), address, key=text, body=body if verb == "post" else b"")
                assert said.status < 500 or "{" not in path, (verb, address, said.body)
                assert said.status >= 400 or "{" not in path, (verb, address, said.body)
                assert b"root:" not in said.body and str(Path.cwd()).encode() not in said.body
    assert not service.engine.asked


def test_a_rate_is_held_and_told(service, make, monkeypatch):
    text = make(limit=Rate(3, 60))
    assert [service.sample(key=text).status for _ in range(4)] == [200, 200, 200, 429]
    said = service.sample(key=text)
    assert said.code == "rate_limited" and 1 <= int(said.headers["retry-after"]) <= 20
    assert service.sample(key=make("ben")).status == 200  # another's is another's


def test_cost_counts_what_is_asked_for(service, make):
    text = make(cost=Rate(100, 3600))
    assert service.sample(60, text).status == 200
    said = service.sample(60, text)
    assert said.status == 429 and said.code == "cost_limited" and "60" in said.json["error"]["message"]
    assert service.sample(40, text).status == 200
    assert gate.units_of(4, 256 * 256) == 64 and gate.units_of(1000, 1) == 1


def test_quota_survives_a_restart(held, make, tmp_path):
    text = make(quota=10)
    assert [fenced.build(held, keys="required").sample(6, text).status for _ in range(2)] == [200, 429]
    held.close()
    again = fenced.build(KeyStore(tmp_path), keys="required")
    said = again.sample(6, text)
    assert said.status == 429 and said.code == "quota_spent" and int(said.headers["retry-after"]) <= 86_400
    assert again.sample(4, text).status == 200


def test_what_failed_is_given_back(held, make):
    text = make(quota=10, cost=Rate(10, 3600))
    service = fenced.build(held, keys="required")
    assert service.sample(10, text, seed=13).status == 503
    service.gate._writer.submit(int).result()
    assert held.spent("anna") == 0
    assert service.sample(10, text).status == 200


def test_jobs_at_once(held, make):
    text = make(jobs=1)
    service = fenced.build(held, fenced.Engine(0.3), keys="required")
    first = []
    thread = threading.Thread(target=lambda: first.append(service.sample(key=text).status))
    thread.start()
    fenced.wait_until(lambda: service.engine.asked)
    assert service.sample(key=text).code == "too_many_at_once"
    thread.join()
    assert first == [200] and service.sample(key=text).status == 200


def test_wrong_keys_from_one_address_are_slowed_and_right_ones_are_not(service, make):
    text = make()
    wrong = [service.call("GET", "/v1/models", key="x", client="10.0.0.1").status for _ in range(31)]
    assert wrong == [401] * 30 + [429]
    assert service.call("GET", "/v1/models", key="x", client="10.0.0.2").status == 401
    assert service.call("GET", "/v1/models", key=text, client="10.0.0.1").status == 200


def test_quota_that_cannot_be_counted_is_not_given(held, make, monkeypatch):
    text, free = make(quota=10), make("free")
    service = fenced.build(held, keys="required")

    def full(*_):
        raise store.sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(held, "spend", full)
    assert service.sample(key=text).code == "keys_unwritable" and service.sample(key=free).status == 200


def test_the_last_use_is_noted(service, make, held):
    text = make()
    assert held.find(text).used is None
    service.sample(key=text)
    service.gate._writer.submit(int).result()
    assert held.find(text).used > 0


# Where no key is needed -----------------------------------------------------------------------------------------------


def test_this_machine_needs_no_key_but_a_wrong_one_is_told(held, make):
    service = fenced.build(held)
    assert service.sample().status == 200 and service.call("POST", "/v1/models/digits/unload").status == 200
    assert (
        service.call("GET", "/v1/models", key="sk-of-another-service").status == 200
    )  # what clients insist on sending
    assert service.call("GET", "/v1/models", key="gwk_mistyped").status == 401
    text = make(models=("cats",))
    assert service.sample(key=text).status == 403


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "10.1.2.3"},
                                      {"hosts": ("gan.example.org",)}, {"keys": "required"},
                                      {"keys": "required", "uds": "/run/x"}])  # fmt: skip
def test_elsewhere_keys_are_needed_and_must_be_there(held, make, settings):
    with pytest.raises(UsageError, match="ganworks keys add NAME"):
        needs_keys(Settings(**settings), held)
    make("late", expires=1.0)
    with pytest.raises(UsageError, match="ganworks keys add NAME"):
        needs_keys(Settings(**settings), held)
    make()
    assert needs_keys(Settings(**settings), held)


@pytest.mark.parametrize(
    "settings", [{}, {"host": "localhost"}, {"host": "::1"}, {"host": "127.8.0.1"}, {"uds": "/run/x"}]
)
def test_here_no_keys_are_needed(settings):
    assert not needs_keys(Settings(**settings), None)


# Keys that cannot be read ---------------------------------------------------------------------------------------------


def closed(service, text):
    """That a service neither opens nor fails: what it says instead."""
    said = service.sample(key=text)
    assert said.status == 503 and said.code == "keys_unreadable" and "retry-after" in said.headers
    assert service.sample(key="gwk_000000000000_" + "A" * 43).status == 503 and service.sample().status == 401
    assert not service.engine.asked[1:]  # the one that was asked for before
    return said


def test_a_removed_file_of_keys_closes_the_service_and_is_not_made_again(service, make, tmp_path):
    text = make()
    assert service.sample(key=text).status == 200
    shutil.rmtree(tmp_path)
    closed(service, text)
    assert not (tmp_path / "keys.db").exists()


def test_a_file_of_keys_that_was_exchanged_counts_at_once(service, make, tmp_path):
    old = make()
    assert service.sample(key=old).status == 200
    for file in tmp_path.glob("keys.db*"):
        file.unlink()
    _, new = KeyStore(tmp_path).add(Key("", "ben"))
    assert service.sample(key=old).status == 401 and service.sample(key=new).status == 200


def test_a_damaged_file_or_row_of_keys_closes_the_service(service, make, held, tmp_path):
    text = make()
    assert service.sample(key=text).status == 200
    base = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    for damage in ("'no json'", "'{}'", "'[]'", '\'{"limit": {"a": 1}}\''):
        base.execute(f"UPDATE keys SET allows = {damage} WHERE name = 'anna'")
        assert service.sample(key=text).code == "keys_unreadable"
    base.execute("DROP TABLE keys")
    base.close()
    closed(service, text)


def test_keys_that_another_process_locks_can_be_read_and_no_quota_is_given(make, held, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_PATIENCE", 0.05)
    text, free = make(quota=100), make("ben")
    locked = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    service = fenced.build(held, keys="required")
    assert service.sample(key=free).status == 200
    said = service.sample(key=text)
    assert said.status == 503 and said.code == "keys_unwritable" and len(service.engine.asked) == 1
    locked.execute("ROLLBACK")
    assert service.sample(key=text).status == 200


def test_a_clock_that_goes_back_brings_no_expired_key_to_life(held, monkeypatch):
    now = store.time.time()
    _, text = held.add(Key("", "anna", expires=now + 100))
    assert held.find(text)
    for later in (101, -1000, 50):
        monkeypatch.setattr(store.time, "time", lambda later=later: now + later)
        assert held.find(text) is None


def test_a_key_that_is_revoked_while_its_request_runs_is_refused_at_the_next(service, make, tmp_path):
    text = make()
    service.engine.seconds = 0.2
    answers = []
    running = threading.Thread(target=lambda: answers.append(service.sample(key=text)))
    running.start()
    fenced.wait_until(lambda: service.engine.asked)
    KeyStore(tmp_path).revoke("anna")
    assert service.sample(key=text).status == 401
    running.join()
    assert answers[0].status == 200
