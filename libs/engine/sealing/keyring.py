"""Data keys, each of which can be destroyed alone, and the blind indexes by which sealed values are found.

Keys are made and kept by the page, so that a new document seldom costs a write of its own and a list of documents
seldom more than one read. A destroyed key leaves an empty place: erased is never mistaken for lost.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PAGE: Final = 64
"""Keys of one page."""
REMEMBERED: Final = 10.0
"""Seconds that a process may go on to use a key which another one has destroyed meanwhile."""
_MOST_PAGES: Final = 512
"""Pages that a process remembers: about four megabytes."""
_MOST_KEYS: Final = 10_000
"""Keys that a process has at hand: about as much again."""
_NONCE: Final = 12
_TOKEN: Final = 16

Page = Sequence[bytes | None]
"""The wrapped keys of a page. None where one was destroyed."""


class KeyringError(RuntimeError):
    """Something is wrong with the keyring itself: no key-encryption key, a page that is missing, bytes that were
    altered."""


class Key:
    """A data key."""

    __slots__ = ("_cipher", "id")

    def __init__(self, id: str, secret: bytes) -> None:
        self.id = id
        """Page and place, `<page>.<number>`."""
        self._cipher = AESGCM(secret)

    def seal(self, plain: bytes, about: str) -> bytes:
        """The sealed form (AES-256-GCM) of something, bound to what it is about."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """The sealed value. KeyringError when it was altered or sealed about something else."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except InvalidTag:
            raise KeyringError(f"what is sealed about {about!r} under {self.id} was altered") from None


@dataclass(frozen=True, slots=True)
class Masters:
    """The keys from files that data keys are wrapped by, 32 bytes each. All of them open, `current` alone wraps.

    A new one is taken in three steps, so that at any time every process can read what any other writes: first it is
    `next` everywhere, then `current` everywhere with the one before as `old`; when `Keyring.rotate` has nothing left to
    do, `old` can be thrown away.
    """

    current: bytes
    old: bytes = b""
    next: bytes = b""

    @property
    def all(self) -> tuple[bytes, ...]:
        """Those that there are, the likeliest first."""
        return tuple(filter(None, (self.current, self.old, self.next)))


