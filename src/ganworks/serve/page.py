"""The page that describes the API to people: made of its OpenAPI document, without scripts and without other files."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from ganworks.serve.routes.strict import StrictRoute

router = APIRouter(route_class=StrictRoute)
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.6rem}h2{margin-top:2.5rem}
details{border:1px solid #ccc;border-radius:6px;margin:.5rem 0;padding:.5rem .8rem}
summary{cursor:pointer}code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:#f4f4f4;padding:.7rem;overflow:auto}
.verb{display:inline-block;min-width:4.2rem;font-weight:700}table{border-collapse:collapse}
td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}pre{background:#262626}details{border-color:#555}
a{color:#8ab4ff}}
"""
_SAFE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


@router.get("/docs", response_class=HTMLResponse, include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The page."""
    root = request.scope.get("root_path", "")
    text = page(request.app.openapi(), root)
    return HTMLResponse(text, headers={"content-security-policy": _SAFE})


def page(document: dict[str, Any], root: str = "") -> str:
    """An OpenAPI document as HTML. root: the path under which the service is shown."""
    groups: dict[str, list[str]] = {}
    for path, verbs in document["paths"].items():
        for verb, said in verbs.items():
            tag = (said.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(document, root + path, verb.upper(), said))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(entries)}" for tag, entries in groups.items())
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: the API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{title}: the API</h1><p>{escape(document['info'].get('summary', ''))} "
        f'For programs: <a href="{escape(root)}/openapi.json">openapi.json</a>, OpenAPI {document["openapi"]}. Every '
        "error is a sentence; <code>/v1/models</code> lists what is served here.</p>"
        f"{sections}</main></body></html>"
    )


def _operation(document: dict[str, Any], path: str, verb: str, said: dict[str, Any]) -> str:
    scope = said.get("x-scope", "admin")
    parts = [f"<p>{escape(said.get('description', ''))}</p>", f"<p>Scope of the key: <code>{escape(scope)}</code></p>"]
    media, schema = _body(document, said)
    if media:
        parts.append(_fields(schema))
    parts.append(f"<pre>{escape(_curl(path, verb, media, schema))}</pre>")
    codes = ", ".join(sorted(said.get("responses", {})))
    parts.append(f"<p>Answers: {escape(codes)}</p>")
    head = f'<span class="verb">{verb}</span> <code>{escape(path)}</code> {escape(said.get("summary", ""))}'
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def _body(document: dict[str, Any], said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(media type, schema) of a body; nothing where there is none."""
    for media, entry in said.get("requestBody", {}).get("content", {}).items():
        schema = entry.get("schema", {})
        name = schema.get("$ref", "").rpartition("/")[2]
        return media, document["components"]["schemas"].get(name, schema)
    return "", {}


def _fields(schema: dict[str, Any]) -> str:
    needed = schema.get("required", [])
    rows = [
        f"<tr><th><code>{escape(name)}</code></th>"
        f"<td>{escape(_type(field))}{' (needed)' if name in needed else ''}</td>"
        f"<td>{escape(str(field.get('description', '')))}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    return f"<table>{''.join(rows)}</table>"


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "anyOf" in field:
        return " | ".join(dict.fromkeys(_type(one) for one in field["anyOf"] if one.get("type") != "null"))
    kind = field.get("format") if field.get("format") == "binary" else field.get("type", "")
    usual = f" = {json.dumps(field['default'])}" if field.get("default") not in (None, "", {}) else ""
    return f"{kind}{usual}"


def _curl(path: str, verb: str, media: str, schema: dict[str, Any]) -> str:
    """The request as a line for a shell."""
    where = f"http://localhost:8000{path}"
    if media == "application/json":
        body = json.dumps((schema.get("examples") or [{}])[0])
        return f"curl -X {verb} {where} \\\n  -H 'content-type: application/json' -d '{body}' -OJ"
    if media:
        files = [name for name, field in schema.get("properties", {}).items() if field.get("format") == "binary"]
        return f"curl -X {verb} {where} -F {files[0] if files else 'file'}=@photo.png -OJ"
    return f"curl {'' if verb == 'GET' else f'-X {verb} '}{where}"
