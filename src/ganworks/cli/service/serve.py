"""`ganworks serve`: trained networks over HTTP."""

from __future__ import annotations

from pathlib import Path

from ganworks.cli.trust.seals import seals_of
from ganworks.cli.words import Options, import_own, only, whole
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError


def serve(places: list[str], options: Options) -> None:
    """ganworks serve RUN [RUN ...] key=value ..."""
    import_own(options)
    only(options, ("host", "port", "watermark", "sign"), "serve")
    if not places:
        raise UsageError("`ganworks serve` needs a run or more: ganworks serve runs/digits-image-1")
    try:
        import uvicorn

        from ganworks.serve.app import create_app
        from ganworks.serve.engine import Engine
    except ModuleNotFoundError as error:
        raise UsageError(f"Serving needs {error.name}: pip install 'ganworks[serve]'") from error
    host, port = options.get("host", "127.0.0.1"), whole(options.get("port", "8000"), "port")
    engine = Engine({Path(place).resolve().name: Path(place) for place in places}, *seals_of(options))
    say(f"Serving {', '.join(engine.names)} at http://{host}:{port}/docs")
    try:
        uvicorn.run(create_app(engine), host=host, port=port, log_level="warning")
    finally:
        engine.close()
