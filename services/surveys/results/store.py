"""Cells by item and group, codings of texts, and the responses and invitations that other figures are read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from libs.chassis.filtering import all_of, field
from libs.chassis.store import Count, Database, Index
from services.surveys.collection.store import CollectionStore
from services.surveys.questionnaires.store import QuestionnairesStore
from services.surveys.results.domain.cells import ScoreCell
from services.surveys.results.domain.coding import Coding, CodingFrame
from services.surveys.sampling.store import INVITATIONS, SamplingStore

CELLS_MAX = 100_000
"""Cells that one answer reads: those of ten years of months and hundreds of strata."""
CODINGS_MAX = 50_000
CELLS = (Index(("place.survey_id", "place.item", "place.dimension", "place.group", "place.month")),)
CODINGS = (Index(("survey_id", "item", "response_id")),)
BY_STATE = INVITATIONS[1]


class ResultsStore:
    """Everything that results are read from."""

    def __init__(
        self,
        database: Database,
        questionnaires: QuestionnairesStore,
        sampling: SamplingStore,
        collection: CollectionStore,
    ) -> None:
        self.database = database
        self.questionnaires = questionnaires
        self.sampling = sampling
        self.collection = collection
        self.cells = database.collection(ScoreCell, "score_cells", indexes=CELLS, publishes=False)
        self.frames = database.collection(CodingFrame, "coding_frames", publishes=False)
        self.codings = database.collection(Coding, "codings", indexes=CODINGS, publishes=False)

    def find(self, survey_id: str, item: str, dimension: str, group: str) -> Sequence[ScoreCell]:
        """The cells of an item and a group."""
        where = all_of(
            field("place.survey_id") == survey_id,
            field("place.item") == item,
            field("place.dimension") == dimension,
            field("place.group") == group,
        )
        return self.cells.find(where, order=None, limit=CELLS_MAX)

    def codings_of(self, survey_id: str, item: str) -> Sequence[Coding]:
        """All codings of the texts of an item."""
        where = all_of(field("survey_id") == survey_id, field("item") == item)
        return self.codings.find(where, order=None, limit=CODINGS_MAX)

    def invitations_by_state(self, survey_id: str, wave: int) -> Mapping[str, int]:
        """State → how many invitations of a wave are in it, read from an index alone."""
        where = all_of(field("survey_id") == survey_id, field("wave") == wave)
        return dict(self.sampling.invitations.totals(where, ["state"], [Count()], index=BY_STATE))
