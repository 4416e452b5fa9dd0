"""Plays: beginning them, taking their steps, ending and measuring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from libs.chassis import identity
from libs.chassis.paging import Page, PageRequest
from services.care.alerts.domain.alerts import Alert
from services.care.alerts.domain.refusals import AlertClosedAlready
from services.care.customers.domain.projection import CustomerProjection
from services.care.plays.domain import (
    DUE_DAYS,
    AlertInPlay,
    Play,
    PlayEnd,
    PlayLift,
    PlayOutOfUse,
    PlayRun,
    PlayState,
    PlayStep,
    lift_of,
)
from services.care.plays.store import PlaysStore
from services.care.touches.application.tasks import Tasks
from services.care.touches.domain.tasks import TaskAsked

ACTIVE, GONE = "ACTIVE", "CHURNED"
"""Stages of a relationship: those who stayed, and those who left."""
DAY: Final = timedelta(days=1)


class Plays:
    """Steps about alerts."""

    def __init__(self, store: PlaysStore) -> None:
        self._store, self._tasks = store, Tasks(store.touches)

    def create(self, draft: Play) -> Play:
        """A new play."""
        return self._store.plays.insert(lambda id: replace(draft, id=id).create())

    def get(self, play_id: str) -> Play:
        """One play."""
        return self._store.plays.get(play_id)

    def list(self, request: PageRequest) -> Page[Play]:
        """A page of plays, by name."""
        return self._store.list(request)

    def retire(self, play_id: str) -> Play:
        """Takes a play out of use."""
        return self._store.plays.update(play_id, Play.retire)

    def run(self, play_run_id: str) -> PlayRun:
        """A play about one alert."""
        return self._store.runs.get(play_run_id)

    def runs(self, filter: str, request: PageRequest) -> Page[PlayRun]:
        """A page of plays about alerts, the latest first."""
        return self._store.list_runs(filter, request)

    def lift(self, play_id: str) -> PlayLift:
        """Worth of a play so far."""
        return lift_of(self._store.plays.get(play_id).id, self._store.counts(play_id))

    # ------------------------------------------------------------------------------------------------ its beginning

    def start(self, alert_id: str, play_id: str) -> PlayRun:
        """Begins a play about an alert."""
        id = self._store.run_id(alert_id)

        def work() -> PlayRun:
            alert, play = self._store.alerts.alerts.get(alert_id), self._store.plays.get(play_id)
            if not alert.open:
                raise AlertClosedAlready(alert_id=alert.id, outcome=str(alert.outcome))
            if play.state is PlayState.RETIRED:
                raise PlayOutOfUse(play_id=play.id)
            known = self._store.runs.find_by_id(id)
            if known is not None:
                if known.play_id != play_id:
                    raise AlertInPlay(alert_id=alert_id, play_id=known.play_id)
                return known
            self._store.customers.refuse_erased({alert.customer_id})
            run = self._run(alert, play)
            begun = self._store.runs.insert(run.start(play, identity.now()), key=alert_id)
            self._tell([(alert.id, begun)])
            return begun

        return self._store.database.transact(work, again=lambda: self._store.runs.get(id))

    def answer(self, alerts: Sequence[Alert]) -> None:
        """Begins the plays that the rules of alerts name. Called inside a transaction."""
        meant = [each for each in alerts if each.play_id and each.customer_id]
        plays, now = self._store.some(sorted({each.play_id for each in meant})), identity.now()
        gone = {each.id for each in self._store.customers.erased(each.customer_id for each in meant)}
        begins = [
            (self._run(each, plays[each.play_id]), plays[each.play_id])
            for each in meant
            if each.play_id in plays and plays[each.play_id].state is PlayState.ACTIVE and each.customer_id not in gone
        ]
        begun = self._store.runs.upsert_many(begins, lambda run, play: run.start(play, now))
        self._tell([(each.alert_id, each) for each in begun])

    def _run(self, alert: Alert, play: Play) -> PlayRun:
        return PlayRun(
            id=self._store.run_id(alert.id),
            play_id=play.id,
            alert_id=alert.id,
            customer_id=alert.customer_id,
            owner=alert.owner,
        )

    def _tell(self, begun: Sequence[tuple[str, PlayRun]]) -> None:
        self._store.alerts.alerts.update_many(
            begun, lambda alert, run: alert.hold_out(run.play_id) if run.held_out else alert.play(run.play_id)
        )

    # -------------------------------------------------------------------------------------------------- what happens

    def close(self, alerts: Sequence[Alert]) -> None:
        """Ends the plays of alerts that were closed."""
        ids = [self._store.run_id(each.id) for each in alerts]
        there = [id for id in ids if self._store.runs.find_by_id(id) is not None]
        self._store.runs.update_many([(id, None) for id in there], lambda run, _: run.exit(PlayEnd.ALERT_CLOSED))

    def happen(self, bought: Mapping[str, datetime], met: Mapping[str, datetime]) -> None:
        """Takes in purchases and meetings: customer id → time."""
        groups = {id: self._store.customers.group(id) for id in {*bought, *met} if id}
        whose = {each: id for id, group in groups.items() for each in group}
        runs = self._store.waiting(sorted(whose))
        plays = self._store.some(sorted({each.play_id for each in runs}))
        for times, step in ((bought, PlayRun.buy), (met, PlayRun.meet)):
            told = [(each.id, times[whose[each.customer_id]]) for each in runs if whose[each.customer_id] in times]
            self._store.runs.update_many(told, lambda run, at, step=step: step(run, plays[run.play_id], at))  # type: ignore[misc]

    def advance(self, due: Sequence[PlayRun]) -> None:
        """Takes the steps that are due and measures what is to be measured. Its times decide, so repeats do nothing."""
        self._store.database.transact(lambda: self._advance(due))

    def _advance(self, due: Sequence[PlayRun]) -> None:
        now = identity.now()
        current = [each for each in map(self._store.runs.find_by_id, [each.id for each in due]) if each is not None]
        waiting = [each for each in current if each.next_time is not None and each.next_time <= now]
        plays = self._store.some(sorted({each.play_id for each in waiting}))
        known = self._store.customers.known([each.customer_id for each in waiting])
        for run in waiting:
            play, customer = plays[run.play_id], known.get(run.customer_id)
            lives = customer is not None and not (customer.deleted or customer.erased) and customer.lifecycle != GONE
            active = lives and customer is not None and customer.lifecycle == ACTIVE
            step = run.due_step(play, now)
            if not lives:
                self._store.runs.update_many([(run.id, None)], lambda each, _: each.exit(PlayEnd.CUSTOMER_GONE))
            elif step is not None:
                [touch] = self._tasks.give([self._asked(run, step, customer, now)])
                self._store.runs.update_many(
                    [(run.id, touch.id)],
                    lambda each, id, play=play: each.take(play, id, now),  # type: ignore[misc]
                )
            self._store.runs.update_many(
                [(run.id, active)],
                lambda each, stays, play=play: each.measure(play, active=stays, now=now),  # type: ignore[misc]
            )

    def _asked(self, run: PlayRun, step: PlayStep, customer: CustomerProjection | None, now: datetime) -> TaskAsked:
        owner = self._store.alerts.alerts.get(run.alert_id).owner or run.owner
        return TaskAsked(
            key=f"{run.id}:{run.step_count}",
            customer_id=customer.id if customer is not None else run.customer_id,
            occasion=step.display_name,
            form=step.form,
            channel=step.channel,
            assignee=step.assignee or owner,
            due_time=now + (step.due_days or DUE_DAYS) * DAY,
        )
