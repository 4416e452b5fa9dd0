"""Probes and metrics over HTTP, on threads and on green threads."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from libs.engine.admin import AdminServer


class Health:
    """Reasons that a test sets."""

    live: str | None = None
    ready: str | None = None


@pytest.fixture
def health() -> Health:
    """All is well."""
    return Health()


@pytest.fixture
def server(health: Health) -> Iterator[AdminServer]:
    """A server that tells it."""
    admin = AdminServer("127.0.0.1:0", live=lambda: health.live, ready=lambda: health.ready)
    admin.start()
    yield admin
    admin.stop()


def get(server: AdminServer, path: str) -> tuple[int, str]:
    """Status and text."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_probes_tell_the_reason(server: AdminServer, health: Health) -> None:
    assert get(server, "/livez") == get(server, "/readyz?verbose=1") == (200, "ok\n")
    health.ready = "the database has not answered for 12 s"
    assert get(server, "/readyz") == (503, "the database has not answered for 12 s\n")
    assert get(server, "/livez")[0] == 200
    health.live = "the relay has not moved for 40 s"
    assert get(server, "/livez") == (503, "the relay has not moved for 40 s\n")


def test_readiness_is_a_metric_too(server: AdminServer, health: Health) -> None:
    assert "\nkehu_ready 1.0\n" in get(server, "/metrics")[1]
    health.ready = "the store is away"
    assert "\nkehu_ready 0.0\n" in get(server, "/metrics")[1]


def test_metrics_are_served(server: AdminServer) -> None:
    status, text = get(server, "/metrics")
    assert status == 200
    assert "# TYPE kehu_outbox_oldest_seconds gauge" in text


def test_other_paths_do_not_exist(server: AdminServer) -> None:
    assert get(server, "/")[0] == 404


def test_a_silent_connection_does_not_keep_the_others_waiting(server: AdminServer) -> None:
    silent = HTTPConnection("127.0.0.1", server.port, timeout=5)
    silent.connect()
    assert get(server, "/livez")[0] == 200
    silent.close()


def test_a_server_that_never_started_stops_as_well() -> None:
    AdminServer("127.0.0.1:0", live=lambda: None, ready=lambda: None).stop()


def test_it_works_under_eventlet() -> None:
    program = textwrap.dedent(
        """
        import warnings; warnings.simplefilter("ignore")
        import eventlet; eventlet.monkey_patch()
        from http.client import HTTPConnection
        from libs.engine.admin import AdminServer
        admin = AdminServer("127.0.0.1:0", live=lambda: None, ready=lambda: "is starting")
        admin.start()
        for path in ("/livez", "/readyz", "/metrics"):
            connection = HTTPConnection("127.0.0.1", admin.port, timeout=5)
            connection.request("GET", path)
            print(connection.getresponse().status)
        admin.stop()
        """
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (ran.stdout.split(), ran.returncode) == (["200", "503", "200"], 0), ran.stderr
