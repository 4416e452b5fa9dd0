"""A survey as a file, and responses as tables."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kehu.surveys.v1 import collection_pb2, results_pb2
from kehu.surveys.v1 import questionnaires_pb2 as pb
from pyarrow import parquet
from rich.console import Console

from libs.client.values import fill
from libs.command import exports as export
from libs.command.files import surveys as design
from libs.command.views import survey as views

DESIGN = design.__doc__ or ""


def example() -> pb.Survey:
    """The survey of the module's own example."""
    lines = [line[4:] for line in DESIGN.splitlines() if line.startswith("    ") or not line]
    return design.parse(tomllib.loads("\n".join(lines)))


def test_the_example_in_the_documentation_is_a_survey() -> None:
    found = example()
    assert found.kind == pb.SURVEY_KIND_NPS
    assert list(found.questionnaire.languages) == ["en", "zh"]
    nps, reason = found.questionnaire.items
    assert (nps.required, nps.texts["zh"]) == (True, "您有多大可能推荐我们？")
    assert [each.key for each in reason.options] == ["price", "other"]
    assert reason.options[0].texts["zh"] == "价格"
    [rule] = reason.asked_when
    assert (rule.item, rule.comparison, list(rule.values)) == ("nps", pb.COMPARISON_AT_MOST, ["6"])
    [jump] = found.questionnaire.jumps
    assert (jump.to, jump.screens_out) == ("", False)
    assert found.alert_policy.answer_within.ToTimedelta() == timedelta(hours=24)


