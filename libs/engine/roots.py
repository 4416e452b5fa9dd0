"""Signed roots of journals: kept elsewhere, they betray a journal that was written anew as a whole.

A root is one line of JSON with an Ed25519 signature over everything else in it. Whoever has the public key can check
the line, and with it the journal up to there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from libs.engine.journal import Root


class RootForged(ValueError):
    """A line is no root that the key has signed. The message is one sentence for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRoot:
    """The end of the journal of a tenant at a time."""

    service: str
    tenant: str
    time: datetime
    root: Root

    def line(self, key: Ed25519PrivateKey) -> str:
        """The root as a signed line."""
        told = self._told()
        signature = base64.b64encode(key.sign(_bytes(told))).decode()
        return json.dumps({**told, "signature": signature}, sort_keys=True)

    def _told(self) -> dict[str, str | int]:
        return {
            "service": self.service,
            "tenant": self.tenant,
            "time": self.time.isoformat(timespec="seconds"),
            "position": self.root.position,
            "hash": self.root.hash.hex(),
        }


def read(line: str, key: Ed25519PublicKey) -> SignedRoot:
    """The root in a signed line. RootForged when there is none that the key has signed."""
    try:
        told = json.loads(line)
        signature = base64.b64decode(told.pop("signature"), validate=True)
        key.verify(signature, _bytes(told))
        return SignedRoot(
            service=told["service"],
            tenant=told["tenant"],
            time=datetime.fromisoformat(told["time"]),
            root=Root(int(told["position"]), bytes.fromhex(told["hash"])),
        )
    except InvalidSignature:
        raise RootForged(f"the signature of {line[:60]!r} is not that of the key") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RootForged(f"{line[:60]!r} is no signed root") from None


def known(lines: Iterable[str], key: Ed25519PublicKey, *, service: str, tenant: str) -> list[Root]:
    """The roots of one journal among signed lines. RootForged when a line, of whatever journal, is not signed."""
    roots = [read(line, key) for line in lines if line.strip()]
    return [each.root for each in roots if (each.service, each.tenant) == (service, tenant) and each.root.position]


def _bytes(told: dict[str, str | int]) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
