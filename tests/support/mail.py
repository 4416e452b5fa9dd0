"""A mail server and the page of the way out on this machine, as a company has them."""

from __future__ import annotations

import email
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller


@dataclass
class Mailbox:
    """Mails that a server took."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    answer: str = "250 OK"
    pause: float = 0.0
    """Seconds before it answers that it took a mail."""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Takes a mail, and says so after a pause."""
        import asyncio

        if self.answer.startswith("250"):
            self.mails.append(cast(EmailMessage, email.message_from_bytes(envelope.content, policy=policy.default)))
        await asyncio.sleep(self.pause)
        return self.answer


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """A mail server that runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        box = Mailbox(free.getsockname()[1])
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    try:
        yield box
    finally:
        server.stop()


@contextmanager
def way_out(unsubscribe: Callable[[str], object]) -> Iterator[str]:
    """The page behind `List-Unsubscribe`: its address, to which codes are appended. It does as RFC 8058 wants."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            one_click = told.get("List-Unsubscribe") == ["One-Click"]
            if one_click:
                unsubscribe(self.path.rpartition("/")[2])
            self.send_response(200 if one_click else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/out/"
    finally:
        server.shutdown()
        server.server_close()
