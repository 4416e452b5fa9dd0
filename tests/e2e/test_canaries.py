"""Canaries in every personal field of every method: nothing shows them in clear, and erasure leaves nobody able to."""

from __future__ import annotations

import hashlib
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from buf.validate import validate_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from kehu.common.v1 import operation_pb2 as pb
from kehu.common.v1.envelope_pb2 import Envelope
from pymongo import MongoClient

from libs.chassis import privacy
from libs.client.client import Client
from libs.engine.access import SEAL_KEY
from libs.engine.rpc.call import describe
from libs.engine.rpc.validate import command
from libs.engine.sealing.mongo import MongoKeyring
from libs.registry import SERVICES
from tests.support.contracts import methods, reads, streams
from tests.support.examples import example, request
from tests.support.patience import eventually
from tests.support.security import OK, Door, harvest
from tests.support.stack import System

WRITTEN_IN_REQUESTS = re.compile("reason|note|text|recovery|agreement|purpose_of_use")
"""Texts of requests that are stored with what the method changes."""
ENDS = ("RequestErasure", "PlaceLegalHold")
"""Methods after which nothing more can be written."""
WRITTEN = {
    "kehu.profiles.v1.Customer.display_name",
    "kehu.profiles.v1.Customer.aliases",
    "kehu.profiles.v1.Customer.labels",
    "kehu.profiles.v1.PersonName.given",
    "kehu.profiles.v1.PersonName.family",
    "kehu.profiles.v1.PersonName.prefix",
    "kehu.profiles.v1.ContactPoint.raw",
    "kehu.profiles.v1.ContactPoint.label",
    "kehu.profiles.v1.ContactPoint.source",
    "kehu.profiles.v1.Address.postal_code",
    "kehu.profiles.v1.Address.lines",
    "kehu.profiles.v1.Address.recipient",
    "kehu.profiles.v1.ExternalId.id",
    "kehu.profiles.v1.TypedDate.label",
    "kehu.profiles.v1.PersonalFact.text",
    "kehu.profiles.v1.PersonalFact.source",
    "kehu.profiles.v1.Entitlement.note",
    "kehu.interactions.v1.Identifier.value",
    "kehu.interactions.v1.Interaction.summary",
    "kehu.interactions.v1.Interaction.body_ref",
    "kehu.interactions.v1.Interaction.topic",
    "kehu.interactions.v1.Interaction.intent",
    "kehu.interactions.v1.Interaction.external_key",
    "kehu.interactions.v1.Promise.text",
    "kehu.profiles.v1.AssignOwnerRequest.note",
    "kehu.profiles.v1.PlaceOwnershipHoldRequest.reason",
    "kehu.profiles.v1.RevealFieldsRequest.purpose_of_use",
    "kehu.interactions.v1.TransferConversationRequest.note",
    "kehu.interactions.v1.RedactInteractionRequest.reason",
}
"""Fields of which a canary must have been accepted, or the test looks for what was never there."""


Path_ = tuple[FieldDescriptor, ...]


class Canaries:
    """One word in the forms that fields ask for, and where it was put."""

    def __init__(self) -> None:
        self.word = f"zanzibar{uuid.uuid4().hex[:12]}"
        self.name = self.word.translate(str.maketrans("0123456789", "ghijklmnop")).capitalize()
        self.mailbox = f"{self.word}@example.com"
        self.accepted: set[str] = set()
        self.fingerprints: set[bytes] = set()

    def put(self, message: Any, path: Path_) -> None:
        """Puts the word into the field that a path leads to, making what is on the way."""
        *inside, field = path
        for step in inside:
            if step.is_repeated:
                values = getattr(message, step.name)
                if not values:
                    values.append(example(step.message_type, {}))
                message = values[0]
            else:
                if not message.HasField(step.name):
                    getattr(message, step.name).CopyFrom(example(step.message_type, {}))
                message = getattr(message, step.name)
        if privacy.is_map(field):
            getattr(message, field.name)["nick"] = self.word
        elif field.is_repeated:
            getattr(message, field.name)[:] = [self._form(field)]
        else:
            setattr(message, field.name, self._form(field))

    def _form(self, field: FieldDescriptor) -> str:
        if field.containing_type.name in ("PersonName", "Customer"):
            return self.name
        contact = field.name in ("raw", "contact_point") or field.containing_type.name == "Identifier"
        return self.mailbox if contact else self.word

    def sent(self, method: MethodDescriptor, message: Any, paths: Sequence[Path_]) -> None:
        """Notes what was accepted."""
        self.accepted |= {path[-1].full_name for path in paths}
        noted = command(describe(method, lambda *_: None), message)
        if noted is not None:
            self.fingerprints.add(noted.fingerprint)

    def traces(self) -> dict[str, bytes]:
        """Bytes that must be in no file: the word in each form, its usual digests, and those of requests."""
        values = {form: form.encode() for form in (self.word, self.name, self.mailbox)}
        looked_for = dict(values)
        for form, value in values.items():
            for prefix in (b"", b"EMAIL:", b"EMAIL::", b"PHONE:", b"erp:", b"EXTERNAL_ID:erp:"):
                for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s", "sha3_256"):
                    digest = hashlib.new(algorithm, prefix + value).digest()
                    looked_for[f"{algorithm} of {prefix.decode()}{form}"] = digest[:16]
                    looked_for[f"{algorithm} of {prefix.decode()}{form} in hex"] = digest.hex()[:32].encode()
        for number, fingerprint in enumerate(self.fingerprints):
            looked_for[f"fingerprint {number}"] = fingerprint[:16]
            looked_for[f"fingerprint {number} in hex"] = fingerprint.hex()[:32].encode()
        return looked_for


