"""Rules of days, against dateutil where it has an answer."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import product

import pytest
from dateutil.rrule import rrulestr

from libs.almanac.recurrence import RecurrenceUnreadable, Rule, days_between

FIRSTS = (date(2024, 1, 31), date(2024, 2, 29), date(2025, 5, 14), date(2023, 12, 31))
RULES = (
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=DAILY;BYMONTH=3,7",
    "FREQ=DAILY;BYDAY=MO,SU",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,FR",
    "FREQ=WEEKLY;BYMONTH=6",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYMONTHDAY=1",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=MONTHLY;BYMONTHDAY=31,-2",
    "FREQ=MONTHLY;INTERVAL=5;BYDAY=1MO,-1FR",
    "FREQ=MONTHLY;BYDAY=WE",
    "FREQ=MONTHLY;BYMONTH=2,11;BYDAY=4TH",
    "FREQ=YEARLY",
    "FREQ=YEARLY;INTERVAL=2",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYDAY=-1SU",
    "FREQ=YEARLY;BYMONTH=5,9;BYMONTHDAY=8",
    "FREQ=YEARLY;BYMONTHDAY=13;BYDAY=FR",
)


@pytest.mark.parametrize(("rule", "first"), list(product(RULES, FIRSTS)))
def test_a_rule_comes_on_the_days_that_the_standard_gives(rule: str, first: date) -> None:
    start, end = first - timedelta(days=40), first + timedelta(days=1500)
    began = datetime.combine(first, datetime.min.time())
    until = datetime.combine(end, datetime.min.time()) - timedelta(days=1)
    expected = [each.date() for each in rrulestr(rule, dtstart=began).between(began, until, inc=True)]
    assert days_between(rule, first, start, end) == expected


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("", "FREQ"),
        ("FREQ=HOURLY", "FREQ"),
        ("FREQ=DAILY;BYHOUR=3", "BYHOUR"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=x", "INTERVAL"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH"),
        ("FREQ=WEEKLY;BYDAY=2MO", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY"),
        ("every full moon", "FREQ"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_problem(rule: str, problem: str) -> None:
    with pytest.raises(RecurrenceUnreadable) as refused:
        Rule.read(rule)
    assert problem in refused.value.problem


def test_a_rule_that_never_comes_costs_no_more_than_any_other() -> None:
    assert (
        days_between("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", date(2000, 1, 1), date(2026, 1, 1), date(2028, 1, 1)) == []
    )
