"""The table of imports that keeps five services alike and their rules free of machinery."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.registry import SERVICES
from tests.support.contracts import FOLDER, ROOT

MODULES = {
    "domain": {"customers", "domain"},
    "application": {
        "contention",
        "context",
        "customers",
        "domain",
        "feed",
        "identity",
        "operations",
        "paging",
        "projection",
        "rows",
        "scopes",
        "store",
        "timers",
    },
    "store": {
        "ahead",
        "codec",
        "domain",
        "erasure",
        "filtering",
        "identity",
        "operations",
        "paging",
        "projection",
        "store",
    },
    "api": {
        "codec",
        "domain",
        "enums",
        "feed",
        "inbox",
        "operations",
        "paging",
        "privacy",
        "serving",
        "status",
        "store",
        "validation",
    },
    "subscriptions": {"codec", "domain", "enums", "erasure", "inbox", "operations", "projection", "timers"},
    "operations": {"codec", "domain", "operations"},
    "web": {"domain", "identity"},
    "__main__": {"service"},
}
"""Part of a service → the modules of `libs.chassis` that it may import."""

PARTS = {
    "domain": {"domain"},
    "application": {"application", "domain", "store"},
    "store": {"domain", "store"},
    "api": {"api", "application", "domain", "store"},
    "subscriptions": {"application", "domain", "store", "subscriptions"},
    "operations": {"application", "domain", "operations", "store"},
    "web": {"application", "domain", "store", "web"},
    "__main__": {"api", "operations", "store", "subscriptions", "web"},
}
"""Part of a service → the parts of the same service that it may import."""

AREAS: dict[str, dict[str, set[str]]] = {
    "care": {
        "customers": set(),
        "calendars": set(),
        "programs": {"customers"},
        "senders": {"customers"},
        "pressure": {"customers"},
        "touches": {"customers", "pressure", "programs", "senders"},
        "adherence": {"customers", "programs", "touches"},
        "alerts": {"customers"},
        "churn": {"alerts", "customers", "programs", "touches"},
        "entitlements": {"customers"},
        "plays": {"alerts", "customers", "programs", "touches"},
        "privacy": {"customers", "pressure", "programs", "touches"},
    },
    "interactions": {
        "customers": set(),
        "calendars": {"customers"},
        "routing": {"calendars", "customers", "promises", "timeline"},
        "callcenter": {"calendars", "cases", "customers", "promises", "routing", "timeline"},
        "quality": {"callcenter", "cases", "customers", "routing", "timeline"},
        "clocks": {"calendars"},
        "cases": {"clocks", "customers", "promises", "timeline"},
        "problems": {"cases", "clocks", "remedies"},
        "sla": {"cases", "clocks", "customers"},
        "remedies": {"cases", "clocks", "customers"},
        "complaints": {"cases", "clocks", "promises", "remedies", "timeline"},
        "conversations": {"customers"},
        "timeline": {"conversations", "customers"},
        "counts": {"customers", "timeline"},
        "promises": {"calendars", "conversations", "customers", "timeline"},
        "context": {"cases", "conversations", "customers", "promises", "timeline"},
        "privacy": {
            "callcenter",
            "cases",
            "complaints",
            "conversations",
            "customers",
            "problems",
            "promises",
            "quality",
            "remedies",
            "routing",
            "timeline",
        },
        "attribution": {"conversations", "customers", "privacy", "timeline"},
    },
    "opportunities": {
        "pipelines": set(),
        "customers": set(),
        "deals": {"customers", "pipelines"},
        "rates": set(),
        "forecast": {"customers", "deals", "pipelines", "rates"},
        "calendars": set(),
        "leads": {"calendars", "customers", "deals", "forecast"},
        "assignment": {"calendars", "leads"},
        "conversion": {"deals", "leads"},
        "rivals": {"deals"},
        "notes": {"deals"},
        "privacy": {"customers", "deals", "leads", "notes"},
    },
    "surveys": {
        "questionnaires": set(),
        "customers": set(),
        "sampling": {"customers", "questionnaires"},
        "collection": {"customers", "questionnaires", "sampling"},
        "results": {"collection", "questionnaires", "sampling"},
        "loop": {"collection", "questionnaires"},
        "page": {"collection", "loop", "questionnaires", "sampling"},
        "privacy": {"collection", "customers", "loop", "sampling"},
    },
    "profiles": {
        "customers": set(),
        "schedules": set(),
        "consent": {"customers"},
        "activity": {"customers"},
        "contracts": {"customers"},
        "identity": {"consent", "customers"},
        "worth": {"activity", "contracts", "customers", "schedules"},
        "segments": {"activity", "customers", "worth"},
        "loyalty": {"segments", "worth"},
        "ownership": {"activity", "contracts", "customers", "schedules", "segments"},
        "entitlements": {"contracts", "customers", "segments"},
        "privacy": {"activity", "customers", "identity"},
        "customer360": {
            "activity",
            "consent",
            "customers",
            "entitlements",
            "ownership",
            "segments",
            "worth",
        },
    },
}
"""Service → area → the areas of the same service that it may import, beside itself."""

LIBRARIES = {
    "domain": {
        "libs.almanac",
        "libs.money",
        "libs.worktime",
        "email_validator",
        "libs.registry",
        "libs.statistics",
        "numpy",
        "phonenumbers",
        "pypinyin",
        "scipy",
    },
    "application": {"libs.worktime"},
    "store": {"google.protobuf", "pymongo"},
    "api": {"google", "grpc", "kehu", "libs.calls", "libs.worktime"},
    "subscriptions": {"google.protobuf", "kehu"},
    "operations": {"google.protobuf", "kehu", "libs.calls"},
    "web": {"jinja2", "werkzeug"},
    "__main__": {"kehu", "libs.engine"},
}
"""Part of a service → other packages that it may import beside the standard library."""


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, `from package import module` as `package.module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute, the path is the import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place_of(path: Path, service: str) -> tuple[str, str]:
    """Area and part of a service that a file belongs to. The area is empty outside of areas."""
    first, *rest = (name.removesuffix(".py") for name in path.relative_to(FOLDER / service).parts)
    return (first, rest[0]) if first in AREAS.get(service, {}) else ("", first)


def within(name: str, packages: set[str]) -> bool:
    """Returns true for a module that is one of these or inside of one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def allowed(name: str, service: str, area: str, part: str) -> bool:
    """Returns true when a file of this area and part may import the module."""
    if name.split(".", maxsplit=1)[0] in sys.stdlib_module_names:
        return True
    areas = AREAS.get(service, {})
    near = {area, *areas[area]} if area else areas.keys()
    return within(
        name,
        {f"libs.chassis.{module}" for module in MODULES[part]}
        | {f"services.{service}.{other}" for other in PARTS[part]}
        | {f"services.{service}.{other}.{each}" for other in near for each in PARTS[part]}
        | LIBRARIES[part],
    )


