"""The stores of all areas of the service, each with what it may read of others."""

from __future__ import annotations

from libs.chassis.operations import Operations
from libs.chassis.store import Database
from services.profiles.activity.store import ActivityStore
from services.profiles.consent.store import ConsentStore
from services.profiles.contracts.store import ContractsStore
from services.profiles.customers.store import CustomersStore
from services.profiles.entitlements.store import EntitlementsStore
from services.profiles.identity.store import IdentityStore
from services.profiles.loyalty.store import LoyaltyStore
from services.profiles.ownership.store import OwnershipStore
from services.profiles.privacy.store import Holding, PrivacyStore
from services.profiles.schedules.store import SchedulesStore
from services.profiles.segments.store import SegmentsStore
from services.profiles.worth.store import WorthStore


class ProfilesStore:
    """One store for each area, and the operations of the service."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.operations = Operations(database)
        self.schedules = SchedulesStore(database)
        self.customers = CustomersStore(database)
        self.consent = ConsentStore(database, self.customers)
        self.activity = ActivityStore(database, self.customers)
        self.identity = IdentityStore(database, self.customers, self.consent)
        self.contracts = ContractsStore(database, self.customers)
        self.worth = WorthStore(database, self.customers, self.activity, self.contracts)
        self.segments = SegmentsStore(database, self.customers, self.activity, self.worth)
        self.loyalty = LoyaltyStore(database, self.worth, self.segments)
        self.ownership = OwnershipStore(
            database,
            customers=self.customers,
            activity=self.activity,
            contracts=self.contracts,
            segments=self.segments,
        )
        self.entitlements = EntitlementsStore(database, self.customers, self.contracts, self.segments)
        self.privacy = PrivacyStore(
            database,
            customers=self.customers,
            activity=self.activity,
            identity=self.identity,
            holdings=self._holdings(),
        )

    def _holdings(self) -> dict[str, Holding]:
        """Name of a record in an export → where such records are, for all that is held on customers besides."""
        worth, identity, ownership = self.worth, self.identity, self.ownership
        pair, sides, names = ("customer_ids",), ("from_customer_id", "to_customer_id"), "what it says of nobody by name"
        return {
            "consent_receipt": Holding(self.consent.receipts, "-sequence", kept="proof of what was agreed to"),
            "fact": Holding(self.activity.facts, "-create_time", kept="that there was one"),
            "relationship": Holding(self.customers.relationships, "-create_time", sides, kept="that there was one"),
            "transaction": Holding(self.activity.transactions, "-occurred_time", kept="fiscal records"),
            "duplicate_candidate": Holding(identity.candidates, "-score", pair, kept="who was held to be whom"),
            "merge": Holding(identity.merges, "-epoch", ("party_ids",), kept="where old ids lead"),
            "ownership": Holding(ownership.ownerships, "customer_id", kept=names),
            "owner_interval": Holding(ownership.intervals, "-start_time", kept="who was responsible"),
            "contract": Holding(self.contracts.contracts, "-valid_from_date", kept="fiscal records"),
            "segment_membership": Holding(self.segments.memberships, "-enter_time", kept="counts of segments"),
            "entitlement": Holding(
                self.entitlements.entitlements, "-create_time", ("subject",), kept="what was granted"
            ),
            "tier_assignment": Holding(worth.assignments, "customer_id", kept="counts of tiers"),
            "clv_score": Holding(worth.scores, "", ("_id",)),
            "tier_watch": Holding(worth.watches, "", ("_id",)),
            "contact_record": Holding(self.activity.contacts, "", ("_id",)),
        }
