"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from libs.client import Client
from libs.engine.bus import Outgoing, Publisher
from libs.registry import SERVICES
from tests.support.patience import eventually
from tests.support.stack import KEHU, System


@pytest.fixture(scope="module")
def told(stack: System) -> tuple[str, str]:
    """(tenant, what `kehu demo` printed) for a tenant of this module."""
    done = stack.kehu("demo-tenant", "demo")
    assert done.returncode == 0, done.stderr
    return "demo-tenant", done.stdout


def hero(stack: System, tenant: str) -> str:
    shown = stack.kehu(tenant, "customer", "show", "--external", "shop:10001", "--json")
    return str(json.loads(shown.stdout)["customer"]["id"])


def test_the_demonstration_shows_a_card_a_timeline_the_context_and_the_bus(told: tuple[str, str]) -> None:
    _, printed = told
    for part in (
        "王小明  Wáng Xiǎomíng",
        "+8613800138000",
        "✓ by code",
        "农历1988年八月十五",
        "更换滤芯后接口漏水",
        "周内派师傅上门更换接口",
        "profiles.customer.created",
        "profiles.consent.changed",
        "interactions.promise.made",
    ):
        assert part in printed


def test_the_demonstration_told_again_changes_nothing(stack: System, told: tuple[str, str]) -> None:
    tenant, _ = told
    with stack.client(tenant) as client:
        before = [(c.id, c.revision) for c in client.profiles.list_customers()]
        again = stack.kehu(tenant, "demo")
        assert again.returncode == 0, again.stderr
        assert [(c.id, c.revision) for c in client.profiles.list_customers()] == before
    assert "nothing: the services recognised all of it" in again.stdout


def test_people_are_found_by_characters_and_pinyin(stack: System, told: tuple[str, str]) -> None:
    tenant, _ = told
    for text, name in (("王", "王小明"), ("wxm", "王小明"), ("shan", "单雄信"), ("garc", "García")):
        assert name in stack.kehu(tenant, "customer", "find", text).stdout
    assert "no name begins with" in stack.kehu(tenant, "customer", "find", "zzz").stdout


def test_a_card_is_shown_by_every_way_to_name_a_customer(stack: System, told: tuple[str, str]) -> None:
    tenant, _ = told
    for way in (
        [hero(stack, tenant)],
        ["--external", "shop:10001"],
        ["--phone", "138-0013-8000"],
        ["--email", "xiaoming.wang@example.cn"],
    ):
        shown = stack.kehu(tenant, "customer", "show", *way)
        assert shown.returncode == 0, shown.stderr
        assert "王小明" in shown.stdout
    assert "marketing" in shown.stdout
    assert "sale 3,653.00 CNY (6)" in shown.stdout


def test_history_timeline_and_context(stack: System, told: tuple[str, str]) -> None:
    tenant, _ = told
    customer = hero(stack, tenant)
    assert "kehu.profiles.customer.created.v1" in stack.kehu(tenant, "customer", "history", customer).stdout
    timeline = stack.kehu(tenant, "timeline", customer, "--channel", "messenger", "--json")
    assert [item["channel"] for item in json.loads(timeline.stdout)] == ["CHANNEL_MESSENGER"]
    assert "王小明" in stack.kehu(tenant, "context", customer).stdout


def test_a_timeline_is_followed(stack: System, tenant: str, client: Client) -> None:
    customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "Ada"})
    eventually(lambda: stack.kehu(tenant, "context", customer.id).returncode == 0)
    command = [KEHU, "timeline", customer.id, "--follow"]
    with subprocess.Popen(command, env=stack.environment(tenant), stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert "no contacts" in follower.stdout.readline()
        client.interactions.ingest_interaction(
            interaction={
                "customer_id": customer.id,
                "channel": "VISIT",
                "direction": "INBOUND",
                "occurred_time": customer.create_time,
                "summary": "came by",
            }
        )
        assert "came by" in follower.stdout.readline()
        follower.terminate()


def test_a_customer_is_exported_and_erased(stack: System, tenant: str, client: Client, tmp_path: Path) -> None:
    customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "Ada Lovelace"})
    target = tmp_path / "ada.jsonl"
    done = stack.kehu(tenant, "customer", "export", customer.id, "--to", str(target))
    assert f"records in {target}" in done.stdout.replace("\n", ""), done.stderr
    records = [json.loads(line) for line in target.read_text().splitlines()]
    assert records[0]["record"]["display_name"] == "Ada Lovelace"
    assert stack.kehu(tenant, "customer", "export", customer.id, "--to", str(target)).returncode == 1

    erase = ["customer", "erase", customer.id, "--reason", "letter 7"]
    assert "nothing forbids" in stack.kehu(tenant, *erase, "--check").stdout
    erased = stack.kehu(tenant, *erase, "--yes", "--wait", "60")
    assert re.search(r"interactions .* 1 customers", erased.stdout), erased
    assert f"{customer.id} is erased" in erased.stdout
    again = json.loads(stack.kehu(tenant, *erase, "--json").stdout)
    assert again["state"] == "STATE_ERASED"


