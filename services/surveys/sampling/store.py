"""Samples with their frames, and invitations by survey, customer and survey token."""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Sequence

from libs.chassis import identity
from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.surveys.customers.domain import CustomerProjection
from services.surveys.questionnaires.store import QuestionnairesStore
from services.surveys.sampling.domain.invitations import (
    OPEN,
    FatigueRule,
    Invitation,
    InvitationState,
    SurveyTokenUnknown,
    UsedLink,
    hash_of,
)
from services.surveys.sampling.domain.samples import FRAME_MAX, FrameEntry, Sample

EXPIRES = field("state").one_of([*map(str, OPEN)])
"""Condition of a partial index. A query that is to use it repeats it."""
EXPIRY_BATCH = 200
RECENT_MAX = 200
"""Invitations of one customer that are looked at."""
INVITED_AT_ONCE = 200
"""Customers of a sample who are invited in one call."""

SAMPLES = (Index(("survey_id", "-create_time")),)
FRAME = (
    Index(("sample_id", "customer_id")),
    Index(("sample_id", "selected", "customer_id")),
    Index(("customer_id", "-create_time")),
)
INVITATIONS = (
    Index(("survey_id", "-create_time")),
    Index(("survey_id", "wave", "state", "-create_time")),
    Index(("survey_id", "state", "-create_time")),
    Index(("customer_id", "-create_time")),
    Index(("sample_id", "-create_time")),
    Index(("token_hash",), unique=True, every_tenant=True, only=field("token_hash") > ""),
    Index(("expire_time",), only=EXPIRES, every_tenant=True),
    Index(("-create_time",)),
)
FILTER = FilterSpec({"survey_id": str, "state": InvitationState, "wave": int, "customer_id": str, "sample_id": str})


class SamplingStore:
    """Samples, invitations, and what decides about them."""

    def __init__(
        self, database: Database, customers: Customers[CustomerProjection], questionnaires: QuestionnairesStore
    ) -> None:
        self.database = database
        self.customers = customers
        self.questionnaires = questionnaires
        self.samples = database.collection(Sample, "samples", indexes=SAMPLES)
        self.frame = database.collection(FrameEntry, "frame_entries", indexes=FRAME, publishes=False)
        self.invitations = database.collection(Invitation, "invitations", indexes=INVITATIONS)
        self.used = database.collection(UsedLink, "used_links", publishes=False)
        self.rules = database.collection(FatigueRule, "fatigue_rules", publishes=False)

    def entries(self, sample_id: str) -> Sequence[FrameEntry]:
        """The whole frame of a sample."""
        return self.frame.find(field("sample_id") == sample_id, order="customer_id", limit=FRAME_MAX + 1)

    def list_entries(self, sample_id: str, *, selected: bool, request: PageRequest) -> Page[FrameEntry]:
        """The frame of a sample, or those who were drawn."""
        drawn = field("selected") == True if selected else None  # noqa: E712  (a condition, not a comparison)
        return self.frame.page(all_of(field("sample_id") == sample_id, drawn), request, order="customer_id")

    def drawn(self, sample_id: str, after: str) -> tuple[Sequence[FrameEntry], str]:
        """(some of those who were drawn, the place to go on from or nothing at the end)."""
        where = all_of(field("sample_id") == sample_id, field("selected") == True)  # noqa: E712
        return self.frame.stretch(where, order="customer_id", after=after, limit=INVITED_AT_ONCE)

    def list(self, filter: str, request: PageRequest) -> Page[Invitation]:
        """Invitations that meet an AIP-160 filter, the latest first."""
        return self.invitations.page(parse(filter, FILTER), request, order="-create_time")

    def of_customers(self, ids: Group[str]) -> Sequence[Invitation]:
        """The latest invitations of a customer under any of its ids."""
        where = field("customer_id").one_of(sorted(ids))
        return self.invitations.find(where, order="-create_time", limit=RECENT_MAX)

    def by_token(self, survey_token: str) -> tuple[str, Invitation]:
        """(tenant, invitation) of a survey token. SurveyTokenUnknown when it leads nowhere."""
        where = all_of(field("token_hash") > "", field("token_hash") == hash_of(survey_token))
        for tenant, _, found in self.invitations.across_tenants(where, order="token_hash", limit=1):
            if isinstance(found, Invitation):
                return tenant, found
        raise SurveyTokenUnknown(ending=survey_token[-4:])

    def sheet_id(self, invitation: Invitation) -> str:
        """The id of the sheet that the link of an invitation leads to."""
        return identity.derived_id("sht", invitation.token_hash)

    def is_used(self, invitation: Invitation) -> bool:
        """True when an anonymous response was handed in by the link of an invitation."""
        return self.used.find_by_id(self.used.id_of(self.sheet_id(invitation))) is not None

    def fatigue_rule(self) -> FatigueRule:
        """The rule of the tenant."""
        id = self.rules.id_of("all surveys")
        return self.rules.find_by_id(id) or FatigueRule(id=id)

    def expired(self) -> Due[Invitation]:
        """Open invitations whose time is over."""
        return Due(
            self.invitations,
            lambda now: all_of(EXPIRES, field("expire_time") <= now),
            order="expire_time",
            limit=EXPIRY_BATCH,
        )
