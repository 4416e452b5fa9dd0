"""Use-cases of value to come: the fit over all customers, and what it says of one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from libs.chassis import identity
from libs.chassis.domain import FailedPrecondition, NotFound
from libs.chassis.operations import Job
from services.profiles.worth.application.bulk import BATCH, moment_of, put
from services.profiles.worth.domain.answers import AliveProbability, Clv, ClvReport
from services.profiles.worth.domain.contribution import Figures, Window, check_currency, check_time_zone
from services.profiles.worth.domain.histories import DAYS_PER_WEEK, History, history
from services.profiles.worth.domain.measures import Basis
from services.profiles.worth.domain.models import ClvModel, ClvScore
from services.profiles.worth.store import WorthStore

WINDOW_DAYS = 730
HORIZON_MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRequest:
    """The customers and months that are to be valued. Zeros stand for defaults."""

    currency_code: str
    time_zone: str = ""
    window_days: int = 0
    horizon_months: int = 0
    margin: float = 0.0
    discount: float = 0.0
    as_of_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FitProgress:
    """Checkpoint of a fit."""

    model_id: str = ""
    as_of_time: datetime | None = None
    written: int = 0
    """Scores that are stored."""


class NoModelYet(FailedPrecondition):
    """No model has been fitted yet: start {method}."""

    method: str = "FitClvModel"


class Value:
    """Fits, and the scores that they leave for each customer."""

    def __init__(self, store: WorthStore) -> None:
        self._store = store

    def run(self, job: Job[FitRequest, FitProgress]) -> ClvModel:
        """Fit and value everybody, as an operation. One that is interrupted before its scores are worked out starts
        again for the same window; while they are written, it goes on where it was."""
        from services.profiles.worth.domain.clv import Outlook
        from services.profiles.worth.domain.valuation import HELD_OUT, Setting, value_all

        request = job.request
        currency, time_zone = check_currency(request.currency_code), check_time_zone(request.time_zone)
        outlook = Outlook(
            horizon_months=request.horizon_months or HORIZON_MONTHS, margin=request.margin, discount=request.discount
        )
        state = job.state
        if not state.model_id:
            state = replace(state, model_id=identity.new_id(ClvModel.ID_PREFIX))
        end = state.as_of_time or moment_of(request.as_of_time)
        state = replace(state, as_of_time=end)
        job.progress(state.written, 0, state)
        window = Window(start_time=end - timedelta(days=request.window_days or WINDOW_DAYS), end_time=end)
        zone = ZoneInfo(time_zone)
        last_day = end.astimezone(zone).date() - timedelta(days=1)  # the last day that is over
        ids: list[str] = []
        histories: list[History] = []
        bought: list[list[Figures]] = []
        for portion in self._store.figures_of_all(window, time_zone=time_zone):
            for id, figures in portion:
                mine = [each for each in figures if each.currency_code == currency]
                known = history(mine, last_day)
                if known is not None and known.age > 0:
                    ids.append(id)
                    histories.append(known)
                    bought.append(mine)
            job.progress(len(ids), 0, state)
        held_out = _held_out(histories, HELD_OUT)
        cut = last_day - timedelta(days=held_out)
        earlier = [known for each in bought if (known := _earlier(each, cut)) is not None]
        model, scores = value_all(
            ids,
            histories,
            earlier,
            Setting(id=state.model_id, currency_code=currency, window=window, time_zone=time_zone, outlook=outlook),
            held_out / DAYS_PER_WEEK,
        )
        put(self._store.models, [model])  # before its scores, which name it
        for start in range(state.written, len(scores), BATCH):
            batch = scores[start : start + BATCH]
            put(self._store.scores, batch)
            state = replace(state, written=start + len(batch))
            job.progress(state.written, len(scores), state)
        return self._store.models.get(model.id)

    def report(self, model_id: str) -> ClvReport:
        """The diagnostics of a fit, the latest unless told otherwise."""
        model = self._model(model_id)
        return ClvReport(model=model, basis=_basis("clv", model))

    def _model(self, id: str) -> ClvModel:
        found = self._store.models.get(id) if id else self._store.latest(self._store.models)
        if found is None:
            raise NoModelYet
        return found

    def clv(self, customer_id: str) -> Clv:
        """Contribution of a customer that is still to come."""
        score, model = self._scored(customer_id)
        return Clv(
            customer_id=score.id,
            value=score.value,
            horizon_months=model.horizon_months,
            margin=model.margin,
            discount=model.discount,
            expected_purchases=score.expected_purchases,
            expected_spend=score.expected_spend,
            model_id=model.id,
            basis=_basis("clv", model),
        )

    def alive(self, customer_id: str) -> AliveProbability:
        """The probability that a customer has not left."""
        score, model = self._scored(customer_id)
        return AliveProbability(
            customer_id=score.id,
            probability=score.alive_probability,
            considered_alive=score.considered_alive,
            repeat_count=score.repeat_count,
            last_weeks=score.last_weeks,
            age_weeks=score.age_weeks,
            model_id=model.id,
            basis=_basis("alive_probability", model),
        )

    def _scored(self, customer_id: str) -> tuple[ClvScore, ClvModel]:
        customer = self._store.customers.resolve(customer_id)
        score = self._store.scores.find_by_id(customer.id)
        if score is None:
            self._model("")
            raise NotFound(ClvScore, customer.id)
        return score, self._model(score.model_id)


def _held_out(histories: list[History], share: float) -> int:
    """Number of days at the end that are held out."""
    oldest = max((each.age for each in histories), default=0.0)
    return max(round(oldest * DAYS_PER_WEEK * share), 1)


def _earlier(figures: list[Figures], cut: date) -> History | None:
    known = history(figures, cut)
    return known if known is not None and known.age > 0 else None


def _basis(measure_name: str, model: ClvModel) -> Basis:
    return Basis.of(measure_name, model.window, model.window.end_time, model.customer_count)
