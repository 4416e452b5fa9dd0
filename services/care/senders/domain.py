"""Senders: through whom the messages of a channel go, and the port that each of them is."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Protocol
from urllib.parse import urlsplit

from libs.chassis.domain import Change, Entity, Event, InvalidArgument, OpenEnum
from services.care.customers.domain.projection import Channel

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class ChannelNotSendable(InvalidArgument):
    """Nothing is sent by {channel} through a sender of this kind: {allowed}."""

    wrong_field: ClassVar[str] = "channel"
    channel: str
    allowed: str


class AddressNotSafe(InvalidArgument):
    """{problem}."""

    wrong_field: ClassVar[str] = "url"
    problem: str


class Security(OpenEnum):
    """Protection of a connection."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"
    PLAIN = "PLAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """A mail server."""

    host: str
    port: int
    security: Security
    username: str = ""
    from_address: str
    from_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A provider that is told by signed calls."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender(Entity):
    """A way to hand over the messages of one channel."""

    ID_PREFIX: ClassVar[str] = "snd"

    channel: Channel
    smtp: Smtp | None = None
    webhook: Webhook | None = None
    secret: str = ""
    rate_per_minute: int = 0
    unsubscribe_url: str = ""
    survey_url: str = ""

    def define(self, other: Sender) -> Change[Sender]:
        """With another definition. An empty secret keeps the one that is known."""
        other.check()
        defined = replace(
            other, id=self.id, revision=self.revision, create_time=self.create_time, update_time=self.update_time
        )
        defined = replace(defined, secret=other.secret or self.secret)
        if defined == self and self.revision:
            return self, []
        return defined, [SenderDefined(sender_id=self.id, channel=defined.channel)]

    def check(self) -> None:
        """Refuses a sender that does not fit its channel, or whose address is not safe."""
        if (self.smtp is not None) is not (self.channel is Channel.EMAIL):
            raise ChannelNotSendable(channel=self.channel, allowed="a mail server for EMAIL, a webhook for the others")
        if self.channel not in (Channel.EMAIL, Channel.SMS, Channel.MESSENGER):
            raise ChannelNotSendable(channel=self.channel, allowed="EMAIL, SMS or MESSENGER")
        for url in filter(
            None, (self.webhook.url if self.webhook is not None else "", self.unsubscribe_url, self.survey_url)
        ):
            parts = urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
                raise AddressNotSafe(problem=f"{parts.scheme}://{parts.hostname} is not https")
        if self.smtp is not None and self.smtp.security is Security.PLAIN and self.smtp.host not in _LOCAL:
            raise AddressNotSafe(problem=f"{self.smtp.host} is not this machine, so its connection is TLS or STARTTLS")

    @property
    def shown(self) -> Sender:
        """This sender as callers see it."""
        return replace(self, secret="")

    def signs(self, text: str) -> str:
        """The signature of a text: hex of HMAC-SHA256 with the secret."""
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def signed(self, text: str, signature: str) -> bool:
        """Tells whether a signature is of this sender. A sender without a secret signs nothing."""
        return bool(self.secret) and hmac.compare_digest(self.signs(text), signature)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outflow(Entity):
    """Number of messages that went through a channel in one minute."""

    ID_PREFIX: ClassVar[str] = "out"

    minute_time: datetime
    count: int = 0

    def add(self, more: int) -> Change[Outflow]:
        """With more messages."""
        return replace(self, count=self.count + more), []


class Fate(OpenEnum):
    """End of an attempt to hand a message over."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    NOT_NOW = "NOT_NOW"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """Result of an attempt to hand a message over, or of a question about an earlier one."""

    fate: Fate
    provider_id: str = ""
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message for one customer."""

    key: str
    """Id of the touch: the same for every attempt."""
    to: str
    subject: str
    body: str
    language_code: str = ""
    unsubscribe_url: str = ""


class Port(Protocol):
    """A connection to a sender, for some messages."""

    can_find: bool
    """Set when the provider knows a message by its key."""

    def send(self, message: Message) -> Handover:
        """Hands a message over. Never raises for what a provider does."""

    def find(self, key: str) -> Handover | None:
        """The fate of an earlier attempt. None when the provider never saw it."""

    def close(self) -> None:
        """Ends the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderDefined(Event):
    """Tells that a sender was defined."""

    sender_id: str
    channel: Channel
