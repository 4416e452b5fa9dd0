"""Reading files: CSV with a header line, or one JSON object per line. `.gz` is opened as it is read."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

from libs.command.imports.mapping import Cells, RowMapping, render

_NAMESPACE = uuid.UUID("6b1f0f0e-5d0c-5f0a-9a55-1c1d7a8f3f5e")
"""Of the ids of rows. A change would make every row of every file new."""


DELIMITERS = (",", ";", "\t")
"""Signs that part cells in files of spreadsheets."""


class FileError(Exception):
    """The file cannot be read. The message says what it should be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file."""

    number: int
    """From 1, header and blank lines not counted."""
    cells: Cells
    key: str
    """Permanent key of the row."""
    problem: str = ""
    """Reason for refusing the row. Its neighbours are not affected."""

    @property
    def request_id(self) -> str:
        """The UUID that belongs to the key."""
        return str(uuid.uuid5(_NAMESPACE, self.key))


@dataclass(frozen=True, slots=True)
class _Unreadable:
    text: str
    problem: str


def open_rows(path: Path, mapping: RowMapping) -> Iterator[Row]:
    """The rows to load, in order. Rows that `distinct` leaves out are not among them."""
    seen: set[str] = set()
    repeated: Counter[str] = Counter()
    named_by_file = "" if mapping.key else digest(path)
    for number, cells in enumerate(_lines(path, mapping), 1):
        if isinstance(cells, _Unreadable):
            yield Row(number, {"": cells.text}, "", cells.problem)
            continue
        cells["row"] = str(number)
        try:
            if mapping.distinct:
                text = render(mapping.distinct, cells)
                if text in seen:
                    continue
                seen.add(text)
            key = f"{named_by_file}:{number}" if named_by_file else _key(mapping.key, cells, repeated)
        except ValueError as error:
            yield Row(number, cells, "", str(error))
        else:
            yield Row(number, cells, key)


def require_readable(path: Path, mapping: RowMapping) -> None:
    """Reads the file to its end, so that nothing is sent of one that cannot be read. FileError when it cannot."""
    for _ in _lines(path, mapping):
        pass


def digest(path: Path) -> str:
    """SHA-256 of the content, unpacked: packing a file again does not make its rows new."""
    with _binary(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key(template: str, cells: Cells, repeated: Counter[str]) -> str:
    base = render(template, {**cells, "occurrence": ""})
    if "{occurrence}" not in template:
        return base
    repeated[base] += 1
    return render(template, {**cells, "occurrence": str(repeated[base])})


def _lines(path: Path, mapping: RowMapping) -> Iterator[dict[str, str] | _Unreadable]:
    name = path.name.removesuffix(".gz")
    try:
        with io.TextIOWrapper(_binary(path), encoding=_encoding(path, mapping), newline="") as text:
            if name.endswith(".csv"):
                yield from _csv(path, text, mapping)
            elif name.endswith((".jsonl", ".ndjson")):
                yield from _json_lines(text)
            else:
                raise FileError(f"{path.name} is neither .csv nor .jsonl (nor one of these with .gz)")
    except UnicodeDecodeError as error:
        told = f"{path.name} is not {error.encoding.upper()} text ({error.reason})"
        raise FileError(f'{told}: say its encoding in the mapping, for example encoding = "gb18030"') from error
    except (OSError, EOFError) as error:
        raise FileError(f"cannot read {path}: {error}") from error


def _encoding(path: Path, mapping: RowMapping) -> str:
    """Returns the encoding that the beginning of the file tells, else that of the mapping, else UTF-8."""
    with _binary(path) as file:
        begins = file.read(len(codecs.BOM_UTF8))
    if begins.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if begins.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return mapping.encoding or "utf-8"


def _delimiter(path: Path, header: str, mapping: RowMapping) -> str:
    """Returns the delimiter of the mapping, else the only one that the header line has outside of quotes."""
    if mapping.delimiter:
        return mapping.delimiter
    bare = re.sub(r'"[^"]*"', "", header)
    found = [sign for sign in DELIMITERS if sign in bare]
    if len(found) > 1:
        raise FileError(
            f"{path.name}: the header line has {' and '.join(map(repr, found))}; say in the mapping which parts cells, "
            f"for example delimiter = {json.dumps(found[0])}"
        )
    return found[0] if found else ","


def _csv(path: Path, text: IO[str], mapping: RowMapping) -> Iterator[dict[str, str] | _Unreadable]:
    first = text.readline()
    reader = csv.reader(chain([first], text), delimiter=_delimiter(path, first, mapping), strict=True)
    try:
        header = next(reader, [])
        for cells in reader:
            if len(cells) == len(header):
                yield dict(zip(header, cells, strict=True))
            elif cells:
                yield _Unreadable(",".join(cells), f"{len(cells)} cells, but the header has {len(header)} names")
    except csv.Error as error:
        raise FileError(f"{path.name}, line {reader.line_num}: {error}") from error


def _json_lines(text: IO[str]) -> Iterator[dict[str, str] | _Unreadable]:
    for line in filter(str.strip, text):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            yield _Unreadable(line.strip(), f"not JSON: {error}")
            continue
        if isinstance(row, dict):
            yield {name: _text(value) for name, value in row.items()}
        else:
            yield _Unreadable(line.strip(), "not a JSON object")


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _binary(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb")
