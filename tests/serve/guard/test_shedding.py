"""Under overload, a refusal is given before anything of a request is read, and to nobody whom others turn away."""

from __future__ import annotations

import asyncio
import http.client
import json
import time

import pytest

from ganworks.serve.guard.protocol import Door, Limits
from ganworks.serve.guard.shedding import Pulse, Shedding
from tests.helpers import fenced

SAMPLE = "/v1/models/digits/sample"


def refusal(asked):
    """Asks of an engine that is busy with one model."""

    def ask(name, deadline):
        asked.append((name, deadline))
        return 2.3 if name in ("busy", "digits", None) and deadline < 60 else None

    return ask


async def _app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})


def call(path, method="POST", headers=(), asked=None, root="", **settings):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": method, "path": path, "root_path": root, "headers": list(headers)}
    asyncio.run(Shedding(_app, refusal([] if asked is None else asked), **settings)(scope, receive, send))
    return sent


def test_what_would_come_too_late_is_refused_with_a_time_to_come_back():
    told = []
    start, body = call(
        "/gan/v1/models/busy/sample", root="/gan", headers=[(b"x-request-id", b"mine")], tell=told.append
    )
    headers = dict(start["headers"])
    assert start["status"] == 429 and headers[b"retry-after"] == b"3" and headers[b"x-request-id"] == b"mine"
    assert headers[b"x-content-type-options"] == b"nosniff" and headers[b"cache-control"] == b"no-store"
    assert json.loads(body["body"])["error"]["code"] == "busy" and int(headers[b"content-length"]) == len(body["body"])
    assert call("/v1/images/generations")[0]["status"] == 429 and told == ["busy"]
    assert isinstance(json.loads(call("/v2/models/busy/infer")[1]["body"])["error"], str)


@pytest.mark.parametrize(
    "request_",
    [
        ("/v1/models/free/sample", "POST"),
        ("/v1/models/busy/sample", "GET"),
        ("/v1/models/busy/sample", "POST", [(b"x-ganworks-deadline-s", b"90")]),
        ("/healthz", "POST"),
        ("/v1/provenance", "POST"),
    ],
    ids=["another model", "another method", "a patient client", "no work", "no work for a model"],
)
def test_the_rest_is_let_in(request_):
    assert call(*request_)[0]["status"] == 200


def test_a_deadline_that_is_nonsense_is_for_others_to_refuse():
    asked = []
    for value in (b"soon", b"nan", b"-1"):
        call("/v1/models/free/sample", "POST", [(b"x-ganworks-deadline-s", value)], asked)
    assert asked == [("free", 30.0)] * 3


def test_who_would_be_turned_away_is_not_told_that_a_model_is_busy():
    assert call("/v1/models/busy/sample", welcome=lambda scope, model: model != "busy")[0]["status"] == 200


def test_the_time_that_answers_take_besides_their_model_counts():
    asked = []
    call("/v1/models/free/sample", headers=[(b"x-ganworks-deadline-s", b"4")], asked=asked, pulse=lambda: 0.5)
    assert asked == [("free", 3.0)]
    assert (
        call("/v1/models/free/sample", headers=[(b"x-ganworks-deadline-s", b"4")], pulse=lambda: 3.0)[0]["status"]
        == 429
    )


def test_a_refusal_holds_for_a_moment_for_those_with_no_more_time():
    asked = []
    shed = Shedding(_app, refusal(asked))
    for seconds in (b"5", b"4", b"5", b"6", b"90"):
        shed.answer({"method": "POST", "path": "/v1/models/busy/x", "headers": [(b"x-ganworks-deadline-s", seconds)]})
    assert [deadline for _, deadline in asked] in (
        [5.0, 6.0, 90.0],
        [5.0, 4.0, 5.0, 6.0, 90.0],
    )  # a slow machine forgets


def test_a_pulse_sees_a_loop_that_is_held_up():
    async def main():
        pulse = Pulse(pause=0.01)
        pulse.begin()
        await asyncio.sleep(0.05)
        time.sleep(0.3)
        held = pulse.seconds
        await asyncio.sleep(0)
        return held

    assert asyncio.run(main()) > 0.2


@pytest.fixture
def busy():
    """A service, behind its own port, whose model is busy, and the lines that it tells."""
    lines = []
    service = fenced.build(tell=lines.append, limits=Limits(idle=1))
    service.door.shed = Shedding(service.app, refusal([]), tell=service.state.shed).answer
    return service, lines


def test_refusals_keep_their_connection_are_counted_and_told_once_a_second(busy):
    service, lines = busy
    with fenced.listening(service) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        client.connect()
        own = client.sock.getsockname()
        for _ in range(5):
            client.request("POST", SAMPLE, json.dumps({"n": 1}), {"content-type": "application/json"})
            answer = client.getresponse()
            assert answer.status == 429 and answer.headers["retry-after"] == "3" and answer.headers["date"]
            assert answer.headers["content-security-policy"] and json.loads(answer.read())["error"]["code"] == "busy"
            assert client.sock.getsockname() == own
        client.request("GET", "/healthz")
        assert client.getresponse().read()
        assert client.sock.getsockname() == own
    service.state.tell_shed()
    assert service.state.meters.shed.values == {("digits",): 5.0}
    refused = [line for line in lines if line.refused]
    assert sum(line.refused for line in refused) == 5 and all(line.status == 429 for line in refused)


def test_a_connection_whose_answer_came_before_its_body_is_closed_when_idle(busy):
    service, _ = busy
    with fenced.listening(service) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        client.request("POST", SAMPLE, b"x" * 100_000)
        assert client.getresponse().read() and client.sock.recv(1) == b""


def test_a_door_refuses_nothing_by_itself():
    assert Door().shed is None
