"""The ledger by customer, benefit and state, with what entitles customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from libs.chassis.erasure import Holding
from libs.chassis.filtering import FilterSpec, field
from libs.chassis.operations import Operations
from libs.chassis.paging import Page, PageRequest
from libs.chassis.store import Database, Index
from services.care.customers.store import CustomersStore
from services.care.entitlements.domain import (
    BenefitAccount,
    BenefitStanding,
    BenefitUse,
    BenefitUseState,
    EntitlementTerm,
)

TERMS_MAX = 5000
"""Entitlements of a tenant that are looked at."""
OF_CUSTOMER = (Index(("customer_id", "-create_time")),)
USES = tuple(
    Index((*keys, "-create_time"))
    for keys in (
        (),
        ("customer_id",),
        ("benefit",),
        ("state",),
        ("benefit", "customer_id"),
        ("customer_id", "state"),
        ("benefit", "state"),
        ("benefit", "customer_id", "state"),
    )
)
FILTER = FilterSpec({"customer_id": str, "benefit": str, "state": BenefitUseState})


class EntitlementsStore:
    """The ledger, and what entitles."""

    def __init__(self, database: Database, customers: CustomersStore) -> None:
        self.database, self.customers = database, customers
        self.terms = database.collection(
            EntitlementTerm, "entitlement_terms", indexes=(Index(("benefit",)),), publishes=False
        )
        self.standings = database.collection(BenefitStanding, "standings", indexes=OF_CUSTOMER, publishes=False)
        self.accounts = database.collection(BenefitAccount, "benefit_accounts", indexes=OF_CUSTOMER, publishes=False)
        self.uses = database.collection(BenefitUse, "benefit_uses", indexes=USES)
        self.operations = Operations(database)

    def holdings(self) -> Sequence[Holding[Any]]:
        """Records on customers in these collections."""
        kept = "ids, counts and times"
        return [
            Holding(collection=self.uses, erased=BenefitUse.erase, kept=kept, record="benefit_use"),
            Holding(collection=self.standings, erased=BenefitStanding.erase, kept="ids", record="standing"),
            Holding(collection=self.accounts, erased=lambda each: (each, []), kept=kept, record="benefit_account"),
        ]

    def list(self, filter: str, request: PageRequest) -> Page[BenefitUse]:
        """Entries that meet an AIP-160 filter, the latest first."""
        return self.uses.page(self.customers.condition(filter, FILTER), request, order="-create_time")

    def terms_of(self, benefit: str = "") -> Sequence[EntitlementTerm]:
        """The entitlements to a benefit, or all."""
        return self.terms.find(field("benefit") == benefit if benefit else None, order=None, limit=TERMS_MAX)

    def standings_of(self, customer_ids: Sequence[str]) -> dict[str, BenefitStanding]:
        """Customer id → what entitles it, of those of whom something was told."""
        ids = [self.standings.id_of(each) for each in customer_ids]
        found = self.standings.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
        return {each.customer_id: each for each in found}

    def account(self, customer_id: str, benefit: str, period: str) -> BenefitAccount:
        """The account of a customer from which nothing was taken yet."""
        id = self.accounts.id_of(f"{customer_id}:{benefit}:{period}")
        return BenefitAccount(id=id, customer_id=customer_id, benefit=benefit, period=period)

    def taken(self, wanted: Sequence[tuple[str, str, str]]) -> dict[str, int]:
        """Customer id → how often it took, from (customer id, benefit, period)."""
        ids = [self.account(*each).id for each in wanted]
        found = self.accounts.find(field("_id").one_of(ids), limit=len(ids)) if ids else []
        return {each.customer_id: each.taken for each in found}

    def use_id(self, customer_id: str, benefit: str, cause: str) -> str:
        """The id of the entry for a cause."""
        return self.uses.id_of(f"{customer_id}:{benefit}:{cause}")