@pytest.fixture(scope="module")
def tenant() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def canaries(stack: System, tenant: str) -> Iterator[tuple[Canaries, dict[str, str], set[str]]]:
    """Canaries through every method, in three rounds because some need what others make.

    Services take part in the order of the registry, so that customers are made before others name one.
    """
    door, sown, ids, customers = Door(stack, stack.token(tenant)), Canaries(), dict[str, str](), set[str]()
    changing = [
        m
        for service in SERVICES
        for m in sorted(methods(service), key=lambda each: str(each.full_name))
        if not (reads(m) or m.name in ENDS or re.match("Merge|Delete|End|Remove|Unmerge", m.name))
    ]
    for _ in range(3):
        for method in list(changing):
            for paths in attempts(method):
                message = request(method, ids)
                for path in paths:
                    sown.put(message, path)
                outcome = door.call(method, message)
                if outcome.code is OK:
                    sown.sent(method, message, paths)
                    if not streams(method):
                        harvest(outcome.response, ids)
                    if method.full_name.startswith("kehu.profiles."):
                        customers |= set(re.findall("cus_[0-9a-hjkmnp-tv-z]{26}", str(outcome.response)))
                    if len(paths) != 1:
                        if paths:
                            changing.remove(method)
                        break
    yield sown, ids, customers
    door.close()


def attempts(method: MethodDescriptor) -> Iterator[Sequence[Path_]]:
    """Places for canaries: everywhere, else in one field after the other, else nowhere."""
    everywhere = list(paths_in(method.input_type))
    yield everywhere
    yield from ([path] for path in everywhere)
    yield []


def paths_in(message: Descriptor, way: Path_ = ()) -> Iterator[Path_]:
    """The ways to every text of a request that tells of a person."""
    for field in message.fields:
        held, declared = privacy.inside(field), privacy.personal(field)
        behaviors = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        if field_behavior_pb2.OUTPUT_ONLY in behaviors or field in way:
            continue
        if held is not None and not privacy.is_map(field):
            if held.full_name.startswith("kehu."):
                yield from paths_in(held, (*way, field))
        elif takes_words(field) and (declared or (not way and WRITTEN_IN_REQUESTS.fullmatch(field.name))):
            yield (*way, field)


