"""Rules: the same answers as the store's conditions, and the comparisons that decided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chassis.domain import InvalidArgument
from libs.chassis.filtering import AllOf, AnyOf, Compare, Condition, FilterSpec, parse
from libs.engine.store.matching import matches
from services.profiles.segments.domain import rules
from services.profiles.segments.domain.rules import Clause, Rule, clauses, required
from services.profiles.segments.store import compile_rule

FIELDS = {"name": str, "count": int, "at": datetime, "tags": str}
TIMES = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(3)]

documents = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["ann", "anna", "bob"]),
        "count": st.integers(-2, 2),
        "at": st.sampled_from(TIMES),
        "tags": st.frozensets(st.sampled_from(["ann", "anna", "bob"]), min_size=1),
    },
)
comparisons = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.just("name"),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["ann", "bob"]),
    ),
    st.builds("{} {} {}".format, st.just("tags"), st.sampled_from(["=", "!="]), st.sampled_from(["ann", "bob"])),
    st.builds(
        "{} {} {}".format, st.just("count"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-1, 1)
    ),
    st.builds(
        "at {} {}".format, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from([at.isoformat() for at in TIMES])
    ),
    st.sampled_from(["name = ann*", "tags = an*", "name:*", "NOT name:*", "-count:*", "NOT tags:*", "at:*"]),
)
filters = st.recursive(
    comparisons,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=6,
)


def rule_of(condition: Condition | None) -> Rule:
    match condition:
        case AllOf(parts=parts):
            return rules.AllOf(tuple(map(rule_of, parts)))
        case AnyOf(parts=parts):
            return rules.AnyOf(tuple(map(rule_of, parts)))
        case Compare(path=path, operator=operator, value=value):
            return Clause(path, operator, value)
    raise AssertionError(condition)


@given(filters, documents)
def test_a_rule_says_what_the_store_would_find(text: str, facts: dict[str, Any]) -> None:
    condition = parse(text, FilterSpec(FIELDS))
    document = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in facts.items()}
    verdict = rule_of(condition).judge(facts)
    assert verdict.holds == matches(condition, document)


@given(filters, documents)
def test_the_comparisons_named_decide_alone(text: str, facts: dict[str, Any]) -> None:
    """Each of them, looked at by itself, came out like the whole rule, and there is always one."""
    verdict = rule_of(parse(text, FilterSpec(FIELDS))).judge(facts)
    assert verdict.because
    assert {clause.judge(facts).holds for clause, _ in verdict.because} == {verdict.holds}


def test_an_empty_list_differs_from_everything() -> None:
    assert Clause("tags", "!=", "ann").judge({"tags": frozenset()}).holds
    assert Clause("tags", "missing").judge({"tags": frozenset()}).holds
    assert not Clause("tags", "exists").judge({"tags": frozenset()}).holds


def test_reasons_are_told_as_they_are_written() -> None:
    rule = compile_rule('kind = PERSON (labels.vip = "yes" OR days_since_last_contact > 30) -owner:*')
    verdict = rule.judge({"kind": "PERSON", "days_since_last_contact": 45})
    assert verdict.holds
    assert [(str(clause), value) for clause, value in verdict.because] == [
        ("kind = PERSON", "PERSON"),
        ("days_since_last_contact > 30", "45"),
        ("NOT owner:*", ""),
    ]
    tags = frozenset("abcdefg")
    ((clause, value),) = Clause("tags", "prefix", "a").judge({"tags": tags}).because
    assert (str(clause), value) == ('tags = "a*"', "a, b, c, d, e and 2 more")


def test_what_a_rule_requires_and_asks() -> None:
    rule = compile_rule("kind = PERSON AND (owner = ann OR owner = bob) AND lifecycle = ACTIVE")
    assert [clause.field for clause in required(rule)] == ["kind", "lifecycle"]
    assert [clause.field for clause in clauses(rule)] == ["kind", "owner", "owner", "lifecycle"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is required"),
        ("shoe_size > 40", "'shoe_size' has no index; allowed: "),
        ("net_sales.eur > 1", "has no index"),
        ("lifecycle = HAPPY", "is not one of VISITOR"),
        ("sale_count > many", "a whole number"),
        ("kind = PERSON AND", "expected a field name"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason) as refused:
        compile_rule(text, within="segment.")
    assert refused.value.violations[0].field == "segment.filter"
