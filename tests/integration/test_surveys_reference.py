"""Published surveys: every published figure is read from our own answers."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kehu.surveys.v1 import collection_pb2, questionnaires_pb2
from kehu.surveys.v1 import results_pb2 as pb

from libs.chassis.testing import World
from services.surveys.__main__ import SERVICE
from tests.support.skips import long_run
from tests.unit.surveys.builders import answer, refusal
from tests.unit.surveys.conftest import NOW, SCOPES, Field, drafted

CHUNK = 500
YEARS = ["2014", *(pytest.param(year, marks=long_run) for year in ("2010", "2011", "2012", "2013"))]
"""Of five years one in every run, because all 16,980 answers take minutes in memory."""
DIMENSIONS = ("usefulness", "fun", "control", "economy", "personalisation", "convenience", "security", "tangibles")


@pytest.fixture(scope="module")
def world() -> Iterator[Field]:
    with World(SERVICE, at=NOW, scopes=SCOPES).entered() as world:
        yield world


@pytest.fixture(scope="module")
def folder(reference_data: Path) -> Path:
    return reference_data / "surveys"


@pytest.fixture(scope="module")
def expected(reference_data: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((reference_data / "expected.json").read_text())
    return found


def launched(world: Field, items: list[dict[str, Any]]) -> str:
    """A survey in the field that asks these items."""
    whole = [{**each, "texts": {"en": each["key"]}} for each in items]
    questionnaire = questionnaires_pb2.Questionnaire(languages=["en"], items=whole)
    request = questionnaires_pb2.CreateSurveyRequest(survey=drafted(questionnaire=questionnaire))
    made = world.call(request, questionnaires_pb2.Survey)
    world.call(questionnaires_pb2.LaunchSurveyRequest(survey_id=made.id), questionnaires_pb2.Survey)
    return made.id


def taken(world: Field, survey_id: str, rows: list[dict[str, Any]]) -> list[str]:
    """Imports rows and returns what was refused."""
    refused = []
    for start in range(0, len(rows), CHUNK):
        told = [
            collection_pb2.PastResponse(
                survey_id=survey_id,
                source_key=str(start + number),
                **{**row, "answers": {key: answer(value) for key, value in row["answers"].items()}},
            )
            for number, row in enumerate(rows[start : start + CHUNK])
        ]
        found = world.call(collection_pb2.ImportResponsesRequest(rows=told), collection_pb2.ImportResponsesResponse)
        refused += [each.error.message for each in found.outcomes if not each.created]
    world.deliver()
    return refused


def read(path: Path) -> list[dict[str, str]]:
    whole = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(whole.decode("utf-8-sig").splitlines()))


def score(world: Field, survey_id: str, item: str, metric: str, **fields: Any) -> pb.Score:
    request = pb.GetScoreRequest(survey_id=survey_id, item=item, metric=f"METRIC_{metric}", **fields)
    return world.call(request, pb.Score)


def mean_of(found: pb.Score) -> float:
    """The plain mean of the answers that a score counts."""
    return sum(int(answer) * count for answer, count in found.counts.items()) / found.base


@pytest.fixture(scope="module")
def airport(world: Field, folder: Path, expected: Mapping[str, Any]) -> str:
    ratings = [*expected["sfo_nps"]["csat"]]
    items: list[dict[str, Any]] = [{"key": "nps", "type": "ITEM_TYPE_NPS_0_10"}]
    items += [{"key": each.lower(), "type": "ITEM_TYPE_CSAT_1_5"} for each in ratings]
    items.append({"key": "remark", "type": "ITEM_TYPE_TEXT"})
    survey_id = launched(world, items)
    rows = []
    for row in read(folder / "sfo_2017_survey_resp_0001_1000.csv"):
        answers: dict[str, Any] = {each.lower(): int(row[each]) for each in ratings if row[each]}
        if row["NETPRO"] and int(row["NETPRO"]) <= 10:
            answers["nps"] = int(row["NETPRO"])
        labels = {"area": row["BAREA"]} if row["BAREA"] else {}
        answers.setdefault("remark", "asked")
        rows.append({"answers": answers, "weight": float(row["WEIGHT"]), "labels": labels, "stratum": row["STRATA"]})
    assert taken(world, survey_id, rows) == []
    return survey_id


def test_the_net_promoter_score_of_an_airport(world: Field, airport: str, expected: Mapping[str, Any]) -> None:
    told = expected["sfo_nps"]
    plain = score(world, airport, "nps", "NPS", weighting="WEIGHTING_NONE")
    weighted = score(world, airport, "nps", "NPS")
    assert plain.base == told["answered"]
    assert plain.estimate.value == pytest.approx(told["nps"], abs=1e-5)
    assert weighted.estimate.value == pytest.approx(told["nps_weighted"], abs=1e-5)
    assert weighted.effective_base < plain.effective_base
    by_answer = {int(answer): count for answer, count in plain.counts.items()}
    groups = {"promoters": range(9, 11), "passives": range(7, 9), "detractors": range(7)}
    for name, numbers in groups.items():
        assert sum(by_answer.get(number, 0) for number in numbers) == told[name], name
    half = (plain.estimate.upper - plain.estimate.lower) / 2
    assert half == pytest.approx(1.96 * told["nps_standard_error"], rel=0.01)
    assert plain.estimate.value != pytest.approx(told["wrong_nps_if_code_11_counted"], abs=0.1)


def test_the_satisfaction_of_its_passengers(world: Field, airport: str, expected: Mapping[str, Any]) -> None:
    for name, told in expected["sfo_nps"]["csat"].items():
        found = score(world, airport, name.lower(), "CSAT", weighting="WEIGHTING_NONE")
        assert (found.base, found.estimate.value) == (told["n"], pytest.approx(told["top2"], abs=1e-6)), name
        assert mean_of(found) == pytest.approx(told["mean"], abs=1e-6), name


def test_small_areas_of_the_airport_are_not_shown(world: Field, airport: str) -> None:
    scores = [score(world, airport, "nps", "NPS", dimension="area", group=group) for group in "ABCDEFG"]
    assert sum(each.base for each in scores) > 0
    assert all(each.HasField("estimate") is (each.base >= 5) for each in scores)


def test_code_eleven_is_refused_and_not_counted(world: Field, airport: str) -> None:
    row = collection_pb2.PastResponse(survey_id=airport, source_key="eleven", answers={"nps": answer(11)})
    found = world.call(collection_pb2.ImportResponsesRequest(rows=[row]), collection_pb2.ImportResponsesResponse)
    assert "0 to 10, not 11" in found.outcomes[0].error.message


@pytest.mark.parametrize("year", YEARS)
def test_the_satisfaction_of_a_year(world: Field, folder: Path, expected: Mapping[str, Any], year: str) -> None:
    survey_id = launched(
        world, [{"key": "overall", "type": "ITEM_TYPE_CSAT_1_5"}, {"key": "remark", "type": "ITEM_TYPE_TEXT"}]
    )
    rows = []
    for row in read(folder / "sfo_csat_ratings_to_2014.csv.gz"):
        if row["year"] != year:
            continue
        value = int(row["all"] or 0)
        answers: dict[str, Any] = {"overall": value} if 1 <= value <= 5 else {}
        rows.append({"answers": {**answers, "remark": "asked"}, "labels": {"year": row["year"]}})
    assert taken(world, survey_id, rows) == []
    found, told = score(world, survey_id, "overall", "CSAT", dimension="year", group=year), expected["sfo_csat"][year]
    assert len(rows) == told["rows"]
    assert (found.base, found.estimate.value) == (told["n"], pytest.approx(told["top2"], abs=1e-6))
    assert mean_of(found) == pytest.approx(told["mean"], abs=1e-6)


@pytest.fixture(scope="module")
def kiosk(world: Field, folder: Path) -> str:
    pair = {"type": "ITEM_TYPE_PAIR_EXPECTATION_PERCEPTION", "low": 1, "high": 7}
    numbers = range(1, 25)
    survey_id = launched(
        world, [{"key": f"i{number}", "dimension": DIMENSIONS[(number - 1) // 3], **pair} for number in numbers]
    )
    rows = []
    for row in read(folder / "kiosk_servqual.csv"):
        told = {number: (row[f"E{number}"], row[f"P{number}"]) for number in numbers}
        answers = {
            f"i{number}": {
                **({"expectation": int(e)} if e else {}),
                **({"perception": int(p)} if p else {}),
            }
            for number, (e, p) in told.items()
        }
        rows.append({"answers": answers})
    assert taken(world, survey_id, rows) == []
    return survey_id


def test_the_gaps_of_a_kiosk(world: Field, kiosk: str, expected: Mapping[str, Any]) -> None:
    told = expected["kiosk_servqual"]
    found = world.call(pb.GetGapAnalysisRequest(survey_id=kiosk), pb.Servqual)
    assert {each.dimension for each in found.dimensions} == {*told["dimensions"]}
    for each in found.dimensions:
        figures = told["dimensions"][each.dimension]
        assert each.expectation.value == pytest.approx(figures["expectation"], abs=1e-5)
        assert each.perception.value == pytest.approx(figures["perception"], abs=1e-5)
        assert each.gap.value == pytest.approx(figures["gap"], abs=1e-5)
        assert each.gap.lower < each.gap.value < each.gap.upper
    assert found.overall == pytest.approx(told["overall_gap"], abs=1e-5)


def test_the_reliability_of_its_perceptions(world: Field, kiosk: str, expected: Mapping[str, Any]) -> None:
    told = expected["kiosk_servqual"]
    whole = reliability(world, kiosk, [f"i{number}" for number in range(1, 25)], row="perception")
    assert whole.alpha == pytest.approx(told["alpha_24_perceptions"], abs=1e-5)
    for place, name in enumerate(DIMENSIONS):
        items = [f"i{3 * place + number}" for number in (1, 2, 3)]
        found = reliability(world, kiosk, items, row="perception")
        assert found.alpha == pytest.approx(told["dimensions"][name]["alpha_perception"], abs=1e-5), name


def test_the_reliability_of_a_satisfaction_index(world: Field, folder: Path, expected: Mapping[str, Any]) -> None:
    rows = read(folder / "ecsi_mobile_250.csv")
    names = [name for name in rows[0] if name != "respondent"]
    survey_id = launched(
        world, [{"key": each.lower(), "type": "ITEM_TYPE_SCALE", "low": 1, "high": 10} for each in names]
    )
    told = [{"answers": {name.lower(): int(float(row[name])) for name in names if row[name]}} for row in rows]
    assert taken(world, survey_id, told) == []
    for name, figures in expected["ecsi_mobile"].items():
        found = reliability(world, survey_id, [f"{name.lower()}{n}" for n in range(1, figures["items"] + 1)])
        assert found.respondents == 250
        assert found.alpha == pytest.approx(figures["alpha"], abs=1e-5), name
        assert found.standardized_alpha == pytest.approx(figures["alpha_standardised"], abs=1e-5), name
    drivers = pb.GetImportancePerformanceRequest(
        survey_id=survey_id, satisfaction="cusa1", items=["imag1", "perq1", "perv1"]
    )
    found_drivers = world.call(drivers, pb.Drivers)
    assert found_drivers.respondents == 250
    assert sum(each.share for each in found_drivers.drivers) == pytest.approx(found_drivers.explained)


def test_the_published_example_of_cronbach(world: Field, folder: Path) -> None:
    """Eleven items of a scale, of which one has the value 0.773 in the tables of its publisher."""
    rows = read(folder / "cronbach_alpha_long.csv")
    names = sorted({row["Items"] for row in rows}, key=lambda name: int(name[1:]))
    survey_id = launched(
        world, [{"key": each.lower(), "type": "ITEM_TYPE_SCALE", "low": 0, "high": 10} for each in names]
    )
    by_subject: dict[str, dict[str, int]] = {}
    for row in rows:
        by_subject.setdefault(row["Subj"], {})[row["Items"].lower()] = int(row["Scores"])
    assert taken(world, survey_id, [{"answers": each} for each in by_subject.values()]) == []
    found = reliability(world, survey_id, [each.lower() for each in names])
    assert (found.respondents, found.alpha) == (len(by_subject), pytest.approx(0.591719, abs=1e-5))


def test_gaps_are_left_out_row_by_row(world: Field, folder: Path) -> None:
    """Eleven items that twelve people answered, some of them not all: alpha over those who answered everything."""
    rows = read(folder / "cronbach_wide_missing.csv")
    names = [*rows[0]]
    survey_id = launched(
        world, [{"key": each.lower(), "type": "ITEM_TYPE_SCALE", "low": 0, "high": 1} for each in names]
    )
    told = [{"answers": {name.lower(): int(float(row[name])) for name in names if row[name]}} for row in rows]
    assert taken(world, survey_id, told) == []
    found = reliability(world, survey_id, [each.lower() for each in names])
    complete = sum(all(row[name] for name in names) for row in rows)
    assert (found.respondents, found.alpha) == (complete, pytest.approx(0.8016949153, abs=1e-9))


def reliability(world: Field, survey_id: str, items: list[str], **fields: Any) -> pb.Reliability:
    return world.call(pb.GetReliabilityRequest(survey_id=survey_id, items=items, **fields), pb.Reliability)


def test_importance_needs_ten_respondents_of_each_driver(world: Field) -> None:
    few = launched(world, [{"key": each, "type": "ITEM_TYPE_CSAT_1_5"} for each in ("whole", "speed")])
    assert taken(world, few, [{"answers": {"whole": 4, "speed": 3}}] * 3) == []
    request = pb.GetImportancePerformanceRequest(survey_id=few, satisfaction="whole", items=["speed"])
    assert refusal(world, request).reason_code == "TOO_FEW_RESPONDENTS"
