"""An event tells of its entity as it was stored, and of an earlier one as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from libs.chassis.domain import Event
from tests.support.ledger import Account, AccountChanged

BEFORE = Account(id="acc_1", name="x", revision=1)
DRAFT = replace(BEFORE, name="y")
STORED = replace(DRAFT, revision=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous(Event):
    before: Account
    after: Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Event):
    AFTER: ClassVar[str] = "after"

    before: Account
    after: Account


def test_the_entity_is_told_as_stored() -> None:
    assert AccountChanged(account=DRAFT).at_revision(STORED) == AccountChanged(account=STORED)


def test_of_two_of_one_class_only_the_later_is_replaced() -> None:
    assert Moved(before=BEFORE, after=DRAFT).at_revision(STORED) == Moved(before=BEFORE, after=STORED)
    with pytest.raises(TypeError, match="carries before, after"):
        Ambiguous(before=BEFORE, after=DRAFT).at_revision(STORED)
