"""A reverse proxy that shows a server below a path, as nginx does: /deep/gan/api/state asks for /api/state."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/deep/gan/"
KEPT = ("content-type", "content-security-policy", "cache-control", "content-disposition", "location")


class Proxy:
    """`url` is the studio's address behind the proxy; `stray` holds the paths asked for outside it."""

    def __init__(self, port: int):
        self.stray: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.startswith(PATH):
                    outer.stray.append(self.path)
                    self.send_error(404)
                    return
                there = http.client.HTTPConnection("127.0.0.1", port)
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length) if length else None
                there.request(self.command, self.path[len(PATH) - 1 :], body, dict(self.headers))
                self.hand_on(there.getresponse())
                there.close()

            do_POST = do_DELETE = do_GET  # noqa: N815

            def hand_on(self, answer: http.client.HTTPResponse) -> None:
                self.send_response(answer.status)
                for name in KEPT:
                    if value := answer.getheader(name):
                        self.send_header(name, value)
                self.end_headers()
                try:
                    while part := answer.read1(65536):
                        self.wfile.write(part)
                        self.wfile.flush()
                except OSError:
                    pass  # the browser has closed its stream

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}{PATH}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
