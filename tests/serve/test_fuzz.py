"""Requests that follow the API's own description, made up by schemathesis: none is answered with a defect, and every
answer is one that the description names. benchmarks/fuzz_api.py does the same for longer.
"""

import fuzz_api
from http_service import app_of, engine_of, listening


def test_no_request_is_answered_with_a_defect():
    wrong = []
    with engine_of("points", "shift") as engine, listening(app_of(engine)) as url:
        for result in fuzz_api.described(url).get_all_operations():
            operation = result.ok()
            statuses, said = fuzz_api.fuzz(operation, 4, same=True)
            wrong += [f"{operation.method} {operation.path}: {said}"] if said else []
            assert statuses or said, f"{operation.path} was never asked"
    assert not wrong, "\n".join(wrong)
