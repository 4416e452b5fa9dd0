"""Text messages and messengers: a provider is told by signed calls, and can be asked about a key.

    POST <url>          {"key", "to", "body", "language", "unsubscribe_url"}   2xx with {"id": "…"}: taken
    GET  <url>?key=…    200 with {"id": "…"}: taken earlier; 404: never seen

`Kehu-Signature` is hex of HMAC-SHA256 over the body, or over the key, with the secret of the sender. The key comes as
`Idempotency-Key` as well: a provider takes a key once.
"""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import suppress
from typing import Final
from urllib.parse import quote, urlsplit

from services.care.senders.domain import Fate, Handover, Message, Sender

TIMEOUT: Final = 5.0
"""Seconds that a provider has for each answer."""
_ANSWER_MAX: Final = 64 * 1024
_PASSING: Final = frozenset({408, 425, 429})


class WebhookPort:
    """A connection to a provider."""

    can_find = True

    def __init__(self, sender: Sender) -> None:
        if sender.webhook is None:
            raise TypeError(f"{sender.id} is no webhook")
        self._sender = sender
        self._parts = urlsplit(sender.webhook.url)
        self._connection: http.client.HTTPConnection | None = None

    def send(self, message: Message) -> Handover:
        """Hands a message over. A call that was sent and got no answer, or a 5xx, leaves open what became of it."""
        body = json.dumps(
            {
                "key": message.key,
                "to": message.to,
                "body": message.body,
                "language": message.language_code,
                "unsubscribe_url": message.unsubscribe_url,
            },
            ensure_ascii=False,
        )
        answer = self._ask("POST", self._path, message.key, body)
        if isinstance(answer, Handover):
            return answer
        status, told = answer
        if 200 <= status < 300:
            return Handover(fate=Fate.ACCEPTED, provider_id=_id_in(told))
        if status >= 500:
            return Handover(fate=Fate.UNKNOWN, explanation=f"{status}: {told[:200]}")
        fate = Fate.NOT_NOW if status in _PASSING else Fate.REFUSED
        return Handover(fate=fate, explanation=f"{status}: {told[:200]}")

    def find(self, key: str) -> Handover | None:
        """The fate of a key. None when the provider never saw it."""
        answer = self._ask("GET", f"{self._path}?key={quote(key)}", key, "")
        if isinstance(answer, Handover):
            return Handover(fate=Fate.UNKNOWN, explanation=answer.explanation)
        status, told = answer
        if status == 404:
            return None
        if 200 <= status < 300:
            return Handover(fate=Fate.ACCEPTED, provider_id=_id_in(told))
        return Handover(fate=Fate.UNKNOWN, explanation=f"{status}: {told[:200]}")

    def close(self) -> None:
        """Ends the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    @property
    def _path(self) -> str:
        return self._parts.path or "/"

    def _ask(self, method: str, path: str, key: str, body: str) -> Handover | tuple[int, str]:
        """(status, text) of an answer, or the fate of a call that got none."""
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": key,
            "Kehu-Signature": self._sender.signs(body or key),
        }
        try:
            connection = self._connected()
        except OSError as error:
            self.close()
            return Handover(fate=Fate.NOT_NOW, explanation=f"{type(error).__name__}: {error}"[:500])
        try:
            connection.request(method, path, body.encode() or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_ANSWER_MAX).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return Handover(fate=Fate.UNKNOWN, explanation=f"{type(error).__name__}: {error}"[:500])
        finally:
            self.close()  # one call each: a connection that waits may be gone, and then nobody knows

    def _connected(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        connection: http.client.HTTPConnection
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        self._connection = connection
        connection.connect()
        return connection


def _id_in(text: str) -> str:
    """The id that a provider gave, if any."""
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return str(found.get("id", ""))[:200] if isinstance(found, dict) else ""
