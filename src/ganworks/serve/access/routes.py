"""Which scope an address needs, as the application declares it in its OpenAPI document (`x-scope`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN = {"/healthz": "public", "/readyz": "public", "/metrics": "metrics"}  # which `telemetry` answers
_MODEL_WORDS = ("name", "model", "model_name")  # how path parameters that hold a model are called


@dataclass(frozen=True)
class Found:
    """What an address is: its form, e.g. /v1/models/{name}, the scope it needs, and the model that it names."""

    route: str
    scope: str
    model: str = ""


class Scopes:
    """The addresses of an application. document: its OpenAPI document. public: the beginnings of addresses that are
    not in it and that anybody may read, such as the files of a page.

    An operation that declares no scope needs `admin`: what is forgotten is closed.
    """

    def __init__(self, document: Mapping[str, Any], public: tuple[str, ...] = ()):
        self._public = public
        self._forms: list[tuple[str, re.Pattern[str], dict[str, str]]] = []
        for form, operations in sorted(document.get("paths", {}).items(), key=lambda item: item[0].count("{")):
            scopes = {verb.upper(): str(said.get("x-scope", "admin")) for verb, said in operations.items()}
            self._forms.append((form, _pattern(form), scopes))

    def find(self, method: str, path: str) -> Found | None:
        """What an address is; None for one that the application does not declare. path: without the root path."""
        if path in OWN:
            return Found(path, OWN[path])
        method = "GET" if method == "HEAD" else method
        for form, pattern, scopes in self._forms:
            if match := pattern.fullmatch(path):
                words = match.groupdict()
                model = next((words[word] for word in _MODEL_WORDS if word in words), "")
                if method in scopes:
                    return Found(form, scopes[method], model)
                return Found(form, "public" if set(scopes.values()) == {"public"} else "admin", model)
        for start in self._public:
            if path == start or path.startswith(start.rstrip("/") + "/"):
                return Found(start, "public" if method == "GET" else "admin")
        return None


def _pattern(form: str) -> re.Pattern[str]:
    """/v1/{name}/x -> a pattern with the group `name`."""
    parts = re.split(r"\{(\w+)\}", form)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts)))
