"""Plans: what the customers of one tier get, when, and in which form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta

from libs.chassis.domain import FieldViolation, InvalidArgument, OpenEnum
from services.care.customers.domain.projection import Channel, CustomerProjection
from services.care.programs.domain.contents import Content, Purpose
from services.care.programs.domain.refusals import PlanIncomplete
from services.care.programs.domain.triggers import (
    Occasion,
    OnDate,
    OnFact,
    OnFestival,
    OnScore,
    OnSilence,
    OnSolarTerm,
    OnUsage,
    Recurrence,
    Surprise,
    Trigger,
)


class Tier(OpenEnum):
    """Tier of a customer, as the profiles service gives it."""

    A = "A"
    B = "B"
    C = "C"
    LOSS = "LOSS"


class Form(OpenEnum):
    """Form in which attention comes. All but messages are tasks of a person."""

    MESSAGE = "MESSAGE"
    GIFT = "GIFT"
    TRIP = "TRIP"
    VISIT = "VISIT"
    CALL = "CALL"
    LETTER = "LETTER"


CHANNEL_OF_FORM = {
    Form.GIFT: Channel.LETTER,
    Form.TRIP: Channel.VISIT,
    Form.VISIT: Channel.VISIT,
    Form.CALL: Channel.VOICE,
    Form.LETTER: Channel.LETTER,
}
"""Form of a task → the channel whose consent it needs."""
MESSAGE_CHANNELS = (Channel.EMAIL, Channel.SMS, Channel.MESSENGER)
_WITHOUT_DAY = (OnFact, OnUsage, OnScore)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Attention for the customers of one tier. Exactly one trigger is given."""

    tier: Tier | None = None
    recurrence: Recurrence | None = None
    on_date: OnDate | None = None
    on_festival: OnFestival | None = None
    on_solar_term: OnSolarTerm | None = None
    on_fact: OnFact | None = None
    on_usage: OnUsage | None = None
    on_score: OnScore | None = None
    on_silence: OnSilence | None = None
    surprise: Surprise | None = None
    offset_days: int = 0
    minute: int | None = None
    useful_days: int = 0
    form: Form
    channel: Channel | None = None
    contents: tuple[Content, ...] = ()
    assignee: str = ""
    task_days: int = 0

    @property
    def trigger(self) -> Trigger:
        """The one trigger that is given. InvalidArgument when there is none."""
        for each in _TRIGGERS:
            found: Trigger | None = getattr(self, each)
            if found is not None:
                return found
        raise InvalidArgument.field("trigger", f"is required: one of {', '.join(_TRIGGERS)}")

    @property
    def comes_of_a_fact(self) -> bool:
        """Set when no calendar tells its day."""
        return isinstance(self.trigger, _WITHOUT_DAY)

    @property
    def by(self) -> Channel:
        """The channel that it comes through."""
        return CHANNEL_OF_FORM.get(self.form) or self.channel or Channel.EMAIL

    def occasions(self, customer: CustomerProjection, start: date, end: date, seed: str) -> Iterator[Occasion]:
        """The days on which it comes to a customer, from one day up to and without another, moved by the offset."""
        away = timedelta(days=self.offset_days)
        for each in self.trigger.occasions(customer, start - away, end - away, seed):
            yield replace(each, day=each.day + away)

    def violations(self, purpose: Purpose) -> Iterator[FieldViolation]:
        """Everything that makes it unsound."""
        name = next((each for each in _TRIGGERS if getattr(self, each) is not None), "")
        try:
            trigger = self.trigger
            trigger.check()
        except InvalidArgument as error:
            yield from inside(name, error)
            return
        if not isinstance(trigger, _WITHOUT_DAY) and self.minute is None:
            yield FieldViolation("minute", "is required for what comes on a day: 540 is 9 o'clock")
        if self.form is Form.MESSAGE:
            if self.channel not in MESSAGE_CHANNELS:
                yield FieldViolation("channel", f"a message goes by {', '.join(MESSAGE_CHANNELS)}")
            if not self.contents:
                yield from PlanIncomplete(form=self.form, problem="needs words in at least one language").violations
        elif self.channel is not None:
            yield from PlanIncomplete(form=self.form, problem="has a channel of its own: leave it out").violations
        for number, content in enumerate(self.contents):
            for refusal in content.refusals(purpose):
                yield from inside(f"contents[{number}]", refusal)
            if bool(content.subject) is not (self.channel is Channel.EMAIL):
                yield FieldViolation(f"contents[{number}].subject", "is required for a mail, and for nothing else")


def inside(path: str, error: InvalidArgument) -> Iterator[FieldViolation]:
    """The violations of a part, with the path of the part in front."""
    for each in error.violations:
        yield replace(each, field=f"{path}.{each.field}" if path else each.field)


_TRIGGERS = tuple(
    each.name for each in fields(Plan) if each.name in {"recurrence", "surprise"} or each.name.startswith("on_")
)
"""Names of the fields of triggers."""
