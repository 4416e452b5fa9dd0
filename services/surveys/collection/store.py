"""Sheets, responses, quotas and papers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from libs.chassis.filtering import FilterSpec, all_of, field, parse
from libs.chassis.paging import Page, PageRequest
from libs.chassis.projection import Customers
from libs.chassis.store import Database, Due, Index
from services.surveys.collection.domain.papers import PaperEntry
from services.surveys.collection.domain.quotas import Quota
from services.surveys.collection.domain.responses import Response, ResponseState
from services.surveys.collection.domain.sheets import Sheet
from services.surveys.customers.domain import CustomerProjection
from services.surveys.questionnaires.domain.surveys import SurveyVersion
from services.surveys.questionnaires.store import QuestionnairesStore
from services.surveys.sampling.domain.invitations import Invitation
from services.surveys.sampling.store import SamplingStore

IDLE = field("idle_time").exists()
"""Condition of a partial index. A query that is to use it repeats it."""
IDLE_BATCH = 100
QUOTAS_MAX = 50
"""Quotas of one survey."""
STRETCH = 500
"""Responses that are read in one go."""
VERSIONS_KEPT = 512
"""Versions of surveys that a process remembers, because none ever changes."""

SHEETS = (
    Index(("survey_id", "-create_time")),
    Index(("customer_id", "-create_time")),
    Index(("idle_time",), only=IDLE, every_tenant=True),
)
RESPONSES = (
    Index(("survey_id", "-create_time")),
    Index(("survey_id", "wave", "-create_time")),
    Index(("survey_id", "state", "-create_time")),
    Index(("customer_id", "-create_time")),
    Index(("-create_time",)),
)
QUOTAS = (Index(("survey_id", "key")),)
PAPERS = (Index(("survey_id", "-create_time")), Index(("customer_id", "-create_time")))
FILTER = FilterSpec({"survey_id": str, "wave": int, "state": ResponseState, "customer_id": str})


class CollectionStore:
    """Responses as they come in."""

    def __init__(
        self,
        database: Database,
        customers: Customers[CustomerProjection],
        questionnaires: QuestionnairesStore,
        sampling: SamplingStore,
    ) -> None:
        self.database = database
        self.customers = customers
        self.questionnaires = questionnaires
        self.sampling = sampling
        self.sheets = database.collection(Sheet, "sheets", indexes=SHEETS, publishes=False, notes_commands=True)
        self.responses = database.collection(Response, "responses", indexes=RESPONSES)
        self.quotas = database.collection(Quota, "quotas", indexes=QUOTAS, publishes=False)
        self.papers = database.collection(PaperEntry, "paper_entries", indexes=PAPERS, publishes=False)
        self._versions: dict[str, SurveyVersion] = {}

    def version(self, survey_id: str, number: int) -> SurveyVersion:
        """A version of a survey, which never changes and is therefore read once."""
        id = self.questionnaires.versions.id_of(f"{survey_id}:{number}")
        if id not in self._versions:
            while len(self._versions) >= VERSIONS_KEPT:
                self._versions.pop(next(iter(self._versions)), None)
            self._versions[id] = self.questionnaires.version(survey_id, number)
        return self._versions[id]

    def sheet_id(self, invitation: Invitation) -> str:
        """The id of the sheet of a link. It follows from the survey token, so that two devices share one sheet."""
        return self.sampling.sheet_id(invitation)

    def forget(self, sheet_id: str) -> None:
        """Removes a sheet, keys before anything else."""
        self.sheets.erase([sheet_id])
        self.sheets.purge(field("_id") == sheet_id, limit=1)

    def quotas_of(self, survey_id: str) -> Sequence[Quota]:
        """All quotas of a survey."""
        return self.quotas.find(field("survey_id") == survey_id, order="key", limit=QUOTAS_MAX)

    def list(self, filter: str, request: PageRequest) -> Page[Response]:
        """Responses that meet an AIP-160 filter, the latest first."""
        return self.responses.page(parse(filter, FILTER), request, order="-create_time")

    def list_papers(self, survey_id: str, request: PageRequest) -> Page[PaperEntry]:
        """Papers of a survey, the latest first."""
        return self.papers.page(field("survey_id") == survey_id, request, order="-create_time")

    def of_survey(self, survey_id: str, wave: int = 0) -> Iterator[Response]:
        """All responses of a survey, or of one of its waves, a stretch at a time."""
        within = field("wave") == wave if wave else None
        where, place = all_of(field("survey_id") == survey_id, within), ""
        while True:
            found, place = self.responses.stretch(where, order="-create_time", after=place, limit=STRETCH)
            yield from found
            if not place:
                return

    def idle(self) -> Due[Sheet]:
        """Sheets that nobody has gone on with."""
        return Due(
            self.sheets, lambda now: all_of(IDLE, field("idle_time") <= now), order="idle_time", limit=IDLE_BATCH
        )
