"""Whatever names a customer is exported and erased, or there is a reason why not."""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module

import pytest
from kehu.care.v1 import privacy_pb2 as care
from kehu.interactions.v1 import privacy_pb2 as interactions
from kehu.opportunities.v1 import privacy_pb2 as opportunities
from kehu.profiles.v1 import privacy_pb2 as profiles
from kehu.surveys.v1 import privacy_pb2 as surveys

from libs.chassis.domain import Entity
from libs.engine.store.memory import MemoryDatabase
from libs.registry import SERVICES, registered
from services.care.store import CareStore
from services.interactions.store import InteractionsStore
from services.opportunities.store import OpportunitiesStore
from services.profiles.privacy.store import NOT_EXPORTED
from services.profiles.store import ProfilesStore
from services.surveys.store import SurveysStore

NAMES_A_CUSTOMER = re.compile("(.*_)?customer_ids?|party_ids|survivor_id|subject")
NOT_ABOUT_ONE = {"counts": "numbers of a day", "erasures": "the receipt outlives what it is for"}
"""Collections of interactions that are no part of an export."""


def names_customers(entity: type[Entity]) -> bool:
    """Whether entities say which customer they are about, by a field or by their own id."""
    fields = (each.name for each in dataclasses.fields(entity))
    return entity.ID_PREFIX == "cus" or any(map(NAMES_A_CUSTOMER.fullmatch, fields))


@pytest.fixture
def store() -> ProfilesStore:
    return ProfilesStore(MemoryDatabase("profiles"))


def test_every_collection_that_names_a_customer_is_exported_or_says_why_not(store: ProfilesStore) -> None:
    naming = {name for name, each in store.database.collections.items() if names_customers(each.entity)}
    held = {holding.collection.name for holding in store.privacy.holdings.values()}
    assert naming - held - NOT_EXPORTED.keys() == set()
    assert NOT_EXPORTED.keys() - store.database.collections.keys() == set()
    assert all(NOT_EXPORTED.values())


def test_every_holding_has_its_place_in_an_export(store: ProfilesStore) -> None:
    records = {each.name for each in profiles.ExportedRecord.DESCRIPTOR.oneofs_by_name["record"].fields}
    told = {kind for kind, each in store.privacy.holdings.items() if each.collection.name not in NOT_EXPORTED}
    assert records == told | {"customer", "transaction_summary", "contact_habits", "change"}


def test_what_an_erasure_leaves_holds_nothing_personal_or_loses_it(store: ProfilesStore) -> None:
    """A holding is removed, or kept for a reason. What is sealed in it loses its keys."""
    vault = store.database.vault
    for kind, holding in store.privacy.holdings.items():
        removed = not holding.kept
        assert removed is (kind in {"clv_score", "tier_watch", "contact_record"}), kind
        assert not removed or not holding.collection.publishes, f"{kind}: what publishes cannot be removed"
        assert (holding.collection.entity in vault.declared) == (holding in store.privacy.personal), kind


def test_interactions_goes_through_whatever_names_a_customer() -> None:
    database = MemoryDatabase("interactions")
    holdings = InteractionsStore(database).privacy.erasures.holdings
    naming = {name for name, each in database.collections.items() if names_customers(each.entity)}
    assert naming - holdings.keys() - NOT_ABOUT_ONE.keys() == set()
    records = {each.name for each in interactions.ExportedRecord.DESCRIPTOR.oneofs_by_name["record"].fields}
    assert records == {each.record for each in holdings.values()}


@pytest.mark.parametrize("service", SERVICES)
def test_who_holds_customers_is_registered_and_answers_erasures(service: str) -> None:
    database = MemoryDatabase(service)
    declared = import_module(f"services.{service}.__main__").SERVICE
    store = declared.store(database)
    holds = any(names_customers(each.entity) for each in database.collections.values())
    assert holds == registered(service).holds_customers, (
        f"{service} stores something that names customers: declare it with `Erasures` and say "
        "`holds_customers=True` in its line of libs/registry.py"
    )
    assert not holds or "erasures" in {each.name for each in declared.timers(store)}, (
        f"{service} holds something on customers and answers no erasure: give `libs.chassis.erasure.Erasures` its "
        "holdings, and its timer to the service"
    )


def test_opportunities_goes_through_whatever_names_a_customer() -> None:
    database = MemoryDatabase("opportunities")
    holdings = OpportunitiesStore(database).privacy.erasures.holdings
    naming = {name for name, each in database.collections.items() if names_customers(each.entity)}
    assert naming - holdings.keys() - NOT_ABOUT_ONE.keys() == set()
    records = {each.name for each in opportunities.ExportedRecord.DESCRIPTOR.oneofs_by_name["record"].fields}
    assert records == {each.record for each in holdings.values()}


def test_surveys_goes_through_whatever_names_a_customer() -> None:
    database = MemoryDatabase("surveys")
    holdings = SurveysStore(database).privacy.erasures.holdings
    naming = {name for name, each in database.collections.items() if names_customers(each.entity)}
    assert naming - holdings.keys() - NOT_ABOUT_ONE.keys() == set()
    records = {each.name for each in surveys.ExportedRecord.DESCRIPTOR.oneofs_by_name["record"].fields}
    assert records == {each.record for each in holdings.values()}


def test_care_goes_through_whatever_names_a_customer() -> None:
    database = MemoryDatabase("care")
    holdings = CareStore(database).privacy.erasures.holdings
    naming = {name for name, each in database.collections.items() if names_customers(each.entity)}
    assert naming - holdings.keys() - NOT_ABOUT_ONE.keys() == set()
    records = {each.name for each in care.ExportedRecord.DESCRIPTOR.oneofs_by_name["record"].fields}
    assert records == {each.record for each in holdings.values()}
