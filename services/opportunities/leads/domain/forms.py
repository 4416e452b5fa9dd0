"""Lead forms: the attributes that leads of one kind are described by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from libs.chassis.domain import Change, Entity, Event, FieldViolation, InvalidArgument, OpenEnum
from services.opportunities.leads.domain.refusals import AttributeUnfit, AttributeUnknown
from services.opportunities.leads.domain.scoring import Attribute, Kind, KnownAfterwards, Value


class AttributeKind(OpenEnum):
    """Kind of the values of an attribute."""

    CATEGORY = "CATEGORY"
    NUMBER = "NUMBER"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadAttribute:
    """An attribute of a form."""

    key: str
    kind: AttributeKind = AttributeKind.CATEGORY
    values: tuple[str, ...] = ()
    known_afterwards: bool = False

    @property
    def learned(self) -> Attribute:
        """The attribute as a model learns it."""
        return Attribute(key=self.key, kind=Kind(self.kind), known_afterwards=self.known_afterwards)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeValue:
    """A value of an attribute of a lead."""

    key: str
    text: str = ""
    number: float | None = None

    @property
    def value(self) -> Value:
        """The value, whichever kind it is of."""
        return self.text if self.number is None else self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadForm(Entity):
    """The attributes that leads of one kind are described by."""

    ID_PREFIX: ClassVar[str] = "form"

    display_name: str
    attributes: tuple[LeadAttribute, ...]

    def create(self) -> Change[LeadForm]:
        """This form as a new one."""
        self._check()
        return self, [LeadFormCreated(lead_form=self)]

    def update(self, other: LeadForm) -> Change[LeadForm]:
        """With the content of another one."""
        if other == self:
            return self, []
        other._check()
        updated = replace(self, display_name=other.display_name, attributes=other.attributes)
        return updated, [LeadFormUpdated(lead_form=updated)]

    def check(self, values: Sequence[AttributeValue]) -> None:
        """Refuses values that the form does not ask for, or not like that."""
        known = {each.key: each for each in self.attributes}
        seen = set[str]()
        for each in values:
            attribute = known.get(each.key)
            if attribute is None:
                raise AttributeUnknown(attribute=each.key, known=[*known])
            if each.key in seen:
                raise AttributeUnfit(attribute=each.key, allowed="one value")
            seen.add(each.key)
            if (allowed := _unfit(attribute, each)) is not None:
                raise AttributeUnfit(attribute=each.key, allowed=allowed)

    def inputs(self, names: Sequence[str] = ()) -> tuple[Attribute, ...]:
        """The attributes that a model learns from: those named, or all that are known beforehand."""
        known = {each.key: each for each in self.attributes}
        for name in names:
            if name not in known:
                raise AttributeUnknown(attribute=name, known=[*known])
            if known[name].known_afterwards:
                raise KnownAfterwards(attribute=name)
        chosen = [known[name] for name in names] or [each for each in self.attributes if not each.known_afterwards]
        return tuple(each.learned for each in chosen)

    def categories(self, names: Sequence[str]) -> tuple[str, ...]:
        """The named attributes, which have to be categories."""
        known = {each.key: each for each in self.attributes}
        for name in names:
            if name not in known:
                raise AttributeUnknown(attribute=name, known=[*known])
            if known[name].kind is not AttributeKind.CATEGORY:
                raise AttributeUnfit(attribute=name, allowed="no report: it is a number")
        return tuple(dict.fromkeys(names))

    def _check(self) -> None:
        violations = [*self._violations()]
        if violations:
            raise InvalidArgument(violations=violations)

    def _violations(self) -> Iterator[FieldViolation]:
        keys = [each.key for each in self.attributes]
        for number, each in enumerate(self.attributes):
            path = f"attributes[{number}]"
            if each.key in keys[:number]:
                yield FieldViolation(f"{path}.key", f"{each.key!r} is there twice")
            if (each.kind is AttributeKind.CATEGORY) != bool(each.values):
                told = "are required for a category" if not each.values else "must be empty for a number"
                yield FieldViolation(f"{path}.values", told)
            if len({*each.values}) < len(each.values):
                yield FieldViolation(f"{path}.values", "must differ from each other")


def values_of(values: Sequence[AttributeValue]) -> Mapping[str, Value]:
    """Attribute → value, as a model takes them."""
    return {each.key: each.value for each in values}


def _unfit(attribute: LeadAttribute, value: AttributeValue) -> str | None:
    if attribute.kind is AttributeKind.NUMBER:
        return "a number" if value.number is None or value.text else None
    if value.number is not None or value.text not in attribute.values:
        return f"one of {', '.join(attribute.values)}"
    return None


# ------------------------------------------------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFormCreated(Event):
    """A form was created."""

    lead_form: LeadForm


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFormUpdated(Event):
    """A form was written anew."""

    lead_form: LeadForm
