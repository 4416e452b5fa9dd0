"""A mapping file: which field of a message each column fills, and how.

    entity = "transactions"                              # customers, transactions, interactions, deals, leads, …
    key = "cdnow:{sample_id}:{date}:{occurrence}"        # names a row for ever: a repeat is recognised by it
    encoding = "gb18030"                                 # of a CSV file without a BOM that is not UTF-8
    delimiter = ";"                                      # between its cells, unless the header line shows it
    decimal = ","                                        # 1.234,56 instead of 1,234.56

    [fields]
    source = "cdnow"                                                     # a constant
    type = "SALE"
    amount = { column = "amount", money = "USD" }                        # 29.33 → 2933 US cents
    occurred_time = { column = "date", time = "%Y-%m-%d", zone = "America/New_York" }
    product = { template = "{cds} discs" }
    customer_external_id.system = "cdnow"                                # a path: field, field
    customer_external_id.id = { column = "sample_id" }
    contact_points.0.raw = { column = "phone" }                          # field, index, field

A column is read as text unless its rule has `money` (a currency; with `factor` if the file counts in thousands), `time`
(a format as in strptime, or "iso") with its `zone`, `date` (likewise), `number` ("integer", "decimal" or "real"), or
`values` (a table from cell to value; `otherwise` for all other cells). `blank` lists cells that tell nothing, such as
codes of missing answers.

In a template `{column}` is a cell, `{row}` the number of a row, and `{occurrence}` (in `key` only) counts rows that
would otherwise have the same key. Without `key` a row is named by the content of the file and its number in it. With
`distinct = "{state}-{zip}"` only the first row of each such text is loaded. A blank cell leaves its field absent, and
with it the part of the message that it was all there is to tell of: constants alone make no contact point.

The decimal sign is never guessed: without `decimal` a comma may only part groups of three digits.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from libs.client.values import to_money

ENTITIES = ("customers", "transactions", "interactions", "cases", "complaints", "deals", "leads", "responses")
SHIPPED = Path(__file__).resolve().parent.parent / "mappings"
"""The example mappings that come with the client. `--mapping cdnow_transactions` finds them by name."""

_RULES = {"column", "template"}
_SETTINGS = {"entity", "key", "distinct", "encoding", "delimiter", "decimal", "fields"}
_FIGURES = {
    ".": r"[-+]?(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][-+]?\d+)?(?<=[\d.])",
    ",": r"[-+]?(\d{1,3}(\.\d{3})+|\d+)?(,\d*)?(?<=[\d,])",
}
"""Decimal sign → the form of a number."""

Cells = Mapping[str, str]
Convert = Callable[[Cells], Any]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class MappingError(Exception):
    """The mapping file is wrong. The message says where and what is allowed."""


class CellError(ValueError):
    """A cell cannot be read as what the mapping says it is."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMapping:
    """A mapping file, read and checked."""

    entity: str
    key: str
    distinct: str
    fields: Mapping[str, Convert]
    constants: frozenset[str]
    """Paths of fields that read no cell."""
    encoding: str
    """Of a CSV file. Empty when the file tells it by itself."""
    delimiter: str
    """Between the cells of a CSV file. Empty when its header line tells it."""
    digest: str
    """Of the file's content: an interrupted load goes on only with the same mapping."""

    def convert(self, cells: Cells) -> dict[str, Any]:
        """The fields of the message as nested dicts and lists. CellError names the field that cannot be read."""
        found: dict[str, Any] = {}
        for path, convert in self.fields.items():
            try:
                found[path] = convert(cells)
            except ValueError as error:
                raise CellError(path, str(error)) from error
        empty = self._empty_parts(found)
        values: dict[str, Any] = {}
        for path, value in found.items():
            if value is not None and not empty.intersection(_parts(path)):
                _put(values, path.split("."), value)
        return {name: _lists(value) for name, value in values.items()}

    def _empty_parts(self, found: Mapping[str, Any]) -> set[str]:
        """Parts of the message all of whose cells are blank, so that only constants are left of them."""
        told: dict[str, bool] = {}
        for path, value in found.items():
            if path not in self.constants:
                for part in _parts(path):
                    told[part] = told.get(part, False) or value is not None
        return {part for part, anything in told.items() if not anything}


