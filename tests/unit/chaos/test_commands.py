"""The judge of commands sees what they must not do: else a green chaos would prove nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.chaos.commands import Call, Commands, commands, judge


def entry(entity_id: str, revision: int, actor: str = "ann") -> dict[str, Any]:
    return {"actor": actor, "entity_id": entity_id, "revision": revision}


def judged(call: Call, journal: list[dict[str, Any]], stored: dict[str, int] | None = None) -> list[str]:
    load = Commands(cast(Any, None), "acme", 0, calls={"ann": call})
    return judge(load, journal, stored or {})["I1"]


def called(answer: str = "OK", *, tries: int = 1, work: bool = False, entity: str = "", revision: int = 0) -> Call:
    return Call("Do", begins_work=work, tries=tries, answer=answer, entity=entity, revision=revision)


@pytest.mark.parametrize(
    ("call", "journal", "said"),
    [
        (called(), [entry("a", 1)], []),
        (called(), [entry("a", 1), entry("b", 4)], []),
        (called(), [entry("a", 1), entry("a", 2, "bob")], []),
        (called(), [entry("a", 3), entry("a", 4)], ["Do changed a 2 times, at [3, 4]"]),
        (called(work=True), [entry("a", 3), entry("a", 4)], []),
        (called("INVALID_ARGUMENT"), [], []),
        (called("INVALID_ARGUMENT"), [entry("a", 1)], ["Do was refused with INVALID_ARGUMENT and changed a"]),
        (called("NOT_FOUND", tries=2), [entry("a", 1)], []),
        (called("", tries=3), [entry("a", 1)], []),
        (called("FAILED_PRECONDITION"), [entry("a", 1), entry("a", 2)], []),
        (called("FAILED_PRECONDITION"), [entry("a", 1)], ["Do was refused with FAILED_PRECONDITION and changed a"]),
    ],
)
def test_what_a_call_did_against_what_it_was_told(call: Call, journal: list[dict[str, Any]], said: list[str]) -> None:
    assert judged(call, journal) == said


def test_a_conversion_may_take_its_steps_and_no_more() -> None:
    call = Call("ConvertLead", begins_work=False, tries=1, answer="OK", entity="", revision=0)
    steps = [entry("lead", number) for number in (2, 3, 4)]
    assert judged(call, steps) == []
    assert judged(call, [*steps, entry("lead", 5)]) == ["ConvertLead changed lead 4 times, at [2, 3, 4, 5]"]


def test_an_acknowledged_revision_that_is_gone_is_lost() -> None:
    call = called(entity="a", revision=3)
    assert judged(call, [entry("a", 3)], {"a": 2}) == ["a is at 2, Do was told 3"]
    assert judged(call, [entry("a", 3)], {"a": 4}) == []


def test_every_mutating_method_takes_part() -> None:
    assert len(commands()) > 60
    assert {"MakePromise", "MergeCustomers", "RequestErasure", "EvaluateTiers"} <= {each.name for each in commands()}
