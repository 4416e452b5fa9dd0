"""A service is its folder, its protos and its line in `libs/registry.py`; everything else follows."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs import generated, registry
from libs.engine.store.memory import MemoryDatabase
from libs.registry import ERASURE_PARTICIPANTS, PROCESSES, REGISTRY, SERVICES
from tests.support.contracts import ROOT

SIXTH = ROOT / "tests" / "support" / "sixth"
"""A service as its author would leave it: a folder in `services/` and one in `protos/kehu/`."""
LINE = '    Registration("parcels", calls=("profiles",)),\n'
ERASURE_REQUESTED = "kehu.profiles.customer.erasure_requested.v1"


def test_every_folder_has_its_line_and_every_line_its_folder() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/__main__.py")}
    protos = {path.name for path in ROOT.glob("protos/kehu/*")} - {"common"}
    advice = "a service is a folder in services/, one in protos/kehu/ and a line in libs/registry.py"
    assert sorted(SERVICES) == sorted(folders) == sorted(protos), advice


def test_the_registry_is_plain_data() -> None:
    tree = ast.parse(Path(registry.__file__).read_text())
    found = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert found == ["__future__", "dataclasses"]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    for each in REGISTRY:
        assert set(each.calls) <= set(SERVICES) - {each.name}, f"{each.name} calls a service that does not exist"


def test_what_compose_derives_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate_docker", ROOT / "docker" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert generated.stale(module.files()) == [], "run `make chart`"


@pytest.mark.parametrize("service", SERVICES)
def test_whoever_holds_customers_hears_of_erasures(service: str) -> None:
    from libs.suite import composition, routes
    from tests.contract.test_holdings import names_customers

    database = MemoryDatabase(service)
    composition(service).store(database)
    held = sorted(name for name, each in database.collections.items() if names_customers(each.entity))
    if service not in ERASURE_PARTICIPANTS:
        assert held == [], f"{service} stores {held} about customers; take `holds_customers=False` out of its line"
    elif service != "profiles":
        heard = {key for route in routes(service) for key in route.keys.get("profiles", ())}
        assert ERASURE_REQUESTED in heard, f"{service} holds customers and has to listen to {ERASURE_REQUESTED}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with a sixth service: its folders put beside the others, its line added, `make chart` run."""
    root = tmp_path_factory.mktemp("suite")
    for folder in ("libs", "services", "protos", "docker", "deploy"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("services", "protos"):
        shutil.copytree(SIXTH / folder, root / folder, dirs_exist_ok=True)
    file = root / "libs" / "registry.py"
    text = file.read_text()
    last = f'    Registration("{SERVICES[-1]}"'
    [place] = [text.index("\n", at) + 1 for at in range(len(text)) if text.startswith(last, at)]
    file.write_text(text[:place] + LINE + text[place:])
    run(root, "protos/generate.py")
    run(root, "deploy/helm/generate.py")
    run(root, "docker/generate.py")
    run(root, "-m", "libs.monitoring")
    return root


def run(root: Path, *arguments: str | Path) -> str:
    """Runs Python in the tree and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{root}:{root}/build/gen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def known(tree: Path) -> Mapping[str, Any]:
    """What the parts of the suite know in that tree."""
    found: Mapping[str, Any] = json.loads(run(tree, SIXTH / "probe.py"))
    return found


def test_the_stack_of_this_machine_runs_a_sixth_service(known: Mapping[str, Any]) -> None:
    assert known["local stack"] == ["mongod", "rabbitmq", *PROCESSES, "parcels-api", "parcels-worker"]
    assert known["queues"] == ["parcels.erasures.0", "parcels.journal.0"]


def test_client_and_doctor_ask_it(known: Mapping[str, Any]) -> None:
    assert "get_parcel" in known["client"]
    assert "parcels api" in known["doctor"]
    assert known["tests"] == sorted([*SERVICES, "parcels"])


def test_an_erasure_waits_for_it(known: Mapping[str, Any]) -> None:
    assert known["erasure"] == [*(name for name in ERASURE_PARTICIPANTS if name != "profiles"), "parcels"]


def test_compose_and_its_prometheus_run_and_watch_it(tree: Path) -> None:
    services = yaml.safe_load((tree / "docker" / "compose.yaml").read_text())["services"]
    assert [services[f"parcels-{role}"]["command"] for role in ("migrate", "api", "worker")] == [
        ["parcels", "migrate"],
        ["parcels", "api"],
        ["parcels", "worker"],
    ]
    for each in services.values():
        if "KEHU_LISTEN" in each.get("environment", {}):
            assert each["environment"]["KEHU_TARGET_PARCELS"] == "dns:///parcels-api:50051"
    ports = [port for each in services.values() for port in each.get("ports", ())]
    assert len({port.partition(":-")[2] for port in ports}) == len(ports)
    scraped = (tree / "docker" / "compose" / "prometheus.yaml").read_text()
    assert 'targets: ["parcels-worker:9090"], labels: {service: parcels, role: worker}' in scraped


def test_chart_and_monitoring_know_it(tree: Path, known: Mapping[str, Any]) -> None:
    chart = tree / "deploy" / "helm" / "kehu"
    values = yaml.safe_load((chart / "values.yaml").read_text())["services"]
    assert list(values) == [*SERVICES, "parcels"]
    assert values["parcels"] == {"calls": ["profiles"], "listens": ["profiles", "parcels"]}
    assert yaml.safe_load((chart / "files" / "leases.yaml").read_text())["parcels"] == ["relay"]
    assert "parcels" in (chart / "files" / "alerts" / "kehu.yaml").read_text()
    assert known["topology"] == sorted([*SERVICES, "parcels"])


def test_its_process_says_what_it_lacks_as_every_other_does(tree: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from libs.command.entry import main; main()", "parcels", "api"],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{tree}:{tree}/build/gen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "kehu parcels api: KEHU_MONGODB_URI" in done.stderr
