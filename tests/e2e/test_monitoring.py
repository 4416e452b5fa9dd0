"""A real Prometheus watches the running services: every question of every dashboard and alert is answered."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import yaml

from libs.client.client import Client
from libs.localstack.processes import StackError
from libs.monitoring import files, picture
from libs.monitoring.prometheus import Api, Prometheus, Target
from libs.registry import REGISTRY
from tests.support import promql
from tests.support.patience import eventually
from tests.support.stack import System

VARIABLES = {"$__rate_interval": "10s", "$namespace": "", "$service": ".*"}
"""What stands for what Grafana fills in. No namespace, as nothing adds one here."""

PAGES = {path.stem: json.loads(path.read_text()) for path in sorted((files.FOLDER / "dashboards").glob("*.json"))}
ASKED = {
    f"{name}: {panel['title']}: {target['legendFormat']}": target["expr"]
    for name, page in PAGES.items()
    for panel in page["panels"]
    for target in panel.get("targets", ())
}
RULES = [
    rule
    for group in yaml.safe_load((files.FOLDER / "alerts" / "kehu.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
UNANSWERED = {
    "increase(grpc_server_handled_total": "nothing has to fail here; the share of failed calls is written to be 0",
    "kehu_rpc_without_deadline_total": "every caller here names a deadline; a caller without one makes the series",
    "offset 15m": "this Prometheus has watched for seconds only",
    "absent(": "it asks for nothing at all, and there is something",
}
"""What may remain without an answer, and why."""


@pytest.fixture(scope="module")
def traffic(stack: System) -> Iterator[None]:
    """Customers and contacts come and are asked for, all the time."""
    over = threading.Event()

    def work() -> None:
        with stack.client("t-monitoring", timeout=60) as client:
            while not over.wait(0.05):
                one_visit(client)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def one_visit(client: Client) -> None:
    """Somebody comes, says something, and is looked at."""
    customer = client.profiles.create_customer(customer={"kind": "PERSON", "display_name": "王小明"})
    interaction = client.interactions.ingest_interaction(
        interaction={
            "customer_id": customer.id,
            "channel": "VOICE",
            "direction": "INBOUND",
            "purpose": "INQUIRY",
            "occurred_time": datetime.now(UTC),
        }
    )
    client.profiles.get_customer(customer_id=customer.id)
    client.interactions.get_interaction(interaction_id=interaction.id)


@pytest.fixture(scope="module")
def prometheus(stack: System, stack_folder: Path, traffic: None) -> Iterator[Api]:
    """A Prometheus that scrapes and judges every second."""
    targets = [
        Target(urlsplit(stack.admin(f"{each.name}-{role}")).netloc, each.name, role)
        for each in REGISTRY
        for role in each.roles
    ]
    try:
        server = Prometheus(stack_folder / "monitoring", targets, files.FOLDER / "alerts" / "kehu.yaml")
    except StackError as missing:
        pytest.skip(str(missing))
    server.start()
    yield Api(server.url)
    server.stop()


def figures(prometheus: Api, expr: str) -> list[float]:
    """What Prometheus answers now, without what is no number."""
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return [each.points[-1][1] for each in prometheus.query(expr) if not math.isnan(each.points[-1][1])]


def unanswered(prometheus: Api, asked: Mapping[str, str]) -> list[str]:
    """What Prometheus has no answer to."""
    return [name for name, expr in asked.items() if not figures(prometheus, expr)]


def test_every_line_of_every_dashboard_is_answered(prometheus: Api) -> None:
    waiting = dict(ASKED)

    def answered() -> bool:
        for name in waiting.keys() - unanswered(prometheus, waiting):
            del waiting[name]
        return not waiting

    eventually(answered, 60)


def test_every_panel_has_a_unit_and_an_explanation() -> None:
    panels = [panel for page in PAGES.values() for panel in page["panels"] if panel["type"] != "row"]
    assert len(panels) > 30
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels)


def test_every_rule_is_judged_and_none_fires_while_all_is_well(prometheus: Api) -> None:
    def judged() -> list[Any] | None:
        rules = prometheus.rules()
        return rules if all(rule["health"] == "ok" for rule in rules) else None

    found = eventually(judged, 60)
    assert len(found) == len(RULES)
    assert [rule["name"] for rule in found if rule.get("state") == "firing"] == []


def test_what_an_alert_looks_at_is_there(prometheus: Api) -> None:
    operands = {each: each for rule in RULES for each in promql.operands(rule["expr"])}
    excused = {each for each in operands if any(part in each for part in UNANSWERED)}
    assert len(excused) == len(UNANSWERED), "a reason that excuses nothing, or too much"
    eventually(lambda: set(unanswered(prometheus, operands)) <= excused, 60)


@pytest.mark.parametrize("name", PAGES)
def test_a_dashboard_can_be_drawn(prometheus: Api, name: str) -> None:
    drawn = ET.fromstring(picture.draw(json.dumps(PAGES[name]), prometheus, minutes=1))
    words = ["".join(text.itertext()) for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert PAGES[name]["title"] in words
    for panel in PAGES[name]["panels"]:
        assert (panel["title"].upper() if panel["type"] == "row" else panel["title"]) in words
    assert "no data" not in words


def test_a_worker_that_is_gone_is_noticed(prometheus: Api, stack: System) -> None:
    stack.stop_one("interactions-worker")
    try:
        for alert in ("KehuServiceDown", "KehuProcessDown"):
            active = eventually(partial(noticed, prometheus, alert), 60)
            assert {each["labels"]["service"] for each in active} == {"interactions"}
            assert {each["labels"]["role"] for each in active} == {"worker"}
    finally:
        stack.launch("interactions-worker")
        stack.wait_ready("interactions-worker")
    for alert in ("KehuServiceDown", "KehuProcessDown"):
        eventually(lambda alert=alert: not noticed(prometheus, alert), 60)


def noticed(prometheus: Api, alert: str) -> list[Any]:
    """What an alert has seen, whether or not it has held long enough to fire."""
    [rule] = [rule for rule in prometheus.rules() if rule["name"] == alert]
    return list(rule["alerts"])
