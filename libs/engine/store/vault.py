"""Sealing of the personal values in the documents and events of a collection, and opening them again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf.message import Message
from kehu.common.v1.envelope_pb2 import Envelope

from libs.chassis.domain import Entity
from libs.chassis.store import BlindIndexes
from libs.engine.sealing import Key, Keyring, Personal
from libs.engine.sealing.personal import Tree, clear, declared_in_message, fill, join, personal_of, split
from libs.engine.store.revisions import Revisions

SEALED, BLIND = "_sealed", "_blind"
Document = dict[str, Any]


class Vault:
    """The personal fields of each kind of entity of a service, and the keys for them."""

    def __init__(self, service: str, keyring: Keyring) -> None:
        self.service, self.keyring = service, keyring
        self.declared: dict[type[Entity], Personal] = {}
        self.revisions = Revisions()
        self.unreadable: Callable[[str, str, Exception], object] = lambda *_: None
        """Told of what a page left out: the collection, the id, and why it cannot be read."""

    def declare(self, entity: type[Entity], blind: BlindIndexes) -> None:
        """Takes up what is personal in the entities of a class."""
        personal = personal_of(entity, self.service, blind)
        if personal is not None:
            self.declared[entity] = personal

    def check_index(self, entity: type[Entity], keys: Sequence[str]) -> None:
        """Refuses an index on what is sealed: it would find nothing."""
        for key in keys if entity in self.declared else ():
            within: Tree | None = self.declared[entity].tree
            for name in key.lstrip("-").split("."):
                within = within.get(name, {}) if within is not None else None
            if within is None:
                raise ValueError(f"{entity.__name__}: {key} is sealed; look it up by a blind index")

    def seal_event(self, message: Message) -> bytes:
        """Takes the personal values out of an event's message. Returns the whole of it as it was, or nothing when none
        were in it."""
        within = declared_in_message(message.DESCRIPTOR)
        if not within:
            return b""
        whole = message.SerializeToString()
        clear(message, within)
        return whole if message.ByteSize() < len(whole) else b""

    def open_events(self, sealed: Mapping[str, tuple[str, Envelope.Sealed]]) -> dict[str, bytes]:
        """Event id → its message, for those whose key was not destroyed, given the tenant and what is sealed."""
        by_tenant: dict[str, set[str]] = {}
        for tenant, each in sealed.values():
            by_tenant.setdefault(tenant, set()).add(each.key)
        keys = {tenant: self.keyring.find(tenant, ids) for tenant, ids in by_tenant.items()}
        return {
            id: key.open(each.data, _event(tenant, id))
            for id, (tenant, each) in sealed.items()
            if (key := keys[tenant][each.key]) is not None
        }

    def open_envelopes(self, envelopes: Sequence[Envelope]) -> None:
        """Puts what is personal in each envelope into its data, except where the key was destroyed."""
        sealed = {each.id: (each.tenant, each.sealed) for each in envelopes if each.HasField("sealed")}
        opened = self.open_events(sealed)
        for envelope in envelopes:
            if envelope.id in sealed:
                envelope.data = opened.get(envelope.id, envelope.data)
                envelope.ClearField("sealed")


class Safe:
    """Seals and opens the documents of one collection."""

    def __init__(self, vault: Vault, collection: str, entity: type[Entity]) -> None:
        self.personal = vault.declared.get(entity)
        self.keyring = vault.keyring
        self._label = f"{vault.service}.{collection}"

    def blind_index(self, tenant: str, name: str, value: str) -> bytes:
        """The hash that stands for a value in the index `_blind.<name>`."""
        if self.personal is None or name not in self.personal.blind:
            raise ValueError(f"{self._label} has no blind index {name!r}")
        return self.keyring.blind_index(tenant, f"{self._label}.{name}", value)

    def fingerprint(self, tenant: str, digest: bytes) -> bytes:
        """A keyed form of a digest of contents, which gives a guesser nothing to compare with."""
        return self.keyring.blind_index(tenant, f"{self._label} content", digest)

    def split(self, document: Mapping[str, Any]) -> tuple[Document, Document]:
        """(what is left, what is personal) of an open document."""
        personal = self.personal
        return split(document, personal.tree, personal.defaults) if personal is not None else ({**document}, {})

    def opened(self, documents: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The documents as they were before they were sealed, without personal values where the key was destroyed."""
        personal = self.personal
        if personal is None:
            return documents
        by_tenant: dict[str, set[str]] = {}
        for document in documents:
            if sealed := document.get(SEALED):
                by_tenant.setdefault(document["tenant"], set()).add(sealed["key"])
        keys = {tenant: self.keyring.find(tenant, ids) for tenant, ids in by_tenant.items()}
        return [self._open(personal, document, keys.get(document["tenant"], {})) for document in documents]

    def _open(self, personal: Personal, document: Mapping[str, Any], keys: Mapping[str, Key | None]) -> Document:
        whole = fill(document, personal.blanks, personal.tree)
        sealed = document.get(SEALED) or {}
        key = keys.get(sealed.get("key", ""))
        if key is None or "data" not in sealed:
            return whole
        about = _document(document["tenant"], document["_id"])
        return join(whole, msgspec.msgpack.decode(key.open(sealed["data"], about)))


