"""Liveness, readiness and metrics over HTTP, beside the work of a process and never in its way.

Works in an api process and in a worker alike: the standard library serves it, on threads there and on green threads
here, so a process whose loop is stuck does not answer, which is what a probe should see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from libs.engine import metrics

Check = Callable[[], "str | None"]
"""None when all is well, otherwise one sentence that says what is not."""


class AdminServer:
    """Serves /livez (is the process stuck?), /readyz (should it get work?) and /metrics."""

    def __init__(self, listen: str, live: Check, ready: Check) -> None:
        host, _, port = listen.rpartition(":")
        self._server = _Http((host, int(port)), _Handler)
        self._server.routes = {"/livez": live, "/readyz": ready}
        metrics.READY.set_function(lambda: ready() is None)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="admin", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on, also when 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stops answering and frees the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    routes: dict[str, Check]

    def server_bind(self) -> None:
        # HTTPServer asks the DNS for its own name here, which may take seconds, and uses it nowhere.
        TCPServer.server_bind(self)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    timeout = 5
    """Seconds that a connection may take to say what it wants."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, metrics.render(), metrics.CONTENT_TYPE)
        elif check := self.server.routes.get(path):
            reason = check()
            self._answer(503 if reason else 200, f"{reason or 'ok'}\n".encode())
        else:
            self._answer(404, f"There are /metrics, {', '.join(self.server.routes)}.\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: probes come every few seconds."""

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
