"""Everything that is held on a customer, and its erasure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import Entity
from libs.chassis.erasure import Erasure, Erasures, Holding
from libs.chassis.store import Database
from services.interactions.callcenter.domain.calls import Call
from services.interactions.cases.domain.cases import Case
from services.interactions.complaints.domain.complaints import Complaint
from services.interactions.complaints.store import ComplaintsStore
from services.interactions.problems.store import ProblemsStore
from services.interactions.promises.domain import Promise
from services.interactions.quality.domain.resolutions import Resolution
from services.interactions.quality.store import QualityStore
from services.interactions.remedies.domain.goodwill import Goodwill
from services.interactions.routing.domain.work import WorkItem
from services.interactions.timeline.store import TimelineStore

ACTOR: Final = "service:interactions"


class PrivacyStore:
    """The holdings of the service."""

    def __init__(
        self,
        database: Database,
        timeline: TimelineStore,
        complaints: ComplaintsStore,
        problems: ProblemsStore,
        quality: QualityStore,
    ) -> None:
        self._customers, self._timeline, self._conversations = timeline.customers, timeline, timeline.conversations
        conversations, promises, routing = timeline.conversations, complaints.promises, quality.routing
        cases, remedies = complaints.cases, complaints.remedies
        # Without an open conversation no new interaction is taken for theirs, so interactions come last.
        self.erasures = Erasures(
            database,
            timeline.customers,
            [
                Holding(
                    collection=conversations.conversations,
                    erased=lambda each: each.erase(identity.now()),
                    order="-last_interaction_time",
                    record="conversation",
                ),
                Holding(
                    collection=promises.promises,
                    erased=Promise.erase,
                    order="due_time",
                    record="promise",
                ),
                Holding(collection=routing.work, erased=WorkItem.erase, order="-enqueue_time", record="work"),
                Holding(collection=quality.callcenter.calls, erased=Call.erase, order="-create_time", record="call"),
                Holding(
                    collection=quality.resolutions,
                    erased=Resolution.erase,
                    kept="topics and times, nothing that was said",
                    record="resolution",
                ),
                Holding(
                    collection=cases.cases,
                    erased=Case.erase,
                    kept="states, times and clocks without words",
                    order="-open_time",
                    record="case",
                ),
                Holding(
                    collection=complaints.complaints,
                    erased=Complaint.erase,
                    kept="stages, times and causes without words",
                    order="-received_time",
                    record="complaint",
                ),
                Holding(
                    collection=remedies.goodwill,
                    erased=Goodwill.erase,
                    kept="amounts and times without words",
                    order="-asked_time",
                    record="goodwill",
                ),
                Holding(
                    collection=problems.affected,
                    erased=lambda each: (each, []),
                    kept="ids and times, which hold no words",
                    order="-create_time",
                    record="affected",
                ),
                Holding(
                    collection=timeline.interactions,
                    erased=lambda each: each.erase(ACTOR, identity.now()),
                    order="-occurred_time",
                    record="interaction",
                ),
            ],
            further={"unattributed": self._unattributed},
        )

    def _unattributed(self, erasure: Erasure, limit: int) -> Mapping[str, Sequence[Entity]]:
        """Interactions of unknown customers, by what led to this one."""
        found = self._timeline.unattributed_by_identifier(self._alone(erasure), limit)
        talks = self._conversations.unattributed({each.conversation_id for each in found} - {""})
        return {"interactions": found, "conversations": talks}

    def _alone(self, erasure: Erasure) -> list[str]:
        """Keys that led to the customer and lead to nobody else: a call from a telephone that is shared may have been
        the other one's."""
        ids = set(self._customers.group(erasure.customer_id))
        return [
            key
            for key in erasure.identifiers
            if all(each.id in ids for each in self._customers.led_to_by([key], len(ids) + 1))
        ]