class Sealing:
    """One write of one document: everything in it is sealed under the document's key, made when it is first needed."""

    def __init__(self, safe: Safe, tenant: str, id: str, stored: Mapping[str, Any]) -> None:
        self._safe = safe
        self._tenant, self._id, self._stored = tenant, id, stored
        self._key_id: str = stored.get("key", "")
        self._key: Key | None = None

    def event(self, plain: bytes, event_id: str) -> tuple[str, bytes]:
        """(key id, sealed bytes) of an event."""
        key = self._live_key()
        return key.id, key.seal(plain, _event(self._tenant, event_id))

    def whole(self, entity: Entity, document: Mapping[str, Any]) -> Document:
        """A new document, sealed."""
        public, private = self._safe.split(document)
        return {**public, **self._hidden(entity, private)}

    def difference(self, entity: Entity, start: Mapping[str, Any], end: Mapping[str, Any]) -> Document:
        """The fields to write to a stored document, sealed, when a change took it from `start` to `end`."""
        (start, before), (end, after) = self._safe.split(start), self._safe.split(end)
        changed = {name: value for name, value in end.items() if start.get(name) != value or name not in start}
        erased = "data" in self._stored and not before
        if erased and not after and self._key is None:
            return {**changed, SEALED: {}, BLIND: {}}
        renewed = self._key_id != self._stored.get("key", "")
        return {**changed, **(self._hidden(entity, after) if before != after or erased or renewed else {})}

    def _hidden(self, entity: Entity, private: Mapping[str, Any]) -> Document:
        """The fields that stand in a document for its personal values."""
        personal = self._safe.personal
        if personal is None:
            return {SEALED: {"key": self._key_id}} if self._key_id else {}
        if not private:
            return {SEALED: {"key": self._key_id} if self._key_id else {}, BLIND: {}}
        key = self._live_key()
        data = key.seal(msgspec.msgpack.encode(private), _document(self._tenant, self._id))
        return {
            SEALED: {"key": key.id, "data": data},
            BLIND: {
                name: tokens
                for name, values in personal.blind.items()
                if (tokens := self._indexed(name, values(entity)))
            },
        }

    def _indexed(self, name: str, values: Iterable[str]) -> list[bytes]:
        return [self._safe.blind_index(self._tenant, name, value) for value in dict.fromkeys(values)]

    def _live_key(self) -> Key:
        """The key of the document, or another one where it has none yet or no more."""
        if self._key is None and self._key_id:
            self._key = self._safe.keyring.find(self._tenant, [self._key_id])[self._key_id]
        if self._key is None:
            self._key = self._safe.keyring.take(self._tenant)
            self._key_id = self._key.id
        return self._key


def _document(tenant: str, id: str) -> str:
    """Subject of the sealed values of a document."""
    return f"{tenant}\0document\0{id}"


def _event(tenant: str, id: str) -> str:
    """Subject of the sealed values of an event."""
    return f"{tenant}\0event\0{id}"
