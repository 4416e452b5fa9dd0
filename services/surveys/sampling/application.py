"""Samples and invitations: drawing from a frame, asking whoever may be asked, and following up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from libs.chassis import context, identity
from libs.chassis.domain import Change, FailedPrecondition
from libs.chassis.paging import Page, PageRequest
from services.surveys.questionnaires.domain.surveys import DesignMethod, Survey
from services.surveys.sampling.domain.designs import Drawn
from services.surveys.sampling.domain.invitations import (
    OPEN,
    VALID_FOR,
    Circumstances,
    Eligibility,
    FatigueRule,
    Invitation,
    InvitationState,
    Link,
    Reason,
    Standing,
    SurveyTokenUsed,
    one_to_keep,
    reasons_against,
)
from services.surveys.sampling.domain.samples import FrameEntry, Sample
from services.surveys.sampling.store import SamplingStore

NOBODY = Circumstances()
SHARE_OF_ALL = 10_000
"""Basis points of everybody."""


class NotDrawn(FailedPrecondition):
    """Nobody of sample {sample_id} was drawn yet: draw it first."""

    sample_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """Invitations of one call, and whether there is more to do."""

    requested: int = 0
    withheld: Mapping[str, int]
    """Reason → customers who are not asked because of it. One may have several."""
    done: bool = False
    """True when everybody who was drawn has been looked at."""


class Samples:
    """Frames, and draws from them."""

    def __init__(self, store: SamplingStore) -> None:
        self._store = store

    def create(self, draft: Sample) -> Sample:
        """A new sample of the wave that the survey is in."""
        survey = self._store.questionnaires.surveys.get(draft.survey_id)
        return self._store.samples.insert(lambda id: replace(draft, id=id).create(max(survey.wave, 1)))

    def get(self, sample_id: str) -> Sample:
        """One sample."""
        return self._store.samples.get(sample_id)

    def extend(self, sample_id: str, entries: Sequence[FrameEntry]) -> Sample:
        """Adds customers to a frame. One who is there already gets what was said last."""
        self._store.customers.refuse_erased([each.customer_id for each in entries])
        placed = [
            replace(each, id=self._store.frame.id_of(f"{sample_id}:{each.customer_id}"), sample_id=sample_id)
            for each in entries
        ]

        def work() -> Sample:
            self._store.samples.get(sample_id).require_undrawn()
            blanks = [(FrameEntry(id=each.id, sample_id=sample_id, customer_id=""), each) for each in placed]
            known = sum(self._store.frame.find_by_id(id) is not None for id in {each.id for each in placed})
            self._store.frame.upsert_many(blanks, FrameEntry.place)
            fresh = len({each.id for each in placed}) - known
            return self._store.samples.update(sample_id, lambda each: each.extend(each.frame_size + fresh))

        return self._store.database.transact(work, again=lambda: self._store.samples.get(sample_id))

    def draw(self, sample_id: str) -> Sample:
        """Draws, and keeps the chance of everybody in the frame."""

        def settle(entry: FrameEntry, one: Drawn) -> Change[FrameEntry]:
            return entry.settle(one)

        def work() -> Sample:
            sample, frame = self._store.samples.get(sample_id), self._store.entries(sample_id)
            sample.require_undrawn()
            drawn = sample.choose(frame)
            now, ids = identity.now(), {each.customer_id: each.id for each in frame}
            self._store.frame.update_many([(ids[one.customer_id], one) for one in drawn], settle)
            return self._store.samples.update(sample_id, lambda each: each.draw(drawn, now))

        return self._store.database.transact(work, again=lambda: self._store.samples.get(sample_id))

    def entries(self, sample_id: str, request: PageRequest, *, selected: bool = False) -> Page[FrameEntry]:
        """A page of a frame, or of those who were drawn."""
        self._store.samples.get(sample_id)
        return self._store.list_entries(sample_id, selected=selected, request=request)


class Invitations:
    """Customers who are asked, and those who are not."""

    def __init__(self, store: SamplingStore, full: Callable[[Survey, Mapping[str, str]], bool] | None = None) -> None:
        self._store = store
        self._full = full or (lambda *_: False)
        """True when a quota is full that looks at these labels alone."""

    def check(self, survey_id: str, customer_id: str, cause: str, channel: str, told: Circumstances) -> Eligibility:
        """Tells if a customer may be asked now, with every reason against it."""
        survey = self._store.questionnaires.surveys.get(survey_id)
        asked = self._placed(
            survey, Invitation(id="", survey_id=survey_id, customer_id=customer_id, cause_ref=cause, channel=channel)
        )
        reasons = self._reasons(survey, asked, told)
        return Eligibility(eligible=not reasons, reasons=reasons)

    def invite(self, given: Invitation, told: Circumstances = NOBODY) -> Invitation:
        """Asks a customer after an event, or keeps why not. One invitation of each survey, cause and customer."""
        return self._invite([given], told)[0]

    def invite_sample(self, sample_id: str, *, channel: str, language: str, valid_for: timedelta | None) -> Invited:
        """Asks some more of those who were drawn, until everybody has been looked at. A repeat asks nobody."""
        sample = self._store.samples.get(sample_id)
        if sample.draw_time is None:
            raise NotDrawn(sample_id=sample_id)
        chosen, more = self._unasked(sample)
        expire_time = identity.now() + (valid_for or VALID_FOR)
        given = [
            Invitation(
                id="",
                survey_id=sample.survey_id,
                customer_id=each.customer_id,
                sample_id=sample_id,
                channel=channel,
                language=language,
                stratum=each.stratum,
                probability=each.probability,
                labels=each.labels,
                expire_time=expire_time,
            )
            for each in chosen
        ]
        made = self._invite(given, NOBODY)
        withheld: dict[str, int] = {}
        for each in made:
            for reason in each.reasons:
                withheld[reason] = withheld.get(reason, 0) + 1
        requested = sum(each.state is InvitationState.REQUESTED for each in made)
        return Invited(requested=requested, withheld=withheld, done=not more)

    def _unasked(self, sample: Sample) -> tuple[Sequence[FrameEntry], bool]:
        """(some of those who were drawn and not looked at, whether there may be more)."""
        after = ""
        while True:
            found, after = self._store.drawn(sample.id, after)
            chosen = [each for each in found if self._store.invitations.find_by_id(self._id(sample, each)) is None]
            if chosen or not after:
                return chosen, bool(after)

    def get(self, invitation_id: str) -> Invitation:
        """One invitation."""
        return self._store.invitations.get(invitation_id)

    def list(self, filter: str, request: PageRequest) -> Page[Invitation]:
        """A page of invitations, the latest first."""
        return self._store.list(filter, request)

    def links(self, filter: str, request: PageRequest) -> Page[Link]:
        """A page of invitations with the ways in, for whoever sends them."""
        page = self._store.list(filter, request)
        links = [Link(invitation=each, survey_token=each.survey_token) for each in page.items]
        return Page(links, page.next_page_token)

    def deliver(self, invitation_id: str, outcome: InvitationState) -> Invitation:
        """Records that an invitation was sent, bounced, or answered by a refusal to be asked."""
        now = identity.now()
        return self._store.invitations.update(invitation_id, lambda each: each.deliver(outcome, now))

    def settle(self, invitation_id: str, outcome: InvitationState, reasons: tuple[Reason, ...]) -> None:
        """Follows the answer of whoever sends messages. One that ended meanwhile stays as it is."""
        now = identity.now()

        def follow(each: Invitation) -> Change[Invitation]:
            if each.state not in OPEN:
                return each, []
            return each.withhold(reasons) if outcome is InvitationState.INELIGIBLE else each.deliver(outcome, now)

        if self._store.invitations.find_by_id(invitation_id) is not None:
            self._store.invitations.update_many([(invitation_id, None)], lambda each, _: follow(each))

    def remind(self, invitation_id: str) -> Invitation:
        """Has a reminder sent, twice at most."""
        now = identity.now()
        invitation = self._store.invitations.get(invitation_id)
        if self._store.is_used(invitation):
            raise SurveyTokenUsed(survey_id=invitation.survey_id)
        return self._store.invitations.update(invitation_id, lambda each: each.remind(now))

    def fatigue_rule(self) -> FatigueRule:
        """The rule about how often anybody is asked."""
        return self._store.fatigue_rule()

    def set_fatigue_rule(self, rule: FatigueRule) -> FatigueRule:
        """Another rule about how often anybody is asked."""
        blank = self._store.fatigue_rule()
        [written] = self._store.rules.upsert_many([(FatigueRule(id=blank.id), rule)], FatigueRule.set)
        return written

    def expire(self, due: Sequence[Invitation]) -> None:
        """Ends invitations whose time is over. The state of each decides, so however often it is called."""
        now = identity.now()
        self._store.invitations.update_many([(each.id, now) for each in due], Invitation.expire)

    def reconcile(self, customer_id: str) -> None:
        """Of several open invitations to one wave, as a merge makes them, keeps the one that was started."""
        rivals: dict[tuple[str, int], list[Invitation]] = {}
        for each in self._store.of_customers(self._store.customers.group(customer_id)):
            if each.state in (InvitationState.REQUESTED, InvitationState.SENT, InvitationState.STARTED):
                rivals.setdefault((each.survey_id, each.wave), []).append(each)
        lost = [
            each.id for group in rivals.values() if len(group) > 1 for each in group if each is not one_to_keep(group)
        ]
        self._store.invitations.update_many([(id, None) for id in lost], lambda each, _: each.supersede())

    # ----------------------------------------------------------------------------------------------------- steps

    def _invite(self, given: Sequence[Invitation], told: Circumstances) -> Sequence[Invitation]:
        surveys = {id: self._store.questionnaires.surveys.get(id) for id in {each.survey_id for each in given}}
        placed = [self._placed(surveys[each.survey_id], each) for each in given]
        self._store.customers.refuse_erased([each.customer_id for each in placed])
        tokens = {each.id: identity.salt() for each in placed}

        def work() -> Sequence[Invitation]:
            steps = []
            for each in placed:
                reasons = self._reasons(surveys[each.survey_id], each, told, of=each.id)
                steps.append((each, (each, tokens[each.id], reasons)))
            return self._store.invitations.upsert_many(steps, _invited)

        def again() -> Sequence[Invitation]:
            return [found for each in placed if (found := self._store.invitations.find_by_id(each.id)) is not None]

        made = self._store.database.transact(work, again=again)
        late = {each.id for each in self._store.customers.erased(each.customer_id for each in made)}
        with context.uncommanded():
            gone = [(each.id, None) for each in made if each.customer_id in late]
            self._store.invitations.update_many(gone, lambda each, _: each.erase())
        return made

    def _placed(self, survey: Survey, given: Invitation) -> Invitation:
        """The invitation with its wave, its end and its id."""
        expire_time = given.expire_time or identity.now() + VALID_FOR
        known = self._store.customers.find(given.customer_id)
        canonical = known.canonical_id if known is not None else given.customer_id
        whole = replace(given, wave=max(survey.wave, 1), expire_time=expire_time, customer_id=canonical)
        return replace(whole, id=self._store.invitations.id_of(whole.key))

    def _id(self, sample: Sample, entry: FrameEntry) -> str:
        survey = self._store.questionnaires.surveys.get(sample.survey_id)
        given = Invitation(id="", survey_id=sample.survey_id, customer_id=entry.customer_id)
        return self._placed(survey, given).id

    def _reasons(self, survey: Survey, asked: Invitation, told: Circumstances, of: str = "") -> tuple[Reason, ...]:
        """Every reason against asking. `of` is the invitation that is made, which does not stand in its own way."""
        known, now = self._store.customers.find(asked.customer_id), identity.now()
        group = self._store.customers.group(asked.customer_id, known)
        before = [
            each
            for each in self._store.of_customers(group)
            if each.state is not InvitationState.INELIGIBLE and each.id != of
        ]
        rivals = [each for each in before if each.survey_id == survey.id and each.wave == asked.wave]
        standing = Standing(
            erased=known is not None and known.erased,
            agrees=known.agrees(asked.channel, required=survey.consent_required)
            if known is not None
            else not survey.consent_required,
            employee=known is not None and known.employee,
            adult_date=known.adult_date if known is not None else None,
            invited_times=tuple(each.create_time for each in before if each.create_time is not None),
            already_invited=any(each.cause_ref == asked.cause_ref for each in rivals),
            quota_full=self._full(survey, asked.labels),
            sampled=asked.sample_id != "" or self._is_sampled(survey, asked),
        )
        return reasons_against(survey, standing, told, self._store.fatigue_rule(), now)

    def _is_sampled(self, survey: Survey, asked: Invitation) -> bool:
        """True when the event is one of those after which somebody is asked. The same event gets the same answer."""
        share = survey.sampling_basis_points
        if survey.design is not DesignMethod.TRIGGERED or not share:
            return True
        return int(identity.derived_id("evt", asked.key)[4:8], 36) % SHARE_OF_ALL < share


def _invited(entity: Invitation, given: tuple[Invitation, str, tuple[Reason, ...]]) -> Change[Invitation]:
    return entity.invite(*given)
