"""Mail by SMTP (RFC 5321), with one-click unsubscription (RFC 8058) and an id that every attempt shares."""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from services.care.senders.domain import Fate, Handover, Message, Security, Sender, Smtp

TIMEOUT: Final = 5.0
"""Seconds that a mail server has for each answer."""
_OK, _GO_ON = 250, 354
_LEADING_DOT: Final = re.compile(rb"(?m)^\.")


class SmtpPort:
    """A connection to a mail server, which knows no message by its key."""

    can_find = False

    def __init__(self, sender: Sender) -> None:
        if sender.smtp is None:
            raise TypeError(f"{sender.id} is no mail server")
        self._server: Smtp = sender.smtp
        self._password = sender.secret
        self._connection: smtplib.SMTP | None = None

    def send(self, message: Message) -> Handover:
        """Hands a mail over. Once all of it was sent and no answer came, nobody knows."""
        try:
            wire = self._composed(message)
        except (ValueError, IndexError) as error:  # no mailbox, or a line break in a header
            return Handover(fate=Fate.REFUSED, explanation=_words(error))
        try:
            connection = self._connected()
            code, told = connection.mail(self._server.from_address)
            if code == _OK:
                code, told = connection.rcpt(message.to)
            if code == _OK:
                code, told = connection.docmd("DATA")
            if code != _GO_ON:
                self.close()
                return _refusal(code, told)
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Handover(fate=Fate.NOT_NOW, explanation=_words(error))
        try:
            connection.send(wire)
            code, told = connection.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Handover(fate=Fate.UNKNOWN, explanation=_words(error))
        if code != _OK:
            return _refusal(code, told)
        return Handover(fate=Fate.ACCEPTED, provider_id=message_id(self._server, message.key))

    def find(self, key: str) -> Handover | None:
        """A mail server tells nothing about earlier mails."""
        return Handover(fate=Fate.UNKNOWN, explanation=f"a mail server cannot be asked about {key}")

    def close(self) -> None:
        """Ends the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError, smtplib.SMTPException):
                connection.close()

    def _connected(self) -> smtplib.SMTP:
        if self._connection is not None:
            return self._connection
        server = self._server
        if server.security is Security.TLS:
            context = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
        self._connection = connection
        if server.security is Security.STARTTLS:
            connection.starttls(context=ssl.create_default_context())
        connection.ehlo_or_helo_if_needed()
        if server.username:
            connection.login(server.username, self._password)
        return connection

    def _composed(self, message: Message) -> bytes:
        """The mail as it goes over the wire, its end included."""
        local, _, domain = self._server.from_address.rpartition("@")
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(self._server.from_name, local, domain)
        mail["To"] = message.to
        mail["Subject"] = message.subject
        mail["Message-ID"] = message_id(self._server, message.key)
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.body, cte="base64")  # takes every Content- header away that stood before
        if message.language_code:
            mail["Content-Language"] = message.language_code
        return _LEADING_DOT.sub(b"..", _way_out(message.unsubscribe_url) + mail.as_bytes()) + b".\r\n"


def message_id(server: Smtp, key: str) -> str:
    """The id of a mail, the same for every attempt."""
    return f"<{key}@{server.from_address.rpartition('@')[2]}>"


def _way_out(url: str) -> bytes:
    """The headers of RFC 8058. ValueError for what would begin another header.

    They are written by hand because the library takes a long address apart into encoded words, which nobody follows.
    """
    if not url:
        return b""
    if not url.isprintable() or " " in url or ">" in url:
        raise ValueError("the address of the way out has a character that no header holds")
    return f"List-Unsubscribe: <{url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".encode("ascii")


def _refusal(code: int, told: bytes) -> Handover:
    """The fate of what a server did not take: 5xx is for good, anything else passes."""
    text = f"{code} {told.decode(errors='replace')}"[:500]
    return Handover(fate=Fate.REFUSED if 500 <= code < 600 else Fate.NOT_NOW, explanation=text)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
