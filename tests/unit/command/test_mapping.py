"""How a row of a file becomes the fields of a message."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from libs.client.values import to_money
from libs.command.imports.mapping import SHIPPED, CellError, MappingError, load, parse


def convert(fields: dict[str, Any], cells: dict[str, str]) -> dict[str, Any]:
    return parse({"entity": "customers", "fields": fields}).convert(cells)


def test_constants_columns_and_templates() -> None:
    fields = {"kind": "PERSON", "display_name": {"template": "{a} {b}"}, "owner": {"column": "c"}}
    assert convert(fields, {"a": "1", "b": "2", "c": " x "}) == {"kind": "PERSON", "display_name": "1 2", "owner": "x"}


def test_paths_build_messages_and_lists() -> None:
    fields = {
        "names.0.family": {"column": "f"},
        "names.0.given": {"column": "g"},
        "contact_points.1.raw": {"column": "mail"},
        "contact_points.0.raw": {"column": "phone"},
        "preferences.language_code": "zh",
    }
    assert convert(fields, {"f": "王", "g": "小明", "mail": "m", "phone": "p"}) == {
        "names": [{"family": "王", "given": "小明"}],
        "contact_points": [{"raw": "p"}, {"raw": "m"}],
        "preferences": {"language_code": "zh"},
    }


def test_paths_may_be_nested_as_toml_nests_them() -> None:
    nested = {"names": {"0": {"family": {"column": "f"}}}, "preferences": {"language_code": "zh"}}
    assert convert(nested, {"f": "王"}) == {"names": [{"family": "王"}], "preferences": {"language_code": "zh"}}


def test_a_blank_cell_leaves_its_field_absent() -> None:
    assert convert({"owner": {"column": "a"}, "amount": {"column": "b", "money": "USD"}}, {"a": " ", "b": ""}) == {}


def test_times_are_read_in_their_zone() -> None:
    at = convert({"t": {"column": "d", "time": "%Y-%m-%d %H:%M", "zone": "Asia/Shanghai"}}, {"d": "2024-01-01 08:00"})
    assert at["t"].astimezone(UTC) == datetime(2024, 1, 1, tzinfo=UTC)
    iso = convert({"t": {"column": "d", "time": "iso"}}, {"d": "2024-01-01T08:00:00+08:00"})
    assert iso["t"] == datetime(2024, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))


def test_other_converters() -> None:
    fields = {
        "amount": {"column": "m", "money": "USD"},
        "born": {"column": "d", "date": "%Y%m%d"},
        "count": {"column": "n", "number": "integer"},
        "kind": {"column": "k", "values": {"P": "PERSON"}, "otherwise": "ORGANISATION"},
    }
    assert convert(fields, {"m": "1,029.33", "d": "19700101", "n": "7", "k": "X"}) == {
        "amount": to_money("1029.33", "USD"),
        "born": date(1970, 1, 1),
        "count": 7,
        "kind": "ORGANISATION",
    }


@pytest.mark.parametrize(
    ("rule", "cell", "message"),
    [
        ({"column": "x"}, "", "there is no column 'x'; there are c"),
        ({"column": "c", "money": "USD"}, "ten", "'ten' is not a number"),
        ({"column": "c", "money": "JPY"}, "1.5", "decimals of JPY"),
        ({"column": "c", "number": "integer"}, "1.5", "not a whole number"),
        ({"column": "c", "values": {"P": "PERSON"}}, "X", "'X' is none of P"),
        ({"column": "c", "date": "iso"}, "31.12.2024", "Invalid isoformat"),
        ({"template": "{y}"}, "", "there is no column 'y'"),
    ],
)
def test_a_cell_that_cannot_be_read_names_its_field(rule: dict[str, Any], cell: str, message: str) -> None:
    with pytest.raises(CellError, match=message) as caught:
        convert({"a.b": rule}, {"c": cell})
    assert caught.value.field == "a.b"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"entity": "cats", "fields": {"a": 1}}, "entity must be one of customers, transactions, interactions"),
        ({"entity": "customers"}, r"section \[fields\]"),
        ({"entity": "customers", "fields": {"a": 1}, "keys": "x"}, "unknown setting 'keys'"),
        ({"entity": "customers", "fields": {"a": {"template": "x", "zone": "UTC"}}}, "a: unknown setting 'zone'"),
        ({"entity": "customers", "fields": {"a": {"column": "x", "moneys": "USD"}}}, "a: unknown setting 'moneys'"),
        ({"entity": "customers", "fields": {"a": {"column": "x", "time": "%H"}}}, "a: a time needs its zone"),
        (
            {"entity": "customers", "fields": {"a": {"column": "x", "time": "%H", "zone": "Mars"}}},
            "no time zone 'Mars'",
        ),
        ({"entity": "customers", "fields": {"a": {"column": "x", "number": "odd"}}}, "number is one of"),
    ],
)
def test_a_wrong_mapping_says_what_is_allowed(table: dict[str, Any], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        parse(table)


def test_shipped_mappings_are_found_by_name() -> None:
    for file in SHIPPED.glob("*.toml"):
        assert load(Path(file.stem)).digest == load(file).digest


def test_a_missing_mapping_names_the_shipped_ones() -> None:
    with pytest.raises(MappingError, match=r"shipped ones are .*cdnow"):
        load(Path("nowhere"))
