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


PEOPLE = {
    "names.0.family": {"column": "family"},
    "names.0.given": {"column": "given"},
    "contact_points.0.type": "PHONE",
    "contact_points.0.raw": {"column": "phone"},
    "contact_points.0.region_code": "CN",
    "contact_points.1.type": "EMAIL",
    "contact_points.1.raw": {"column": "mail"},
    "addresses.0.text": {"column": "street"},
    "addresses.0.town": {"column": "town"},
    "addresses.0.country": "CN",
    "preferences.language_code": "zh",
}


@pytest.mark.parametrize(
    ("phone", "mail", "raws"),
    [
        ("13800138001", "xm@example.com", ["13800138001", "xm@example.com"]),
        ("", "lei@example.com", ["lei@example.com"]),
        ("13800138003", " ", ["13800138003"]),
        ("", "", None),
    ],
)
def test_constants_alone_make_no_part(phone: str, mail: str, raws: list[str] | None) -> None:
    cells = {"family": "赵", "given": "四", "phone": phone, "mail": mail, "street": "", "town": ""}
    found = convert(PEOPLE, cells)
    assert [each["raw"] for each in found.get("contact_points", ())] == (raws or [])
    assert ("contact_points" in found) == (raws is not None)
    assert "addresses" not in found
    assert found["preferences"] == {"language_code": "zh"}, "a part that reads no cell is as the mapping says"


@pytest.mark.parametrize(
    ("decimal", "cell", "cents"),
    [
        (",", "12,50", 1250),
        (",", "7,00", 700),
        (",", "5323,54", 532354),
        (",", "1.234,56", 123456),
        (",", "-1.234.567", -123456700),
        ("", "1,234.56", 123456),
        ("", "29.33", 2933),
        ("", ".5", 50),
        ("", "1e3", 100000),
    ],
)
def test_amounts_by_the_decimal_sign_of_the_mapping(decimal: str, cell: str, cents: int) -> None:
    table = {"entity": "transactions", "decimal": decimal, "fields": {"amount": {"column": "a", "money": "EUR"}}}
    assert parse(table).convert({"a": cell})["amount"].minor_units == cents


@pytest.mark.parametrize(
    ("decimal", "cell"),
    [("", "12,50"), ("", "7,00"), ("", "5323,54"), ("", "1.234,56"), (",", "1,234.56"), (",", "12.50"), ("", "1,2345")],
)
def test_a_decimal_sign_is_never_guessed(decimal: str, cell: str) -> None:
    table = {"entity": "transactions", "decimal": decimal, "fields": {"amount": {"column": "a", "money": "EUR"}}}
    with pytest.raises(CellError, match=r"is not a number whose decimal sign is .*; the mapping may say decimal ="):
        parse(table).convert({"a": cell})


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"encoding": "klingon"}, "encoding 'klingon' is not known"),
        ({"delimiter": "||"}, "delimiter is one sign"),
        ({"decimal": "'"}, 'decimal is "." or ","'),
    ],
)
def test_settings_of_the_file_are_checked(setting: dict[str, str], told: str) -> None:
    with pytest.raises(MappingError, match=told):
        parse({"entity": "customers", "fields": {"kind": "PERSON"}, **setting})


def test_a_blank_code_tells_nothing_and_a_real_number_is_one() -> None:
    fields = {
        "answers.nps.number": {"column": "n", "number": "integer", "blank": ["11"]},
        "weight": {"column": "w", "number": "real"},
    }
    table = {"entity": "responses", "fields": fields}
    assert parse(table).convert({"n": "11", "w": "0.25"}) == {"weight": 0.25}
    assert parse(table).convert({"n": "0", "w": ""}) == {"answers": {"nps": {"number": 0}}}
