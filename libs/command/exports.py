"""Responses as a table for programs: a row each, a column for everything that can be asked, and a codebook beside it.

CSV and JSON lines need nothing more. Parquet, whose file carries the codebook too, needs `pyarrow`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

from kehu.surveys.v1 import collection_pb2, questionnaires_pb2

from libs.client.values import from_date, from_timestamp
from libs.command.views.words import name_of

FORMATS: Final = (".csv", ".jsonl", ".parquet")
ROW_GROUP: Final = 10_000
"""Rows of a Parquet file that are held in memory."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that a spreadsheet would run."""
_NUMBERS: Final = {"SCALE", "NPS_0_10", "CSAT_1_5", "CES_1_7", "NUMBER"}
_ROWS: Final = {"MATRIX", "PAIR_EXPECTATION_PERCEPTION"}
_SEVERAL: Final = {"MULTI", "RANK"}
_PAIR: Final = ("expectation", "perception")
NOT_APPLICABLE: Final = "does not apply"

Value = str | int | float | datetime | None


class FormatUnknown(Exception):
    """The file would have a form that nobody writes. The message says which there are."""


class ParquetMissing(Exception):
    """Parquet needs a library that is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table, and its page of the codebook."""

    name: str
    kind: str
    """`text`, `integer`, `number` or `time`."""
    label: str
    values: Mapping[str, str] = field(default_factory=dict)
    """Value → its words."""
    item: str = ""
    part: str = ""
    """Row of an item with rows, or option of an item with several choices."""


_ABOUT: Final = (
    Column(name="response_id", kind="text", label="The response"),
    Column(name="customer_id", kind="text", label="The customer, of an identified survey"),
    Column(name="state", kind="text", label="How the response ended"),
    Column(name="mode", kind="text", label="The way on which it came"),
    Column(name="language", kind="text", label="The language"),
    Column(name="version", kind="integer", label="The version that was asked"),
    Column(name="wave", kind="integer", label="The wave"),
    Column(name="stratum", kind="text", label="The stratum"),
    Column(name="weight", kind="number", label="The design weight"),
    Column(name="start_time", kind="time", label="When it was started, UTC"),
    Column(name="complete_time", kind="time", label="When it was handed in, UTC"),
    Column(name="seconds", kind="integer", label="How long it took"),
    Column(name="flags", kind="text", label="Signs of poor answers, parted by |"),
    Column(name="labels", kind="text", label="Groups, as JSON"),
)


def columns(questionnaire: questionnaires_pb2.Questionnaire, language: str = "") -> Sequence[Column]:
    """The columns of the responses to a questionnaire, with words in a language, else in its first one."""
    spoken = language if language in questionnaire.languages else questionnaire.languages[0]
    return [*_ABOUT, *(column for item in questionnaire.items for column in _of_item(item, spoken))]


def _of_item(item: questionnaires_pb2.Item, language: str) -> Iterator[Column]:
    kind, words = name_of(item, "type"), item.texts[language]
    missing = {NOT_APPLICABLE: NOT_APPLICABLE} if item.na_allowed else {}
    options = {each.key: each.texts[language] for each in item.options}
    if kind in _NUMBERS:
        yield Column(name=item.key, kind="integer", label=words, item=item.key)
        if item.na_allowed:
            yield Column(name=f"{item.key}.na", kind="integer", label=f"{words}: {NOT_APPLICABLE}", item=item.key)
    elif kind in _ROWS:
        rows = {each.key: each.texts[language] for each in item.rows} or {each: each for each in _PAIR}
        for key, row in rows.items():
            yield Column(name=f"{item.key}.{key}", kind="integer", label=f"{words}: {row}", item=item.key, part=key)
    elif kind in _SEVERAL:
        meaning = {} if kind == "RANK" else {"0": "not chosen", "1": "chosen"}
        for key, option in options.items():
            label = f"{words}: {option}"
            yield Column(name=f"{item.key}.{key}", kind="integer", label=label, values=meaning, item=item.key, part=key)
    else:
        yield Column(name=item.key, kind="text", label=words, values={**options, **missing}, item=item.key)