class Keyring(ABC):
    """The keys of every tenant. Without a key-encryption key nothing can be sealed or opened."""

    def __init__(self, master: bytes | Masters, clock: Callable[[], float] = time.monotonic) -> None:
        self._masters = master if isinstance(master, Masters) else Masters(master)
        self._secrets: dict[str, bytes] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._unused: dict[str, list[Key]] = {}
        self._pages: OrderedDict[tuple[str, str], tuple[float, Page]] = OrderedDict()
        self._keys: dict[tuple[str, str], tuple[float, Key | None]] = {}

    def take(self, tenant: str) -> Key:
        """A key that nothing was sealed under yet."""
        with self._lock:
            unused = self._unused.setdefault(tenant, [])
            if unused:
                return unused.pop()
        fresh = self._make_page(tenant)
        with self._lock:
            self._unused[tenant].extend(fresh[1:])
        return fresh[0]

    def find(self, tenant: str, ids: Iterable[str]) -> dict[str, Key | None]:
        """The keys by id, None for those that were destroyed up to `REMEMBERED` seconds ago or earlier."""
        found, missing, now = dict[str, Key | None](), list[str](), self._clock()
        for id in ids:
            known = self._keys.get((tenant, id))
            if known is not None and now < known[0]:
                found[id] = known[1]
            else:
                missing.append(id)
        return found | self._look_up(tenant, missing, now) if missing else found

    def destroy(self, tenant: str, ids: Iterable[str]) -> int:
        """Makes everything sealed under these keys unreadable for ever. Returns the number of those that existed."""
        places: dict[str, set[int]] = {}
        gone = set(ids)
        for id in gone:
            page, _, place = id.partition(".")
            places.setdefault(page, set()).add(int(place))
        destroyed = sum(self._strike(tenant, page, sorted(theirs)) for page, theirs in places.items())
        with self._lock:
            for name in places:
                self._pages.pop((tenant, name), None)
            for id in gone:
                self._keys.pop((tenant, id), None)
        return destroyed

    def blind_index(self, tenant: str, label: str, value: str | bytes) -> bytes:
        """The keyed hash that stands for a value in an index, equal for equal values of one label."""
        given = value.encode() if isinstance(value, str) else value
        key = self._secrets.get(tenant) or self._secret(tenant)
        return hashlib.blake2b(label.encode() + b"\0" + given, key=key, digest_size=_TOKEN).digest()

    def rotate(self) -> int:
        """Wraps under the current key-encryption key all that another one wraps. Returns the number of pages. To be
        repeated until it is 0, because processes that wrap by the old one may still be running.

        The secret that blind indexes are made with stays as it is, wrapped anew, so that they go on to work. A key that
        is destroyed meanwhile stays destroyed.
        """
        mark, count = self._mark, 0
        for tenant in self._tenants():
            self._keep_secret(tenant, self._wrapping(tenant).seal(self._secret(tenant), f"{tenant}\0secret"))
        for tenant, page, keys in self._pages_not_under(mark):
            wrapping = self._wrapping(tenant)
            renewed = [
                None
                if each is None
                else wrapping.seal(self._open(tenant, f"{page}.{place}", each), f"{tenant}\0{page}.{place}")
                for place, each in enumerate(keys)
            ]
            self._replace(tenant, page, keys, renewed, mark)  # or finds another one there, for the next time
            count += 1
        return count

    # ------------------------------------------------------------------------------------------------- how

    def _look_up(self, tenant: str, ids: Sequence[str], now: float) -> dict[str, Key | None]:
        """Keys that are not at hand, remembered as long as their page is."""
        pages = self._find_pages(tenant, {id.partition(".")[0] for id in ids}, now)
        found = {id: self._unwrapped(tenant, id, pages) for id in ids}
        with self._lock:
            if len(self._keys) > _MOST_KEYS:
                self._keys = {}
            for id, key in found.items():
                self._keys[tenant, id] = pages[id.partition(".")[0]][0] + REMEMBERED, key
        return found

    def _find_pages(self, tenant: str, ids: set[str], now: float) -> dict[str, tuple[float, Page]]:
        """(when it was read, page) of each page that exists."""
        with self._lock:
            found = {
                id: known for id in ids if (known := self._pages.get((tenant, id))) and now - known[0] < REMEMBERED
            }
        missing = sorted(ids - found.keys())
        if missing:
            found |= self._remember(tenant, self._load(tenant, missing), now)
        return found

    def _remember(self, tenant: str, pages: Mapping[str, Page], at: float) -> dict[str, tuple[float, Page]]:
        known = {id: (at, page) for id, page in pages.items()}
        with self._lock:
            for id, each in known.items():
                self._pages[tenant, id] = each
                self._pages.move_to_end((tenant, id))
            while len(self._pages) > _MOST_PAGES:
                self._pages.popitem(last=False)
        return known

    def _unwrapped(self, tenant: str, id: str, pages: Mapping[str, tuple[float, Page]]) -> Key | None:
        page, _, place = id.partition(".")
        if page not in pages:
            raise KeyringError(f"page {page!r} of the keyring is missing: restore it, nothing was erased")
        wrapped = pages[page][1][int(place)]
        if wrapped is None:
            return None
        return Key(id, self._open(tenant, id, wrapped))

    def _make_page(self, tenant: str) -> list[Key]:
        page, wrapping = secrets.token_urlsafe(_NONCE), self._wrapping(tenant)
        made = {f"{page}.{place}": os.urandom(32) for place in range(PAGE)}
        wrapped = [wrapping.seal(secret, f"{tenant}\0{id}") for id, secret in made.items()]
        self._save(tenant, page, wrapped, self._mark)
        self._remember(tenant, {page: wrapped}, self._clock())
        return [Key(id, secret) for id, secret in made.items()]

    @property
    def _mark(self) -> str:
        """Mark of the key-encryption key that wraps a page, which tells nothing else."""
        return _derived(self._require_key(), "mark", "")[:8].hex()

    def _require_key(self) -> bytes:
        """The key-encryption key to seal with. KeyringError when there is none."""
        if len(self._masters.current) != 32:
            raise KeyringError("there is no key to seal with: seal.key is missing in the folder of the token keys")
        return self._masters.current

    def _wrapping(self, tenant: str) -> Key:
        return Key("", _derived(self._require_key(), "wrap", tenant))

    def _open(self, tenant: str, id: str, wrapped: bytes) -> bytes:
        """The wrapped key, whichever key-encryption key wraps it."""
        return self._opened(tenant, wrapped, f"{tenant}\0{id}")

    def _opened(self, tenant: str, wrapped: bytes, about: str) -> bytes:
        refusal = KeyringError("there is no key to open with: seal.key is missing in the folder of the token keys")
        for master in self._masters.all:
            try:
                return Key("", _derived(master, "wrap", tenant)).open(wrapped, about)
            except KeyringError as error:
                refusal = error
        raise refusal

    def _secret(self, tenant: str) -> bytes:
        """The secret of a tenant for blind indexes: as it was kept, else made of the oldest key-encryption key there
        is.

        While a key-encryption key is replaced it is kept at once, so that it is the same afterwards.
        """
        kept = self._load_secret(tenant)
        if kept is None:
            secret = _derived(self._masters.old or self._require_key(), "token", tenant)
            if self._masters.old:
                self._keep_secret(tenant, self._wrapping(tenant).seal(secret, f"{tenant}\0secret"))
        else:
            secret = self._opened(tenant, kept, f"{tenant}\0secret")
        self._secrets[tenant] = secret
        return secret

    @abstractmethod
    def _save(self, tenant: str, page: str, wrapped: Page, mark: str) -> None:
        """Keep a new page, durably, with the mark of what wraps it."""

    @abstractmethod
    def _replace(self, tenant: str, page: str, before: Page, after: Page, mark: str) -> None:
        """Put a page in the place of one that is still as it was. Nothing happens when it is not."""

    @abstractmethod
    def _pages_not_under(self, mark: str) -> Iterator[tuple[str, str, Page]]:
        """(tenant, id, page) of every page with another mark, or without one."""

    @abstractmethod
    def _tenants(self) -> Sequence[str]:
        """Everybody who has a page."""

    @abstractmethod
    def _load_secret(self, tenant: str) -> bytes | None:
        """The wrapped secret of a tenant, if it was kept."""

    @abstractmethod
    def _keep_secret(self, tenant: str, wrapped: bytes) -> None:
        """Keep the wrapped secret of a tenant, durably."""

    @abstractmethod
    def _load(self, tenant: str, pages: Sequence[str]) -> dict[str, Page]:
        """Those of the pages that exist."""

    @abstractmethod
    def _strike(self, tenant: str, page: str, places: Sequence[int]) -> int:
        """Overwrite the keys at these places, durably, and return the number of keys."""


