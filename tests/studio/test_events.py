"""The stream of events: it goes on after a cut without loss, and through a proxy with a sub-path."""

import asyncio
import json
import shutil
import time

import httpx
import pytest
from asking import TOKEN, client, served, wait_for

from ganworks.core.errors import UsageError
from ganworks.studio.places import Place
from ganworks.studio.trainings import events
from ganworks.studio.trainings.events import Cursor
from ganworks.studio.trainings.jobs import Jobs
from ganworks.studio.trainings.state import Runs


@pytest.fixture
def runs(tmp_path):
    place = Place(tmp_path)
    place.prepare()
    return Runs(place, Jobs(place))


def write(runs, name, *seens, event="round", mode="a"):
    folder = runs.place.runs / name
    folder.mkdir(exist_ok=True)
    with (folder / "metrics.jsonl").open(mode) as file:
        for seen in seens:
            facts = {"total": 1000, "seconds": 1, "speed": 2.0, "losses": {"_real": seen, "bad": float("nan")}}
            file.write(json.dumps({"event": event, "seen": seen, **facts}) + "\n")


def points(messages):
    return [(m.data["run"], m.data["seen"]) for m in messages if m.event == "point"]


def test_a_reader_gets_what_happens_from_now_on(runs):
    write(runs, "old", 10, 20)
    cursor = Cursor(runs)
    assert cursor.poll() == []
    write(runs, "old", 30)
    write(runs, "new", 10)
    told = cursor.poll()
    assert points(told) == [("new", 10), ("old", 30)]
    assert {m.data["name"]: m.data["seen"] for m in told if m.event == "run"} == {"new": 10, "old": 30}
    assert told[0].data["values"] == {"real": 10, "bad": None, "examples_per_second": 2.0}
    assert cursor.poll() == []


def test_reading_goes_on_after_any_event_without_loss_or_repetition(runs):
    cursor = Cursor(runs)
    write(runs, "a", *range(10, 110, 10))
    write(runs, "b", *range(10, 60, 10))
    told = cursor.poll()
    everything = points(told)
    assert len(everything) == 15
    for k, message in enumerate(told):
        if message.event == "point":
            rest = points(Cursor(runs, message.position).poll())
            assert points(told[: k + 1]) + rest == everything


def test_what_happened_while_nobody_listened_is_told(runs):
    write(runs, "a", 10)
    write(runs, "gone", 10)
    position = Cursor(runs).position
    write(runs, "a", 20, 30)
    write(runs, "born", 10)
    shutil.rmtree(runs.place.runs / "gone")
    told = Cursor(runs, position).poll()
    assert points(told) == [("a", 20), ("a", 30), ("born", 10)]
    assert [m.data for m in told if m.event == "gone"] == [{"run": "gone"}]
    assert {m.data["name"] for m in told if m.event == "run"} == {"a", "born"}


def test_a_log_that_was_rewritten_is_asked_for_anew(runs):
    write(runs, "a", 10, 20, 30)
    cursor = Cursor(runs)
    position = cursor.position
    write(runs, "a", 11, 21, 31, 41, mode="w")
    for reader in (cursor, Cursor(runs, position)):
        told = reader.poll()
        assert points(told) == [] and [m.data for m in told if m.event == "reset"] == [{"run": "a"}]
    write(runs, "a", 50)
    assert points(cursor.poll()) == [("a", 50)]


def test_a_long_backlog_is_asked_for_anew(runs, monkeypatch):
    monkeypatch.setattr(events, "_BACKLOG", 500)
    cursor = Cursor(runs)
    write(runs, "a", *range(10, 200, 10))
    assert "reset" in [m.event for m in cursor.poll()]
    write(runs, "a", 500)
    assert points(cursor.poll()) == [("a", 500)]


def test_pictures_scores_and_alarms_are_told(runs):
    cursor = Cursor(runs)
    folder = runs.place.runs / "a b"
    folder.mkdir()
    lines = [
        {"event": "shown", "seen": 5, "path": "/somewhere/else/samples/000000000005.png"},
        {"event": "shown", "seen": 5, "path": "samples/5.wav"},
        {"event": "scored", "seen": 5, "scores": {"fd": 3.0}, "floor": {"fd": 1.0}, "best": True},
        {"event": "alarm", "seen": 6, "kind": "k", "message": "It collapses.", "advice": "Try this."},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    told = {m.event: m.data for m in cursor.poll()}
    assert told["picture"]["url"] == "api/runs/a%20b/files/samples/000000000005.png"
    assert told["file"]["url"].endswith("/5.wav")
    assert told["score"]["values"] == {"Fréchet distance": 3.0} and told["score"]["real"] == {"Fréchet distance": 1.0}
    assert told["alarm"]["text"] == "It collapses. Try this."


@pytest.mark.parametrize("position", ["x", "WzFd", "bm9uZQ", "!!", "WzEseyJhIjoiYiJ9XQ"])
def test_what_is_no_position_is_refused(runs, position):
    with pytest.raises(UsageError, match="position"):
        Cursor(runs, position)


def test_a_quiet_stream_says_something_in_between(runs):
    async def read():
        told = events.stream(runs, "", lambda: False, every=0.01, beat=0.03)
        return [await anext(told) for _ in range(3)]

    first, *rest = asyncio.run(read())
    assert first.startswith("retry: ") and all(text == ": nothing new\n\n" for text in rest)
    assert events.BEAT <= 15


def read_until(url, wanted, headers=()):
    """The lines of a stream up to one that begins with a text."""
    lines = []
    sent = {"authorization": f"Bearer {TOKEN}", **dict(headers)}
    with httpx.stream("GET", url, headers=sent, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no" and answer.headers["cache-control"] == "no-store"
        for line in answer.iter_lines():
            lines.append(line)
            if line.startswith(wanted):
                return lines
    raise AssertionError(lines)


def test_a_browser_goes_on_where_it_was_cut_off_below_a_path_and_after_a_restart(runs, tmp_path):
    write(runs, "a", 10)
    with served(tmp_path, root_path="/gan") as url:
        since = httpx.get(f"{url}/gan/api/state", headers={"authorization": f"Bearer {TOKEN}"}).json()["events"]
        write(runs, "a", 20)
        lines = read_until(f"{url}/gan/api/events?from={since}", "event: point")
        position = next(line for line in reversed(lines) if line.startswith("id: "))[4:]
    write(runs, "a", 30)
    with served(tmp_path, root_path="/gan") as url:
        lines = read_until(f"{url}/api/events", 'data: {"run": "a"', {"last-event-id": position})
        assert '"seen": 30' in lines[-1]


def test_a_server_ends_though_pages_listen(runs, tmp_path):
    headers = {"authorization": f"Bearer {TOKEN}"}
    with served(tmp_path) as url, httpx.stream("GET", f"{url}/api/events", headers=headers, timeout=30) as answer:
        next(answer.iter_lines())
        begun = time.monotonic()
    assert time.monotonic() - begun < 10


def test_the_number_of_listeners_is_bounded(tmp_path):
    studio = client(tmp_path)
    wait_for(lambda: studio.get("/api/state").status_code == 200, "the state")
    assert studio.get("/api/events?from=nonsense").status_code == 400
