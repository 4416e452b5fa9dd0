"""What other services tell of customers, as the care service hears it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from kehu.interactions.v1 import events_pb2 as interactions
from kehu.interactions.v1 import promises_pb2, timeline_pb2
from kehu.profiles.v1 import customer_pb2, merges_pb2, tiers_pb2, transactions_pb2
from kehu.profiles.v1 import events_pb2 as profiles
from kehu.surveys.v1 import collection_pb2, questionnaires_pb2
from kehu.surveys.v1 import events_pb2 as surveys

from libs.chassis import identity
from tests.unit.care.conftest import NOW, Care, customer

MONTH = timedelta(days=30.5)


def bought(world: Care, id: str, at: datetime, amount: int = 10_000, type: str = "SALE") -> None:
    """A transaction, by default a sale."""
    told: Any = {
        "id": identity.new_id("txn"),
        "customer_id": id,
        "type": f"TYPE_{type}",
        "occurred_time": at,
        "amount": {"currency_code": "CNY", "minor_units": amount},
    }
    event = profiles.TransactionRecorded(transaction=transactions_pb2.Transaction(**told))
    world.hear(event, entity_id=told["id"])


def months(world: Care, id: str, amounts: Sequence[int]) -> None:
    """A purchase in each of the months before the present one, the oldest first."""
    for ago, amount in zip(range(len(amounts), 0, -1), amounts, strict=True):
        if amount:
            bought(world, id, NOW.replace(day=15) - ago * MONTH, amount)


def met(world: Care, id: str, at: datetime) -> None:
    """A meeting."""
    told: Any = {"id": identity.new_id("int"), "customer_id": id, "occurred_time": at}
    world.hear(interactions.InteractionRecorded(interaction=timeline_pb2.Interaction(**told)), entity_id=told["id"])


def broke(world: Care, id: str) -> str:
    """A promise that was broken."""
    told: Any = {"id": identity.new_id("pro"), "customer_id": id, "due_time": world.clock.at, "text": "call back"}
    world.hear(interactions.PromiseBroken(promise=promises_pb2.Promise(**told)), entity_id=told["id"])
    return str(told["id"])


def moved(world: Care, id: str, stage: str, reason: str = "SILENCE", revision: int = 2) -> None:
    """A step to another stage of the relationship."""
    move: Any = {"reason": f"REASON_{reason}", "explanation": "47 days; over 38 are unusual", "move_time": NOW}
    told = customer(id, lifecycle=f"LIFECYCLE_{stage}", lifecycle_move=customer_pb2.LifecycleMove(**move))
    world.hear(profiles.CustomerLifecycleChanged(customer=told), entity_id=id, revision=revision)


def ranked(world: Care, id: str, tier: str) -> None:
    """A customer came into a tier."""
    told: Any = {"customer_id": id, "tier": f"TIER_{tier}"}
    event = profiles.TierChanged(tier_assignment=tiers_pb2.TierAssignment(**told))
    world.hear(event, entity_id=identity.new_id("tas"))


def merged(world: Care, survivor: str, absorbed: str, epoch: int = 1) -> None:
    """Two customers were merged."""
    alias = merges_pb2.Alias(customer_id=absorbed, canonical_id=survivor, epoch=epoch)
    told = customer(survivor, merged_ids=[absorbed])
    world.hear(profiles.CustomersMerged(customer=told, aliases=[alias]), entity_id=survivor, revision=epoch + 10)


def answered(world: Care, id: str, number: int, survey_id: str = "svy_1") -> None:
    """An answer from 0 to 10 to the question whether a customer would recommend the company."""
    item: Any = {"key": "nps", "type": "ITEM_TYPE_NPS_0_10", "texts": {"en": "Recommend?"}}
    asked: Any = {"id": survey_id, "questionnaire": {"languages": ["en"], "items": [item]}}
    world.hear(surveys.SurveyLaunched(survey=questionnaires_pb2.Survey(**asked)), entity_id=survey_id)
    told: Any = {
        "id": identity.new_id("rsp"),
        "customer_id": id,
        "survey_id": survey_id,
        "answers": {"nps": questionnaires_pb2.Answer(number=number)},
    }
    response = collection_pb2.Response(**told)
    world.hear(surveys.ResponseCompleted(response=response), entity_id=told["id"])