class MemoryKeyring(Keyring):
    """A keyring in a dictionary, for tests of use-cases."""

    def __init__(self, master: bytes | Masters = bytes(32), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(master, clock)
        self.pages: dict[tuple[str, str], list[bytes | None]] = {}
        self.marks: dict[tuple[str, str], str] = {}
        self.secrets: dict[str, bytes] = {}

    def _save(self, tenant: str, page: str, wrapped: Page, mark: str) -> None:
        self.pages[tenant, page], self.marks[tenant, page] = list(wrapped), mark

    def _replace(self, tenant: str, page: str, before: Page, after: Page, mark: str) -> None:
        if tuple(self.pages[tenant, page]) == tuple(before):
            self._save(tenant, page, after, mark)

    def _pages_not_under(self, mark: str) -> Iterator[tuple[str, str, Page]]:
        for (tenant, page), keys in list(self.pages.items()):
            if self.marks[tenant, page] != mark:
                yield tenant, page, tuple(keys)

    def _tenants(self) -> Sequence[str]:
        return sorted({tenant for tenant, _ in self.pages})

    def _load_secret(self, tenant: str) -> bytes | None:
        return self.secrets.get(tenant)

    def _keep_secret(self, tenant: str, wrapped: bytes) -> None:
        self.secrets[tenant] = wrapped

    def _load(self, tenant: str, pages: Sequence[str]) -> dict[str, Page]:
        return {page: tuple(self.pages[tenant, page]) for page in pages if (tenant, page) in self.pages}

    def _strike(self, tenant: str, page: str, places: Sequence[int]) -> int:
        kept = self.pages.get((tenant, page), [])
        there = [place for place in places if place < len(kept) and kept[place] is not None]
        for place in there:
            kept[place] = None
        return len(there)


@lru_cache(maxsize=256)
def _derived(master: bytes, use: str, tenant: str) -> bytes:
    return hmac.digest(master, f"{use}\0{tenant}".encode(), hashlib.sha256)