def test_events_are_watched_and_sent_again(stack: System, tenant: str, client: Client) -> None:
    command = [KEHU, "events", "tail", "profiles", "--json", "--type", "kehu.profiles.customer.*.v1"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=stack.environment(tenant), text=True, **piped) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert "listening to profiles" in tail.stderr.readline()
        customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "Ada Lovelace"})
        event = json.loads(tail.stdout.readline())
        eventually(lambda: client.profiles.list_customer_changes(customer_id=customer.id).first())
        replayed = stack.kehu(tenant, "events", "replay", "profiles", "--entity", customer.id)
        again = json.loads(tail.stdout.readline())
        tail.terminate()
    assert (event["type"], event["entity_id"]) == ("kehu.profiles.customer.created.v1", customer.id)
    assert event["data"]["customer"]["kind"] == "KIND_PERSON"
    assert "Ada Lovelace" not in json.dumps(event)  # what is personal is sealed, for operators too
    assert again == event
    assert replayed.stdout.startswith("1 events"), replayed.stderr


def test_the_journal_holds(stack: System, told: tuple[str, str]) -> None:
    tenant, _ = told
    entries = {}
    for service in SERVICES:
        verified = stack.kehu(tenant, "journal", "verify", service, "--json")
        assert verified.returncode == 0, verified.stderr
        entries[service] = json.loads(verified.stdout)["entries"]
    assert entries["profiles"] > 0
    assert entries["interactions"] > 0


def test_signed_roots_betray_a_journal_that_was_cut(stack: System, told: tuple[str, str], tmp_path: Path) -> None:
    tenant, _ = told
    key = Ed25519PrivateKey.generate()
    private, public, kept = tmp_path / "roots.pem", tmp_path / "roots.pub.pem", tmp_path / "roots.jsonl"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    signed = stack.kehu(tenant, "journal", "roots", "profiles", "--key", private)
    assert signed.returncode == 0, signed.stderr
    kept.write_text(signed.stdout)
    check = ("journal", "verify", "profiles", "--tenant", tenant, "--roots", kept, "--key", public)
    assert stack.kehu(tenant, *check).returncode == 0
    kept.write_text(signed.stdout.replace('"tenant": "', '"tenant": "x'))
    refused = stack.kehu(tenant, *check)
    assert refused.returncode != 0
    assert "not that of the key" in refused.stderr


def test_what_cannot_be_handled_is_parked_until_a_person_decides(stack: System, tenant: str) -> None:
    queue, event = "profiles.contact_habits", uuid.uuid4().hex
    with Publisher(stack.environment(tenant)["KEHU_AMQP_URI"], name="test") as publisher:
        publisher.publish([Outgoing(exchange="", key=f"{queue}.0", body=b"no envelope", id=event)])

    def parked() -> dict[str, str] | None:
        listed = json.loads(stack.kehu(tenant, "parked", "list", "profiles", "--json").stdout)
        return next((each for each in listed if each.get("event") == event), None)

    found = eventually(parked)
    assert (found["queue"], "no event envelope" in found["reason"]) == (queue, True)
    shown = json.loads(stack.kehu(tenant, "parked", "show", queue, event).stdout)
    assert (shown["attempts"], shown["data"]) == (1, None)
    assert "1 events went back" in stack.kehu(tenant, "parked", "replay", queue, event).stdout
    eventually(parked)
    assert "1 events" in stack.kehu(tenant, "parked", "drop", queue, event, "--reason", "made by a test").stdout
    assert parked() is None
    missing = stack.kehu(tenant, "parked", "show", queue, event)
    assert (missing.returncode, "is not parked in" in missing.stderr) == (1, True)


