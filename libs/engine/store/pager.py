"""Page tokens: sealed, because they hold sort values, which may be personal, and bound to their request."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.chassis import identity
from libs.chassis.domain import InvalidArgument
from libs.chassis.paging import Position

PAGE_TOKEN_LIFETIME = timedelta(days=3)


class _Token(msgspec.Struct, array_like=True):
    values: list[Any]
    bound_to: bytes
    issued: datetime


class Pager:
    """Seals positions into page tokens and opens them again. `key` is 32 bytes, the same in every replica."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._decode = msgspec.msgpack.Decoder(_Token).decode

    def seal(self, position: Position, bound_to: bytes) -> str:
        """The page token of a position for one tenant's request."""
        body = msgspec.msgpack.encode(_Token(list(position.values), bound_to, identity.now()))
        nonce = os.urandom(12)
        return base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, body, None)).rstrip(b"=").decode()

    def open(self, token: str, bound_to: bytes, keys: int) -> Position:
        """The position in a token. InvalidArgument if it is broken, too old or belongs to another request."""
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            opened = self._decode(self._cipher.decrypt(sealed[:12], sealed[12:], None))
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            raise _invalid("is not a token of ours") from None
        if opened.bound_to != bound_to or len(opened.values) != keys:
            raise _invalid("belongs to a request with other fields; repeat every field but page_size")
        if identity.now() - opened.issued > PAGE_TOKEN_LIFETIME:
            raise _invalid(f"is older than {PAGE_TOKEN_LIFETIME.days} days; start again without it")
        return Position(tuple(opened.values))


def _invalid(description: str) -> InvalidArgument:
    refusal = InvalidArgument.field("page_token", description, reason="PAGE_TOKEN_INVALID")
    return InvalidArgument(violations=refusal.violations, reason="PAGE_TOKEN_INVALID")
