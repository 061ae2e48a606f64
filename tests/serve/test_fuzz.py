"""Requests that follow the API's own description, made up by schemathesis: none is answered with a defect, and every
answer is one that the description names. benchmarks/fuzz_api.py does the same for longer.
"""

import fuzz_api
import pytest
import schemathesis
from http_service import engine_of, listening
from hypothesis import settings

from ganworks.serve.app import create_app


@pytest.fixture(scope="module")
def made():
    with engine_of("points", "shift") as engine, listening(create_app(engine)) as url:
        yield fuzz_api.described(url)


@schemathesis.pytest.from_fixture("made").parametrize()
@settings(fuzz_api.QUIET, max_examples=3, derandomize=True)
def test_no_request_is_answered_with_a_defect(case):
    fuzz_api.check(case)