def takes_words(field: FieldDescriptor) -> bool:
    """Tells that a field takes any text."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    text = (rules.repeated.items if field.is_repeated else rules).string
    return privacy.is_map(field) or (field.type == FieldDescriptor.TYPE_STRING and not text.pattern)


def test_every_field_took_a_canary(canaries: tuple[Canaries, dict[str, str], set[str]]) -> None:
    sown, _, _ = canaries
    assert WRITTEN - sown.accepted == set()


@pytest.fixture
def files(stack: System, stack_folder: Path, mongodb_uri: str) -> Callable[[], Path]:
    """The folder of all data and logs, once everything that happened is written there."""

    def settled() -> Path:
        stack.settle()
        with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
            mongo.admin.command("fsync")
        return stack_folder

    return settled


@pytest.fixture
def pool_work(stack: System, tenant: str, canaries: object) -> str:
    """End state of the work that reads why customers are held back from the pool."""
    states = pb.Operation.State
    with stack.client(tenant) as client:
        [ended, *_] = eventually(
            lambda: [
                each
                for each in client.profiles.list_operations(filter='kind = "run_ownership_policy"')
                if each.HasField("end_time")
            ],
            seconds=240,
        )
        return states.Name(ended.state)


def found_in_documents(mongodb_uri: str, looked_for: Mapping[str, bytes]) -> set[str]:
    """Bytes that documents contain, of every collection of every service: files keep some of them compressed."""
    found = set()
    with MongoClient[RawBSONDocument](mongodb_uri, document_class=RawBSONDocument) as mongo:
        for service in SERVICES:
            for name in mongo[service].list_collection_names():
                for document in mongo[service][name].find():
                    found |= {
                        f"{service}.{name}: {form}" for form, value in looked_for.items() if value in document.raw
                    }
    return found


def found_in(folder: Path, looked_for: Mapping[str, bytes]) -> set[str]:
    """Bytes that files below a folder contain, each with what stands around them.

    `grep` finds the files in one pass, by the longest part of each value that a line of patterns can hold.
    """
    parts = (max(re.split(rb"[\n\0]", value), key=len) for value in looked_for.values())
    # Nothing is found in sockets and in files that are just being replaced: `-s` is silent about them.
    search = ["grep", "-rlaFs", "--devices=skip", "-f", "-", str(folder)]
    lines = b"".join(part + b"\n" for part in parts)
    files = subprocess.run(search, input=lines, capture_output=True, check=False, env={"LC_ALL": "C"}).stdout
    found = set()
    for path in map(Path, files.decode().splitlines()):
        content = path.read_bytes()
        for name, value in looked_for.items():
            at = content.find(value)
            if at >= 0:
                found.add(f"{path.relative_to(folder)}: {name}: {content[max(0, at - 60) : at + 60]!r}")
    return found


def test_no_document_shows_a_canary_or_a_digest_of_one(
    files: Callable[[], Path],
    mongodb_uri: str,
    pool_work: str,
    canaries: tuple[Canaries, dict[str, str], set[str]],
) -> None:
    sown, ids, _ = canaries
    files()
    customer = ids["kehu.profiles.v1.Customer"].encode()
    places = {each.partition(":")[0] for each in found_in_documents(mongodb_uri, {"id": customer})}
    assert {"profiles.ownerships", "profiles.journal", "interactions.customers"} <= places, f"{customer!r}: {places}"
    assert pool_work == "STATE_SUCCEEDED", "no long work has read why somebody was held back from it"
    assert found_in_documents(mongodb_uri, sown.traces()) == set()


def test_no_file_shows_a_canary_or_a_digest_of_one(
    files: Callable[[], Path], canaries: tuple[Canaries, dict[str, str], set[str]]
) -> None:
    sown, _, customers = canaries
    folder = files()
    assert found_in(folder, {"control": min(customers).encode()}), "the search would not find what lies open"
    assert found_in(folder, sown.traces()) == set()


def test_after_an_erasure_no_key_opens_a_canary(
    stack: System,
    tenant: str,
    mongodb_uri: str,
    files: Callable[[], Path],
    canaries: tuple[Canaries, dict[str, str], set[str]],
) -> None:
    sown, _, customers = canaries
    assert opened(stack, mongodb_uri, tenant, sown.word, customers), "there was nothing to erase"
    with stack.client(tenant) as client:
        for id in sorted(customers):
            if not client.profiles.get_customer(customer_id=id).erasure_id:
                client.profiles.request_erasure(customer_id=id, reason=f"asked for by {sown.word}")
        eventually(lambda: all(_erased(client, id) for id in customers), seconds=120)
    assert found_in(files(), sown.traces()) == set()
    assert opened(stack, mongodb_uri, tenant, sown.word, customers) == set()


def opened(stack: System, mongodb_uri: str, tenant: str, word: str, customers: set[str]) -> set[str]:
    """Places in the databases that name one of the customers, and where a word can be read with the keys there are."""
    found = set()
    with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
        keyring = MongoKeyring(mongo, bytes.fromhex((stack.keys / SEAL_KEY).read_text().strip()))

        def readable(key: str, data: bytes, about: str) -> bool:
            live = keyring.find(tenant, [key])[key]
            return live is not None and word.encode() in live.open(data, about).lower()

        for service in SERVICES:
            for name in mongo[service].list_collection_names():
                for document in mongo[service][name].find({"tenant": tenant}):
                    if not any(id in repr(document) for id in customers):
                        continue  # about nobody, or about somebody who was not known by then
                    sealed = document.get("_sealed") or {}
                    if "data" in sealed and readable(
                        sealed["key"], sealed["data"], f"{tenant}\0document\0{document['_id']}"
                    ):
                        found.add(f"{service}.{name} {document['_id']}")
                    if "body" in document:
                        envelope = Envelope.FromString(document["body"])
                        if envelope.HasField("sealed") and readable(
                            envelope.sealed.key, envelope.sealed.data, f"{tenant}\0event\0{envelope.id}"
                        ):
                            found.add(f"{service}.{name} {envelope.id}")
    return found


def _erased(client: Client, customer_id: str) -> bool:
    return bool(client.profiles.get_erasure_status(customer_id=customer_id).certificate)
