"""What every test may ask for: a real MongoDB, a real RabbitMQ, and the reference data."""

from __future__ import annotations

import base64
import http.client
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from libs.localstack.mongo import ReplicaSet
from libs.localstack.processes import guard
from libs.localstack.rabbit import Broker
from tests.support.brokers import LINES

# A slow machine is no defect: no test judges by the wall clock.
settings.register_profile("kehu", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("kehu")

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = ("tests/unit/", "tests/contract/", "tests/chart/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Closes the network to the tiers that are promised to need none."""
    for item in items:
        if item.nodeid.startswith(OFFLINE):
            item.add_marker(pytest.mark.disable_socket)


@pytest.fixture(scope="session")
def stack_folder() -> Path:
    """A folder for the processes of this run. They end, and it goes, with the run, even when that is killed."""
    folder = Path(tempfile.mkdtemp(prefix="kehu-tests-"))
    guard(folder)
    return folder


@pytest.fixture(scope="session")
def mongodb_uri(stack_folder: Path) -> Iterator[str]:
    """A replica set of one member; `KEHU_TEST_MONGODB_URI` wins over our own."""
    given = os.environ.get("KEHU_TEST_MONGODB_URI")
    if given:
        yield given
        return
    replica_set = ReplicaSet(stack_folder)
    replica_set.start()
    yield replica_set.uri
    replica_set.stop()


@pytest.fixture(scope="session")
def _brokers(stack_folder: Path) -> Iterator[Callable[[str], Broker]]:
    """Brokers by the name of their line, each started when it is first asked for."""
    started: dict[str, Broker] = {}

    def broker(line: str) -> Broker:
        if line not in started:
            started[line] = Broker(stack_folder / line, line=LINES[line]())
            started[line].start()
        return started[line]

    yield broker
    for each in started.values():
        each.stop()


@pytest.fixture(scope="session")
def amqp_uri(request: pytest.FixtureRequest) -> str:
    """A broker, of the installed line unless a test is `on_both_lines`; `KEHU_TEST_AMQP_URI` wins over our own."""
    given = os.environ.get("KEHU_TEST_AMQP_URI")
    return given or str(request.getfixturevalue("_brokers")(getattr(request, "param", "installed")).uri)


@pytest.fixture(scope="session")
def management_uri(request: pytest.FixtureRequest) -> str:
    """The management API of the broker; of one that is given, `KEHU_TEST_MANAGEMENT_URI` tells where it is."""
    if not os.environ.get("KEHU_TEST_AMQP_URI"):
        return str(request.getfixturevalue("_brokers")("installed").management_uri)
    given = os.environ.get("KEHU_TEST_MANAGEMENT_URI")
    if not given:
        pytest.skip("The broker of KEHU_TEST_AMQP_URI has no known management API; set KEHU_TEST_MANAGEMENT_URI.")
    return given


@pytest.fixture
def host_of_its_own(amqp_uri: str, management_uri: str) -> Iterator[str]:
    """A virtual host of the broker, for a system whose events nobody else can open."""
    name = f"test-{uuid4().hex[:8]}"
    broker = urlsplit(management_uri)

    def ask(method: str, path: str, body: Mapping[str, str]) -> None:
        connection = http.client.HTTPConnection(str(broker.hostname), broker.port, timeout=10)
        login = base64.b64encode(f"{broker.username}:{broker.password}".encode()).decode()
        connection.request(method, path, json.dumps(body), {"Authorization": f"Basic {login}"})
        assert connection.getresponse().status < 300
        connection.close()

    ask("PUT", f"/api/vhosts/{name}", {})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    ask("PUT", f"/api/permissions/{name}/{broker.username}", everything)
    yield urlsplit(amqp_uri)._replace(path=f"/{name}").geturl()
    ask("DELETE", f"/api/vhosts/{name}", {})


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """The folder of public reference data (`KEHU_REFERENCE_DATA`)."""
    folder = Path(os.environ.get("KEHU_REFERENCE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"There is no reference data at {folder}; set KEHU_REFERENCE_DATA to its folder.")
    return folder
