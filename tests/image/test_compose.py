"""compose.yaml: it names every process that exists, and a call goes through all of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml

from libs.client.client import Client
from libs.client.errors import NotFound
from libs.engine import access
from libs.localstack.processes import HOST, free_port
from libs.registry import PROCESSES, REGISTRY, SERVICES
from tests.support.containers import ROOT, Engine
from tests.support.patience import eventually

COMPOSE = ROOT / "docker" / "compose.yaml"
PROJECT = "kehu-tested"


def test_it_runs_every_process_as_a_cluster_would() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    jobs = [f"{service}-migrate" for service in SERVICES]
    ours = {name: each for name, each in services.items() if "kehu:dev" in each["image"]}
    assert set(ours) == {*PROCESSES, *jobs, "replica-set"}
    for name, each in ours.items():
        assert each["read_only"], name
        assert each["cap_drop"] == ["ALL"], name
        assert not [key for key in each["environment"] if "PASSWORD" in key], name
        if name != "replica-set":
            assert "-".join(each["command"]) == name
    assert {f"KEHU_TARGET_{service.upper()}" for service in SERVICES} <= services["profiles-api"]["environment"].keys()


def test_prometheus_looks_at_every_process_under_its_labels() -> None:
    jobs = yaml.safe_load((ROOT / "docker" / "compose" / "prometheus.yaml").read_text())["scrape_configs"]
    told = {
        target: (group["labels"]["service"], group["labels"]["role"])
        for job in jobs
        if job["job_name"] == "kehu"
        for group in job["static_configs"]
        for target in group["targets"]
    }
    assert told == {f"{each.name}-{role}:9090": (each.name, role) for each in REGISTRY for role in each.roles}


class Suite:
    """The composed suite, and how to reach it from here."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.ports = {name: free_port() for name in (*SERVICES, "rabbitmq", "prometheus")}
        self.folder = folder
        images = dict(line.split("=", 1) for line in engine.script("local/build.sh").splitlines())
        self._variables = {
            **images,
            **{f"KEHU_{name.upper()}_PORT": str(port) for name, port in self.ports.items()},
            "KEHU_SECRETS": str(folder),
        }
        engine.script("secrets.sh", str(folder))

    def compose(self, *arguments: str) -> None:
        """Runs compose, by the engine's own or by podman-compose."""
        own = (
            ["docker", "compose"]
            if self.engine.tool == "docker"
            else [str(Path(sys.executable).with_name("podman-compose"))]
        )
        done = subprocess.run(
            [*own, "--file", str(COMPOSE), "--project-name", PROJECT, *arguments],
            env={**os.environ, **self.engine.env, **self._variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def ready(self, process: str) -> bool:
        """Whether the health check of a process is content."""
        try:
            self.engine("exec", self.container(process), "kehu-ready")
        except RuntimeError:
            return False
        return True

    def container(self, name: str) -> str:
        """The container of one service of the file."""
        return self.engine("ps", "--all", "--quiet", "--filter", f"name={PROJECT}.{name}.1")

    def exit_code(self, name: str) -> int:
        """How the process in it ended, or 0 while it runs."""
        return int(self.engine("inspect", "--format={{.State.ExitCode}}", self.container(name)))

    def client(self, tenant: str) -> Client:
        """A client of the published ports."""
        token = access.issue(
            self.folder / "keys", subject="tester", tenant=tenant, scopes=["*"], lifetime=timedelta(hours=1)
        )
        return Client({service: f"{HOST}:{self.ports[service]}" for service in SERVICES}, token=token)

    def query(self, expression: str) -> list[Mapping[str, Any]]:
        """The rows that Prometheus answers."""
        url = f"http://{HOST}:{self.ports['prometheus']}/api/v1/query?query={quote(expression)}"
        with urlopen(url, timeout=5) as answer:
            rows: list[Mapping[str, Any]] = json.load(answer)["data"]["result"]
        return rows


@pytest.fixture(scope="module")
def suite(engine: Engine, image: str, stack_folder: Path) -> Iterator[Suite]:
    """Everything up."""
    suite = Suite(engine, stack_folder / "compose")
    try:
        suite.compose("up", "--detach")
        for process in PROCESSES:
            try:
                eventually(lambda process=process: suite.ready(process), seconds=400)
            except AssertionError:
                pytest.fail(f"{process} is not ready:\n{engine('logs', '--tail=20', suite.container(process))}")
        yield suite
    finally:
        suite.compose("down", "--volumes", "--timeout", "20")


def test_a_call_goes_through_and_its_news_arrive(suite: Suite) -> None:
    with suite.client("composed") as client:
        made = client.profiles.create_customer(
            customer={"kind": "PERSON", "names": [{"family": "王", "given": "小明"}]}
        )
        assert client.profiles.get_customer(customer_id=made.id).names[0].family == "王"
        # interactions learns of the customer from the worker's event, over the broker.
        eventually(lambda: _name_told_by_interactions(client, made.id) == "王小明")


def _name_told_by_interactions(client: Client, customer_id: str) -> str:
    try:
        return str(client.interactions.get_context(customer_id=customer_id).customer.display_name)
    except NotFound:
        return ""


def test_a_fit_of_customer_value_runs_in_a_child_of_the_worker(suite: Suite) -> None:
    with suite.client("valued") as client:
        _buy(client, customers=300)
        operation = client.profiles.fit_clv_model(currency_code="EUR", margin=0.3)

        def ended() -> Any:
            found = client.profiles.get_operation(operation_id=operation.id)
            return found if found.HasField("end_time") else None

        found = eventually(ended, seconds=120)
        assert found.HasField("result"), found.error


def _buy(client: Client, customers: int) -> None:
    """Purchases as the model assumes them: at rates of one's own, until one leaves. Spend does not go with the rate."""
    dice = random.Random(11)
    now = datetime.now(UTC)
    rows = []
    for number in range(customers):
        id = client.profiles.create_customer(
            customer={"kind": "PERSON", "names": [{"family": "李", "given": f"小{number}"}]}
        ).id
        rate, leaves, spend = dice.gammavariate(2, 0.03), dice.betavariate(1, 6), dice.gammavariate(6, 500)
        day = dice.uniform(300, 700)
        while day > 1:
            rows.append(
                {
                    "transaction": {
                        "customer_id": id,
                        "occurred_time": now - timedelta(days=day),
                        "type": "SALE",
                        "amount": {"currency_code": "EUR", "minor_units": max(1, int(dice.gammavariate(8, spend / 8)))},
                        "source": "erp",
                        "source_key": f"{id}/{day}",
                    }
                }
            )
            if dice.random() < leaves:
                break
            day -= dice.expovariate(rate)
    for start in range(0, len(rows), 500):
        list(client.profiles.record_transactions([{"rows": rows[start : start + 500]}]))


def test_prometheus_sees_every_process(suite: Suite) -> None:
    def seen() -> bool:
        up = suite.query('up{job="kehu"} == 1')
        return {f"{row['metric']['service']}-{row['metric']['role']}" for row in up} == set(PROCESSES)

    eventually(seen, seconds=60)


def test_they_end_in_good_order(suite: Suite) -> None:
    """The last test: afterwards nothing of ours runs any more."""
    for process in PROCESSES:
        suite.engine("stop", "--time=25", suite.container(process))
    assert {process: suite.exit_code(process) for process in PROCESSES} == dict.fromkeys(PROCESSES, 0)
