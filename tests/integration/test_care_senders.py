"""Senders against real servers on this machine: SMTP by aiosmtpd, and a provider that answers over HTTP."""

from __future__ import annotations

import email
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.controller import Controller

from services.care.customers.domain.projection import Channel
from services.care.senders.application import smtp, webhook
from services.care.senders.application.senders import open_port
from services.care.senders.domain import Fate, Message, Security, Sender, Smtp, Webhook

MESSAGE = Message(
    key="tch_1",
    to="wang@example.com",
    subject="生日快乐，王芳",
    body="祝您生日快乐！\n.一个点\n",
    language_code="zh",
    unsubscribe_url="https://example.com/out/abc",
)


@dataclass
class Mailbox:
    """Mails that a server took, and the answers that it is told to give."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipient: str = "250 OK"
    end: str = "250 OK"
    pause: float = 0.0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        import asyncio

        await asyncio.sleep(self.pause)
        if self.end.startswith("250"):
            self.mails.append(cast(EmailMessage, email.message_from_bytes(envelope.content, policy=policy.default)))
        return self.end


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Sender]]:
    """A mail server that runs, and a sender for it."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    told = Smtp(
        host="127.0.0.1", port=port, security=Security.PLAIN, from_address="care@example.com", from_name="客户关怀"
    )
    yield box, Sender(id="snd_1", channel=Channel.EMAIL, smtp=told, rate_per_minute=60)
    server.stop()


def test_a_mail_in_chinese_arrives_with_the_way_out_in_its_head(mailbox: tuple[Mailbox, Sender]) -> None:
    box, sender = mailbox
    port = open_port(sender)
    for _ in range(2):  # one connection for both
        assert port.send(MESSAGE).fate is Fate.ACCEPTED
    port.close()
    first, second = box.mails
    assert (first["Subject"], first["From"].addresses[0].display_name) == (MESSAGE.subject, "客户关怀")
    assert first.get_content().replace("\r\n", "\n") == MESSAGE.body
    assert first["Message-ID"] == second["Message-ID"] == "<tch_1@example.com>"
    assert first["List-Unsubscribe"] == "<https://example.com/out/abc>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert first["Content-Language"] == "zh"


def test_a_long_way_out_stays_in_one_piece(mailbox: tuple[Mailbox, Sender]) -> None:
    box, sender = mailbox
    url = f"https://care.example.com/{'unsubscribe/' * 20}{'0' * 32}"
    port = open_port(sender)
    assert port.send(replace(MESSAGE, unsubscribe_url=url)).fate is Fate.ACCEPTED
    assert port.send(replace(MESSAGE, unsubscribe_url=f"{url}\r\nBcc: b@example.com")).fate is Fate.REFUSED
    port.close()
    [mail] = box.mails
    assert mail["List-Unsubscribe"] == f"<{url}>"
    assert mail["Subject"] == MESSAGE.subject


@pytest.mark.parametrize(
    ("answers", "fate"),
    [
        ({"recipient": "550 no such user"}, Fate.REFUSED),
        ({"recipient": "450 try later"}, Fate.NOT_NOW),
        ({"end": "554 spam"}, Fate.REFUSED),
        ({"end": "451 full"}, Fate.NOT_NOW),
    ],
)
def test_what_a_mail_server_says_decides(mailbox: tuple[Mailbox, Sender], answers: dict[str, str], fate: Fate) -> None:
    box, sender = mailbox
    for name, value in answers.items():
        setattr(box, name, value)
    port = open_port(sender)
    handed = port.send(MESSAGE)
    port.close()
    assert handed.fate is fate
    assert next(iter(answers.values()))[:3] in handed.explanation


