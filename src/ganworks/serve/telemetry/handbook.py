"""/docs: the addresses of the service as one page of HTML, which loads nothing and runs nothing.

FastAPI's own page loads its scripts from another server, which the service's content security policy forbids, and which
machines without a way out could not reach.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment

from ganworks.serve.guard.answer import App, answer, route_path

ADDRESSES = ("/docs", "/redoc")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}h3{margin:1.6rem 0 .3rem;font:600 15px ui-monospace,monospace}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.15rem .8rem .15rem 0}
code,pre{font:13px ui-monospace,monospace}pre{overflow:auto}small{color:#555}p{margin:.3rem 0}
@media(prefers-color-scheme:dark){body{color:#e4e4e8;background:#17171a}small{color:#aaa}a{color:#9cf}}
"""
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{{ info.title }} {{ info.version }}</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>{{ style }}</style>
<h1>{{ info.title }} {{ info.version }}</h1><p>{{ info.summary }}</p>
<p>{{ "Every request needs a key, in the header <code>authorization: Bearer KEY</code>."|safe if required else
"No key is needed, as this machine alone can reach it." }} The same, for programs:
<a href="openapi.json">openapi.json</a> (OpenAPI {{ version }}).</p>
{% for tag, entries in groups.items() %}<h2>{{ tag }}</h2>
{% for e in entries %}<h3>{{ e.verb }} {{ e.path }}</h3>
<p>{{ e.text }} {% if e.scope != "public" %}<small>
{{ "Any key." if e.scope == "models" else "A key with the scope " ~ e.scope ~ "." }}</small>{% endif %}</p>
{% if e.fields %}<table>{% for f in e.fields %}<tr><td><code>{{ f.name }}</code>{% if f.required %} *{% endif %}</td>
<td><small>{{ f.kind }}</small></td><td>{{ f.text }}
{% if f.usual %} <small>Usual: {{ f.usual }}</small>{% endif %}</td></tr>
{% endfor %}</table>{% endif %}{% if e.example %}<pre>{{ e.example }}</pre>{% endif %}{% endfor %}{% endfor %}</html>"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Handbook:
    """ASGI middleware that answers /docs. document: the OpenAPI document. required: whether a key is needed."""

    def __init__(self, app: App, document: Callable[[], Mapping[str, Any]], required: bool):
        self.app, self._document, self._required = app, document, required
        self._page = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http" or route_path(scope) not in ADDRESSES or scope["method"] not in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        self._page = self._page or page(self._document(), self._required).encode()
        headers = [("content-security-policy", POLICY)]
        return await answer(send, 200, self._page, "text/html; charset=utf-8", headers, scope["method"] == "HEAD")


def page(document: Mapping[str, Any], required: bool) -> str:
    """An OpenAPI document as HTML."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document.get("paths", {}).items():
        for verb, said in operations.items():
            entry = {
                "verb": verb.upper(),
                "path": path,
                "text": said.get("description") or said.get("summary", ""),
                "scope": said.get("x-scope", "admin"),
                "fields": _fields(said, document),
                "example": _example(path, said, document),
            }
            groups.setdefault(str((said.get("tags") or ["other"])[0]), []).append(entry)
    info = {"summary": "", **document.get("info", {})}
    template = Environment(autoescape=True).from_string(_PAGE)
    return template.render(
        groups=groups, info=info, version=document.get("openapi", ""), style=_STYLE, required=required
    )


def _fields(said: Mapping[str, Any], document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a request may hold: parameters of the address, headers, and the fields of its body."""
    found = [
        _field(one["name"], {**one.get("schema", {}), "description": one.get("description", "")}, one.get("required"))
        for one in said.get("parameters", ())
        if one.get("in") != "path"
    ]
    for body in said.get("requestBody", {}).get("content", {}).values():
        schema = _resolved(body.get("schema", {}), document)
        needed = schema.get("required", ())
        found += [_field(name, one, name in needed) for name, one in schema.get("properties", {}).items()]
    return found


def _example(path: str, said: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """A request with a body as a line for a shell, from the example that its schema gives; "" for others."""
    for media, body in said.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(body.get("schema", {}), document)
        if media == "application/json":
            values = json.dumps((schema.get("examples") or [{}])[0])
            return f"curl localhost:8000{path} -H 'content-type: {media}' \\\n  -d '{values}' -OJ"
        files = [name for name, field in schema.get("properties", {}).items() if field.get("format") == "binary"]
        return f"curl localhost:8000{path} -F {next(iter(files), 'file')}=@photo.png -OJ"
    return ""


def _field(name: str, schema: Mapping[str, Any], required: Any) -> dict[str, Any]:
    kinds = [str(one.get("type", "")) for one in schema.get("anyOf", [schema])]
    usual = schema.get("default")
    return {
        "name": name,
        "kind": " or ".join(kind for kind in dict.fromkeys(kinds) if kind and kind != "null"),
        "text": schema.get("description", ""),
        "usual": "" if usual is None or usual in ("", {}, []) else usual,
        "required": bool(required),
    }


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return document.get("components", {}).get("schemas", {}).get(name, {}) if name else schema
