"""A stand-in for the studio's server: its addresses and answers, with runs held in memory that survive a restart."""

from __future__ import annotations

import asyncio
import io
import json
import math
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from PIL import Image

import ganworks

PACKAGE = Path(ganworks.__file__).parent
STATIC = PACKAGE / "studio" / "static"
VENDOR = PACKAGE / "report" / "page" / "vendor"
POLICY = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:"
SCHEMA = {
    "properties": {
        "domain": {
            "properties": {
                "size": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "Side.", "default": None},
                "flip": {"type": "boolean", "description": "Mirror half.", "default": False},
            },
            "type": "object",
        },
        "train": {"$ref": "#/$defs/Train", "default": {"batch": 64}},
    },
    "$defs": {
        "Train": {
            "type": "object",
            "properties": {
                "batch": {"type": "integer", "minimum": 1, "maximum": 4096, "description": "Examples.", "default": 1},
                "budget": {"type": "string", "description": "How long.", "default": "10m"},
                "precision": {"enum": ["auto", "fp32"], "description": "Precision.", "default": "auto"},
            },
        }
    },
}


def png(seed: int, side: int = 64) -> bytes:
    """A small picture that differs with its seed."""
    image = Image.new("RGB", (side, side), ((seed * 67) % 200 + 40, (seed * 131) % 200 + 40, (seed * 29) % 200 + 40))
    image.paste((250, 240, 200), (seed * 7 % side // 2, seed * 11 % side // 2, side // 2 + 8, side // 2 + 12))
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


class FakeStudio:
    """Runs, their points and the log of events; `start` and `kill` open and close the port, the rest stays."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.points: dict[str, list[tuple[int, dict[str, float]]]] = {}
        self.log: list[tuple[str, dict[str, Any]]] = []
        self.posted: list[tuple[str, Any]] = []
        self.silent = 0  # events that are written to the log but never sent
        self.cut = threading.Event()  # set: the next event is sent by half and the connection closed
        self.data: list[dict[str, Any]] = []
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.alive = True
        config = uvicorn.Config(application(self), port=self.port, log_level="error", lifespan="off", ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until = time.monotonic() + 20
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.01)

    def kill(self) -> None:
        self.alive = False
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(20)

    def say(self, kind: str, data: dict[str, Any]) -> None:
        self.log.append((kind, data))

    def add(self, name: str, points: int = 100, **more: Any) -> dict[str, Any]:
        run = {
            "name": name,
            "recipe": "image",
            "kind": "images",
            "data": "shapes",
            "status": "running",
            "seen": points * 64,
            "budget": 10 * points * 64,
            "share": 0.1,
            "seconds_left": 90.0,
            "examples_per_second": 512.0,
            "updated": time.time(),
            "score": {"name": "fd", "value": 3.2, "real": 1.1},
            "alarm": None,
            "uses": ["sample", "apply", "predict"],
            "thumbnail": f"api/runs/{name}/files/samples/1.png",
        } | more
        self.runs[name] = run
        self.points[name] = [(64 * (i + 1), values(i)) for i in range(points)]
        self.say("run", run)
        return run

    def point(self, name: str) -> None:
        """One more point of a run, and its event."""
        i = len(self.points[name])
        self.points[name].append((64 * (i + 1), values(i)))
        self.runs[name]["seen"] = 64 * (i + 1)
        self.say("point", {"run": name, "seen": 64 * (i + 1), "values": values(i)})

    def change(self, name: str, **more: Any) -> dict[str, Any]:
        self.runs[name] |= more | {"updated": time.time()}
        self.say("run", dict(self.runs[name]))
        return self.runs[name]


def values(i: int) -> dict[str, float]:
    return {
        "d_loss": 1 + math.sin(i / 300) / 3,
        "g_loss": 1.5 + math.cos(i / 200) / 2,
        "r1": 1 / (i + 10),
        "examples_per_second": 512.0,
    }


def application(studio: FakeStudio) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def policy(request: Request, call: Any) -> Response:
        answer = await call(request)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @app.get("/")
    async def page() -> Response:
        return FileResponse(STATIC / "index.html")

    @app.get("/api/state")
    async def state() -> dict[str, Any]:
        return {
            "version": "0.0",
            "folder": "studio",
            "runs": list(studio.runs.values()),
            "recipes": [{"name": "image", "kind": "images", "first_line": "The default."}],
            "kinds": ["images"],
            "languages": ["en", "zh"],
            "events": str(len(studio.log)),
        }

    @app.get("/api/events")
    async def events(request: Request) -> Response:
        begin = request.query_params.get("from") or request.headers.get("last-event-id")
        return StreamingResponse(stream(studio, int(begin or len(studio.log))), media_type="text/event-stream")

    add_runs(app, studio)
    add_data(app, studio)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.mount("/vendor", StaticFiles(directory=VENDOR))
    return app


async def stream(studio: FakeStudio, at: int) -> AsyncIterator[bytes]:
    yield b": here\n\n"
    while studio.alive:
        if at < len(studio.log):
            kind, data = studio.log[at]
            at += 1
            if studio.silent:
                studio.silent -= 1
                continue
            text = f"id: {at}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()
            if studio.cut.is_set():
                studio.cut.clear()
                yield text[: len(text) // 2]
                return
            yield text
        else:
            await asyncio.sleep(0.02)


def detail(run: dict[str, Any]) -> dict[str, Any]:
    name = run["name"]
    classes = ["circle", "square"]
    return run | {
        "config": "recipe: image\n",
        "command": f"ganworks train image data=shapes out={name}",
        "python": "import ganworks\n",
        "advice": ["Train longer: the score still falls."] if run["alarm"] else [],
        "notes": ["Width 16."],
        "scores": [
            {"name": "Fréchet distance", "id": "fd", "value": 3.2, "real": 1.1, "grade": "fair", "meaning": "far"}
        ],
        "classes": classes,
        "options": {"where": "only such rows"},
        "files": [{"name": "config.yaml", "bytes": 1200, "url": f"api/runs/{name}/files/config.yaml"}],
        "snapshots": [{"seen": 64 * i, "url": f"api/runs/{name}/files/samples/{i}.png"} for i in range(1, 5)],
        "media": "image",
        "takes": [],
        "can": {"truncation": True, "latent": True, "mask": True},
        "report": f"api/runs/{name}/files/report.html",
    }


def add_runs(app: FastAPI, studio: FakeStudio) -> None:
    @app.get("/api/runs/{name}")
    async def one(name: str) -> Response:
        if name not in studio.runs:
            return JSONResponse({"error": {"message": f"There is no run {name}."}}, 404)
        return JSONResponse(detail(studio.runs[name]))

    @app.get("/api/runs/{name}/curves")
    async def curves(name: str, points: int = 2000) -> dict[str, Any]:
        made = studio.points[name]
        kept = [*made[: -1 : max(1, len(made) // points)], made[-1]]
        series: dict[str, list[float]] = {one: [found[one] for _, found in kept] for one in values(0)}
        scores = {
            "x": [64, 640, 3200],
            "series": {"Fréchet distance": [30, 12, 3.2]},
            "real": {"Fréchet distance": 1.1},
        }
        return {"x": [seen for seen, _ in kept], "series": series, "scores": scores}

    @app.get("/api/runs/{name}/directions")
    async def directions(name: str) -> list[dict[str, Any]]:
        return [{"name": f"direction {i}", "low": -3, "high": 3} for i in range(1, 5)]

    @app.get("/api/runs/{name}/files/{path:path}")
    async def file(name: str, path: str) -> Response:
        digits = "".join(c for c in path if c.isdigit())
        return Response(png(int(digits or 1)), media_type="image/png")

    @app.post("/api/runs/{name}/{what}")
    async def act(name: str, what: str, request: Request) -> Response:
        given = await request.json() if "json" in request.headers["content-type"] else dict(await request.form())
        studio.posted.append((what, given))
        if what in STATES:
            return JSONResponse(studio.change(name, status=STATES[what]))
        return JSONResponse(ANSWERS[what](name, given))

    @app.post("/api/runs")
    async def begin(request: Request) -> Response:
        given = await request.json()
        studio.posted.append(("runs", given))
        return JSONResponse(studio.add(given["name"] or "shapes-image-1", points=3), 201)

    @app.delete("/api/runs/{name}")
    async def bin_(name: str) -> dict[str, Any]:
        studio.runs.pop(name)
        studio.say("gone", {"run": name})
        return {}

    @app.get("/api/compare")
    async def compare(runs: str) -> dict[str, Any]:
        rows = [[name, "image", "running", 64000, 75.0, 3.2] for name in runs.split(",")]
        return {"columns": ["name", "recipe", "status", "seen", "seconds", "Fréchet distance"], "rows": rows}


STATES = {"pause": "paused", "resume": "running", "stop": "stopped"}


def sampled(name: str, given: dict[str, Any]) -> dict[str, Any]:
    urls = [f"api/runs/{name}/files/made/{given['seed'] * 100 + i}.png" for i in range(given["n"])]
    items = [{"index": i, "url": url, "label": given["labels"]} for i, url in enumerate(urls)]
    more = {"download": urls[0], "command": f"ganworks sample {name} {given['n']}", "python": "import ganworks\n"}
    return {"items": items, "columns": None, "media": "image"} | more


def walked(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return sampled(name, {"n": given["steps"], "seed": given["seeds"][0], "labels": None})


def moved(name: str, given: dict[str, Any]) -> dict[str, Any]:
    made = int(100 * sum(abs(v) for v in given["moves"].values()))
    return {"index": 0, "url": f"api/runs/{name}/files/made/{made}.png", "label": None}


def applied(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {key: f"api/runs/{name}/files/made/{i}.png" for i, key in enumerate(("before", "after", "download"))}


def predicted(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"classes": [{"name": "circle", "probability": 0.9}, {"name": "square", "probability": 0.1}]}


def published(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"url": "http://127.0.0.1:8000/v1/models", "command": "ganworks serve studio"}


ANSWERS = {
    "sample": sampled,
    "walk": walked,
    "latent": moved,
    "apply": applied,
    "predict": predicted,
    "publish": published,
}


def add_data(app: FastAPI, studio: FakeStudio) -> None:
    @app.get("/api/data")
    async def kept() -> list[dict[str, Any]]:
        return studio.data

    @app.post("/api/data")
    async def bring(request: Request) -> dict[str, Any]:
        if "json" in request.headers["content-type"]:
            studio.posted.append(("data", await request.json()))
        else:
            upload = (await request.form())["file"]
            studio.posted.append(("data", (upload.filename, await upload.read())))
        studio.data.append({"id": "shapes", "name": "shapes", "bytes": 4000})
        return {"data": "shapes"}

    @app.get("/api/data/{name}")
    async def look(name: str) -> dict[str, Any]:
        counts = [{"name": "circle", "count": 40}, {"name": "square", "count": 38}]
        return {
            "kind": "images",
            "recipe": "image",
            "because": "78 pictures in 2 folders, which are taken for classes.",
            "count": 78,
            "classes": counts,
            "problems": ["2 pictures are the same."],
            "sheet": "api/runs/x/files/1.png",
            "examples": [],
        }

    @app.get("/api/recipes/{name}")
    async def recipe(name: str) -> dict[str, Any]:
        return {"name": name, "title": "The default.", "text": "", "schema": SCHEMA, "often": ["size", "budget"]}
