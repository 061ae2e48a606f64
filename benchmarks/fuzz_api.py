"""Fuzzes a running service by its own OpenAPI description; tests/serve/test_fuzz.py runs a small part of it.

    ganworks serve runs/a runs/b &
    python benchmarks/fuzz_api.py http://localhost:8000 [examples=200]

Prints a line for each address with the statuses that came, and ends with 1 if a request was answered with a 5xx other
than 503 and 504 (which say that a model cannot be used now), or with a status or media type that the description does
not name.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

FINE = (503, 504)
QUIET = settings(deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


def described(url: str) -> Any:
    """The schema of the service at an address, whose addresses take its models, and names that are none."""
    document = httpx.get(f"{url}/openapi.json").json()
    models = [entry["id"] for entry in httpx.get(f"{url}/v1/models").json()["data"]]
    known = {"name": [*models, "nope"], "version": ["1", "2"], "job_id": ["nope"]}
    for verbs in document["paths"].values():
        for parameter in (entry for said in verbs.values() for entry in said.get("parameters", [])):
            if parameter["in"] == "path" and parameter["name"] in known:
                parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    return schema


def check(case: Any) -> int:
    """Send one request and return its status. Raises for an answer that should not be."""
    response = case.call()
    assert response.status_code < 500 or response.status_code in FINE, response.text
    case.validate_response(response, checks=[status_code_conformance, content_type_conformance])
    return int(response.status_code)


def fuzz(operation: Any, examples: int, same: bool = False) -> tuple[Counter[int], str]:
    """(how often each status came, what was wrong or "") of one address. same: the same requests each time."""
    statuses: Counter[int] = Counter()

    @given(case=operation.as_strategy())
    @settings(QUIET, max_examples=examples, derandomize=same)
    def run(case: Any) -> None:
        statuses[check(case)] += 1

    try:
        run()
    except Exception as error:
        return statuses, f"  FAILED: {str(error)[:2000]}"
    return statuses, ""


def main(words: list[str]) -> int:
    """Fuzz the service at an address."""
    examples = next((int(word.partition("=")[2]) for word in words if word.startswith("examples=")), 200)
    failed = 0
    for result in described(words[0].rstrip("/")).get_all_operations():
        operation = result.ok()
        statuses, said = fuzz(operation, examples)
        failed += bool(said)
        print(f"{operation.method.upper():6} {operation.path:45} {dict(sorted(statuses.items()))}{said}", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