@pytest.mark.parametrize("service", SERVICES)
def test_each_part_of_a_service_imports_only_what_the_table_allows(service: str) -> None:
    wrong = []
    for path in sorted((FOLDER / service).rglob("*.py")):
        area, part = place_of(path, service)
        if part != "__init__":
            assert part in MODULES, f"{path}: a service and its areas have {', '.join(MODULES)}"
            wrong += [
                f"{path.relative_to(ROOT)} imports {name}"
                for name in imports(path)
                if not allowed(name, service, area, part)
            ]
    assert wrong == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_folder_of_a_service_is_an_area_of_the_table(service: str) -> None:
    folders = {path.parent.name for path in (FOLDER / service).glob("*/__init__.py")}
    assert folders - MODULES.keys() == AREAS[service].keys()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_of_others_only_their_contracts(service: str) -> None:
    named = {name for path in (FOLDER / service).rglob("*.py") for name in imports(path)}
    assert {name for name in named if within(name, {"services"})} <= {
        name for name in named if within(name, {f"services.{service}"})
    }


def test_the_chassis_knows_no_service() -> None:
    ours = {"services", "libs.calls", "libs.client", "libs.localstack", *(f"kehu.{service}" for service in SERVICES)}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for room in ("chassis", "engine")
        for path in sorted((ROOT / "libs" / room).rglob("*.py"))
        for name in imports(path)
        if within(name, ours)
    ]
    assert wrong == []


def test_worktime_is_pure() -> None:
    """Business time knows the vocabulary of domains and nothing else, so that any domain may count with it."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / "libs" / "worktime").rglob("*.py"))
        for name in imports(path)
        if name.split(".", maxsplit=1)[0] not in sys.stdlib_module_names
        and not within(name, {"libs.chassis.domain", "libs.worktime"})
    ]
    assert wrong == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_composition_root_is_short(service: str) -> None:
    lines = (FOLDER / service / "__main__.py").read_text().splitlines()
    assert len(lines) < 40, "the composition root puts together and does nothing else"


def test_no_file_is_too_long_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): length
        for folder in ("libs", "services")
        for path in (ROOT / folder).rglob("*.py")
        if (length := len(path.read_text().splitlines())) > 450
    }
    assert long == {}, "split by business noun"
