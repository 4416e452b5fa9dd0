"""Attention as customers get it: a mail through a real server, its way out used with one click, and no second one."""

from __future__ import annotations

import http.client
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlencode, urlsplit

from kehu.care.v1 import touches_pb2

from libs.client import Client, to_money
from tests.support.mail import Mailbox, mail_server, way_out
from tests.support.patience import eventually
from tests.support.stack import System

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=30)
THANKS = {
    "display_name": "Thanks for a purchase",
    "purpose": "CARE",
    "phase": "AFTER_SALE",
    "time_zone": "Asia/Shanghai",
    "quiet_hours": {"start_minute": 0, "end_minute": 0},
    "plans": [
        {
            "on_fact": {"fact": "PURCHASE"},
            "useful_days": 3,
            "form": "MESSAGE",
            "channel": "EMAIL",
            "contents": [
                {
                    "language_code": "zh",
                    "subject": "谢谢您，{{display_name}}",
                    "body": "感谢您的信任！\n不想再收到：{{unsubscribe}}\n",
                }
            ],
        }
    ],
}


def reachable(client: Client) -> Any:
    """A customer with a mailbox that is theirs, who agreed to be cared for."""
    made = client.profiles.create_customer(
        customer={
            "kind": "PERSON",
            "names": [{"family": "王", "given": "芳"}],
            "preferences": {"language_code": "zh-CN", "time_zone": "Asia/Shanghai"},
            "contact_points": [{"type": "EMAIL", "raw": "wang@example.com", "primary": True}],
        }
    )
    client.profiles.verify_contact_point(
        customer_id=made.id, type="EMAIL", value="wang@example.com", method="CODE", verify_time=LONG_AGO
    )
    client.profiles.record_consent(
        customer_id=made.id,
        receipt={
            "purpose": "CARE",
            "state": "GRANTED",
            "capture": "CUSTOMER_ACTION",
            "capture_time": LONG_AGO,
            "proof_ref": "form 1",
        },
    )
    return made


def buy(client: Client, customer_id: str, key: str) -> None:
    sale = {
        "customer_id": customer_id,
        "occurred_time": NOW - timedelta(hours=1),
        "type": "SALE",
        "amount": to_money("10.50", "CNY"),
        "source": "shop",
        "source_key": key,
    }
    list(client.profiles.record_transactions([{"rows": [{"transaction": sale}]}]))


def one_click(mail: EmailMessage) -> int:
    """What a mailbox provider does when its user asks for no more: RFC 8058."""
    where = urlsplit(str(mail["List-Unsubscribe"]).strip().strip("<>"))
    name, _, value = str(mail["List-Unsubscribe-Post"]).partition("=")
    page = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    page.request("POST", where.path, urlencode({name: value}), headers)
    status = page.getresponse().status
    page.close()
    return status


def test_a_mail_in_chinese_its_way_out_and_the_reason_why_the_next_is_not_sent(client: Client, stack: System) -> None:
    def unsubscribe(code: str) -> None:
        client.care.unsubscribe(code=code)

    with mail_server() as box, way_out(unsubscribe) as page:
        program_id = care(client, box, page)
        customer = reachable(client)
        stack.settle()
        buy(client, customer.id, "1")
        first = eventually(lambda: box.mails and box.mails[0], seconds=200)  # the first pulse of consent takes a minute
        assert first["Subject"] == "谢谢您，王芳"
        assert "感谢您的信任！" in first.get_content()
        assert first["Content-Language"] == "zh"
        [sent] = eventually(lambda: _in(client, customer.id, touches_pb2.Touch.STATE_SENT))
        assert (sent.program_id, sent.contact_point) == (program_id, "wang@example.com")
        assert one_click(first) == 200

        buy(client, customer.id, "2")
        [second] = eventually(lambda: _in(client, customer.id, touches_pb2.Touch.STATE_SUPPRESSED))
        told = client.care.explain_suppression(touch_id=second.id)
        reasons = {type(each).Reason.Name(each.reason) for each in told.touch.findings}
        assert reasons == {"REASON_CONSENT_REFUSED"}
        assert {type(each).Reason.Name(each.reason) for each in told.findings_now} == reasons
        assert not told.HasField("next_permitted_time")
        assert len(box.mails) == 1

        receipts = eventually(lambda: _refusals(client, customer.id))
        assert [each.proof_ref for each in receipts] == [f"care:{sent.id}"]
        timeline = eventually(lambda: _timeline(client, customer.id))
        assert timeline == {f"care:{sent.id}", f"care:{sent.id}:unsubscribe"}


def care(client: Client, box: Mailbox, page: str) -> str:
    """A sender and a program at work, whose id is returned."""
    client.care.define_sender(
        sender={
            "channel": "EMAIL",
            "smtp": {
                "host": "127.0.0.1",
                "port": box.port,
                "security": "PLAIN",
                "from_address": "care@example.com",
                "from_name": "客户关怀",
            },
            "rate_per_minute": 100,
            "unsubscribe_url": page,
        }
    )
    made = client.care.create_program(program=THANKS)
    client.care.review_program(program_id=made.id)
    client.care.activate_program(program_id=made.id)
    return str(made.id)


def _in(client: Client, customer_id: str, state: int) -> list[Any]:
    return [each for each in client.care.list_customer_touches(customer_id=customer_id) if each.state == state]


def _refusals(client: Client, customer_id: str) -> list[Any]:
    receipts = client.profiles.list_consent_receipts(customer_id=customer_id)
    return [each for each in receipts if each.proof_ref.startswith("care:")]


def _timeline(client: Client, customer_id: str) -> set[str]:
    found = {each.external_key for each in client.interactions.list_timeline(customer_id=customer_id)}
    return found if len(found) > 1 else set()