def test_a_mail_server_that_takes_all_and_then_says_nothing_leaves_it_open(
    mailbox: tuple[Mailbox, Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    box, sender = mailbox
    monkeypatch.setattr(smtp, "TIMEOUT", 0.3)
    box.pause = 1.0
    assert open_port(sender).send(MESSAGE).fate is Fate.UNKNOWN


def test_nobody_at_home_is_tried_later(mailbox: tuple[Mailbox, Sender]) -> None:
    _, sender = mailbox
    away = Smtp(host="127.0.0.1", port=1, security=Security.PLAIN, from_address="care@example.com")
    assert open_port(Sender(id="x", channel=Channel.EMAIL, smtp=away)).send(MESSAGE).fate is Fate.NOT_NOW
    assert sender.smtp is not None


def test_a_line_break_in_an_address_begins_no_header(mailbox: tuple[Mailbox, Sender]) -> None:
    box, sender = mailbox
    evil = Message(key="tch_2", to="a@example.com\r\nBcc: b@example.com", subject="x", body="y")
    assert open_port(sender).send(evil).fate is Fate.REFUSED
    assert box.mails == []


@dataclass
class Provider:
    """A provider of text messages: takes a key once, and answers as it is told."""

    secret: str = "s3cret"
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    keeps: bool = True
    """Set when it keeps what it answers with an error."""
    pause: float = 0.0
    calls: list[str] = field(default_factory=list)


@pytest.fixture
def provider() -> Iterator[tuple[Provider, Sender]]:
    """A provider that runs, and a sender for it."""
    told = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.calls.append("POST")
            if not self._signed(body):
                return self._answer(401, {})
            key = self.headers["Idempotency-Key"]
            status = told.statuses.pop(0) if told.statuses else 200
            if status < 300 or told.keeps:
                told.taken.setdefault(key, json.loads(body))
            time.sleep(told.pause)
            return self._answer(status, {"id": f"p-{key}"})

        def do_GET(self) -> None:
            told.calls.append("GET")
            [key] = parse_qs(urlsplit(self.path).query)["key"]
            if not self._signed(key.encode()):
                return self._answer(401, {})
            return self._answer(200 if key in told.taken else 404, {"id": f"p-{key}"})

        def _signed(self, text: bytes) -> bool:
            expected = hmac.new(told.secret.encode(), text, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected, self.headers["Kehu-Signature"])

        def _answer(self, status: int, body: dict[str, str]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/send"
    yield told, Sender(id="snd_2", channel=Channel.SMS, webhook=Webhook(url=url), secret="s3cret", rate_per_minute=60)
    server.shutdown()
    server.server_close()


def test_a_provider_takes_a_signed_call_and_knows_it_by_its_key(provider: tuple[Provider, Sender]) -> None:
    told, sender = provider
    port = open_port(sender)
    assert port.find(MESSAGE.key) is None
    handed = port.send(MESSAGE)
    assert (handed.fate, handed.provider_id) == (Fate.ACCEPTED, "p-tch_1")
    assert told.taken["tch_1"]["body"] == MESSAGE.body
    again = port.find(MESSAGE.key)
    assert again is not None
    assert (again.fate, again.provider_id) == (Fate.ACCEPTED, "p-tch_1")


@pytest.mark.parametrize(
    ("status", "fate"), [(400, Fate.REFUSED), (429, Fate.NOT_NOW), (500, Fate.UNKNOWN), (503, Fate.UNKNOWN)]
)
def test_what_a_provider_answers_decides(provider: tuple[Provider, Sender], status: int, fate: Fate) -> None:
    told, sender = provider
    told.statuses = [status]
    assert open_port(sender).send(MESSAGE).fate is fate


def test_a_provider_that_says_nothing_leaves_it_open_and_can_be_asked(
    provider: tuple[Provider, Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, sender = provider
    monkeypatch.setattr(webhook, "TIMEOUT", 0.3)
    told.pause = 1.0
    port = open_port(sender)
    assert port.send(MESSAGE).fate is Fate.UNKNOWN
    told.pause = 0.0
    found = port.find(MESSAGE.key)
    assert found is not None
    assert found.fate is Fate.ACCEPTED


def test_a_call_with_the_wrong_secret_is_refused(provider: tuple[Provider, Sender]) -> None:
    told, sender = provider
    told.secret = "another"
    handed = open_port(sender).send(MESSAGE)
    assert handed.fate is Fate.REFUSED
    assert told.taken == {}
