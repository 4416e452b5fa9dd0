"""The demonstration: a few customers of a water-filter shop in Shanghai, and what happened to them.

Everything is named by keys that never change, so telling the story again changes nothing. Times count from the moment
when its first customer was created, because a repeated call has to be the same to the byte.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from libs.client.client import Client
from libs.client.errors import NotFound
from libs.client.values import from_timestamp, to_money

_NAMESPACE = uuid.UUID("0c7cf4a0-5f65-5a7f-8c2f-9d1f3b6f0d11")
_ZONE = "Asia/Shanghai"

PATIENCE = 30.0
"""Seconds in which events have to do their work."""

HERO = "shop-10001"
"""The external id of the customer whose card the demonstration shows."""

CUSTOMERS: dict[str, dict[str, Any]] = {
    HERO: {
        "kind": "PERSON",
        "names": [
            {"family": "王", "given": "小明"},
            {"family": "Wang", "given": "Xiaoming"},
        ],
        "owner": "li.na",
        "contact_points": [
            {"type": "PHONE", "raw": "138 0013 8000", "region_code": "CN", "label": "手机", "source": "web form"},
            {"type": "EMAIL", "raw": "xiaoming.wang@Example.CN", "source": "web form"},
            {"type": "MESSENGER", "raw": "wechat:xiaoming_w", "source": "mini program"},
        ],
        "addresses": [
            {
                "usage": "HOME",
                "region_code": "CN",
                "administrative_area": "上海市",
                "locality": "上海市",
                "sublocality": "徐汇区",
                "lines": ["漕溪北路 88 号 1204 室"],
            }
        ],
        "dates": [
            {"kind": "BIRTH", "calendar": "CHINESE_LUNISOLAR", "year": 1988, "month": 8, "day": 15},
            {"kind": "ANNIVERSARY", "label": "入会纪念日", "year": 2019, "month": 11, "day": 11},
        ],
        "preferences": {
            "channels": ["MESSENGER", "VOICE"],
            "language_code": "zh-Hans-CN",
            "time_zone": _ZONE,
            "quiet_windows": [
                {"start": "21:30", "end": "09:00", "purposes": ["MARKETING", "CARE"]},
                {"start": "12:00", "end": "14:00", "weekdays": ["SATURDAY", "SUNDAY"], "purposes": ["MARKETING"]},
            ],
        },
        "labels": {"product": "rx-500"},
    },
    "shop-10002": {
        "kind": "PERSON",
        "names": [{"family": "单", "given": "雄信"}],  # as a family name 单 reads Shàn, not Dān
        "contact_points": [{"type": "PHONE", "raw": "021-6437 0000", "region_code": "CN", "label": "家"}],
        "preferences": {"language_code": "zh-Hans-CN", "time_zone": _ZONE},
    },
    "shop-20001": {
        "kind": "ORGANISATION",
        "display_name": "上海晨曦科技有限公司",
        "aliases": ["Chenxi Technology"],
        "contact_points": [
            {"type": "EMAIL", "raw": "office@chenxi.example"},
            {"type": "PHONE", "raw": "+86 21 6437 0001", "label": "总机"},
        ],
        "preferences": {"language_code": "zh-Hans-CN", "time_zone": _ZONE},
    },
    "shop-10003": {
        "kind": "PERSON",
        "names": [{"given": "María José", "family": "García López"}],
        "contact_points": [{"type": "EMAIL", "raw": "maria@example.es"}],
        "preferences": {"language_code": "es-ES", "time_zone": "Europe/Madrid"},
    },
}

CONSENTS: list[tuple[str, dict[str, Any]]] = [
    ("service", {"purpose": "SERVICE", "capture": "CUSTOMER_ACTION", "proof_ref": "order 2019-1111-0042"}),
    ("care", {"purpose": "CARE", "channel": "MESSENGER", "capture": "CUSTOMER_ACTION", "proof_ref": "form 17"}),
    ("offers", {"purpose": "MARKETING", "channel": "EMAIL", "capture": "CUSTOMER_ACTION", "proof_ref": "form 18"}),
    ("calls", {"purpose": "MARKETING", "channel": "VOICE", "capture": "RECORDED_CALL", "proof_ref": "call 8"}),
]
"""Decisions of the hero. `offers` was withdrawn later and `calls` was a no."""

PURCHASES: list[tuple[int, str, str, str]] = [
    (340, "SALE", "2599.00", "净水器 RX-500"),
    (250, "SALE", "199.00", "滤芯"),
    (160, "SALE", "199.00", "滤芯"),
    (158, "REFUND", "20.00", "滤芯"),
    (95, "SALE", "398.00", "滤芯两只"),
    (92, "SALE", "59.00", "水质检测"),
    (30, "SALE", "199.00", "滤芯"),
    (6, "COST_TO_SERVE", "80.00", "上门检修"),
]
"""Days ago, what it was, CNY, product."""

CONTACTS: list[tuple[timedelta, dict[str, Any]]] = [
    (
        timedelta(days=30, hours=3),
        {
            "channel": "WEB_SESSION",
            "direction": "INBOUND",
            "purpose": "SALES",
            "summary": "订购滤芯",
            "outcome": "RESOLVED",
        },
    ),
    (
        timedelta(days=6, hours=5),
        {
            "channel": "VISIT",
            "direction": "OUTBOUND",
            "purpose": "CARE",
            "topic": "检修",
            "summary": "上门检修，水压正常",
            "outcome": "RESOLVED",
            "agent_id": "chen.wei",
        },
    ),
    (
        timedelta(days=2, hours=4),
        {
            "channel": "MESSENGER",
            "direction": "INBOUND",
            "purpose": "COMPLAINT",
            "topic": "漏水",
            "summary": "更换滤芯后接口漏水，厨房地板湿了",
            "sentiment": -0.7,
        },
    ),
    (
        timedelta(days=2, hours=2),
        {
            "channel": "VOICE",
            "direction": "OUTBOUND",
            "purpose": "COMPLAINT",
            "topic": "漏水",
            "summary": "致电道歉，约定上门更换接口",
            "duration": timedelta(minutes=7),
            "agent_id": "li.na",
            "outcome": "PENDING",
        },
    ),
    (
        timedelta(hours=1),
        {"channel": "EMAIL", "direction": "INBOUND", "purpose": "INQUIRY", "topic": "漏水", "summary": "师傅几点到？"},
    ),
]
"""Interactions with the hero, each with its age at the beginning."""

PROMISE = "周内派师傅上门更换接口，并赠送滤芯一只"


def tell(client: Client) -> str:
    """Makes everything happen, or lets the services recognise that it has. Returns the id of the hero."""
    ids = {key: _customer(client, key, fields) for key, fields in CUSTOMERS.items()}
    hero = ids[HERO]
    began = from_timestamp(client.profiles.get_customer(customer_id=hero).create_time).replace(second=0, microsecond=0)
    client.profiles.verify_contact_point(
        customer_id=hero,
        type="PHONE",
        value="+8613800138000",
        method="CODE",
        verify_time=began - timedelta(days=300),
        request_id=_key("verified"),
    )
    client.profiles.add_relationship(
        relationship={
            "from_customer_id": hero,
            "to_customer_id": ids["shop-20001"],
            "type": "EMPLOYED_BY",
            "title": "采购经理",
        },
        request_id=_key("employed"),
    )
    _consents(client, hero, began)
    _purchases(client, hero, began)
    _wait_until_heard(client, hero)
    _contacts(client, hero, began)
    due = (began + timedelta(days=4)).date()
    client.interactions.make_promise(
        promise={
            "customer_id": hero,
            "text": PROMISE,
            "made_by": "li.na",
            "made_time": began - timedelta(minutes=30),
            "term": {"civil_time": {"date": due, "minute": 18 * 60, "time_zone": _ZONE}},
        },
        request_id=_key("promise"),
    )
    return hero


def _customer(client: Client, key: str, fields: dict[str, Any]) -> str:
    system, _, number = key.partition("-")
    customer = {**fields, "external_ids": [{"system": system, "id": number}]}
    return str(client.profiles.create_customer(customer=customer, request_id=_key(key)).id)


def _wait_until_heard(client: Client, customer_id: str) -> None:
    """Returns when the event of the customer has reached interactions, which takes promises to known customers only."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            client.interactions.get_context(customer_id=customer_id)
        except NotFound:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _consents(client: Client, hero: str, began: datetime) -> None:
    for name, decision in CONSENTS:
        state = "DENIED" if name == "calls" else "GRANTED"
        receipt = {**decision, "state": state, "capture_time": began - timedelta(days=300), "jurisdiction": "CN"}
        client.profiles.record_consent(customer_id=hero, receipt=receipt, request_id=_key(f"consent {name}"))
    client.profiles.withdraw_consent(
        customer_id=hero,
        purpose="MARKETING",
        channel="EMAIL",
        capture="CUSTOMER_ACTION",
        capture_time=began - timedelta(days=20),
        proof_ref="unsubscribe link",
        request_id=_key("withdrawal"),
    )


def _purchases(client: Client, hero: str, began: datetime) -> None:
    rows = [
        {
            "transaction": {
                "customer_id": hero,
                "occurred_time": began - timedelta(days=days),
                "type": kind,
                "amount": to_money(Decimal(amount), "CNY"),
                "product": product,
                "source": "demo",
                "source_key": f"purchase {number}",
            }
        }
        for number, (days, kind, amount, product) in enumerate(PURCHASES)
    ]
    for _answer in client.profiles.record_transactions([{"rows": rows}]):
        continue


def _contacts(client: Client, hero: str, began: datetime) -> None:
    for number, (before, contact) in enumerate(CONTACTS):
        client.interactions.ingest_interaction(
            interaction={
                **contact,
                "customer_id": hero,
                "occurred_time": (began - before).astimezone(UTC),
                "external_key": f"demo {number}",
            },
            request_id=_key(f"contact {number}"),
        )


def _key(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))
