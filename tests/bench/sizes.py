"""Figures of size: what one call costs while the tenant grows a hundredfold, and how fast files are loaded."""

from __future__ import annotations

import csv
import random
import statistics
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from kehu.profiles.v1.customer_pb2 import Customer

from libs.chassis import context
from libs.chassis.codec import to_doc
from libs.client import Client
from libs.command.imports import loading, targets
from libs.command.imports.mapping import RowMapping, parse
from services.interactions.store import InteractionsStore
from services.profiles.store import ProfilesStore
from tests.bench.calls import customer
from tests.bench.figures import Figure
from tests.bench.stage import Stage, clocked, in_turns
from tests.support.patience import eventually

_MARK = 12_345_678
"""The number of the customer that all others are copies of."""
_CALLS = 200


def growth(stage: Stage) -> list[Figure]:
    """The median time of calls with few and with a hundred times as many customers."""
    few, many = (1_000, 100_000) if stage.quick else (10_000, 1_000_000)
    tenant = "growing"
    with stage.system.client(tenant, timeout=30) as client:
        template = _template(stage, client, tenant)
        _grow(stage, tenant, template, 0, few)
        before = _medians(client, template, few)
        _grow(stage, tenant, template, few, many)
        after = _medians(client, template, many)
    return [
        Figure.growth(f"{name}, ms with {many:,} customers, was {few:,}", before[name], after[name], most=1.3)
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
    """A customer that the service itself has made, and the keys under which it meets those who may be the same."""

    customer: Any
    keys: Any

    def id(self, number: int) -> str:
        """The id of a copy."""
        return f"{self.customer.id[:-8]}{number:08d}"

    def copies(self, number: int) -> tuple[Any, Any]:
        """Both, as if made for another number and as many milliseconds later."""
        at = self.customer.create_time + timedelta(milliseconds=number)
        times = {"id": self.id(number), "create_time": at, "update_time": at}
        return _numbered(replace(self.customer, **times), number), _numbered(replace(self.keys, **times), number)


def _numbered(value: Any, number: int) -> Any:
    """A value with the mark in all its texts replaced."""
    if isinstance(value, str):
        return value.replace(str(_MARK), f"{number:08d}") if str(_MARK) in value else value
    if isinstance(value, tuple):
        return tuple(_numbered(each, number) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        found = {f.name: getattr(value, f.name) for f in fields(value)}
        changed = {
            name: new for name, old in found.items() if (new := _numbered(old, number)) is not old and new != old
        }
        return replace(value, **changed) if changed else value
    return value


def _template(stage: Stage, client: Client, tenant: str) -> _Template:
    made = client.profiles.create_customer(customer=_born(_MARK))
    with stage.profiles(tenant) as store:
        keys = eventually(partial(store.identity.blocking_keys.find_by_id, made.id))
        return _Template(store.customers.customers.get(made.id), keys)


def _born(number: int) -> Customer:
    """A customer with a birthday and a town that all of them share: keys that are too common to be followed."""
    made = customer(number)
    made.dates.add(kind="KIND_BIRTH", year=1980, month=4, day=18)
    made.addresses.add(region_code="CN", locality="上海", lines=[f"南京东路{number % 10**8:08d}号"])
    return made


def _grow(stage: Stage, tenant: str, template: _Template, start: int, end: int) -> None:
    """Puts copies numbered from `start` to `end` into the collections, sealed as the service would."""
    names = ("customers", "blocking_keys")
    with stage.profiles(tenant) as store, stage.loading(*names) as database:
        for first in range(start, end, 5_000):
            both = zip(*(template.copies(number) for number in range(first, min(first + 5_000, end))), strict=True)
            for name, entities in zip(names, both, strict=True):
                database[name].insert_many(sealed(store, name, entities), ordered=False)


def sealed(store: ProfilesStore | InteractionsStore, collection: str, entities: Sequence[Any]) -> list[dict[str, Any]]:
    """The documents of entities as the service would store them."""
    kept, tenant = store.database.collections[collection], context.current().tenant
    return [{**kept._drafts._sealing(each.id).whole(each, to_doc(each)), "tenant": tenant} for each in entities]


def _medians(client: Client, template: _Template, size: int) -> dict[str, float]:
    """Milliseconds of each kind of call, one at a time: the best of several medians, since only noise adds."""
    chosen = random.Random(7)
    numbers = [chosen.randrange(size) for _ in range(_CALLS)]
    ids = {number: template.id(number) for number in numbers}

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
        "Customer360": lambda n: client.profiles.get_customer360(customer_id=ids[n]),
        "Search by one character": lambda _: client.profiles.search_customers(query="王"),
    }
    return {name: min(_median(call, numbers) for _ in range(3)) for name, call in calls.items()}


def _median(call: Callable[[int], object], numbers: Sequence[int]) -> float:
    """Milliseconds."""
    return 1000 * statistics.median(clocked(partial(call, number)) for number in numbers)
