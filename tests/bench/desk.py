"""Figures of cases: opening and moving them with their clocks, due warnings, and counting clocks anew."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kehu.interactions.v1 import calendars_pb2, cases_pb2

from libs.chassis import context, identity
from libs.chassis.codec import from_proto
from libs.chassis.context import Context
from libs.chassis.testing import MemoryJob
from libs.client.values import fill
from libs.engine.access import SEAL_KEY
from libs.engine.store import MongoDatabase, connect
from libs.worktime.clock import CalendarVersion
from services.interactions.calendars.application import Calendars
from services.interactions.calendars.domain import BusinessCalendar
from services.interactions.cases.application import Cases
from services.interactions.cases.domain.cases import Case
from services.interactions.cases.domain.parts import CaseType
from services.interactions.clocks.application import Clocks
from services.interactions.clocks.domain.policies import (
    ServiceMetric,
    ServicePolicy,
    ServicePolicyVersion,
    ServiceTarget,
)
from services.interactions.sla.application import Sla
from services.interactions.sla.domain import RefoldProgress
from services.interactions.store import InteractionsStore
from services.interactions.subscriptions import timers
from tests.bench import bare, calls, load
from tests.bench.figures import Figure
from tests.bench.sizes import sealed
from tests.bench.stage import TENANT, Stage, clocked, in_turns
from tests.support.timers import tick

SERVICE = "/kehu.interactions.v1.CasesService"
HOUR = timedelta(hours=1)
TARGETS = (
    (ServiceMetric.FIRST_RESPONSE, 1),
    (ServiceMetric.NEXT_RESPONSE, 2),
    (ServiceMetric.RESOLUTION, 16),
)
"""Metric → hours of an office within which it is to be fulfilled."""
MEGABYTE_GROWTH = 1.3
CASES = 2_000
"""Cases that are moved to and fro."""
_LOADED_AT_ONCE = 5_000


def cases(stage: Stage) -> list[Figure]:
    """Opening a case and moving it, each with clocks, events and command, beside a bare majority insert."""
    calls.customers(stage, 1)
    with stage.system.client(TENANT, timeout=30) as client:
        calendar = client.interactions.create_calendar(calendar=_office())
        policy = client.interactions.create_service_policy(policy=_policy_fields(calendar.id))
        made = [client.interactions.create_case(case=_case(), owner="li.na", policy_id=policy.id) for _ in range(CASES)]
        ids = [client.interactions.start_case(case_id=each.id).id for each in made]
    count = int(2_500 * stage.seconds)
    with calls.side_by_side(stage, "interactions") as (ours, bare_target):
        created = in_turns(
            stage.rounds,
            ours=lambda: calls.rate(stage, ours, f"{SERVICE}/CreateCase", _creations(policy.id, count)),
            bare=lambda: calls.rate(stage, bare_target, bare.INSERT, _creations(policy.id, 100)),
        )
        moved = in_turns(
            stage.rounds,
            ours=lambda: _moved(stage, ours, ids),
            bare=lambda: calls.rate(stage, bare_target, bare.INSERT, _creations(policy.id, 100)),
        )
    return [
        Figure.ratio("CreateCase with clocks, calls/s", "threads + majority insert", created, reach=0.5),
        Figure.ratio("WaitCase and StartCase with clocks, calls/s", "threads + majority insert", moved, reach=0.5),
    ]


def warnings(stage: Stage) -> Figure:
    """Clocks that are due for a warning among very many that are not: found and told, beside one bare update."""
    many, due, tenant = (10_000, 2_000, "warning") if stage.quick else (1_000_000, 20_000, "warning")
    now = datetime.now(UTC)
    with stage.interactions(tenant) as store:
        policy = _policy(store, around_the_clock=True)
        early = _opened(store, policy, now - 100 * timedelta(minutes=1))  # warned of its response at 90 minutes
        late = _opened(store, policy, now)
        with stage.loading("cases", service="interactions") as database:
            for some in _copies(store, late, many - due):
                database["cases"].insert_many(some, ordered=False)
        stage.system.stop_one("interactions-worker")
        raw = store.cases.cases.raw  # type: ignore[attr-defined]
        told = [each for some in _copies(store, early, due) for each in some]
        plain = raw.database["bare_cases"]
        plain.create_index("wake_time", partialFilterExpression={"wake_time": {"$gt": datetime(1970, 1, 1)}})  # noqa: DTZ001

        def ours() -> float:
            raw.delete_many({"_id": {"$in": [each["_id"] for each in told]}})
            raw.insert_many(told, ordered=False)
            return due / clocked(lambda: _tell(store, due))

        def bare_update() -> float:
            plain.delete_many({})
            plain.insert_many([{**each, "_id": uuid.uuid4().hex} for each in told], ordered=False)
            warned = {"$set": {"wake_time": now + HOUR}, "$push": {"told": {"percent": 75, "time": now}}}
            return due / clocked(lambda: plain.update_many({"wake_time": {"$lte": now}}, warned))

        rates = in_turns(stage.rounds, ours=ours, bare=bare_update)
    name = f"due warnings among {many:,} open clocks, told/s"
    return Figure.ratio(name, "one bare update_many, majority", rates, reach=0.5)


def _tell(store: InteractionsStore, due: int) -> None:
    """Runs a timer as the worker does, until nothing is due."""
    own, done = timers(store), 0
    while some := tick(store.database, own, "cases"):
        done += some
    if done != due:
        raise RuntimeError(f"{done} of {due} warnings were told")


def refolds(stage: Stage) -> list[Figure]:
    """The clocks of open cases counted anew after a holiday was added, in a process of its own."""
    few, many, tenant = (500, 5_000, "refolding") if stage.quick else (5_000, 50_000, "refolding")
    with stage.interactions(tenant) as store:
        policy = _policy(store)
        case = _opened(store, policy, datetime.now(UTC) - HOUR)
        clocks = len(case.clocks.clocks) if case.clocks is not None else 0
        calendar_id = policy.versions[0].calendar.calendar_id
        with stage.loading("cases", service="interactions") as database:
            for some in _copies(store, case, few - 1):
                database["cases"].insert_many(some, ordered=False)
        stage.system.stop_one("interactions-worker")
        _, before = _refolded(stage, tenant, calendar_id, few)
        with stage.loading("cases", service="interactions") as database:
            for some in _copies(store, case, many - few):
                database["cases"].insert_many(some, ordered=False)
        stage.system.stop_one("interactions-worker")
        seconds, after = _refolded(stage, tenant, calendar_id, many)
    return [
        Figure.stated(f"{clocks * many:,} clocks counted anew in another calendar, clocks/s", clocks * many / seconds),
        Figure.growth(f"most memory of that, MB with {many:,} cases, was {few:,}", before, after, most=MEGABYTE_GROWTH),
    ]


def _refolded(stage: Stage, tenant: str, calendar_id: str, expected: int) -> tuple[float, float]:
    """(seconds, most memory in MB) of counting all cases anew once more."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    seal_key = (stage.system.keys / SEAL_KEY).read_text()
    child = spawn.Process(target=_refold, args=(stage.mongodb_uri, seal_key, tenant, calendar_id, there))
    child.start()
    there.close()
    seconds, megabytes, cases, changed = here.recv()
    child.join()
    if cases != expected or changed < expected:
        raise RuntimeError(f"{cases} of {expected} cases were looked at, and {changed} clocks stand differently")
    return seconds, megabytes


