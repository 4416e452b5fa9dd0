"""TLS of calls: who is believed, who is refused and by which name, and certificates that change under load."""
# ruff: noqa: N802  (grpc decides the names of the methods)

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from libs.chassis import context
from libs.client.calls import Caller as Client
from libs.client.channel import connect
from libs.client.errors import Unavailable, Untrusted
from libs.client.retry import Retry
from libs.engine.settings import SettingsError
from libs.engine.store.memory import MemoryDatabase
from libs.engine.tls import CertificateUnusable, Tls
from libs.localstack.authority import Authority
from tests.support.lab import Caller, Running, lab, serving
from tests.support.ledger import Account
from tests.support.ledger_service.store import LedgerStore

GET = lab().DESCRIPTOR.services_by_name["LabService"].methods_by_name["GetThing"]


class Lab(lab().LabServiceServicer):  # type: ignore[misc]
    """Opens an account for every thing that is asked for."""

    def __init__(self) -> None:
        self.database = MemoryDatabase("ledger")
        self.store = LedgerStore(self.database)

    def GetThing(self, request: Any, _: grpc.ServicerContext) -> Any:
        """The name in the certificate of who asks."""
        self.store.accounts.insert(lambda id: Account(id=id, name=request.id).open())
        return lab().Thing(id=request.id, text=context.current().client_certificate)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """An authority that nobody here believes."""
    return Authority(tmp_path / "theirs", "another authority")


@contextmanager
def served(certificate: tuple[Path, Path], authorities: Path, **settings: Any) -> Iterator[Running]:
    crt, key = certificate
    with serving(
        [(lab().add_LabServiceServicer_to_server, Lab())],
        tls_certificate=crt,
        tls_key=key,
        tls_authorities=authorities,
        drain_seconds=0,
        **settings,
    ) as running:
        yield running


def ask(running: Running, tls: Tls | None, *, retry: Retry | None = None) -> str:
    """Answer of the server to the product's own client, which connects for it."""
    channel = connect(running.target, tls=tls)
    try:
        client = Client(channel, token=running.token(), timeout=5, retry=retry or Retry())
        answer: Any = client.unary(GET, lab().GetThingRequest(id="a"))
        return str(answer.text)
    finally:
        channel.close()


def believing(authority: Authority, shown: tuple[Path, Path] | None = None) -> Tls:
    crt, key = shown or (None, None)
    return Tls(authorities=authority.certificate, certificate=crt, key=key)


def test_a_server_that_is_believed_answers(authority: Authority) -> None:
    with served(authority.issue("server"), authority.certificate) as running:
        assert ask(running, believing(authority)) == ""


def test_a_certificate_that_is_not_believed_is_refused_by_name(authority: Authority, stranger: Authority) -> None:
    servers = {
        "CERTIFICATE_EXPIRED": authority.issue("expired", life=timedelta(minutes=-1)),
        "CERTIFICATE_OF_ANOTHER_NAME": authority.issue("elsewhere", ["elsewhere.example.com"]),
        "CERTIFICATE_OF_UNKNOWN_AUTHORITY": stranger.issue("server"),
    }
    for reason, certificate in servers.items():
        with served(certificate, authority.certificate) as running:
            begun = time.monotonic()
            with pytest.raises(Untrusted) as refused:
                ask(running, believing(authority), retry=Retry(first_pause=30, longest_pause=30))
            assert refused.value.reason == reason, refused.value
            assert time.monotonic() - begun < 4, "it was tried again"


def test_plain_text_and_tls_do_not_meet(authority: Authority) -> None:
    with served(authority.issue("server"), authority.certificate) as running, pytest.raises(Unavailable):
        ask(running, None, retry=Retry(attempts=1))
    with serving([(lab().add_LabServiceServicer_to_server, Lab())]) as running, pytest.raises(Unavailable):
        ask(running, believing(authority), retry=Retry(attempts=1))


def test_clients_need_a_certificate_where_it_is_asked_for(authority: Authority, stranger: Authority) -> None:
    teller = authority.issue("teller", ["teller.branch.example.com"])
    with served(authority.issue("server"), authority.certificate, tls_clients="certified") as running:
        assert ask(running, believing(authority, teller)) == "teller.branch.example.com"
        refused = {
            "none": None,
            "of another authority": stranger.issue("teller"),
            "expired": authority.issue("late", life=timedelta(minutes=-1)),
        }
        for name, shown in refused.items():
            told = lets_in(running, believing(authority, shown))
            assert not told, f"{name}: {told}"