def row(response: collection_pb2.Response, shown: Sequence[Column]) -> dict[str, Value]:
    """The cells of a response. What was not asked or left blank is None: blank is not zero."""
    about: dict[str, Value] = {
        "response_id": response.id,
        "customer_id": response.customer_id or None,
        "state": name_of(response, "state"),
        "mode": name_of(response, "mode"),
        "language": response.language,
        "version": response.version,
        "wave": response.wave,
        "stratum": response.stratum or None,
        "weight": response.weight,
        "start_time": from_timestamp(response.start_time) if response.HasField("start_time") else None,
        "complete_time": from_timestamp(response.complete_time) if response.HasField("complete_time") else None,
        "seconds": response.seconds,
        "flags": "|".join(name_of(response, "flags", each) for each in response.flags) or None,
        "labels": json.dumps(dict(sorted(response.labels.items())), ensure_ascii=False) if response.labels else None,
    }
    for column in shown:
        if column.item:
            given = response.answers.get(column.item)
            about[column.name] = None if given is None else _cell(given, column)
    return about


def _cell(answer: questionnaires_pb2.Answer, column: Column) -> Value:
    if column.name.endswith(".na") and not column.part:
        return int(answer.not_applicable)
    if answer.not_applicable:
        return NOT_APPLICABLE if column.kind == "text" else None
    if column.part:
        if answer.numbers:
            return answer.numbers.get(column.part)
        if column.values:
            return int(column.part in answer.choices) if answer.choices else None
        return list(answer.choices).index(column.part) + 1 if column.part in answer.choices else None
    if column.kind == "integer":
        return answer.number if answer.HasField("number") else None
    if answer.HasField("date"):
        return from_date(answer.date).isoformat()
    return "|".join(answer.choices) or answer.text or None


def _written(value: Value) -> Value:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def write(path: Path, shown: Sequence[Column], responses: Iterable[collection_pb2.Response]) -> int:
    """Writes responses in the form that the name of the file ends with, and the codebook beside it. The rows."""
    if path.suffix not in FORMATS:
        raise FormatUnknown(f"{path.name} ends with none of {', '.join(FORMATS)}")
    rows = (row(each, shown) for each in responses)
    match path.suffix:
        case ".csv":
            count = _csv(path, shown, rows)
        case ".jsonl":
            count = _json_lines(path, rows)
        case _:
            count = _parquet(path, shown, rows)
    codebook_of(path).write_text(codebook(shown) + "\n", encoding="utf-8")
    return count


def codebook_of(path: Path) -> Path:
    """The file of the codebook of a table."""
    return path.with_suffix(".codebook.json")


def codebook(shown: Sequence[Column]) -> str:
    """What every column is, as JSON: its words, its item and what its values mean."""
    pages = [
        {"column": each.name, "kind": each.kind, "label": each.label, "item": each.item, "values": dict(each.values)}
        for each in shown
    ]
    return json.dumps({"columns": pages}, ensure_ascii=False, indent=1)


def _csv(path: Path, shown: Sequence[Column], rows: Iterable[Mapping[str, Value]]) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        out = csv.writer(file)
        out.writerow([each.name for each in shown])
        for count, cells in enumerate(rows, 1):  # noqa: B007  (the last number is the count)
            out.writerow([_harmless(cells[each.name]) for each in shown])
    return count


def _harmless(value: Value) -> Value:
    """The value, with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else _written(value)


def _json_lines(path: Path, rows: Iterable[Mapping[str, Value]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, cells in enumerate(rows, 1):  # noqa: B007
            told = {name: _written(value) for name, value in cells.items() if value is not None}
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
    return count


def _parquet(path: Path, shown: Sequence[Column], rows: Iterator[dict[str, Value]]) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ParquetMissing("Parquet needs pyarrow: pip install pyarrow, or write .csv or .jsonl") from error
    kinds: Mapping[str, Any] = {
        "integer": pa.int64(),
        "number": pa.float64(),
        "time": pa.timestamp("us", "UTC"),
        "text": pa.string(),
    }
    fields = [pa.field(each.name, kinds[each.kind], metadata={"label": each.label}) for each in shown]
    schema = pa.schema(fields, metadata={"codebook": codebook(shown)})
    count = 0
    with parquet.ParquetWriter(path, schema) as out:
        while part := list(islice(rows, ROW_GROUP)):
            out.write_table(pa.Table.from_pylist(part, schema=schema))
            count += len(part)
    return count