@pytest.mark.parametrize(
    ("text", "comparison", "values"),
    [
        ("a >= 9", pb.COMPARISON_AT_LEAST, ["9"]),
        ("a <= -1", pb.COMPARISON_AT_MOST, ["-1"]),
        ("a is x, y", pb.COMPARISON_ONE_OF, ["x", "y"]),
        ("a is not x", pb.COMPARISON_NONE_OF, ["x"]),
        ("a answered", pb.COMPARISON_ANSWERED, []),
        (" a unanswered ", pb.COMPARISON_UNANSWERED, []),
    ],
)
def test_rules_read_as_they_are_shown(text: str, comparison: int, values: list[str]) -> None:
    found = fill(pb.Rule(), design.rule(text))
    assert (found.item, found.comparison, list(found.values)) == ("a", comparison, values)
    assert views.rule(found) == text.strip()


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ({"items": [{"key": "a", "asked_when": ["b = 3"]}]}, "'b = 3' is no rule"),
        ({"colour": "red"}, "Survey has no field 'colour'"),
        ({"items": [{"key": "a", "type": "STARS"}]}, "'STARS' is none of SCALE"),
        ({"items": {"key": "a"}}, r"write \[\[items\]\] above each"),
    ],
)
def test_a_file_that_is_no_survey_says_what_is_allowed(table: dict[str, Any], wrong: str) -> None:
    with pytest.raises((TypeError, ValueError), match=wrong):
        design.parse(table)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(design.DesignError, match="No such file"):
        design.read(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("kind = NPS")
    with pytest.raises(design.DesignError, match="is not TOML"):
        design.read(tmp_path / "broken.toml")


ITEMS: list[dict[str, Any]] = [
    {"key": "nps", "type": "NPS_0_10", "text": {"en": "Recommend?"}, "na_allowed": True},
    {"key": "why", "type": "TEXT", "text": {"en": "Why?"}},
    {
        "key": "used",
        "type": "MULTI",
        "text": {"en": "Used?"},
        "options": [{"key": "a", "en": "A"}, {"key": "b", "en": "B"}],
    },
    {
        "key": "order",
        "type": "RANK",
        "text": {"en": "Order?"},
        "options": [{"key": "a", "en": "A"}, {"key": "b", "en": "B"}],
    },
    {"key": "staff", "type": "PAIR_EXPECTATION_PERCEPTION", "text": {"en": "Staff"}, "low": 1, "high": 7},
    {"key": "day", "type": "DATE", "text": {"en": "Day?"}},
]
TYPED = {
    "nps": "9",
    "why": "=cmd()",
    "used": "b",
    "order": "b, a",
    "staff": "expectation:7,perception:5",
    "day": "2026-03-02",
}


def asked() -> pb.Questionnaire:
    return design.parse({"languages": ["en"], "items": ITEMS}).questionnaire


def responses() -> list[collection_pb2.Response]:
    items = {item.key: item for item in asked().items}
    full = collection_pb2.Response(id="rsp_1", weight=0.5, labels={"tier": "A"})
    fill(full, {"state": "COMPLETED", "complete_time": datetime(2026, 3, 2, 9, tzinfo=UTC), "flags": ["SPEEDING"]})
    for key, text in TYPED.items():
        full.answers[key].CopyFrom(design.answer(items[key], text))
    absent = collection_pb2.Response(id="rsp_2", answers={"nps": pb.Answer(not_applicable=True)})
    return [full, absent]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_says_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"answers.{form}"
    assert export.write(path, export.columns(asked()), responses()) == 2
    rows: list[dict[str, Any]]
    match form:
        case "csv":
            rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
        case "jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
        case _:
            table = parquet.read_table(path)
            rows = table.to_pylist()
            assert json.loads(table.schema.metadata[b"codebook"])["columns"]
    first, second = rows
    told = {key: str(first[key]) for key in ("nps", "nps.na", "used.a", "used.b", "order.a", "order.b", "weight")}
    assert told == {
        "nps": "9",
        "nps.na": "0",
        "used.a": "0",
        "used.b": "1",
        "order.a": "2",
        "order.b": "1",
        "weight": "0.5",
    }
    assert (str(first["staff.expectation"]), str(first["staff.perception"])) == ("7", "5")
    assert (first["day"], first["flags"], first["labels"]) == ("2026-03-02", "SPEEDING", '{"tier": "A"}')
    assert str(first["complete_time"]).startswith("2026-03-02")
    assert first["why"] == ("'=cmd()" if form == "csv" else "=cmd()"), "a spreadsheet must not run what somebody wrote"
    assert second.get("nps") in (None, ""), "blank is not zero"
    assert str(second["nps.na"]) == "1"
    pages = json.loads(export.codebook_of(path).read_text())["columns"]
    assert {each["column"] for each in pages} >= {"nps", "staff.perception", "used.b"}
    assert next(each for each in pages if each["column"] == "used.b")["values"] == {"0": "not chosen", "1": "chosen"}


def test_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(export.FormatUnknown, match=r"none of \.csv"):
        export.write(tmp_path / "answers.xls", export.columns(asked()), [])


def printed(renderable: Any) -> str:
    out = io.StringIO()
    Console(file=out, width=140, color_system=None).print(renderable)
    return out.getvalue()


def score(**fields: Any) -> results_pb2.Score:
    return fill(results_pb2.Score(), {"metric": "NPS", "base": 958, "effective_base": 911, **fields})


def test_scores_are_bars_with_intervals_and_small_cells_say_so() -> None:
    shown = score(estimate={"value": 45.72, "lower": 41.3, "upper": 50.1, "sample_size": 958})
    text = printed(views.scores([("nps", shown), ("nps  C", score(base=3, suppressed_below=5))]))
    for part in ("+45.7", "+41.3 to +50.1", "958", "911", "●", "not shown below 5 answers"):
        assert part in text
    line = next(each for each in text.splitlines() if "●" in each)
    bar = line[line.index("─") :].split()[0]
    assert len(bar) == views.BAR
    assert bar.index("●") == int((45.72 + 100) / 200 * views.BAR)


def test_a_trend_breaks_where_other_words_were_asked() -> None:
    points = [
        {"month": "2026-01", "wording": 1, "score": score(suppressed_below=30)},
        {"month": "2026-02", "wording": 2, "breaks": True, "score": score(suppressed_below=30)},
    ]
    text = printed(views.trend([fill(results_pb2.TrendPoint(), each) for each in points]))
    assert text.index("2026-01") < text.index("other words from here on") < text.index("2026-02")


def test_the_widest_gap_of_service_quality_comes_first() -> None:
    figures = {"expectation": {"value": 6.5}, "perception": {"value": 5.0}}
    dimensions = [
        {"dimension": "fun", **figures, "gap": {"value": 0.1, "lower": -0.1, "upper": 0.3}},
        {"dimension": "security", **figures, "gap": {"value": -1.9, "lower": -2.2, "upper": -1.5}},
    ]
    text = printed(views.gaps(fill(results_pb2.Servqual(), {"dimensions": dimensions})))
    assert text.index("security") < text.index("fun")
    assert "-2.20 to -1.50" in text


def test_a_preview_crosses_out_what_is_not_asked() -> None:
    survey = example()
    route = fill(pb.Route(), {"shown": ["nps"], "ending": "OPEN", "next": "nps"})
    text = printed(views.questionnaire(survey.questionnaire, route, "zh"))
    for part in ("→ nps", "您有多大可能推荐我们？", "asked when nps <= 6", "then to end when nps >= 9", "1 of 2 items"):
        assert part in text


def test_a_response_rate_tells_what_became_of_the_others() -> None:
    rate = {"value": 0.25, "lower": 0.1, "upper": 0.5}
    found = {"states": {"SENT": 3, "COMPLETED": 1}, "reached": 4, "answered": 1, "rate": rate}
    assert "1 of 4 answered: 25.0% (10% to 50%)  completed 1, sent 3" in printed(
        views.rate(fill(results_pb2.ResponseRate(), found))
    )
