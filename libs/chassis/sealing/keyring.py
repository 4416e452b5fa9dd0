"""Data keys, each of which can be destroyed alone, and the tokens by which sealed values are found.

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
from collections.abc import Callable, Iterable, Mapping, Sequence
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
"""The wrapped keys of a page; None where one was destroyed."""


class KeyringError(RuntimeError):
    """Something is wrong with the keyring itself: no master key, a page that is missing, bytes that were altered."""


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
        """What was sealed; KeyringError when it was altered or sealed about something else."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except InvalidTag:
            raise KeyringError(f"what is sealed about {about!r} under {self.id} was altered") from None


class Keyring(ABC):
    """The keys of every tenant. `master` is 32 bytes from a file; without it nothing can be sealed or opened."""

    def __init__(self, master: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._master = master
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
        """Makes everything sealed under these keys unreadable for ever; how many still existed."""
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

    def token(self, tenant: str, label: str, value: str | bytes) -> bytes:
        """What stands for a value in an index: equal values of one label have equal tokens, and nothing else shows."""
        given = value.encode() if isinstance(value, str) else value
        key = self._derived("token", tenant)
        return hashlib.blake2b(label.encode() + b"\0" + given, key=key, digest_size=_TOKEN).digest()

    # ------------------------------------------------------------------------------------------------- how

    def _look_up(self, tenant: str, ids: Sequence[str], now: float) -> dict[str, Key | None]:
        """Keys that are not at hand; remembered as long as their page is."""
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
        return Key(id, Key(id, self._derived("wrap", tenant)).open(wrapped, f"{tenant}\0{id}"))

    def _make_page(self, tenant: str) -> list[Key]:
        page, wrapping = secrets.token_urlsafe(_NONCE), Key("", self._derived("wrap", tenant))
        made = {f"{page}.{place}": os.urandom(32) for place in range(PAGE)}
        wrapped = [wrapping.seal(secret, f"{tenant}\0{id}") for id, secret in made.items()]
        self._save(tenant, page, wrapped)
        self._remember(tenant, {page: wrapped}, self._clock())
        return [Key(id, secret) for id, secret in made.items()]

    def _derived(self, use: str, tenant: str) -> bytes:
        if len(self._master) != 32:
            raise KeyringError("there is no key to seal with: seal.key is missing in the folder of the token keys")
        return _derived(self._master, use, tenant)

    @abstractmethod
    def _save(self, tenant: str, page: str, wrapped: Page) -> None:
        """Keep a new page, durably."""

    @abstractmethod
    def _load(self, tenant: str, pages: Sequence[str]) -> dict[str, Page]:
        """Those of the pages that exist."""

    @abstractmethod
    def _strike(self, tenant: str, page: str, places: Sequence[int]) -> int:
        """Overwrite the keys at these places, durably; how many there were."""


class MemoryKeyring(Keyring):
    """A keyring in a dictionary, for tests of use-cases."""

    def __init__(self, master: bytes = bytes(32), clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(master, clock)
        self.pages: dict[tuple[str, str], list[bytes | None]] = {}

    def _save(self, tenant: str, page: str, wrapped: Page) -> None:
        self.pages[tenant, page] = list(wrapped)

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
