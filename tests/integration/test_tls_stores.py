"""TLS to the database and to the broker: who is believed, and files that change while a process runs."""

from __future__ import annotations

import ssl
import tempfile
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from libs.engine.bus import BUS_ERRORS, close
from libs.engine.bus import connect as bus_connect
from libs.engine.settings import Secret
from libs.engine.store import connect
from libs.engine.store.rotation import Rotation
from libs.engine.tls import Tls
from libs.localstack.authority import Authority
from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import guard
from libs.localstack.rabbit import Broker


@pytest.fixture(scope="module")
def folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="kehu-tls-"))
    guard(made)
    return made


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder / "tls")


@pytest.fixture(scope="module")
def identity(authority: Authority) -> Tls:
    certificate, key = authority.issue("stores")
    return Tls(certificate=certificate, key=key, authorities=authority.certificate)


@pytest.fixture(scope="module")
def mongodb(folder: Path, identity: Tls) -> Iterator[ReplicaSet]:
    replica_set = ReplicaSet(folder, cache_gb=0.25, tls=identity)
    replica_set.start()
    yield replica_set
    replica_set.stop()


@pytest.fixture(scope="module")
def rabbitmq(folder: Path, identity: Tls) -> Iterator[Broker]:
    broker = Broker(folder, tls=identity)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """The certificate of an authority that vouches for nobody here."""
    return Authority(tmp_path, "another authority").certificate


def believing(uri: str, ours: Path, other: Path) -> str:
    return uri.replace(str(ours), str(other))


def test_a_database_that_is_not_believed_is_not_used(mongodb: ReplicaSet, authority: Authority, stranger: Path) -> None:
    with connect(mongodb.uri, "tls") as client:
        assert client.admin.command("ping")["ok"] == 1
    plain = mongodb.uri.partition("&tls")[0]
    for uri in (believing(mongodb.uri, authority.certificate, stranger), plain):
        with pytest.raises(ServerSelectionTimeoutError) as refused:
            connect(uri, "tls")
        assert uri is plain or "CERTIFICATE_VERIFY_FAILED" in str(refused.value)


def test_a_broker_that_is_not_believed_is_not_used(rabbitmq: Broker, authority: Authority, stranger: Path) -> None:
    close(bus_connect(rabbitmq.uri, name="tls"))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self-signed"):
        bus_connect(believing(rabbitmq.uri, authority.certificate, stranger), name="tls")
    with pytest.raises(BUS_ERRORS):
        bus_connect(rabbitmq.uri.replace("amqps", "amqp"), name="tls")


@pytest.mark.parametrize(
    ("names", "life", "said"),
    [(("127.0.0.1",), timedelta(minutes=-1), "expired"), (("elsewhere.example.com",), timedelta(days=1), "mismatch")],
)
def test_a_broker_whose_certificate_expired_or_names_another_is_not_used(
    tmp_path: Path, names: tuple[str, ...], life: timedelta, said: str
) -> None:
    ours = Authority(tmp_path)
    certificate, key = ours.issue("stores", names, life=life)
    broker = Broker(tmp_path / "broker", tls=Tls(certificate=certificate, key=key, authorities=ours.certificate))
    broker.start()
    try:
        with pytest.raises(ssl.SSLCertVerificationError, match=said):
            bus_connect(broker.uri, name="tls")
    finally:
        broker.stop()


def test_an_authority_that_is_replaced_is_believed_without_a_restart(
    mongodb: ReplicaSet, authority: Authority, tmp_path: Path
) -> None:
    believed = tmp_path / "believed.crt"
    believed.write_bytes(authority.certificate.read_bytes())
    secret = Secret(believing(mongodb.uri, authority.certificate, believed))
    with connect(secret.read(), "tls") as client:
        rotation, documents = Rotation(client, secret), client["tls"][uuid.uuid4().hex]
        documents.insert_one({"_id": 1})
        other = Authority(tmp_path / "other", "the next authority")
        believed.write_bytes(other.certificate.read_bytes() + authority.certificate.read_bytes())
        before = client.options.pool_options._ssl_context
        rotation.look()
        after = client.options.pool_options._ssl_context
        assert before is not after
        assert {each["serialNumber"] for each in after.get_ca_certs()} > {
            each["serialNumber"] for each in before.get_ca_certs()
        }
        documents.insert_one({"_id": 2})
        believed.write_bytes(other.certificate.read_bytes())  # nobody there that it vouches for
        rotation.look()
        documents.insert_one({"_id": 3})
        assert client.options.pool_options._ssl_context is after
        assert documents.count_documents({}) == 3