def lets_in(running: Running, tls: Tls) -> str:
    """The answer of the server. Empty when it does not talk to us."""
    try:
        return f"answered {ask(running, tls, retry=Retry(attempts=1))}"
    except Unavailable:
        return ""


def test_events_name_the_certificate_that_a_change_came_with(authority: Authority) -> None:
    servicer, (crt, key) = Lab(), authority.issue("server")
    teller = authority.issue("teller", ["teller.branch.example.com"])
    settings: dict[str, Any] = {"tls_certificate": crt, "tls_key": key, "tls_authorities": authority.certificate}
    with serving([(lab().add_LabServiceServicer_to_server, servicer)], tls_clients="certified", **settings) as running:
        ask(running, believing(authority, teller))
    [event] = servicer.database.events()
    assert event.client_certificate == "teller.branch.example.com"


def shown_by(running: Running) -> str:
    """The certificate that the server shows to who connects now."""
    host, _, port = running.target.partition(":")
    return ssl.get_server_certificate((host, int(port)))


def test_certificates_change_under_load_and_no_call_fails(authority: Authority) -> None:
    """Certificates of the server and of a client that stays, while another client connects anew for every call."""
    server, teller = authority.issue("server"), authority.issue("teller", ["teller.example.com"])
    visitor = authority.issue("visitor", ["visitor.example.com"])
    failed: list[Exception] = []
    answered, stop = [0, 0], threading.Event()

    def call_on_and_on(running: Running, number: int, *, anew: bool) -> None:
        tls = believing(authority, visitor if anew else teller)
        channel = connect(running.target, tls=tls)
        while not stop.is_set():
            try:
                Caller("", running.token(), channel=channel).unary(GET, lab().GetThingRequest(id="a"))
                answered[number] += 1
            except Exception as error:  # noqa: BLE001  (every one is counted)
                failed.append(error)
            if anew:
                channel.close()
                channel = connect(running.target, tls=tls)
        channel.close()

    with served(server, authority.certificate, tls_clients="certified", connection_age_seconds=1) as running:
        callers = [threading.Thread(target=call_on_and_on, args=(running, n), kwargs={"anew": n == 1}) for n in (0, 1)]
        for caller in callers:
            caller.start()
        seen = []
        for _ in range(4):
            time.sleep(1)
            authority.issue("server")
            authority.issue("teller", ["teller.example.com"])
            seen.append((authority.folder / "server.crt").read_text())
            assert shown_by_certified(running, authority) == seen[-1]
        stop.set()
        for caller in callers:
            caller.join()
    assert failed == []
    assert min(answered) > 20
    assert len({*seen}) == 4


def shown_by_certified(running: Running, authority: Authority) -> str:
    """The same, of a server that asks for certificates."""
    host, _, port = running.target.partition(":")
    believed = ssl.create_default_context(cafile=authority.certificate)
    believed.load_cert_chain(authority.folder / "teller.crt", authority.folder / "teller.key")
    with (
        socket.create_connection((host, int(port)), timeout=5) as plain,
        believed.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")


def test_a_replacement_that_cannot_be_used_changes_nothing(authority: Authority) -> None:
    crt, key = authority.issue("server")
    with served((crt, key), authority.certificate) as running:
        before = shown_by(running)
        other, _ = authority.issue("other")
        key.write_bytes((authority.folder / "other.key").read_bytes())  # the other half is still to come
        assert shown_by(running) == before
        assert ask(running, believing(authority)) == ""
        crt.write_bytes(other.read_bytes())
        assert shown_by(running) == other.read_text()


def test_files_that_cannot_be_used_refuse_to_start(authority: Authority, tmp_path: Path) -> None:
    crt, key = authority.issue("server")
    _, foreign = authority.issue("other")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    wrong = {
        f"{foreign} is not the key of the certificate in {crt}": {"tls_certificate": crt, "tls_key": foreign},
        f"{garbage} holds no certificate in PEM": {"tls_certificate": garbage, "tls_key": key},
        f"{garbage} holds no private key": {"tls_certificate": crt, "tls_key": garbage},
        "set together": {"tls_certificate": crt},
        "it says whose clients may connect": {"tls_certificate": crt, "tls_key": key, "tls_clients": "certified"},
        "KEHU_TLS_CLIENTS is certified, so": {"tls_clients": "certified"},
    }
    for said, settings in wrong.items():
        with (
            pytest.raises(SettingsError, match=said),
            serving([(lab().add_LabServiceServicer_to_server, Lab())], **settings),
        ):
            pytest.fail(f"serves with {settings}")
    with pytest.raises(CertificateUnusable, match="cannot be read"):
        connect("localhost:1", tls=Tls(authorities=tmp_path / "nothing"))
