"""Names that leave a process: metrics, reasons of errors, settings. Code and declaration stay in step."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kehu.common.v1 import error_reason_pb2
from prometheus_client.metrics import MetricWrapperBase

from libs.engine import metrics
from libs.engine.settings import OTHER_PREFIXES, OTHERS, PREFIX, Settings
from libs.engine.store.memory import MemoryDatabase
from libs.registry import SERVICES
from libs.suite import composition
from tests.support.contracts import ROOT

CODE = sorted([*(ROOT / "libs").rglob("*.py"), *(ROOT / "services").rglob("*.py")])
DECLARED = {name: value for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}
KINDS = {"counter": "_total", "histogram": "_seconds", "gauge": ""}
IDENTITIES = {"id", "tenant", "customer", "actor", "user", "subject", "request", "key", "reason"}


def used(path: Path) -> Iterator[tuple[str, int | None]]:
    """The metrics that a file uses, with the number of labels where it names them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "labels":
            if name := metric(node.func.value):
                counted = not any(isinstance(argument, ast.Starred) for argument in node.args)
                yield name, len(node.args) if counted else None
        elif name := metric(node):
            yield name, None


def metric(node: ast.AST) -> str:
    """`X` of `metrics.X`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "metrics":
        return node.attr if node.attr.isupper() else ""
    return ""


# ------------------------------------------------------------------------------------------------- metrics


def test_metrics_are_declared_in_one_place() -> None:
    """By the chassis module alone, so that the list of them is complete."""
    other = re.compile(
        r"^\s*(from|import) prometheus_client(?!\.metrics|\.parser| import CollectorRegistry$)", re.MULTILINE
    )
    elsewhere = [
        str(path.relative_to(ROOT)) for path in CODE if path.name != "metrics.py" and other.search(path.read_text())
    ]
    assert elsewhere == []


def test_every_metric_that_code_names_is_declared_and_every_declared_one_is_used() -> None:
    named = {name for path in CODE for name, _ in used(path)} - {"REGISTRY", "CONTENT_TYPE"}
    itself = ast.walk(ast.parse((ROOT / "libs/engine/metrics.py").read_text()))
    named |= DECLARED.keys() & {
        node.value.id for node in itself if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert named - DECLARED.keys() == set(), "used, but not declared"
    assert DECLARED.keys() - named == set(), "declared, but not used"


def test_metrics_are_used_with_their_labels() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {name} has the labels {DECLARED[name]._labelnames}"
        for path in CODE
        for name, count in used(path)
        if count is not None and name in DECLARED and count != len(DECLARED[name]._labelnames)
    ]
    assert wrong == []


def test_names_of_metrics_tell_kind_and_unit() -> None:
    for declared in DECLARED.values():
        family = next(iter(declared.describe()))
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert re.fullmatch(r"(kehu|grpc_server)_[a-z_]+", name)
        assert name.endswith(KINDS[family.type]), name
        assert family.documentation.endswith("."), name


def test_labels_are_closed_sets() -> None:
    labels = {label for declared in DECLARED.values() for label in declared._labelnames}
    assert {label for label in labels if set(label.split("_")) & IDENTITIES} == set()


# ------------------------------------------------------------------------------------------------- reasons


def reasons(path: Path) -> Iterator[str]:
    """Every literal reason of an error in a file: `reason="X"`, or the class attribute of an error."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def test_every_reason_of_an_error_is_listed_in_the_protos() -> None:
    listed = {value.removeprefix("ERROR_REASON_") for value in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118
    named = {reason for path in CODE for reason in reasons(path) if re.fullmatch(r"[A-Z][A-Z0-9_]+[A-Z0-9]", reason)}
    assert named - listed - FIELD_REASONS == set()


FIELD_REASONS = {"INVALID_FIELD"}
"""Reasons of single fields, beside the rule ids of the protos."""


# ------------------------------------------------------------------------------------------------ settings


def test_every_setting_that_code_or_documents_name_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__} | set(OTHERS)
    known |= {
        name
        for path in (ROOT / "docker").glob("*.*")
        for name in re.findall(r"\$\{(KEHU_[A-Z_]+):?[-?]", path.read_text())
    }
    texts = [*CODE, *ROOT.glob("*.md"), *(ROOT / "docker").rglob("*"), *(ROOT / "deploy").rglob("*")]
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in texts
        if path.is_file() and path.suffix in {".py", ".md", ".yaml", ".yml", ".tpl", ".json", ""}
        for name in re.findall(r"\bKEHU_[A-Z]+(?:_[A-Z]+)*\b", path.read_text(errors="ignore"))
    }
    unknown = sorted(
        (file, name)
        for file, name in named
        if name not in known and not f"{name}_".startswith(OTHER_PREFIXES) and name != "KEHU_X"
    )
    assert unknown == []


@pytest.mark.parametrize("service", SERVICES)
def test_entities_that_publish_have_prefixes_of_their_own(service: str) -> None:
    """An event's id is made of its entity's, so two kinds of entities with one id would hide each other's events."""
    database = MemoryDatabase(service)
    composition(service).store(database)
    prefixes = Counter(each.entity.ID_PREFIX for each in database.collections.values() if each.publishes)
    assert [prefix for prefix, count in prefixes.items() if count > 1] == []


# ------------------------------------------------------------------------------------------------- changes

PARTICIPLE = re.compile(r"\w+ed|left|held|kept|sent|told|taken|given|begun|made|lost|won|bought|overridden|paid|met")
BASE_FORMS = {"feed", "heed", "need", "proceed", "seed", "shed", "speed", "succeed"}


def changes() -> Iterator[tuple[str, str]]:
    """Public methods of entities that return a change, with their places."""
    for path in sorted((ROOT / "services").rglob("*.py")):
        if not {"domain", "domain.py"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for method in node.body if isinstance(node, ast.ClassDef) else ():
                if (
                    isinstance(method, ast.FunctionDef)
                    and method.returns is not None
                    and ast.unparse(method.returns).startswith("Change[")
                    and not method.name.startswith("_")
                ):
                    yield f"{path.relative_to(ROOT)}:{method.lineno}", method.name


def test_changes_are_named_by_imperatives_and_events_by_participles() -> None:
    found = [*changes()]
    assert len(found) > 300
    wrong = [f"{place}: {name}" for place, name in found if PARTICIPLE.fullmatch(name) and name not in BASE_FORMS]
    assert wrong == [], "a change is an order (`promise.keep`), the event that it causes a participle (`PromiseKept`)"
