"""Figures of size: what one call costs while the tenant grows a hundredfold, and how fast files are loaded."""

from __future__ import annotations

import csv
import random
import statistics
import struct
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from kehu.profiles.v1.customer_pb2 import Customer

from libs.client import Client
from libs.client.imports import loading, targets
from libs.client.imports.mapping import RowMapping, parse
from tests.bench.calls import customer
from tests.bench.figures import Figure
from tests.bench.stage import Stage, clocked, in_turns
from tests.support.patience import eventually

_MARK = 12_345_678
"""The number of the customer that all others are copies of; eight digits, so that a copy has the same length."""
_CALLS = 200
_DUPLICATES = "Duplicate check of a new customer"
_MOST = {_DUPLICATES: 1.5}
"""How much a call may take longer with a hundred times as many customers, where that is not 1.3 times."""


def growth(stage: Stage) -> list[Figure]:
    """The median time of calls with few and with a hundred times as many customers."""
    few, many = (1_000, 100_000) if stage.quick else (10_000, 1_000_000)
    tenant = "growing"
    with stage.system.client(tenant, timeout=30) as client:
        template = _template(stage, client)
        _grow(stage, template, 0, few)
        before = _medians(client, template.prefix, few)
        _grow(stage, template, few, many)
        after = _medians(client, template.prefix, many)
    return [
        Figure.growth(
            f"{name}, ms with {many:,} customers, was {few:,}", before[name], after[name], most=_MOST.get(name, 1.3)
        )
        for name in before
    ]


def imports(stage: Stage) -> Figure:
    """`kehu import customers` beside a bare PyMongo load of as many equal documents."""
    count = 2_000 if stage.quick else 10_000
    mapping = parse(
        {
            "entity": "customers",
            "key": "{id}",
            "fields": {
                "kind": "PERSON",
                "names": {"0": {"family": "王", "given": {"template": "小明{id}"}}},
                "contact_points": {"0": {"type": "PHONE", "raw": {"column": "phone"}, "region_code": "CN"}},
            },
        }
    )
    with stage.system.client("importing", timeout=30) as client, stage.mongo("profiles") as mongo:

        def ours() -> float:
            file = _file(stage.folder / f"{uuid.uuid4().hex[:8]}.csv", count)
            return count / clocked(lambda: _import(file, mapping, client, count))

        def bare() -> float:
            found = mongo["profiles"]["customers"].find_one({"tenant": "importing"}) or {}
            entity = {name: value for name, value in found.items() if not name.startswith("_")}
            loaded = mongo["profiles"]["bare_load"]

            def insert() -> None:
                for _ in range(0, count, loading.CHUNK):
                    loaded.insert_many(
                        [{**entity, "_id": uuid.uuid4().hex} for _ in range(loading.CHUNK)], ordered=False
                    )

            return count / clocked(insert)

        rates = in_turns(stage.rounds, ours=ours, bare=bare)
    return Figure.ratio("import of customers, rows/s", "PyMongo insert_many, majority", rates)


def _import(file: Path, mapping: RowMapping, client: Client, count: int) -> None:
    counts = loading.load(
        file,
        mapping,
        targets.target(client, "customers"),
        tenant="importing",
        reject_file=file.with_suffix(".rejected"),
    )
    if counts.accepted != count:
        raise RuntimeError(f"{counts.accepted} of {count} rows were accepted")


def _file(path: Path, count: int) -> Path:
    first = random.randrange(10**7)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "phone"])
        out.writerows([f"{path.stem}-{n}", f"138{(first + n) % 10**8:08d}"] for n in range(count))
    return path


@dataclass(frozen=True, slots=True)
class _Template:
    """The documents of a customer that the service itself has made."""

    raw: Mapping[str, bytes]
    """By collection: the customer, and the keys under which it meets those who may be the same."""
    milliseconds: int
    """When it was made."""
    prefix: str
    """What the ids of all copies begin with."""


def _template(stage: Stage, client: Client) -> _Template:
    made = client.profiles.create_customer(customer=_born(_MARK))
    prefix, raw, at = made.id[:-8], dict[str, bytes](), 0
    with stage.mongo("profiles") as mongo:
        for name in ("customers", "blocking_keys"):
            found = partial(mongo["profiles"][name].find_one, {"_id": made.id})
            document = eventually(found)
            entity = {name: value for name, value in document.items() if not name.startswith("_")}
            raw[name] = bson.encode({"_id": f"{prefix}{_MARK}", **entity})
            at = at or int(document["create_time"].timestamp() * 1000)
    return _Template(raw, at, prefix)


def _born(number: int) -> Customer:
    """A customer with a birthday and a town that all of them share: keys that are too common to be followed."""
    made = customer(number)
    made.dates.add(kind="BIRTH", year=1980, month=4, day=18)
    made.addresses.add(region_code="CN", locality="上海", lines=[f"南京东路{number % 10**8:08d}号"])
    return made


def _grow(stage: Stage, template: _Template, start: int, end: int) -> None:
    """Puts copies numbered from `start` to `end` into the collections."""
    at = template.milliseconds
    mark, then = str(_MARK).encode(), struct.pack("<q", at)

    def copies(raw: bytes, first: int, last: int) -> Iterator[RawBSONDocument]:
        for number in range(first, last):
            copy = raw.replace(mark, b"%08d" % number).replace(then, struct.pack("<q", at + number))
            yield RawBSONDocument(copy)

    with stage.mongo("profiles") as mongo:
        for name, raw in template.raw.items():
            for first in range(start, end, 5_000):
                mongo["profiles"][name].insert_many(copies(raw, first, min(first + 5_000, end)), ordered=False)
        mongo.admin.command("fsync")  # the load's own writes are not to be paid by what is measured next


def _medians(client: Client, prefix: str, size: int) -> dict[str, float]:
    """Milliseconds of each kind of call, one at a time; the best of several medians, since only noise adds."""
    chosen = random.Random(7)
    numbers = [chosen.randrange(size) for _ in range(_CALLS)]
    ids = {number: f"{prefix}{number:08d}" for number in numbers}

    def phone(number: int) -> dict[str, Any]:
        return {"type": "PHONE", "value": f"138{number:08d}", "region_code": "CN"}

    calls: dict[str, Callable[[int], object]] = {
        "Get": lambda n: client.profiles.get_customer(customer_id=ids[n]),
        "Update": lambda n: client.profiles.update_customer(
            customer={"id": ids[n], "owner": uuid.uuid4().hex}, update_mask={"paths": ["owner"]}
        ),
        "List of 50": lambda _: next(client.profiles.list_customers(page_size=50).pages),
        "Lookup by phone": lambda n: next(client.profiles.lookup_customer(contact_point=phone(n)).pages),
        "Search by name": lambda n: client.profiles.search_customers(query=f"王小明{n:08d}"),
        _DUPLICATES: lambda n: client.profiles.find_duplicates(draft=_born(n)),
        "Search by one character": lambda _: client.profiles.search_customers(query="王"),
    }
    return {name: min(_median(call, numbers) for _ in range(3)) for name, call in calls.items()}


def _median(call: Callable[[int], object], numbers: Sequence[int]) -> float:
    """Milliseconds."""
    return 1000 * statistics.median(clocked(partial(call, number)) for number in numbers)
