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
from dataclasses import dataclass, field
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
_NONCE: Final = 12
_TOKEN: Final = 16

Page = Sequence[bytes | None]
"""The wrapped keys of a page; None where one was destroyed."""


class KeyringError(RuntimeError):
    """Something is wrong with the keyring itself: no master key, a page that is missing, bytes that were altered."""


@dataclass(frozen=True, slots=True)
class Key:
    """A data key."""

    id: str
    """Page and place, `<page>.<number>`."""
    secret: bytes = field(repr=False)

    def seal(self, plain: bytes, about: str) -> bytes:
        """The sealed form (AES-256-GCM) of something, bound to what it is about."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.secret).encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was sealed; KeyringError when it was altered or sealed about something else."""
        try:
            return AESGCM(self.secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except InvalidTag:
            raise KeyringError(f"what is sealed about {about!r} under {self.id} was altered") from None


class Keyring(ABC):
    """The keys of every tenant. `master` is 32 bytes from a file; without it nothing can be sealed or opened."""

    def __init__(self, master: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._master = master
        self._clock = clock
        self._lock = threading.Lock()
        self._unused: dict[str, list[Key]] = {}
        self._known: OrderedDict[str, tuple[float, Page]] = OrderedDict()

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
        wanted = set(ids)
        pages = self._pages(tenant, {id.partition(".")[0] for id in wanted})
        return {id: self._unwrapped(tenant, id, pages) for id in wanted}

    def destroy(self, tenant: str, ids: Iterable[str]) -> int:
        """Makes everything sealed under these keys unreadable for ever; how many still existed."""
        places: dict[str, set[int]] = {}
        for id in ids:
            page, _, place = id.partition(".")
            places.setdefault(page, set()).add(int(place))
        destroyed = sum(self._strike(tenant, page, sorted(theirs)) for page, theirs in places.items())
        with self._lock:
            for page in places:
                self._known.pop(page, None)
        return destroyed

    def token(self, tenant: str, label: str, value: str | bytes) -> bytes:
        """What stands for a value in an index: equal values of one label have equal tokens, and nothing else shows."""
        given = value.encode() if isinstance(value, str) else value
        return hmac.digest(self._derived("token", tenant), label.encode() + b"\0" + given, "sha256")[:_TOKEN]

    # ------------------------------------------------------------------------------------------------- how

    def _pages(self, tenant: str, ids: set[str]) -> Mapping[str, Page]:
        found, now = dict[str, Page](), self._clock()
        with self._lock:
            for id in ids:
                known = self._known.get(id)
                if known is not None and now - known[0] < REMEMBERED:
                    self._known.move_to_end(id)
                    found[id] = known[1]
        missing = sorted(ids - found.keys())
        if missing:
            loaded = self._load(tenant, missing)
            found |= loaded
            self._remember(loaded, now)
        return found

    def _remember(self, pages: Mapping[str, Page], at: float) -> None:
        with self._lock:
            for id, page in pages.items():
                self._known[id] = at, page
                self._known.move_to_end(id)
            while len(self._known) > _MOST_PAGES:
                self._known.popitem(last=False)

    def _unwrapped(self, tenant: str, id: str, pages: Mapping[str, Page]) -> Key | None:
        page, _, place = id.partition(".")
        if page not in pages:
            raise KeyringError(f"page {page!r} of the keyring is missing: restore it, nothing was erased")
        wrapped = pages[page][int(place)]
        if wrapped is None:
            return None
        return Key(id, Key(id, self._derived("wrap", tenant)).open(wrapped, f"{tenant}\0{id}"))

    def _make_page(self, tenant: str) -> list[Key]:
        page = secrets.token_urlsafe(_NONCE)
        keys = [Key(f"{page}.{place}", os.urandom(32)) for place in range(PAGE)]
        wrapping = self._derived("wrap", tenant)
        wrapped = [Key(key.id, wrapping).seal(key.secret, f"{tenant}\0{key.id}") for key in keys]
        self._save(tenant, page, wrapped)
        self._remember({page: wrapped}, self._clock())
        return keys

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
