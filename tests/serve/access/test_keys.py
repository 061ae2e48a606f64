"""Keys: how they are made, kept, written by people, and ended."""

import sqlite3
import stat
import threading

import pytest

from ganworks.cli import main as cli
from ganworks.core.errors import GanworksError, UsageError
from ganworks.serve.access import keys, store
from ganworks.serve.access.buckets import Bucket, Buckets
from ganworks.serve.access.keys import Key, Rate
from ganworks.serve.access.store import KeyStore


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("GANWORKS_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_key_has_256_random_bits_and_only_its_hash_is_kept(state):
    key, text = KeyStore().add(Key("", "anna"))
    assert keys.id_of(text) == key.id and len(text.split("_", 2)[2]) == 43  # 43 characters of 6 bits
    assert KeyStore().find(text) == key
    kept = b"".join(file.read_bytes() for file in state.iterdir())
    assert text.encode() not in kept and text.split("_", 2)[2].encode() not in kept
    assert keys.digest(text) in kept


def test_the_file_is_its_owners_alone(state):
    KeyStore().add(Key("", "anna"))
    (state / "keys.db").chmod(0o644)
    held = KeyStore()
    held.add(Key("", "ben"))
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in state.glob("keys.db*")} == {0o600}


def test_a_link_in_place_of_the_file_is_not_followed(state, tmp_path):
    state.mkdir()
    (tmp_path / "other").write_text("")
    (state / "keys.db").symlink_to(tmp_path / "other")
    with pytest.raises(GanworksError, match="symbolic link"):
        KeyStore()


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: t[:-1], str.upper,
                                    lambda t: t + "x", lambda t: "gwk_" + "0" * 12 + t[16:], lambda t: "",
                                    lambda t: t + "\n", lambda t: "ключ", lambda t: "x" * 100_000])  # fmt: skip
def test_what_is_nearly_a_key_is_none(change):
    held = KeyStore()
    _, text = held.add(Key("", "anna"))
    assert held.find(change(text)) is None and held.find(text)


def test_digests_are_compared_in_constant_time_and_unknown_ids_as_well(monkeypatch):
    compared = []
    monkeypatch.setattr(store, "same", lambda one, other: compared.append((one, other)) or one == other)
    held = KeyStore()
    _, text = held.add(Key("", "anna"))
    held.find(text), held.find("gwk_" + "0" * 12 + "_" + "A" * 43), held.find("no key at all")
    assert len(compared) == 3 and all(len(one) == len(other) == 32 for one, other in compared)


def test_a_key_ends_by_being_revoked_expiring_and_rotating(monkeypatch):
    held = KeyStore()
    _, first = held.add(Key("", "anna", limit=Rate(5, 60)))
    replaced, second = KeyStore().rotate("anna")
    assert held.find(first) is None and held.find(second) == replaced and replaced.limit == Rate(5, 60)
    _, third = KeyStore().rotate("anna", grace=100)
    assert held.find(second) and held.find(third)
    now = store.time.time()
    monkeypatch.setattr(store.time, "time", lambda: now + 101)
    assert held.find(second) is None and held.find(third)
    assert KeyStore().revoke("anna") == 1
    assert held.find(third) is None  # by another process; the open store sees it at once
    _, short = held.add(Key("", "anna", expires=now + 200))
    assert held.find(short)
    monkeypatch.setattr(store.time, "time", lambda: now + 200)
    assert held.find(short) is None and not held.any_active()


def test_names_are_used_once_and_missing_ones_are_told():
    held = KeyStore()
    held.add(Key("", "anna"))
    with pytest.raises(UsageError, match="ganworks keys rotate anna"):
        held.add(Key("", "anna"))
    with pytest.raises(UsageError, match='Did you mean "anna"'):
        held.revoke("ana")
    held.revoke("anna")
    with pytest.raises(UsageError, match="none yet"):
        held.rotate("anna")
    held.add(Key("", "anna"))