def load(path: Path) -> RowMapping:
    """Reads a mapping file, or a shipped one by its bare name. MappingError for anything that makes no sense."""
    if not path.exists() and (SHIPPED / f"{path.name}.toml").exists():
        path = SHIPPED / f"{path.name}.toml"
    try:
        content = path.read_bytes()
        table = tomllib.loads(content.decode())
    except OSError as error:
        shipped = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise MappingError(f"cannot read the mapping {path}: {error.strerror}; shipped ones are {shipped}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingError(f"{path} is not TOML: {error}") from error
    return parse(table, digest=hashlib.sha256(content).hexdigest())


def parse(table: Mapping[str, Any], *, digest: str = "") -> RowMapping:
    """Checks a mapping that was read. See the module for its form."""
    unknown = sorted(set(table) - _SETTINGS)
    if unknown:
        raise MappingError(f"unknown setting {unknown[0]!r}; a mapping has {', '.join(sorted(_SETTINGS))}")
    if table.get("entity") not in ENTITIES:
        raise MappingError(f"entity must be one of {', '.join(ENTITIES)}, not {table.get('entity')!r}")
    fields = table.get("fields")
    if not isinstance(fields, dict) or not fields:
        raise MappingError("the section [fields] is missing or empty")
    encoding, delimiter, decimal = (str(table.get(name, "")) for name in ("encoding", "delimiter", "decimal"))
    if encoding and not _is_encoding(encoding):
        raise MappingError(f"encoding {encoding!r} is not known; say for example gb18030, utf-16 or windows-1252")
    if len(delimiter) > 1:
        raise MappingError(f"delimiter is one sign, not {delimiter!r}")
    if decimal not in {"", ".", ","}:
        raise MappingError(f'decimal is "." or ",", not {decimal!r}')
    rules = list(_rules(fields))
    return RowMapping(
        entity=table["entity"],
        key=str(table.get("key", "")),
        distinct=str(table.get("distinct", "")),
        fields={path: _converter(path, rule, decimal or ".") for path, rule in rules},
        constants=frozenset(path for path, rule in rules if not isinstance(rule, dict)),
        encoding=encoding,
        delimiter=delimiter,
        digest=digest,
    )


def render(template: str, cells: Cells) -> str:
    """The template with its placeholders filled. ValueError names a column that the row does not have."""

    def cell(match: re.Match[str]) -> str:
        try:
            return cells[match[1]]
        except KeyError:
            raise ValueError(f"there is no column {match[1]!r}; there are {', '.join(cells)}") from None

    return _PLACEHOLDER.sub(cell, template)


def _rules(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and their rules, from tables that TOML has nested at the dots."""
    for name, value in table.items():
        if isinstance(value, dict) and not _RULES & value.keys():
            yield from _rules(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _converter(path: str, rule: object, decimal: str) -> Convert:
    if not isinstance(rule, dict):
        return lambda _: rule
    rest = dict(rule)
    if "template" in rest:
        template = str(rest.pop("template"))
        _nothing_left(path, rest)
        return lambda cells: render(template, cells)
    if "column" not in rest:
        raise MappingError(f"{path}: say column or template, or give a constant")
    column, blank = str(rest.pop("column")), {"", *map(str, rest.pop("blank", ()))}
    read = _reader(path, rest, decimal)

    def convert(cells: Cells) -> Any:
        if column not in cells:
            raise ValueError(f"there is no column {column!r}; there are {', '.join(cells)}")
        text = cells[column].strip()
        return None if text in blank else read(text)

    return convert


def _reader(path: str, rest: dict[str, Any], decimal: str) -> Callable[[str], Any]:
    """Returns the converter of a cell. Takes its settings out of `rest` and refuses what is left."""
    if "money" in rest:
        currency = str(rest.pop("money"))
        factor = Decimal(str(rest.pop("factor", 1)))
        read: Callable[[str], Any] = lambda text: to_money(_decimal(text, decimal) * factor, currency)  # noqa: E731
    elif "time" in rest:
        read = _time_reader(path, str(rest.pop("time")), rest.pop("zone", None))
    elif "date" in rest:
        form = str(rest.pop("date"))
        read = lambda text: _date(text, form)  # noqa: E731
    elif "number" in rest:
        kind = rest.pop("number")
        if kind not in _NUMBERS:
            raise MappingError(f"{path}: number is one of {', '.join(_NUMBERS)}")
        number = _NUMBERS[kind]
        read = lambda text: number(_decimal(text, decimal), text)  # noqa: E731
    elif "values" in rest:
        values = rest.pop("values")
        fallback = rest.pop("otherwise", None)
        read = lambda text: _choose(text, values, fallback)  # noqa: E731
    else:
        read = str
    _nothing_left(path, rest)
    return read


def _time_reader(path: str, form: str, zone_name: str | None) -> Callable[[str], datetime]:
    if zone_name is None and "%z" not in form and form != "iso":
        raise MappingError(f'{path}: a time needs its zone, for example zone = "Asia/Shanghai"')
    try:
        zone = ZoneInfo(zone_name) if zone_name else UTC
    except ZoneInfoNotFoundError as error:
        raise MappingError(f"{path}: there is no time zone {zone_name!r}") from error

    def read(text: str) -> datetime:
        at = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
        return at if at.tzinfo else at.replace(tzinfo=zone)

    return read


def _decimal(text: str, sign: str) -> Decimal:
    group = "," if sign == "." else "."
    if not re.fullmatch(_FIGURES[sign], text):
        raise ValueError(
            f"{text!r} is not a number whose decimal sign is {sign!r} and whose groups of three have {group!r}; "
            f'the mapping may say decimal = "{group}"'
        )
    return Decimal(text.replace(group, "").replace(sign, "."))


def _integer(number: Decimal, text: str) -> int:
    if number != number.to_integral_value():
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)


def _date(text: str, form: str) -> date:
    return date.fromisoformat(text) if form == "iso" else datetime.strptime(text, form).date()  # noqa: DTZ007


def _choose(text: str, values: Mapping[str, Any], fallback: object) -> object:
    if text in values:
        return values[text]
    if fallback is None:
        raise ValueError(f"{text!r} is none of {', '.join(values)}")
    return fallback


_NUMBERS: Mapping[str, Callable[[Decimal, str], Any]] = {
    "integer": _integer,
    "decimal": lambda number, _: str(number),
    "real": lambda number, _: float(number),
}


def _nothing_left(path: str, rest: Mapping[str, object]) -> None:
    if rest:
        raise MappingError(f"{path}: unknown setting {next(iter(rest))!r}")


def _parts(path: str) -> Iterator[str]:
    """Yields the parts of a message that a field lies in, the innermost last."""
    names = path.split(".")
    return (".".join(names[:depth]) for depth in range(1, len(names)))


def _is_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


def _put(values: dict[str, Any], path: list[str], value: object) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value


def _lists(value: Any) -> Any:
    """Replaces dicts whose keys are all numbers by lists in the order of these numbers."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(item) for key, item in value.items()}
