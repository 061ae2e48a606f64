"""Under overload, a refusal is given before anything of a request is read."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

import pytest

from ganworks.serve.guard.shedding import Shedding


class Busy:
    """An engine that is busy with one model for `seconds`."""

    asked: ClassVar[list] = []

    def refusal(self, name, deadline):
        self.asked.append((name, deadline))
        return 2.3 if name in ("busy", None) and deadline < 60 else None


async def _app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})


def call(path, method="POST", headers=()):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(Shedding(_app, Busy())(scope, receive, send))
    return sent


def test_what_would_come_too_late_is_refused_with_a_time_to_come_back():
    start, body = call("/gan/v1/models/busy/sample")
    headers = dict(start["headers"])
    assert start["status"] == 429 and headers[b"retry-after"] == b"3"
    assert json.loads(body["body"])["error"]["code"] == "busy" and int(headers[b"content-length"]) == len(body["body"])
    assert call("/v1/images/generations")[0]["status"] == 429


@pytest.mark.parametrize(
    "request_",
    [
        ("/v1/models/free/sample", "POST"),
        ("/v1/models/busy/sample", "GET"),
        ("/v1/models/busy/sample", "POST", [(b"x-ganworks-deadline-s", b"90")]),
        ("/healthz", "POST"),
    ],
    ids=["another model", "another method", "a patient client", "no work for a model"],
)
def test_the_rest_is_let_in(request_):
    assert call(*request_)[0]["status"] == 200


def test_a_deadline_that_is_nonsense_is_for_others_to_refuse():
    call("/v1/models/free/sample", "POST", [(b"x-ganworks-deadline-s", b"soon")])
    assert Busy.asked[-1] == ("free", 30.0)