def test_quota_is_counted_over_restarts_and_by_many_at_once():
    KeyStore().add(Key("", "anna", quota=100))
    spent = []

    def spend():
        held = KeyStore()
        spent.extend(held.spend("anna", 10, 100) for _ in range(5))
        held.close()

    threads = [threading.Thread(target=spend) for _ in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert sorted(s for s in spent if s) == list(range(10, 101, 10)) and spent.count(None) == 10
    assert KeyStore().spent("anna") == 100 and KeyStore().spend("anna", 1, 100) is None
    assert KeyStore().spend("anna", -10, 100) == 90


def test_a_new_day_has_a_new_quota(monkeypatch):
    held = KeyStore()
    assert held.spend("anna", 10, 10) == 10 and held.spend("anna", 1, 10) is None
    monkeypatch.setattr(store, "today", lambda: "2099-01-01")
    assert held.spend("anna", 1, 10) == 1


def test_a_file_that_is_no_store_is_told(state):
    state.mkdir()
    (state / "keys.db").write_bytes(b"something else" * 100)
    with pytest.raises(GanworksError, match=r"Cannot use the keys in .*GANWORKS_STATE"):
        KeyStore()


def test_a_store_that_is_written_elsewhere_can_be_read(state):
    held = KeyStore()
    _, text = held.add(Key("", "anna"))
    other = sqlite3.connect(state / "keys.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert held.find(text)
    other.execute("ROLLBACK")


# How people write it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "text", "said"),
    [
        (keys.rate_of, "60", "60/min"), (keys.rate_of, "0/min", "60/min"), (keys.rate_of, "5/week", "Spans"),
        (keys.quota_of, "5/min", "counted by the day"), (keys.scopes_of, "sampel", 'Did you mean "sample"'),
        (keys.scopes_of, ",", "scopes= is empty"), (keys.models_of, "runs/digits", "not paths"),
        (keys.models_of, ",", "models= is empty"), (keys.name_of, "a b", "named with"),
        (keys.name_of, "../x", "named with"), (keys.name_of, "a\nb", "named with"),
        (lambda t: keys.seconds_of(t, "expires"), "30", "30d"),
    ],
)  # fmt: skip
def test_what_is_written_wrongly_is_a_sentence(reader, text, said):
    with pytest.raises(UsageError, match=said):
        reader(text)


def test_what_people_write():
    assert keys.rate_of("60/min") == Rate(60, 60) and str(Rate(60, 60)) == "60/min"
    assert keys.quota_of("10000/day") == keys.quota_of("10000") == 10_000
    assert keys.seconds_of("30d", "expires") == 30 * 86_400
    assert keys.scopes_of("apply, sample,apply") == ("apply", "sample")


def test_the_verbs(capsys):
    assert cli.main(["keys", "add", "anna", "limit=60/min", "quota=10000/day", "expires=30d", "models=digits"]) == 0
    said = capsys.readouterr().out
    text = said.split("\n")[0]
    assert KeyStore().find(text).models == ("digits",)
    assert cli.main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert "anna" in listed and "60/min requests" in listed and "10,000 units" in listed and text not in listed
    assert cli.main(["keys", "rotate", "anna"]) == 0 and KeyStore().find(text) is None
    capsys.readouterr()
    assert cli.main(["keys", "revoke", "anna"]) == 0 and cli.main(["keys", "list"]) == 0
    assert "There is no key in use" in capsys.readouterr().out
    assert cli.main(["keys", "list", "--all"]) == 0
    assert capsys.readouterr().out.count("revoked") == 2


@pytest.mark.parametrize("words", [["keys"], ["keys", "ad", "x"], ["keys", "add"], ["keys", "add", "a", "b"],
                                   ["keys", "add", "a", "limits=3"], ["keys", "list", "x"], ["keys", "revoke"],
                                   ["keys", "rotate", "nobody"], ["keys", "add", "a", "jobs=0"]])  # fmt: skip
def test_wrong_words_are_told(words, capsys):
    assert cli.main(words) == 2
    assert "Wrong use: " in capsys.readouterr().err


# Buckets --------------------------------------------------------------------------------------------------------------


def test_a_bucket_refills_evenly_and_never_overflows():
    now = [0.0]
    bucket = Bucket(Rate(60, 60), lambda: now[0])
    assert [bucket.take() for _ in range(60)] == [0.0] * 60 and bucket.take() == pytest.approx(1.0)
    now[0] = 2.0
    assert bucket.take() == bucket.take() == 0.0 and bucket.take() == pytest.approx(1.0)
    now[0] = 10_000.0
    assert [bucket.take() for _ in range(61)].count(0.0) == 60


def test_more_than_a_bucket_holds_is_given_once_and_waited_for():
    now = [0.0]
    bucket = Bucket(Rate(10, 10), lambda: now[0])
    assert bucket.take(30) == 0.0 and bucket.take(1) == pytest.approx(21.0)
    bucket.put_back(30)
    assert bucket.take(10) == 0.0


def test_names_are_forgotten_above_a_number():
    buckets = Buckets(most=3)
    for name in "abcd":
        buckets.of(name, Rate(1, 60)).take()
    assert buckets.of("d", Rate(1, 60)).take() > 0 and buckets.of("a", Rate(1, 60)).take() == 0
    assert len(buckets._buckets) == 3
