"""Reviews of months: long work over all customers, kept once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from libs.chassis import identity
from libs.chassis.domain import NotFound
from libs.chassis.operations import Job
from libs.chassis.paging import Page, PageRequest
from services.care.alerts.domain.watches import merged
from services.care.churn.domain.refusals import MonthNotOver
from services.care.churn.domain.reviews import LoyaltyReview, Person, Tally, span_of
from services.care.churn.domain.winback import RetentionPolicy
from services.care.churn.store import ChurnStore
from services.care.customers.domain.projection import CustomerProjection

BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAsked:
    """A month that is to be reviewed."""

    month: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewProgress:
    """Place of a review in all customers, and what was counted up to there."""

    place: str = ""
    done: int = 0
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDone:
    """Result of a review."""

    review: LoyaltyReview
    reviewed_before: bool = False


class Reviews:
    """Reviews of months."""

    def __init__(self, store: ChurnStore) -> None:
        self._store = store

    def require_over(self, month: str) -> None:
        """Refuses a month that is not over."""
        _, end = span_of(month)
        if end > identity.now():
            raise MonthNotOver(month=month, first_day=f"{end:%Y-%m-%d}")

    def get(self, month: str) -> LoyaltyReview:
        """The review of a month."""
        found = self._known(month)
        if found is None:
            raise NotFound(LoyaltyReview, month)
        return found

    def list(self, request: PageRequest) -> Page[LoyaltyReview]:
        """A page of reviews, the latest month first."""
        return self._store.list_reviews(request)

    def run(self, job: Job[ReviewAsked, ReviewProgress]) -> ReviewDone:
        """Goes through all customers and keeps the review. A month that has one keeps that one."""
        month, state = job.request.month, job.state
        if (known := self._known(month)) is not None:
            return ReviewDone(review=known, reviewed_before=True)
        while True:
            customers, place = self._store.customers.stretch(state.place, BATCH)
            tally = state.tally
            for person in self._people(customers):
                tally = tally.with_person(person, month)
            state = replace(state, place=place, done=state.done + len(customers), tally=tally)
            if not place:
                break
            job.progress(state.done, 0, state)
        policy = self._store.policy()
        goal = policy.retention_goal_basis_points if policy is not None else 0
        draft = state.tally.review(month, goal, self._alerts(month))
        kept = self._store.database.transact(
            lambda: self._known(month) or self._store.reviews.insert(draft.keep(), key=month)
        )
        job.progress(state.done, state.done, state)
        return ReviewDone(review=kept)

    def begin(self, due: Sequence[RetentionPolicy], start: Callable[[str], object]) -> None:
        """Starts the review of the month before, once. `start` begins the long work of a month."""
        now = identity.now()
        for policy in due:
            month = (now.replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
            if self._known(month) is None:
                start(month)
            self._store.policies.update_many([(policy.id, None)], lambda each, _: each.review(now))

    def _known(self, month: str) -> LoyaltyReview | None:
        return self._store.reviews.find_by_id(self._store.reviews.id_of(month))

    def _people(self, customers: Sequence[CustomerProjection]) -> Sequence[Person]:
        living = [each for each in customers if not (each.merged_into or each.deleted or each.erased)]
        groups = {each.id: self._store.customers.group(each.id, each) for each in living}
        everybody = sorted({id for group in groups.values() for id in group})
        watches = self._store.alerts.watches_of(everybody)
        records = self._store.records_of(everybody)
        return [
            Person(
                tier=each.tier,
                owner=each.owner,
                watch=merged([watches[id] for id in groups[each.id] if id in watches], each.id),
                records=[record for record in records if record.customer_id in groups[each.id]],
            )
            for each in living
        ]

    def _alerts(self, month: str) -> Counter[str]:
        return Counter(self._store.alerts.outcomes(*span_of(month)))
