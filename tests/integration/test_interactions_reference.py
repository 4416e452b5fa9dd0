"""All incidents of a real desk and all complaints of a public bureau, through the public service.

Every published figure comes from our own cases, complaints, reports and charts.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any, cast

import pytest
from kehu.interactions.v1 import complaints_pb2, quality_pb2

from libs.chassis.testing import World
from libs.command.imports.loading import CHUNK
from libs.command.imports.mapping import load
from libs.command.imports.rows import open_rows
from libs.command.imports.targets import target
from services.interactions.__main__ import SERVICE
from services.interactions.complaints.domain.attribution import ROOTS
from tests.unit.interactions.cases.conftest import SCOPES, Desk, desk
from tests.unit.interactions.cases.test_incidents import check_incidents, events_of, time_of

__all__ = ["desk"]


@pytest.mark.timeout(900)
def test_the_figures_of_all_incidents_are_those_of_their_source(desk: Desk, reference_data: Path) -> None:
    expected = json.loads((reference_data / "expected.json").read_text())["itsm"]
    events = events_of(reference_data)
    assert len(events) == expected["events"]
    cases, last = check_incidents(desk, events, expected["incidents"])
    assert len(cases) == expected["incidents"]
    assert sum(len(each.episodes) > 1 for each in cases.values()) == expected["reopened"]
    reassignments = [len(each.ownership) - 1 for each in cases.values()]
    assert mean(reassignments) == pytest.approx(expected["mean_reassignments"], abs=5e-7)
    assert sum(not each for each in reassignments) == expected["no_reassignment"]
    met: dict[str, list[int]] = {priority: [0, 0] for priority in expected["sla_by_priority"]}
    for number, case in cases.items():
        met[str(case.priority)][0] += 1
        met[str(case.priority)][1] += last[number]["made_sla"] == "true"
    assert met == expected["sla_by_priority"]
    hours = [
        (time_of(last[number]["resolved_at"]) - case.open_time.ToDatetime(UTC)) / timedelta(hours=1)
        for number, case in cases.items()
        if last[number]["resolved_at"]
    ]
    assert len(hours) == expected["resolved"]
    assert median(hours) == pytest.approx(expected["hours_to_resolve"]["median"], abs=1e-6)
    assert quantiles(hours, n=10, method="inclusive")[-1] == pytest.approx(
        expected["hours_to_resolve"]["p90"], abs=1e-6
    )
    assert mean(hours) == pytest.approx(expected["hours_to_resolve"]["mean"], abs=1e-6)


class Bureau:
    """The service with the complaints of a public bureau, and the figures that they should come to."""

    def __init__(self, desk: Desk, rows: list[dict[str, str]], expected: dict[str, Any]) -> None:
        self.desk, self.rows, self.expected = desk, rows, expected

    def report(self, start: datetime, end: datetime) -> complaints_pb2.ComplaintReport:
        asked = complaints_pb2.GetComplaintReportRequest(start_time=start, end_time=end)
        return self.desk.call(asked, complaints_pb2.ComplaintReport)


JANUARY = [datetime(2015, 1, day, tzinfo=UTC) for day in range(1, 32)]


@pytest.fixture(scope="module")
def bureau(reference_data: Path) -> Iterator[Bureau]:
    """Every row as `kehu import complaints` converts it, loaded twice."""
    file = reference_data / "cases" / "cfpb_complaints_2015-01.csv.gz"
    with gzip.open(file, "rt") as lines:
        rows = [*csv.DictReader(lines)]
    mapping = load(Path("bureau_complaints"))
    found = [*open_rows(file, mapping)]
    chunk = target(cast(Any, None), "complaints").prepare(found, mapping)
    assert [each for each in chunk.refused if each is not None] == []
    scopes = SCOPES | {"interactions.quality.read"}
    with World(SERVICE, at=datetime(2015, 3, 1, tzinfo=UTC), scopes=scopes).entered() as desk:
        issues = sorted({f"product/{row['issue']}" for row in rows})
        taxonomy = complaints_pb2.Taxonomy(paths=[*ROOTS, *issues], products=sorted({row["product"] for row in rows}))
        desk.call(complaints_pb2.SetTaxonomyRequest(taxonomy=taxonomy), complaints_pb2.Taxonomy)
        for created in (True, False):
            shuffled = [*chunk.messages]
            random.Random(created).shuffle(shuffled)
            for start in range(0, len(shuffled), CHUNK if created else 10 * CHUNK):
                some = cast(Any, shuffled[start : start + CHUNK])
                asked = complaints_pb2.ImportComplaintsRequest(rows=some)
                taken = desk.call(asked, complaints_pb2.ImportComplaintsResponse)
                assert {(each.created, each.error.code) for each in taken.outcomes} == {(created, 0)}
        yield Bureau(desk, rows, json.loads((reference_data / "expected.json").read_text())["cfpb"])


@pytest.mark.timeout(900)
def test_the_figures_of_all_complaints_are_those_of_their_source(bureau: Bureau) -> None:
    report, expected = bureau.report(JANUARY[0], JANUARY[-1] + timedelta(days=1)), bureau.expected
    assert not report.truncated
    assert report.complaints == expected["rows"]
    assert (report.timely, report.untimely) == (expected["timely"]["Yes"], expected["timely"]["No"])
    assert report.disputed == expected["disputed"]["Yes"]
    assert {each.key: each.complaints for each in report.products} == expected["products"]
    rates = {each.key: each.timely / each.complaints for each in report.products}
    assert rates == pytest.approx(expected["timely_rate_by_product"], abs=1e-6)
    lags = {each.days: each.complaints for each in report.lags}
    assert lags[0] == expected["same_day"]
    assert sum(n for days, n in lags.items() if days > 15) == expected["lag_over_15"]
    assert report.mean_forward.ToTimedelta() / timedelta(days=1) == pytest.approx(expected["lag_days_mean"], abs=1e-6)


def test_the_pareto_of_issues_is_that_of_the_source(bureau: Bureau) -> None:
    report = bureau.report(JANUARY[0], JANUARY[-1] + timedelta(days=1))
    counted = Counter(f"product/{row['issue']}" for row in bureau.rows)
    assert [(each.key, each.complaints) for each in report.causes] == sorted(
        counted.items(), key=lambda each: (-each[1], each[0])
    )
    running, few = 0, 0
    while running < 0.8 * report.complaints:
        running, few = running + report.causes[few].complaints, few + 1
    assert few / len(report.causes) < 0.3, "few causes are behind most complaints"


def test_a_chart_of_the_days_tells_those_on_which_too_many_were_late(bureau: Bureau) -> None:
    points = []
    for day in JANUARY:
        found = bureau.report(day, day + timedelta(days=1))
        points.append(quality_pb2.ChartPoint(label=f"{day:%d}", defects=found.untimely, units=found.complaints))
    asked = quality_pb2.DrawControlChartRequest(kind=quality_pb2.CHART_KIND_SHARES, points=points)
    chart = bureau.desk.call(asked, quality_pb2.ControlChart)
    late = bureau.expected["timely"]["No"]
    assert sum(each.defects for each in chart.points) == late
    center = late / bureau.expected["rows"]
    assert chart.center == pytest.approx(center, abs=1e-9)
    for each in chart.points:
        reach = 3 * sqrt(center * (1 - center) / each.units)
        assert (each.lower_limit, each.upper_limit) == pytest.approx((max(center - reach, 0), center + reach), abs=1e-9)
        assert each.outside == (abs(each.defects / each.units - center) > reach)


def test_every_complaint_is_told_with_what_was_answered(bureau: Bureau) -> None:
    answers, token, pages = Counter[str](), "", 0
    while token or not pages:
        asked = complaints_pb2.ListComplaintsRequest(page_size=500, page_token=token)
        page = bureau.desk.call(asked, complaints_pb2.ListComplaintsResponse)
        answers.update(each.decision for each in page.complaints)
        token, pages = page.next_page_token, pages + 1
    assert answers == bureau.expected["responses"]
