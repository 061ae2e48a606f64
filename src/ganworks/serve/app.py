"""The HTTP service as an ASGI application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from ganworks.core.errors import UsageError
from ganworks.serve.asks import SampleAsk
from ganworks.serve.engine import Engine
from ganworks.serve.routes.provenance import provenance_routes
from ganworks.use.samples import zip_bytes


class SampleBody(BaseModel):
    """The body of a request for samples."""

    model_config = ConfigDict(extra="forbid")
    n: int = Field(1, ge=1, description="how many samples")
    seed: int = Field(0, ge=0, description="sample 17 of a seed is the same bytes alone or among 50,000")
    labels: str | int | list[str | int] | None = Field(None, description="a class by name or number, or several")
    truncation: float = Field(1.0, gt=0, le=10, description="closer to the average: more typical, less varied")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the model, such as where")


def create_app(engine: Engine) -> FastAPI:
    """The application over an engine that its caller closes."""
    app = FastAPI(title="ganworks")

    @app.exception_handler(UsageError)
    async def wrong_use(_: Request, error: UsageError) -> Response:
        return JSONResponse({"error": {"message": str(error), "type": "invalid_request_error"}}, 400)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": name, "object": "model"} for name in engine.names]}

    @app.post("/v1/models/{name}/sample")
    async def sample(name: str, body: SampleBody) -> Response:
        made = await engine.sample(SampleAsk(name, **body.model_dump()))
        files = list(made.files())
        if len(files) == 1:
            return Response(files[0][1], media_type="image/png")
        return Response(zip_bytes(files), media_type="application/zip")

    app.include_router(provenance_routes(engine.watermark))
    return app
