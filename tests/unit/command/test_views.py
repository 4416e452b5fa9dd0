"""What a person sees."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from kehu.interactions.v1.context_pb2 import CustomerContext
from kehu.interactions.v1.timeline_pb2 import Interaction
from kehu.profiles.v1.customer360_pb2 import Customer360
from kehu.profiles.v1.customer_pb2 import Customer, TypedDate
from kehu.profiles.v1.merges_pb2 import MergeRecord, PreviewMergeResponse
from kehu.profiles.v1.transactions_pb2 import Transaction, TransactionSummary
from rich.console import Console

from libs.client.values import fill, to_money, to_timestamp
from libs.command.views import card, identity
from libs.command.views.changes import lines
from libs.command.views.dates import describe, next_time
from libs.command.views.timeline import contact_line, context_panel
from libs.command.views.words import ago, spark

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LUNAR = {"calendar": "CHINESE_LUNISOLAR"}

HERO: dict[str, Any] = {
    "id": "cus_1",
    "revision": 3,
    "create_time": NOW - timedelta(days=400),
    "kind": "PERSON",
    "lifecycle": "ACTIVE",
    "display_name": "王小明",
    "names": [{"family": "王", "given": "小明", "pinyin": "Wáng Xiǎomíng"}, {"family": "Wang", "given": "Xiaoming"}],
    "contact_points": [
        {
            "type": "PHONE",
            "raw": "138 0013 8000",
            "canonical": "+8613800138000",
            "primary": True,
            "status": "ACTIVE",
            "verification_method": "CODE",
            "verify_time": NOW - timedelta(days=3),
        },
        {"type": "EMAIL", "raw": "x@example.cn", "canonical": "x@example.cn", "status": "BOUNCED"},
    ],
    "dates": [{"kind": "BIRTH", "calendar": "CHINESE_LUNISOLAR", "year": 1988, "month": 8, "day": 15}],
    "preferences": {
        "channels": ["MESSENGER"],
        "time_zone": "Asia/Shanghai",
        "quiet_windows": [{"start": "22:00", "end": "08:00", "weekdays": ["MONDAY"], "purposes": ["MARKETING"]}],
    },
    "consent": {
        "decisions": [
            {"purpose": "SERVICE", "state": "GRANTED"},
            {"purpose": "MARKETING", "channel": "EMAIL", "state": "WITHDRAWN"},
        ]
    },
}


def printed(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=110, color_system=None).print(renderable)
    return out.getvalue()


def make_card(**parts: Any) -> card.Card:
    fields: dict[str, Any] = {"summary": None, "transactions": (), "context": None, "missing": ()}
    return card.Card(**{"customer": fill(Customer(), HERO), **fields, **parts})


def test_a_card_tells_who_how_and_how_not() -> None:
    shown = printed(card.render(make_card(), NOW))
    for part in (
        "王小明  Wáng Xiǎomíng",
        "active",
        "★  phone  +8613800138000  ✓ by code, 2026-05-29",
        "x@example.cn",
        "bounced",
        "22:00-08:00 Mon for marketing",
        "birthday  农历1988年八月十五  2026-09-25, in 116 days",
    ):
        assert part in shown
    rows = {
        line.split()[1]: line.split()[2:-1] for line in shown.splitlines() if "✓" in line or "✗" in line or "·" in line
    }
    assert rows["service"] == ["✓", "·"]
    assert rows["marketing"] == ["·", "✗"]


def test_a_card_tells_what_was_bought_said_and_promised() -> None:
    sales = [
        fill(Transaction(), {"type": "SALE", "occurred_time": NOW - timedelta(days=30 * n)}) for n in (0, 0, 0, 3, 11)
    ]
    summary = fill(
        TransactionSummary(),
        {
            "count": 5,
            "last_time": NOW - timedelta(days=2),
            "totals": [{"type": "SALE", "amount": to_money("1234.50", "CNY"), "count": 5}],
        },
    )
    context = fill(
        CustomerContext(),
        {
            "interactions": [{"channel": "VOICE", "direction": "INBOUND", "summary": "leak", "occurred_time": NOW}],
            "promises": [{"text": "call back", "state": "MADE", "due_time": NOW + timedelta(days=2)}],
            "waiting_since_time": NOW - timedelta(hours=3),
        },
    )
    shown = printed(card.render(make_card(summary=summary, transactions=sales, context=context), NOW))
    for part in (
        "sale 1,234.50 CNY (5)",
        "2 days ago",
        "2025-07 to 2026-06",
        "waiting for an answer, 3 hours ago",
        "→ ☎ voice",
        "call back  due",
        "in 2 days",
    ):
        assert part in shown


def test_a_card_tells_what_is_missing() -> None:
    assert "contacts could not be fetched" in printed(
        card.render(make_card(missing=["contacts could not be fetched"]), NOW)
    )


def test_markup_in_names_is_text() -> None:
    customer = fill(Customer(), {**HERO, "display_name": "[red]王[/red]", "owner": "[bold]"})
    assert "[red]王[/red]" in printed(card.render(make_card(customer=customer), NOW))
    context = fill(CustomerContext(), {"customer": {"id": "cus_1", "display_name": "[red]王"}, "as_of_time": NOW})
    assert "[red]王" in printed(context_panel(context, NOW))


def test_a_redacted_contact_says_only_why() -> None:
    interaction = fill(
        Interaction(),
        {"channel": "EMAIL", "direction": "OUTBOUND", "occurred_time": NOW, "redaction": {"reason": "asked for"}},
    )
    assert "← ✉ email" in contact_line(interaction, NOW).plain
    assert "redacted: asked for" in contact_line(interaction, NOW).plain


@pytest.mark.parametrize(
    ("kept", "text", "next_day"),
    [
        ({"month": 5, "day": 17, "year": 1990}, "1990-05-17", date(2027, 5, 17)),
        ({"month": 6, "day": 1}, "06-01", date(2026, 6, 1)),
        ({"month": 2, "day": 29}, "02-29", date(2027, 2, 28)),
        ({"month": 2, "day": 29, "feb29_policy": "MAR01"}, "02-29", date(2027, 3, 1)),
        ({"month": 2, "day": 29, "feb29_policy": "LEAP_ONLY"}, "02-29", date(2028, 2, 29)),
        ({**LUNAR, "month": 1, "day": 1}, "农历正月初一", date(2027, 2, 6)),
        ({**LUNAR, "month": 12, "day": 30}, "农历腊月三十", date(2027, 2, 5)),
        (
            {"calendar": "CHINESE_LUNISOLAR", "month": 6, "day": 20, "leap_month": True},
            "农历闰六月二十",
            date(2026, 8, 2),
        ),
    ],
)
def test_dates_come_next(kept: dict[str, Any], text: str, next_day: date) -> None:
    message = fill(TypedDate(), {"kind": "BIRTH", **kept})
    assert (describe(message), next_time(message, date(2026, 6, 1))) == (text, next_day)


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(days=3, hours=5), "3 days ago"),
        (timedelta(days=-2), "in 2 days"),
        (timedelta(days=800), "2 years ago"),
    ],
)
def test_ago(delta: timedelta, words: str) -> None:
    assert ago(to_timestamp(NOW - delta), NOW) == words


def test_sparks() -> None:
    assert spark([0, 1, 2, 4, 7]) == "▁▂▃▅█"
    assert spark([0, 0]) == "▁▁"


def test_a_change_shows_the_leaves_that_differ() -> None:
    survey = {"purpose": "SURVEY", "state": "DENIED"}
    before, after = (
        fill(Customer(), {"consent": {"decisions": [{"purpose": "SERVICE", "state": state}, survey]}})
        for state in ("GRANTED", "WITHDRAWN")
    )
    assert [line.plain.strip() for line in lines("consent", before, after)] == [
        "consent.decisions[SERVICE].state: STATE_GRANTED → STATE_WITHDRAWN"
    ]
    assert [line.plain.strip() for line in lines("owner", Customer(), Customer(owner="ada"))] == ["owner: – → ada"]
    labeled = Customer(labels={f"l{n}": "x" for n in range(20)})
    many = [line.plain.strip() for line in lines("labels", Customer(), labeled)]
    assert (len(many), many[-1]) == (13, "labels: and 8 more")


def test_a_preview_of_a_merge_tells_why_whose_and_what_forbids_it() -> None:
    evidence = [
        {"feature": "BIRTH", "agreement": "SAME", "weight": 13.0},
        {"feature": "PHONE", "agreement": "SHARED_BY_MANY", "weight": 0.0},
        {"feature": "GIVEN_NAME", "agreement": "DIFFERENT", "weight": -3.0},
    ]
    found = fill(
        PreviewMergeResponse(),
        {
            "customer": HERO,
            "field_decisions": [
                {"field": "owner", "rule": "FILLED", "customer_id": "cus_2"},
                {"field": "contact_points", "rule": "UNITED"},
            ],
            "vetoes": ["REJECTED"],
            "matches": [{"score": 10.0, "band": "POSSIBLE", "evidence": evidence}],
        },
    )
    shown = printed(identity.preview(found, {"cus_2": "小明"}))
    assert "10.0  possible  birth same +13, given name different -3" in shown
    for part in (
        "owner: comes from 小明 (cus_2)",
        "contact points: of all of them",
        "then reached by +8613800138000, x@example.cn",
        "then refused: marketing",
        "forbidden: rejected",
    ):
        assert part in shown


def test_a_merge_that_was_undone_says_by_whom_and_why() -> None:
    merge = fill(
        MergeRecord(),
        {
            "id": "mrg_1",
            "survivor_id": "cus_1",
            "loser_ids": ["cus_2"],
            "create_time": NOW,
            "actor": "ada",
            "state": "UNMERGED",
            "unmerge_time": NOW,
            "unmerge_actor": "eve",
            "unmerge_reason": "twins",
        },
    )
    told = identity.merge_line(merge, {}).plain
    assert "cus_2 → cus_1  by ada" in told
    assert "undone" in told
    assert told.endswith("by eve: twins")


def test_a_card_names_the_ids_that_lead_to_it() -> None:
    merged = fill(Customer(), {**HERO, "merged_ids": ["cus_2"]})
    assert "merged from cus_2" in printed(card.render(make_card(customer=merged), NOW))


def test_a_card_tells_owner_segments_and_entitlements() -> None:
    view = fill(
        Customer360(),
        {
            "ownership": {
                "state": "RECYCLE_WARNED",
                "owner": "li.lei",
                "since_time": NOW - timedelta(days=90),
                "recycle_time": NOW + timedelta(days=7),
                "holds": [{"key": "negotiation", "reason": "offer of 3 May"}],
            },
            "segments": [
                {
                    "segment_key": "quiet-buyers",
                    "enter_time": NOW - timedelta(days=3),
                    "reasons": [{"clause": "days_since_last_contact >= 90", "value": "93", "held": True}],
                }
            ],
            "entitlements": {
                "benefits": [
                    {"benefit": "visit", "allowance": 2, "period": "MONTH", "explanation": "contract 7"},
                    {"benefit": "card", "period": "YEAR"},
                    {"benefit": "gift", "display_name": "Gift", "allowance": 0, "period": "ONCE"},
                ]
            },
        },
    )
    shown = printed(card.render(make_card(view=view), NOW))
    for part in (
        "li.lei  to the pool at 2026-",
        "held by negotiation: offer of 3 May",
        "quiet-buyers  3 days ago: days_since_last_contact >= 90",
        "visit: 2 a month  contract 7",
        "card: without limit",
        "Gift: not at all",
    ):
        assert part in shown
    pooled = fill(Customer360(), {"ownership": {"state": "POOLED", "reason": "NO_CONTACT", "since_time": NOW}})
    assert "in the pool  no contact just now, had by nobody" in printed(card.render(make_card(view=pooled), NOW))
    assert "Standing" not in printed(card.render(make_card(view=Customer360()), NOW))