def _refold(uri: str, seal_key: str, tenant: str, calendar_id: str, told: Connection) -> None:
    with connect(uri, "interactions", patient=True) as mongo, context.enter(Context(tenant=tenant, actor="bench")):
        database = MongoDatabase(mongo, "interactions", page_key=bytes(32), seal_key=bytes.fromhex(seal_key))
        store = InteractionsStore(database)
        sla = Sla(store.sla)
        sla.refold(MemoryJob(state=RefoldProgress()))  # what the worker planned for the change before
        known = store.calendars.calendars.get(calendar_id)
        day = (known.exceptions[-1].date if known.exceptions else identity.now().date()) + timedelta(days=1)
        closed = from_proto(
            BusinessCalendar,
            fill(calendars_pb2.BusinessCalendar(), {"exceptions": [{"date": day, "kind": "CLOSED"}]}),
        ).exceptions
        Calendars(store.calendars).update(
            calendar_id, lambda each: replace(each, exceptions=(*each.exceptions, *closed)), 0
        )
        plan = sla.plan(calendar_id=calendar_id)
        seconds = clocked(lambda: sla.refold(MemoryJob(state=RefoldProgress())))
        done = sla.get(plan.id)
        told.send((seconds, _peak(), done.cases, done.changed))


def _peak() -> float:
    """Most memory that this process has used, in MB. A child starts with a mark of its own, unlike `ru_maxrss`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


# ------------------------------------------------------------------------------------------------ what they run on


def _office() -> calendars_pb2.BusinessCalendar:
    intervals = [{"weekday": day, "start_minute": 540, "end_minute": 1020} for day in range(1, 6)]
    told = {"display_name": "Office", "time_zone": "Asia/Shanghai", "schedules": [{"intervals": intervals}]}
    return fill(calendars_pb2.BusinessCalendar(), told)


def _policy_fields(calendar_id: str) -> dict[str, Any]:
    targets = [
        {"metric": str(metric), "work": hours * HOUR, "warnings": [75], "pauses": ["WAITING_CUSTOMER"]}
        for metric, hours in TARGETS
    ]
    version = {"since_time": datetime(2020, 1, 1, tzinfo=UTC), "calendar": {"calendar_id": calendar_id}}
    return {"display_name": f"Bench {uuid.uuid4().hex[:6]}", "versions": [{**version, "targets": targets}]}


def _policy(store: InteractionsStore, *, around_the_clock: bool = False) -> ServicePolicy:
    """A policy like that of the calls. Around the clock, nothing but the response is limited."""
    calendar = CalendarVersion()
    if not around_the_clock:
        made = Calendars(store.calendars).create(from_proto(BusinessCalendar, _office()))
        calendar = CalendarVersion(calendar_id=made.id)
    targets = tuple(
        ServiceTarget(metric=metric, work=2 * hours * HOUR, warnings=(75,), pauses=("WAITING_CUSTOMER",))
        for metric, hours in (TARGETS[:1] if around_the_clock else TARGETS)
    )
    version = ServicePolicyVersion(since_time=datetime(2020, 1, 1, tzinfo=UTC), targets=targets, calendar=calendar)
    return Clocks(store.clocks).create(ServicePolicy(id="", display_name="Bench", versions=(version,)))


def _opened(store: InteractionsStore, policy: ServicePolicy, at: datetime) -> Case:
    """A case that was opened at a time, and that somebody works on."""
    with identity.clock(identity.FixedClock(at)):
        drafted = Case(id="", subject="Nobody called back", type=CaseType.REQUEST)
        made = Cases(store.cases).create(drafted, owner="li.na", team="north", policy_id=policy.id)
        return Cases(store.cases).start(made.id)


def _copies(store: InteractionsStore, case: Case, count: int) -> Iterator[Sequence[dict[str, Any]]]:
    """Documents of cases like one, as the service would store them."""
    for first in range(0, count, _LOADED_AT_ONCE):
        number = min(_LOADED_AT_ONCE, count - first)
        yield sealed(store, "cases", [replace(case, id=identity.new_id(Case.ID_PREFIX)) for _ in range(number)])


def _case() -> cases_pb2.Case:
    return fill(cases_pb2.Case(), {"subject": "Hundred chairs came without screws", "type": "INCIDENT", "impact": 2})


def _creations(policy_id: str, count: int) -> list[cases_pb2.CreateCaseRequest]:
    case = _case()
    return [
        cases_pb2.CreateCaseRequest(
            case=case, owner="li.na", team="north", policy_id=policy_id, request_id=str(uuid.uuid4())
        )
        for _ in range(count)
    ]


def _moved(stage: Stage, target: str, ids: Sequence[str]) -> float:
    """Calls a second that let cases wait and go on: each once there, and once back."""
    token, later = stage.system.token(TENANT), datetime.now(UTC) + HOUR
    there = {"state": "WAITING_CUSTOMER", "next_step": "Please send the receipt.", "next_time": later}
    seconds = 0.0
    for method, fields in (("WaitCase", there), ("StartCase", {})):
        kind = getattr(cases_pb2, f"{method}Request")
        requests = [
            fill(kind(), {"case_id": id, "request_id": str(uuid.uuid4()), **fields}).SerializeToString() for id in ids
        ]
        found = load.run(target, f"{SERVICE}/{method}", requests, token=token, seconds=60, once=True)
        seconds += found.seconds
    return 2 * len(ids) / seconds
