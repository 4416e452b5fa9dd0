"""Collection: starting, saving, resuming and handing in, whoever holds the pen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from libs.chassis import context, identity
from libs.chassis.contention import attempts
from libs.chassis.context import Context
from libs.chassis.domain import Change, TooManyWriters
from libs.chassis.paging import Page, PageRequest
from services.surveys.collection.domain.quotas import Quota
from services.surveys.collection.domain.responses import Response, ResponseState, is_usable
from services.surveys.collection.domain.sheets import (
    ItemAnswer,
    ItemUnknown,
    Progress,
    Sheet,
    SheetState,
    Visit,
    to_the_hour,
)
from services.surveys.collection.store import CollectionStore
from services.surveys.questionnaires.domain.surveys import (
    ANSWERABLE,
    IN_FIELD,
    Anonymity,
    Questionnaire,
    Survey,
)
from services.surveys.sampling.domain.invitations import (
    Invitation,
    InvitationState,
    SurveyTokenOfAnother,
    SurveyTokenUsed,
    UsedLink,
)

QUOTA_ATTEMPTS = 60
"""Rounds of a change of quotas while many others change them too."""
QUOTA_PAUSE = 0.004
"""Upper bound in seconds of the first pause between two of them."""
R = TypeVar("R")


class Collection:
    """Responses of a tenant."""

    def __init__(self, store: CollectionStore) -> None:
        self._store = store

    # ----------------------------------------------------------------------------------------------------- starting

    def visit(self, survey_token: str, survey_id: str = "") -> Visit:
        """The survey of a link. Starts nothing, so scanners of mail may follow it."""
        invitation = self._invitation(survey_token, survey_id)
        survey = self._survey(invitation.survey_id)
        sheet = self._store.sheets.find_by_id(self._store.sheet_id(invitation))
        return Visit(
            survey_id=survey.id,
            display_name=survey.display_name,
            anonymity=survey.anonymity,
            questionnaire=survey.questionnaire if sheet is None else self._questionnaire(sheet),
            language=sheet.language if sheet is not None else invitation.language,
            started=sheet is not None,
        )

    def start(self, survey_token: str, *, survey_id: str = "", language: str = "", device: str = "") -> Progress:
        """Starts the response of a link, or goes on with it on another device."""
        invitation = self._invitation(survey_token, survey_id)
        survey = self._survey(invitation.survey_id)
        hidden = survey.anonymity is Anonymity.ANONYMOUS
        given = Sheet(
            id=self._store.sheet_id(invitation),
            survey_id=survey.id,
            language=language or self._asked(survey, invitation.language),
            customer_id="" if hidden else invitation.customer_id,
            invitation_id="" if hidden else invitation.id,
            labels=invitation.labels,
            stratum=invitation.stratum,
            weight=1 / invitation.probability if invitation.probability > 0 else 1.0,
        )

        def work() -> Sheet:
            sheet = self._begin(given, survey, device)
            if not hidden:
                self._store.sampling.invitations.update(invitation.id, Invitation.start)
            return sheet

        return self._progress(self._store.database.transact(work, again=lambda: self._store.sheets.get(given.id)))

    def interview(self, given: Sheet) -> Progress:
        """Starts a response that an interviewer writes down, by telephone or in person."""
        survey = self._survey(given.survey_id)
        survey.require(*IN_FIELD)
        self._store.customers.refuse_erased([given.customer_id])
        named = "" if survey.anonymity is Anonymity.ANONYMOUS else given.customer_id
        language = self._asked(survey, given.language)

        def work() -> Sheet:
            asked = Sheet(
                id=self._store.sheets.next_id(),
                survey_id=survey.id,
                mode=given.mode,
                language=language,
                customer_id=named,
                labels=given.labels,
                stratum=given.stratum,
            )
            return self._begin(asked, survey, context.current().actor)

        return self._progress(self._store.database.transact(work, again=self._store.sheets.made))

    def _begin(self, given: Sheet, survey: Survey, device: str) -> Sheet:
        there = self._store.sheets.find_by_id(given.id)
        if there is None:
            survey.require(*IN_FIELD)
        else:
            survey.require(*ANSWERABLE)
            there.require_open()
        now, blank = identity.now(), Sheet(id=given.id, survey_id=survey.id)
        [sheet] = self._store.sheets.upsert_many(
            [(blank, None)], lambda each, _: each.begin(given, survey, now, device)
        )
        return sheet

    def sheet_of(self, survey_token: str) -> str:
        """The id of the sheet of a link that can be followed."""
        return self._store.sheet_id(self._invitation(survey_token, ""))

    # ----------------------------------------------------------------------------------------------- going through

    def progress(self, sheet_id: str) -> Progress:
        """A sheet as it is, and what is asked next."""
        return self._progress(self._store.sheets.get(sheet_id))

    def save(self, sheet_id: str, answers: Sequence[ItemAnswer], *, language: str = "", device: str = "") -> Progress:
        """Saves answers, each unless a later one is there. A full quota ends the sheet."""
        known = self._store.sheets.get(sheet_id)
        survey = self._answerable(known.survey_id)
        questionnaire, now = self._questionnaire(known), identity.now()

        def change(each: Sheet) -> Change[Sheet]:
            return each.save(answers, survey, questionnaire, now=now, language=language, device=device)

        if not self._store.quotas_of(survey.id):
            return self._store.sheets.update(sheet_id, change).progress(questionnaire, answers)

        def work() -> Sheet:
            saved = self._store.sheets.update(sheet_id, change)
            seated = self._seated(saved, survey, questionnaire)
            return seated if isinstance(seated, Sheet) else replace(saved, state=SheetState.HANDED_IN)

        saved = self._patiently(work, again=lambda: self._store.sheets.get(sheet_id))
        late = answers if saved.state is SheetState.OPEN else ()
        return saved.progress(questionnaire, late)

    def complete(self, sheet_id: str) -> Response:
        """Hands a sheet in. Whoever is screened out, or is one too many, is kept with the groups it belongs to."""

        def work() -> Response:
            sheet = self._store.sheets.get(sheet_id)
            if sheet.state is SheetState.HANDED_IN and sheet.response_id:
                return self._store.responses.get(sheet.response_id)
            sheet.require_open()
            survey, questionnaire = self._answerable(sheet.survey_id), self._questionnaire(sheet)
            response = sheet.response(survey, questionnaire, identity.now())
            if response.state is ResponseState.COMPLETED:
                seated = self._seated(sheet, survey, questionnaire)
                if isinstance(seated, Response):
                    return seated
                sheet = seated
            return self._hand_in(sheet, survey, response)

        return self._patiently(work, again=self._store.responses.made)

    def abandon(self, due: Sequence[Sheet]) -> None:
        """Gives up sheets that nobody went on with. What is usable counts as partial, and seats are released."""
        now = identity.now()
        for each in due:

            def work(sheet_id: str = each.id) -> None:
                sheet = self._store.sheets.find_by_id(sheet_id)
                if sheet is None or sheet.idle_time is None or sheet.idle_time > now:
                    return
                survey, questionnaire = self._survey(sheet.survey_id), self._questionnaire(sheet)
                usable = is_usable(questionnaire, sheet.given)
                if usable:
                    response = sheet.response(survey, questionnaire, now, ResponseState.PARTIAL)
                    self._hand_in(sheet, survey, response, SheetState.ABANDONED)
                else:
                    self._release(sheet)
                    self._store.sheets.update_many([(sheet.id, None)], lambda one, _: one.end(SheetState.ABANDONED, ""))

            self._store.database.transact(work)

    # ------------------------------------------------------------------------------------------------------- quotas

    def set_quota(self, given: Quota) -> Quota:
        """Sets a quota of a survey, by its key."""
        survey = self._survey(given.survey_id)
        items = survey.questionnaire.by_key
        if unknown := next((rule.item for rule in given.rules if rule.item not in items), None):
            raise ItemUnknown(survey_id=survey.id, version=survey.version, item=unknown)
        blank = Quota(
            id=self._store.quotas.id_of(f"{given.survey_id}:{given.key}"), survey_id=given.survey_id, key=given.key
        )
        [written] = self._store.quotas.upsert_many([(blank, given)], Quota.define)
        return written

    def quotas(self, survey_id: str) -> Sequence[Quota]:
        """All quotas of a survey."""
        return self._store.quotas_of(survey_id)

    def is_full(self, survey: Survey, labels: Mapping[str, str]) -> bool:
        """True when a quota is full that looks at groups alone, and these belong to it."""
        return any(
            each.counted >= each.limit
            for each in self._store.quotas_of(survey.id)
            if each.labels and not each.rules and each.applies({}, labels)
        )

    def _seated(self, sheet: Sheet, survey: Survey, questionnaire: Questionnaire) -> Sheet | Response:
        """The sheet, counted in the quotas that it belongs to now, or its response when one of them is full."""
        route = questionnaire.route(sheet.given)
        heeded = {key: answer for key, answer in sheet.given.items() if key in route.shown}
        wanted = {each.id for each in self._store.quotas_of(survey.id) if each.applies(heeded, sheet.labels)}
        seats = {*sheet.seats}
        if wanted == seats:
            return sheet
        full = [each for each in self._store.quotas.batch_get(sorted(wanted - seats)) if each.counted >= each.limit]
        if full:
            response = sheet.response(survey, questionnaire, identity.now(), ResponseState.QUOTA_FULL)
            return self._hand_in(sheet, survey, response)
        self._store.quotas.update_many([(id, None) for id in sorted(wanted - seats)], lambda each, _: each.take())
        self._store.quotas.update_many([(id, None) for id in sorted(seats - wanted)], lambda each, _: each.release())
        [seated] = self._store.sheets.update_many([(sheet.id, sorted(wanted))], Sheet.sit)
        return seated

    def _release(self, sheet: Sheet) -> None:
        self._store.quotas.update_many([(id, None) for id in sheet.seats], lambda each, _: each.release())

    def _patiently(self, work: Callable[[], R], *, again: Callable[[], R]) -> R:
        """Does the work in a transaction, waiting longer than usual while many are at the same quotas."""
        for _ in attempts(QUOTA_ATTEMPTS, QUOTA_PAUSE):
            with suppress(TooManyWriters):
                return self._store.database.transact(work, again=again)
        return self._store.database.transact(work, again=again)

    # -------------------------------------------------------------------------------------------------- handing in

    def _hand_in(
        self, sheet: Sheet, survey: Survey, response: Response, state: SheetState = SheetState.HANDED_IN
    ) -> Response:
        """Stores the response, ends the sheet, releases its seats unless they are earned, and tells the invitation."""
        if response.state is not ResponseState.COMPLETED:
            self._release(sheet)
        hidden = survey.anonymity is Anonymity.ANONYMOUS
        with _in_the_dark(to_the_hour(identity.now())) if hidden else nullcontext():
            made = self._store.responses.insert(lambda id: replace(response, id=id).hand_in())
        if hidden:
            self._forget(sheet, survey)
            return made
        self._store.sheets.update_many([(sheet.id, None)], lambda each, _: each.end(state, made.id))
        if sheet.invitation_id:
            outcome = InvitationState(str(made.state))
            shown = made.id if survey.anonymity is Anonymity.IDENTIFIED else ""
            self._store.sampling.invitations.update_many(
                [(sheet.invitation_id, None)], lambda each, _: each.answer(outcome, shown)
            )
        return made

    def _forget(self, sheet: Sheet, survey: Survey) -> None:
        """Leaves of an anonymous sheet no more than that its link was used, without a time."""
        used = UsedLink(id=self._store.sampling.used.id_of(sheet.id), survey_id="")
        with _in_the_dark(survey.launch_time):
            self._store.sampling.used.upsert_many([(used, survey.id)], UsedLink.mark)
        self._store.forget(sheet.id)

    def get(self, response_id: str) -> Response:
        """One response."""
        return self._store.responses.get(response_id)

    def list(self, filter: str, request: PageRequest) -> Page[Response]:
        """A page of responses, the latest first."""
        return self._store.list(filter, request)

    # ------------------------------------------------------------------------------------------------------- steps

    def _invitation(self, survey_token: str, survey_id: str) -> Invitation:
        """The invitation of a link that can be followed, in this tenant."""
        tenant, invitation = self._store.sampling.by_token(survey_token)
        if tenant != context.current().tenant or (survey_id and survey_id != invitation.survey_id):
            raise SurveyTokenOfAnother(survey_id=survey_id or "this one")
        invitation.require_valid(identity.now())
        if self._store.sampling.is_used(invitation):
            raise SurveyTokenUsed(survey_id=invitation.survey_id)
        return invitation

    def _survey(self, survey_id: str) -> Survey:
        return self._store.questionnaires.surveys.get(survey_id)

    def _answerable(self, survey_id: str) -> Survey:
        survey = self._survey(survey_id)
        survey.require(*ANSWERABLE)
        return survey

    def _asked(self, survey: Survey, language: str) -> str:
        return language if language in survey.questionnaire.languages else survey.questionnaire.languages[0]

    def _questionnaire(self, sheet: Sheet) -> Questionnaire:
        return self._store.version(sheet.survey_id, sheet.version).questionnaire

    def _progress(self, sheet: Sheet) -> Progress:
        return sheet.progress(self._questionnaire(sheet))


class Respondents:
    """The same for a respondent, who has a link and nothing else: each call enters the tenant of the link."""

    def __init__(self, store: CollectionStore) -> None:
        self._store, self._collection = store, Collection(store)

    def visit(self, survey_token: str) -> Visit:
        """The survey of a link. Starts nothing."""
        with self.entered(survey_token):
            return self._collection.visit(survey_token)

    def open(self, survey_token: str) -> tuple[Visit, Progress | None]:
        """The survey of a link, and how far its respondent has come. Starts nothing."""
        with self.entered(survey_token):
            visit = self._collection.visit(survey_token)
            return visit, self._collection.progress(self._sheet(survey_token)) if visit.started else None

    def survey(self, survey_token: str) -> Survey:
        """The survey of a link, also of one that cannot be followed any more. The caller has `entered` it."""
        _, invitation = self._store.sampling.by_token(survey_token)
        return self._store.questionnaires.surveys.get(invitation.survey_id)

    def start(self, survey_token: str, *, language: str = "", device: str = "") -> Progress:
        """Starts, or goes on with, the response of a link."""
        with self.entered(survey_token):
            return self._collection.start(survey_token, language=language, device=device)

    def save(
        self, survey_token: str, answers: Sequence[ItemAnswer], *, language: str = "", device: str = ""
    ) -> Progress:
        """Saves answers."""
        with self.entered(survey_token):
            return self._collection.save(self._sheet(survey_token), answers, language=language, device=device)

    def complete(self, survey_token: str) -> Response:
        """Hands in."""
        with self.entered(survey_token):
            return self._collection.complete(self._sheet(survey_token))

    def _sheet(self, survey_token: str) -> str:
        return self._collection.sheet_of(survey_token)

    def entered(self, survey_token: str) -> AbstractContextManager[Context]:
        """Inside the block the work belongs to the tenant of a link, and to a respondent without any rights."""
        tenant, _ = self._store.sampling.by_token(survey_token)
        return context.enter(replace(context.current(), tenant=tenant, actor="respondent", scopes=frozenset()))


def _in_the_dark(at: datetime | None) -> AbstractContextManager[object]:
    """Inside the block what is written carries this time in place of the present one."""
    return identity.clock(identity.FixedClock(at)) if at is not None else nullcontext()