def test_doctor_finds_nothing_wrong(stack: System, tenant: str) -> None:
    examined = stack.kehu(tenant, "doctor", "--json")
    wrong = [finding for finding in json.loads(examined.stdout) if not finding["ok"]]
    assert (examined.returncode, wrong) == (0, [])


def test_doctor_says_what_to_do(stack: System, tenant: str) -> None:
    environment = stack.environment(tenant) | {
        "KEHU_TARGET_PROFILES": "127.0.0.1:1",
        "KEHU_AMQP_URI": "amqp://127.0.0.1:1/",
    }
    examined = subprocess.run(
        [KEHU, "doctor"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert examined.returncode == 1
    assert "→ start it (`make up`), or set KEHU_TARGET_PROFILES" in examined.stdout
    assert "→ start RabbitMQ (`make up`), or set KEHU_AMQP_URI" in examined.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["customer", "show"], "say whom to show by one of"),
        (["customer", "show", "cus_" + "0" * 26], "does not exist"),
        (["customer", "show", "nonsense"], "customer_id"),
        (["import", "customers", "{here}/no.csv", "--mapping", "cdnow_customers"], "no.csv"),
        (["import", "customers", "{here}/some.txt", "--mapping", "cdnow_customers"], "neither .csv nor .jsonl"),
        (["import", "transactions", "{here}/some.txt", "--mapping", "cdnow_customers"], "use `kehu import customers`"),
        (["events", "tail", "nobody"], "there is no service 'nobody'"),
        (["journal", "verify", "nobody"], "there is no service 'nobody'"),
        (["contract", "end", "ctr_x", "--on", "soon"], "--on is written YYYY-MM-DD, for example 2026-12-31"),
    ],
)
def test_a_refusal_is_one_sentence(
    stack: System, tenant: str, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "some.txt").write_text("x")
    done = stack.kehu(tenant, *(argument.format(here=tmp_path) for argument in arguments))
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_expired_token_is_told(stack: System, tenant: str) -> None:
    environment = stack.environment(tenant) | {"KEHU_TOKEN": "nonsense"}
    done = subprocess.run([KEHU, "customer", "find", "x"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "get a new token with `kehu token issue`" in done.stderr


def test_every_command_explains_itself_with_an_example(stack: System, tenant: str) -> None:
    commands = [
        ["demo"],
        ["doctor"],
        ["timeline"],
        ["context"],
        ["customer", "show"],
        ["customer", "find"],
        ["customer", "history"],
        ["segment", "define"],
        ["segment", "list"],
        ["segment", "show"],
        ["segment", "preview"],
        ["segment", "retire"],
        ["worth", "show"],
        ["worth", "report"],
        ["worth", "policies"],
        ["worth", "revise"],
        ["worth", "evaluate"],
        ["worth", "rfm"],
        ["worth", "fit"],
        ["worth", "contracts"],
        ["worth", "loyalty"],
        ["worth", "measures"],
        ["pool", "list"],
        ["pool", "claim"],
        ["pool", "release"],
        ["pool", "assign"],
        ["pool", "history"],
        ["pool", "policy"],
        ["pool", "run"],
        ["contract", "add"],
        ["contract", "end"],
        ["contract", "list"],
        ["entitlement", "show"],
        ["customer", "reveal"],
        ["worth", "lifecycles"],
        ["operation", "planned"],
        ["token", "rotate"],
        ["import", "customers"],
        ["import", "transactions"],
        ["import", "interactions"],
        ["token", "keys"],
        ["token", "issue"],
        ["events", "tail"],
        ["events", "replay"],
        ["journal", "verify"],
        ["parked", "list"],
        ["parked", "show"],
        ["parked", "replay"],
        ["parked", "drop"],
    ]
    for command in commands:
        shown = stack.kehu(tenant, *command, "--help")
        assert shown.returncode == 0, command
        assert "Example" in shown.stdout, command
