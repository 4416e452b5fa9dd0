"""Results: scores read from cells that follow the responses, and analyses of the responses themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from libs.chassis import context, identity
from libs.chassis.domain import Change, InvalidArgument
from services.surveys.collection.domain.responses import COUNTED, Response
from services.surveys.questionnaires.domain.items import EXPECTATION, PERCEPTION, ItemType
from services.surveys.questionnaires.domain.surveys import Survey
from services.surveys.results.domain.cells import (
    EVERYBODY,
    GroupComparison,
    Part,
    Place,
    ScoreCell,
    StratumSize,
    TrendPoint,
    Weighting,
    added_by,
    by_wording,
    compared,
    pooled,
    require_fit,
)
from services.surveys.results.domain.coding import Agreement, Coding, CodingFrame, agreement
from services.surveys.results.domain.drivers import Drivers, drivers
from services.surveys.results.domain.gaps import Pair, Servqual, servqual
from services.surveys.results.domain.reports import (
    Reliability,
    ResponseRate,
    SufferingItems,
    reliability,
    response_rate,
)
from services.surveys.results.domain.scores import Metric, Score, score
from services.surveys.results.domain.silence import Outcome, Silence, Told, silence
from services.surveys.results.store import ResultsStore

RESPONSES_READ = 20_000
"""Latest responses that an analysis looks at."""


class Results:
    """Everything that responses tell."""

    def __init__(self, store: ResultsStore) -> None:
        self._store = store

    # ------------------------------------------------------------------------------------------------------- scores

    def follow(self, responses: Sequence[Response]) -> None:
        """Counts responses that were handed in."""
        steps: list[tuple[ScoreCell, tuple[int, float]]] = []
        for each in responses:
            version = self._store.collection.version(each.survey_id, each.version)
            steps += [(_cell(place), (answer, weight)) for place, answer, weight in added_by(each, version)]
        self._store.cells.upsert_many(steps, _add)

    def score(
        self,
        survey_id: str,
        item: str,
        metric: Metric,
        part: Part,
        *,
        weighting: Weighting = Weighting.DESIGN,
        strata: Sequence[StratumSize] = (),
    ) -> Score:
        """The score of the present words of an item, of everybody or of one group."""
        survey = self._fit(survey_id, item, metric)
        cells = self._cells(survey, item, part)
        sizes = {each.stratum: each.customers for each in strata}
        return score(metric, pooled(cells, weighting, sizes), base_min=_base(survey, part.dimension))

    def trend(
        self, survey_id: str, item: str, metric: Metric, dimension: str = EVERYBODY, group: str = ""
    ) -> Sequence[TrendPoint]:
        """The score of every month. It breaks wherever other words were asked."""
        survey = self._fit(survey_id, item, metric)
        points: list[TrendPoint] = []
        for (month, wording), cells in by_wording(self._store.find(survey_id, item, dimension, group)).items():
            found = score(metric, pooled(cells, Weighting.DESIGN, {}), base_min=_base(survey, dimension))
            breaks = bool(points) and points[-1].wording != wording
            points.append(TrendPoint(month=month, wording=wording, breaks=breaks, score=found))
        return points

    def compare(
        self, survey_id: str, item: str, metric: Metric, dimension: str, groups: tuple[str, str]
    ) -> GroupComparison:
        """Two groups side by side, with the interval of the difference."""
        survey = self._fit(survey_id, item, metric)
        tallies = [
            pooled(self._cells(survey, item, Part(dimension=dimension, group=group)), Weighting.DESIGN, {})
            for group in groups
        ]
        return compared(metric, (tallies[0], tallies[1]), _base(survey, dimension))

    def _fit(self, survey_id: str, item: str, metric: Metric) -> Survey:
        survey = self._store.questionnaires.surveys.get(survey_id)
        known = survey.questionnaire.by_key.get(item)
        if known is None:
            raise InvalidArgument.field("item", f"{item} is no item of the survey")
        require_fit(metric, known)
        return survey

    def _cells(self, survey: Survey, item: str, part: Part) -> Sequence[ScoreCell]:
        """Cells of the present words: answers to others ask something else."""
        if not survey.version:
            return ()
        wording = self._store.collection.version(survey.id, survey.version).wordings.get(item, survey.version)
        return [
            each
            for each in self._store.find(survey.id, item, part.dimension, part.group)
            if each.place.wording == wording and part.wave in (0, each.place.wave)
        ]

    # ----------------------------------------------------------------------------------------------------- analyses

    def gaps(self, survey_id: str, wave: int = 0) -> Servqual:
        """Expectation, perception and the gap of every dimension of service quality."""
        survey = self._store.questionnaires.surveys.get(survey_id)
        pairs = [each for each in survey.questionnaire.items if each.type is ItemType.PAIR_EXPECTATION_PERCEPTION]
        if not pairs:
            raise InvalidArgument.field("survey_id", "the survey has no pairs of expectation and perception")
        respondents = []
        for response in self._responses(survey_id, wave):
            rated: dict[str, list[Pair]] = {}
            for item in pairs:
                numbers = response.answers[item.key].numbers if item.key in response.answers else {}
                rated.setdefault(item.dimension or item.key, []).append(
                    Pair(expectation=numbers.get(EXPECTATION), perception=numbers.get(PERCEPTION))
                )
            respondents.append(rated)
        return servqual(respondents)

    def importance(self, survey_id: str, satisfaction: str, items: Sequence[str], wave: int = 0) -> Drivers:
        """Derived importance and performance of rated aspects for satisfaction."""
        columns = self._columns(survey_id, [satisfaction, *items], wave)
        return drivers(columns[satisfaction], {name: columns[name] for name in items})

    def reliability(self, survey_id: str, items: Sequence[str], wave: int = 0, row: str = "") -> Reliability:
        """Internal consistency of several items, over respondents who answered all of them."""
        return reliability(self._columns(survey_id, items, wave, row))

    def silence(self, survey_id: str, told: SufferingItems, base: int, value: float, wave: int = 0) -> Silence | None:
        """People with a problem who say nothing, in a base of customers who are worth so much each."""
        found = [_told(each, told) for each in self._responses(survey_id, wave)]
        return silence([each for each in found if each is not None], base=base, value=value, seed=len(found))

    def response_rate(self, survey_id: str, wave: int = 0) -> ResponseRate:
        """Invitations of a wave by what became of them, and the share that was answered."""
        survey = self._store.questionnaires.surveys.get(survey_id)
        states = self._store.invitations_by_state(survey_id, wave or max(survey.wave, 1))
        return response_rate(states)

    def _columns(
        self, survey_id: str, names: Sequence[str], wave: int, row: str = ""
    ) -> Mapping[str, list[float | None]]:
        """Item → the numbers that respondents gave, turned around where a high one is bad."""
        items = self._store.questionnaires.surveys.get(survey_id).questionnaire.by_key
        if unknown := [name for name in names if name not in items]:
            raise InvalidArgument.field("items", f"{unknown[0]} is no item of the survey")
        columns: dict[str, list[float | None]] = {name: [] for name in names}
        for response in self._responses(survey_id, wave):
            for name in names:
                answer = response.answers.get(name)
                number = None if answer is None else (answer.numbers.get(row) if row else answer.number)
                columns[name].append(None if number is None else float(items[name].scored(number)))
        return columns

    def _responses(self, survey_id: str, wave: int) -> Sequence[Response]:
        found = (each for each in self._store.collection.of_survey(survey_id, wave) if each.state in COUNTED)
        return list(islice(found, RESPONSES_READ))

    # ------------------------------------------------------------------------------------------------------- coding

    def set_frame(self, survey_id: str, item: str, labels: Sequence[str]) -> CodingFrame:
        """Sets the labels that texts of an item can have."""
        known = self._store.questionnaires.surveys.get(survey_id).questionnaire.by_key.get(item)
        if known is None or known.type not in (ItemType.TEXT, ItemType.WORD_ASSOCIATION):
            raise InvalidArgument.field("item", f"{item} is no item that asks for a text")
        blank = CodingFrame(id=self._store.frames.id_of(f"{survey_id}:{item}"), survey_id=survey_id, item=item)
        [frame] = self._store.frames.upsert_many([(blank, tuple(labels))], CodingFrame.define)
        return frame

    def code(self, survey_id: str, item: str, codes: Mapping[str, Sequence[str]]) -> int:
        """Keeps the labels that the caller gives to texts. The number of texts."""
        frame, coder = self._frame(survey_id, item), context.current().actor
        steps: list[tuple[Coding, Coding]] = []
        for response_id, labels in codes.items():
            frame.check(labels)
            given = Coding(
                id=self._store.codings.id_of(f"{response_id}:{item}:{coder}"),
                survey_id=survey_id,
                item=item,
                response_id=response_id,
                coder=coder,
                labels=tuple(labels),
                frame_version=frame.version,
            )
            blank = Coding(id=given.id, survey_id=survey_id, item=item, response_id=response_id, coder="")
            steps.append((blank, given))
        self._store.collection.responses.batch_get([*codes])
        return len(self._store.codings.upsert_many(steps, Coding.code))

    def agreement(self, survey_id: str, item: str) -> Agreement:
        """Agreement of two coders, and the share of each label. SecondCoderNeeded with one coder."""
        frame = self._frame(survey_id, item)
        return agreement(frame, self._store.codings_of(survey_id, item))

    def _frame(self, survey_id: str, item: str) -> CodingFrame:
        return self._store.frames.get(self._store.frames.id_of(f"{survey_id}:{item}"))


def _cell(place: Place) -> ScoreCell:
    parts = (place.item, str(place.wording), str(place.wave), place.month, place.dimension, place.group, place.stratum)
    return ScoreCell(
        id=identity.derived_id(ScoreCell.ID_PREFIX, context.current().tenant, place.survey_id, *parts), place=place
    )


def _add(cell: ScoreCell, told: tuple[int, float]) -> Change[ScoreCell]:
    return cell.add(*told)


def _base(survey: Survey, dimension: str) -> int:
    return survey.cell_base_min if dimension else survey.score_base_min


def _told(response: Response, items: SufferingItems) -> Told | None:
    """The experience of a respondent. None when it did not say whether it had a problem."""
    had, told, how, again = (
        response.answers.get(name) for name in (items.problem, items.told_us, items.handled, items.buys_again)
    )
    if had is None or not had.choices:
        return None
    intent = None if again is None or not again.choices else items.yes in again.choices
    if items.yes not in had.choices:
        return Told(outcome=Outcome.NO_PROBLEM, buys_again=intent)
    if told is None or items.yes not in told.choices:
        return Told(outcome=Outcome.SILENT, buys_again=intent)
    words = how.choices[0].upper() if how is not None and how.choices else ""
    known = {str(each): each for each in (Outcome.SATISFIED, Outcome.MOLLIFIED, Outcome.DISSATISFIED)}
    return Told(outcome=known.get(words, Outcome.DISSATISFIED), buys_again=intent)
