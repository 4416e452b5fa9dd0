"""Bearer tokens (JWT, Ed25519): verified, issued, and signed by services on behalf of their callers.

A bearer token names its subject, one tenant and scopes (`libs.chassis.scopes`).

A service that calls another one signs an access token of its own (`Speaker`), which names the caller that it works for
as subject, and the service as the one who acts (the claim `act` of RFC 8693).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from libs.chassis.scopes import covers
from libs.engine import logs

log = logs.get(__name__)

AUDIENCE = "kehu"
ALGORITHM = "EdDSA"
"""The only algorithm that is accepted, whatever the header says."""

LONGEST_LIFE = timedelta(hours=24)
"""Longest life of an access token that is accepted, because nothing can call one back."""

SKEW = timedelta(seconds=30)
"""Tolerated difference to the clock of the issuer."""

PUBLIC_SUFFIX = ".pub.pem"
PRIVATE_KEY = "private.pem"
PAGE_KEY = "page.key"
SEAL_KEY = "seal.key"
OLD_SEAL_KEY, NEXT_SEAL_KEY = "seal.old.key", "seal.next.key"
"""The one before and the one to come, while `seal.key` is replaced: see `libs.engine.sealing`."""

SERVICE_KEY_ID = "kehu-service"
"""The key id of access tokens that services sign themselves."""
SPEAKER_PREFIX = "service:"
"""The beginning of the name that a service acts under."""
SPEAKER_TOKEN_LIFETIME = timedelta(seconds=90)
SPEAKER_TOKEN_SLOT = timedelta(seconds=30)
"""Time for which a service signs once on behalf of the same caller."""
_SIGNED = 1024
_CACHED = 4096
_LOOK_EVERY = 1.0


class Unauthenticated(Exception):
    """There is no access token, or one that cannot be accepted. The message says why without repeating it."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller that a verified access token speaks for."""

    subject: str
    tenant: str
    scopes: frozenset[str]
    expires: float
    """Unix time in seconds."""
    acting_service: str = ""
    """`service:<name>` when a service acts on behalf of the subject."""

    def may(self, scope: str) -> bool:
        """True when the access token covers this scope."""
        return scope in self.scopes or covers(self.scopes, scope)


NOBODY = Principal("", "", frozenset(), 0.0)
"""Principal of a call before its access token was verified."""


class Verifier:
    """Verifies access tokens with the public keys of a folder, and notices within a second when keys come or go."""

    def __init__(self, folder: Path, *, issuer: str = "kehu") -> None:
        self._folder = folder
        self._issuer = issuer
        self._lock = threading.Lock()
        self._keys: Mapping[str, Ed25519PublicKey] = {}
        self._service_key: Ed25519PublicKey | None = None
        self._stamp: Mapping[Path, int] = {}
        self._look_at = 0.0
        self._verified: dict[str, Principal] = {}
        self._load()
        if not self._keys:
            raise FileNotFoundError(f"{folder} holds no <key id>{PUBLIC_SUFFIX}; no token could be verified")

    def knows(self, token: str) -> bool:
        """True for an access token that was accepted before, so that `verify` costs next to nothing."""
        return token in self._verified

    def verify(self, token: str) -> Principal:
        """The caller that an access token speaks for. Unauthenticated when it cannot be accepted."""
        if time.monotonic() >= self._look_at:
            self._refresh()
        known = self._verified.get(token)
        if known is not None and known.expires + SKEW.total_seconds() > time.time():
            return known
        principal = self._decode(token)
        if len(self._verified) >= _CACHED:
            self._verified = {}
        self._verified[token] = principal
        return principal

    def _decode(self, token: str) -> Principal:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            by_service = key_id == SERVICE_KEY_ID
            key = self._service_key if by_service else self._keys.get(key_id)
            if key is None:
                raise Unauthenticated("the token names no key that is known here")
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=SKEW,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired") from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not acceptable: {type(error).__name__}") from None
        tenant, scopes = claims.get("tenant"), claims.get("scope")
        if not (isinstance(tenant, str) and tenant and isinstance(scopes, str)):
            raise Unauthenticated("the token needs the claims `tenant` and `scope` (names separated by spaces)")
        if claims["exp"] - claims["iat"] > LONGEST_LIFE.total_seconds():
            raise Unauthenticated(f"the token lives longer than {LONGEST_LIFE.total_seconds() / 3600:.0f} hours")
        acting = _acting_service(claims) if by_service else ""
        return Principal(claims["sub"], tenant, frozenset(scopes.split()), float(claims["exp"]), acting)

    def _refresh(self) -> None:
        try:
            self._load()
        except (OSError, ValueError):
            # A folder caught in the middle of a rotation; the keys that are known go on to work.
            log.exception("the token keys cannot be read", folder=str(self._folder))

    def _load(self) -> None:
        with self._lock:
            self._look_at = time.monotonic() + _LOOK_EVERY
            public = sorted(self._folder.glob(f"*{PUBLIC_SUFFIX}"))
            files = {path: path.stat().st_mtime_ns for path in (*public, self._folder / PAGE_KEY) if path.exists()}
            if files != self._stamp:
                self._keys = {path.name.removesuffix(PUBLIC_SUFFIX): _public_key(path) for path in public}
                shared = self._folder / PAGE_KEY
                self._service_key = _service_key(shared).public_key() if shared in files else None
                self._verified = {}
                self._stamp = files


