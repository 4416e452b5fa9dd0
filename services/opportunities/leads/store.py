"""Leads by state, owner and promise, with their forms, models, touches and saved filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime

from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.operations import Operations
from libs.chassis.paging import Page, PageRequest
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.opportunities.calendars.store import CalendarsStore
from services.opportunities.customers.domain import CustomerProjection
from services.opportunities.deals.store import DealsStore
from services.opportunities.leads.domain.conversions import ConversionStep
from services.opportunities.leads.domain.filters import LeadFilter
from services.opportunities.leads.domain.forms import LeadForm
from services.opportunities.leads.domain.leads import Lead
from services.opportunities.leads.domain.models import LeadModel
from services.opportunities.leads.domain.parts import CLOSED_STATES, OPEN_STATES, LeadOrder, LeadState
from services.opportunities.leads.domain.touches import Engagement, Touch

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RESPONDS = field("respond_time") > EPOCH
"""Condition of a partial index, as those that follow. A query that is to use it repeats it."""
COMES_BACK = field("recycle_time") > EPOCH
WAITS = field("triage_time") > EPOCH
CONVERTING = field("conversion.number") > 0
TIMER_BATCH = 200
"""Leads that a timer looks at in one go."""
STRETCH = 500
"""Leads that are read in one go by work that goes through all of them."""

LEADS = (
    *(
        Index(keys)
        for order in ("-create_time", "-probability_basis_points")
        for keys in (
            (order,),
            ("state", order),
            ("owner", "state", order),
            ("source", order),
            ("campaign", order),
            ("territory", "state", order),
            ("form_id", "state", order),
        )
    ),
    Index(("customer_id", "-create_time")),
    Index(("_blind.reach",)),
    Index(("conversion.begin_time", "conversion.step"), only=CONVERTING),
    Index(("conversion.deal_id",), only=field("conversion.deal_id") > ""),
    Index(("respond_time",), only=RESPONDS, every_tenant=True),
    Index(("recycle_time",), only=COMES_BACK, every_tenant=True),
    Index(("triage_time",), only=WAITS, every_tenant=True),
)
OPEN_OF_OWNERS = next(each for each in LEADS if each.keys == ("owner", "state", "-create_time"))
FORMS = (Index(("display_name",)),)
MODELS = (
    Index(("form_id", "-version")),
    Index(("form_id", "version"), unique=True, taken="a model was learned meanwhile"),
)
TOUCHES = (Index(("subject_id", "-time")),)
FILTERS = (Index(("display_name",)),)
FILTER = FilterSpec(
    {
        "state": LeadState,
        "owner": str,
        "source": str,
        "campaign": str,
        "territory": str,
        "form_id": str,
        "customer_id": str,
        "probability_basis_points": int,
    }
)
ORDERS: Mapping[LeadOrder, str] = {LeadOrder.NEWEST: "-create_time", LeadOrder.BEST: "-probability_basis_points"}


class LeadsStore:
    """Leads, what they are described by, what was learned of them and what they did."""

    def __init__(
        self,
        database: Database,
        customers: Customers[CustomerProjection],
        calendars: CalendarsStore,
        deals: DealsStore,
    ) -> None:
        self.database = database
        self.customers, self.calendars, self.deals = customers, calendars, deals
        self.operations = Operations(database)
        self.leads = database.collection(
            Lead, "leads", indexes=LEADS, blind={"reach": lambda lead: {each.key for each in lead.contact_points}}
        )
        self.forms = database.collection(LeadForm, "lead_forms", indexes=FORMS)
        self.models = database.collection(LeadModel, "lead_models", indexes=MODELS)
        self.touches = database.collection(Touch, "touches", indexes=TOUCHES, publishes=False)
        self.engagements = database.collection(Engagement, "engagements", publishes=False)
        self.filters = database.collection(LeadFilter, "lead_filters", indexes=FILTERS, publishes=False)

    def list(self, filter: str, saved: LeadFilter | None, order: LeadOrder, request: PageRequest) -> Page[Lead]:
        """Leads that meet an AIP-160 filter and a saved one."""
        wanted = [parse(each, FILTER) for each in (filter, saved.filter if saved is not None else "") if each]
        where = all_of(*wanted) if wanted else None
        return self.leads.page(where, request, order=ORDERS.get(order, "-create_time"))

    def list_forms(self, request: PageRequest) -> Page[LeadForm]:
        """A page of all forms, by name."""
        return self.forms.page(None, request, order="display_name")

    def list_filters(self, request: PageRequest) -> Page[LeadFilter]:
        """A page of saved filters, by name."""
        return self.filters.page(None, request, order="display_name")

    def list_touches(self, subject_ids: Sequence[str], request: PageRequest) -> Page[Touch]:
        """The touches of subjects, the latest first."""
        return self.touches.page(field("subject_id").one_of(subject_ids), request, order="-time")

    def model_of(self, form_id: str) -> LeadModel | None:
        """The latest model of a form."""
        found = self.models.find(field("form_id") == form_id, order="-version", limit=1)
        return found[0] if found else None

    def engagement_of(self, subject_id: str) -> Engagement:
        """The engagement of a lead or a deal, none at all when nothing happened."""
        blank = self.blank_engagement(subject_id)
        return self.engagements.find_by_id(blank.id) or blank

    def blank_engagement(self, subject_id: str) -> Engagement:
        """The engagement of a lead or a deal before anything happened."""
        return Engagement(id=self.engagements.id_of(subject_id), subject_id=subject_id)

    def require_subject(self, subject_id: str) -> None:
        """NotFound for a lead or a deal that there is not."""
        (self.leads if subject_id.startswith(Lead.ID_PREFIX) else self.deals.deals).get(subject_id)

    def known(self, subject_ids: Set[str]) -> Set[str]:
        """Those of the ids that belong to a lead or a deal of ours."""
        leads = {each.id for each in self.leads_of(subject_ids)}
        rest = sorted(subject_ids - leads)
        return leads | {each.id for each in self.deals.deals.find(field("_id").one_of(rest), limit=len(rest) or 1)}

    def leads_of(self, ids: Iterable[str]) -> Sequence[Lead]:
        """The leads with these ids, without those that there are not."""
        asked = sorted(ids)
        return self.leads.find(field("_id").one_of(asked), limit=len(asked)) if asked else []

    def unconverted(self, reach: Iterable[str], limit: int) -> Sequence[Lead]:
        """Leads of no customer who are reached in one of these ways."""
        sought = [self.leads.blind_index("reach", key) for key in reach]
        if not sought:
            return []
        theirs = all_of(field("_blind.reach").one_of(sought), field("customer_id") == "")
        return self.leads.find(theirs, order=None, limit=limit)

    def converted_into(self, deal_id: str) -> Sequence[str]:
        """The ids of the leads that became a deal."""
        theirs = all_of(field("conversion.deal_id") > "", field("conversion.deal_id") == deal_id)
        found = self.leads.find(theirs, order=None, limit=STRETCH)
        return [each.id for each in found if each.conversion and each.conversion.step is ConversionStep.DONE]

    def of_form(self, form_id: str, states: Sequence[LeadState]) -> Iterator[Sequence[Lead]]:
        """The leads of a form in some states, a stretch at a time."""
        for state in states:
            place = ""
            while True:
                where = all_of(field("form_id") == form_id, field("state") == state)
                found, place = self.leads.stretch(where, order="-create_time", after=place, limit=STRETCH)
                yield found
                if not place:
                    break

    def closed(self, form_id: str) -> Iterator[Sequence[Lead]]:
        """The leads of a form whose outcome is known."""
        return self.of_form(form_id, CLOSED_STATES)

    def open(self, form_id: str) -> Iterator[Sequence[Lead]]:
        """The leads of a form that are worked on."""
        return self.of_form(form_id, OPEN_STATES)

    def overdue(self) -> Due[Lead]:
        """Leads that nobody tried to reach in time, the longest ago first."""
        return _due(self, "respond_time")

    def back(self) -> Due[Lead]:
        """Leads whose date has come, the longest ago first."""
        return _due(self, "recycle_time")

    def waiting(self) -> Due[Lead]:
        """Leads that wait for somebody to answer for them, the longest ago first."""
        return _due(self, "triage_time")


def _due(store: LeadsStore, path: str) -> Due[Lead]:
    return Due(
        store.leads,
        lambda now: all_of(field(path) > EPOCH, field(path) <= now),
        order=path,
        limit=TIMER_BATCH,
    )
