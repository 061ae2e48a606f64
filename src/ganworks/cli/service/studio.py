"""`ganworks studio`: the page in the browser."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

from ganworks.cli.words import Options, import_own, only, whole
from ganworks.core.console.stop import told
from ganworks.core.console.voice import say
from ganworks.core.errors import UsageError, switch

_PORT, _TRIED = 8421, 20  # the first port that is tried, and how many
_LOCAL = ("127.0.0.1", "localhost", "::1")


def studio(places: list[str], options: Options) -> None:
    """ganworks studio [FOLDER] key=value ..."""
    import_own(options)
    only(options, ("host", "port", "token", "open", "root_path", "hosts"), "studio")
    if len(places) > 1:
        raise UsageError("`ganworks studio` takes one folder: ganworks studio my-project")
    host, open_page = options.get("host", "127.0.0.1"), switch("open", options.get("open", "on"))
    try:
        import uvicorn

        from ganworks.serve.guard.protocol import Door, Limits, guarded
        from ganworks.studio.app import create_studio
        from ganworks.studio.keeping import kept_token, only_studio
        from ganworks.studio.places import Place
    except ModuleNotFoundError as error:
        raise UsageError(f"The studio needs {error.name}: pip install 'ganworks[serve]'") from error
    place = Place(places[0] if places else Path())
    place.prepare()
    token = _token(options.get("token", "")) or kept_token(place)
    root = "/" + options.get("root_path", "").strip("/") if options.get("root_path", "").strip("/") else ""
    names = tuple(name.strip() for name in options.get("hosts", "").split(",") if name.strip())
    with only_studio(place), _bound(host, options.get("port", "")) as listening:
        port = listening.getsockname()[1]
        named = (*names, host) if host not in ("0.0.0.0", "::") else names
        app = create_studio(place.folder, token, hosts=named, any_address=host not in _LOCAL, root_path=root)
        door = Door(Limits())  # slow and too many connections end as those of the service do
        settings = uvicorn.Config(
            app,
            http=guarded(door),
            ws="none",
            timeout_keep_alive=door.limits.idle,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            proxy_headers=False,
            server_header=False,
        )
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{port}{root}/?token={token}"
        _announce(place.folder, url, host)
        server = _Server(settings, url if open_page else "", app.state.studio.closing)
        ended = "The studio is closed. Trainings that run go on; `ganworks studio` shows them again."
        with told(lambda: ended):
            server.run(sockets=[listening])
        say(ended)


def _announce(folder: Path, url: str, host: str) -> None:
    say(f"The studio of {folder} is at", "", f"  {url}", "")
    if host not in _LOCAL:
        say("Whoever has this address can train here and use the networks. The connection is not encrypted: keep it "
            "within a network that you trust, or behind a proxy with HTTPS.")  # fmt: skip
    say("Ctrl-C closes it; trainings go on.")


def _token(given: str) -> str:
    if given and (len(given) < 8 or not given.isascii() or not given.replace("-", "").replace("_", "").isalnum()):
        raise UsageError("token must be 8 or more letters, digits, - and _; without token= a random one is made.")
    return given


def _bound(host: str, asked: str) -> socket.socket:
    """A socket that listens at the port that was asked for, or else at the first free one."""
    ports = [whole(asked, "port")] if asked else range(_PORT, _PORT + _TRIED)
    for port in ports:
        if not 0 <= port <= 65535:
            raise UsageError(f"port must be between 0 and 65535, not {port}.")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(128)
        except (OSError, OverflowError) as error:
            listening.close()
            reason = getattr(error, "strerror", None) or error
            if asked or not isinstance(error, OSError) or error.errno not in _busy():
                raise UsageError(
                    f"The studio cannot listen at {host}:{port}: {reason}. Choose another port=."
                ) from error
            continue
        return listening
    raise UsageError(f"The ports {_PORT} to {_PORT + _TRIED - 1} are all in use; choose one with port=.")


def _busy() -> tuple[int, ...]:
    import errno

    return errno.EADDRINUSE, errno.EACCES


def _Server(settings: Any, url: str, closing: threading.Event) -> Any:  # noqa: N802
    """A server that opens the page when it answers, and ends the streams of events when it is to end."""
    import uvicorn

    class Server(uvicorn.Server):
        """See above."""

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if url:
                threading.Thread(target=_show, args=(url,), daemon=True).start()

        def handle_exit(self, sig: int, frame: Any) -> None:
            closing.set()
            super().handle_exit(sig, frame)

    return Server(settings)


def _show(url: str) -> None:
    """Open the page in the browser of this machine, if it has one."""
    import webbrowser

    webbrowser.open(url)