class Speaker:
    """Signs the access tokens that a service calls others with, on behalf of whom it works for.

    The key is derived from the one of page tokens, which every process of the suite has and nobody else, so there is
    no further key to hand out.
    """

    def __init__(self, folder: Path, service: str, *, issuer: str = "kehu") -> None:
        self.service = service
        """The service that speaks."""
        self._key = _service_key(folder / PAGE_KEY)
        self._issuer = issuer
        self._signed = lru_cache(_SIGNED)(self._sign)

    def token(self, *, subject: str, tenant: str, scopes: frozenset[str]) -> str:
        """Returns an access token that says what the caller may do, and that this service acts for the caller."""
        return self._signed(subject, tenant, scopes, int(time.time() / SPEAKER_TOKEN_SLOT.total_seconds()))

    def _sign(self, subject: str, tenant: str, scopes: frozenset[str], slot: int) -> str:
        begins = int(slot * SPEAKER_TOKEN_SLOT.total_seconds())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "act": {"sub": f"{SPEAKER_PREFIX}{self.service}"},
            "tenant": tenant,
            "scope": " ".join(sorted(scopes)),
            "iat": begins,
            "exp": begins + int(SPEAKER_TOKEN_LIFETIME.total_seconds()),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": SERVICE_KEY_ID})


def issue(
    folder: Path,
    *,
    subject: str,
    tenant: str,
    scopes: Iterable[str],
    lifetime: timedelta = timedelta(hours=12),
    issuer: str = "kehu",
) -> str:
    """An access token signed with the private key of the folder: for development, tests and the `kehu` command."""
    private = load_pem_private_key((folder / PRIVATE_KEY).read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError(f"{folder / PRIVATE_KEY} is not an Ed25519 key")  # noqa: TRY004  (a wrong file, not a wrong type)
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "tenant": tenant,
        "scope": " ".join(sorted(scopes)),
        "iat": now,
        "exp": now + int(lifetime.total_seconds()),
    }
    return jwt.encode(claims, private, algorithm=ALGORITHM, headers={"kid": _key_id(folder, private)})


def make_keys(folder: Path, *, key_id: str = "dev") -> None:
    """Fills a folder with a new signing key, its public half, a key for page tokens and one for personal values. Keeps
    what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / PRIVATE_KEY).exists():
        private = Ed25519PrivateKey.generate()
        _write(folder / PRIVATE_KEY, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        _write(folder / f"{key_id}{PUBLIC_SUFFIX}", _public_bytes(private), 0o644)
    for name in (PAGE_KEY, SEAL_KEY):
        if not (folder / name).exists():
            _write(folder / name, secrets.token_hex(32).encode(), 0o600)


def make_next_seal_key(folder: Path) -> None:
    """Puts a new key for personal values beside the current one, to be taken later."""
    if (folder / OLD_SEAL_KEY).exists():
        raise FileExistsError(f"{OLD_SEAL_KEY} is there: the rotation before has to end first")
    if not (folder / NEXT_SEAL_KEY).exists():
        _write(folder / NEXT_SEAL_KEY, secrets.token_hex(32).encode(), 0o600)


def take_next_seal_key(folder: Path) -> None:
    """Makes the next key for personal values the current one, and the current one the old one."""
    if not (folder / NEXT_SEAL_KEY).exists():
        raise FileNotFoundError(f"{NEXT_SEAL_KEY} is not there: make it, and let every process read it, first")
    # Whatever stops between the two: seal.key is missing, and says so, rather than lost.
    (folder / SEAL_KEY).rename(folder / OLD_SEAL_KEY)
    (folder / NEXT_SEAL_KEY).rename(folder / SEAL_KEY)


def _key_id(folder: Path, private: Ed25519PrivateKey) -> str:
    ours = _public_bytes(private)
    for path in sorted(folder.glob(f"*{PUBLIC_SUFFIX}")):
        if path.read_bytes() == ours:
            return path.name.removesuffix(PUBLIC_SUFFIX)
    raise FileNotFoundError(f"{folder} holds no <key id>{PUBLIC_SUFFIX} that belongs to {PRIVATE_KEY}")


def _public_bytes(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _acting_service(claims: Mapping[str, object]) -> str:
    """Returns the service that acts. Unauthenticated when an access token signed by services does not name one."""
    acting = claims.get("act")
    name = acting.get("sub") if isinstance(acting, dict) else None
    if not (isinstance(name, str) and name.removeprefix(SPEAKER_PREFIX) not in ("", name)):
        raise Unauthenticated("a token signed by a service needs the claim `act` with the service that acts")
    return name


def _service_key(shared: Path) -> Ed25519PrivateKey:
    """Returns the key of services, derived from a key that all of them have."""
    try:
        secret = bytes.fromhex(shared.read_text(encoding="ascii").strip())
    except ValueError:
        raise ValueError(f"{shared} is no key") from None
    derived = HKDF(SHA256(), 32, salt=None, info=b"kehu calls between services").derive(secret)
    return Ed25519PrivateKey.from_private_bytes(derived)


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path} is not a public key in PEM form") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path} is not an Ed25519 key")  # noqa: TRY004  (a wrong file, not a wrong type)
    return key


def _write(path: Path, content: bytes, mode: int) -> None:
    path.touch(mode=mode)
    path.write_bytes(content)
