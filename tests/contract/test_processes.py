"""What each kind of process loads: grpc and eventlet cannot live in one."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from kehu.common.v1 import journal_pb2, operation_pb2
from pymongo import MongoClient

from libs.engine import access
from libs.engine.rpc.server import Server
from libs.engine.run.api import servicers
from libs.engine.run.process import Process
from libs.engine.settings import Secret, Settings
from libs.engine.store import MongoDatabase
from libs.registry import SERVICES
from tests.support.contracts import methods

COMMON = [
    "libs.engine.run",
    "libs.engine.store",
    "libs.engine.store.memory",
    "libs.engine.settings",
    "libs.engine.admin",
]

ROLES = {
    "api": (["eventlet", "nameko"], [*COMMON, "libs.engine.run.api", "libs.engine.rpc.server"]),
    "worker": (["grpc"], [*COMMON, "libs.engine.run.worker", "libs.engine.outbox", "libs.engine.journal"]),
}
"""Role → the packages that must not be loaded, and the modules that surely are."""


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("service", SERVICES)
def test_a_process_loads_only_its_own_world(service: str, role: str) -> None:
    forbidden, loaded = ROLES[role]
    program = f"""
        import sys, warnings
        warnings.simplefilter("ignore")
        from importlib import import_module
        if "{role}" == "worker":
            import_module("libs.engine.green").patch()
        root = import_module("services.{service}.__main__")
        for name in {loaded!r}:
            import_module(name)
        from pymongo import MongoClient
        client = MongoClient("mongodb://127.0.0.1:1", connect=False)
        database = import_module("libs.engine.store").MongoDatabase(client, "{service}", page_key=bytes(32))
        store = root.SERVICE.store(database)
        root.SERVICE.servicers(store) if "{role}" == "api" else root.SERVICE.subscriptions(store)
        print([name for name in {forbidden!r} if name in sys.modules])
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_composes_and_serves_every_method_that_it_declares(service: str, tmp_path: Path) -> None:
    declared = import_module(f"services.{service}.__main__").SERVICE
    access.make_keys(tmp_path)
    client: MongoClient[dict[str, Any]] = MongoClient("mongodb://127.0.0.1:1", connect=False)
    database = MongoDatabase(client, service, page_key=bytes(32))
    settings = Settings(mongodb_uri=Secret("x"), listen="127.0.0.1:0", token_keys=tmp_path)
    composed = servicers(Process(declared, settings, database, declared.store(database)))
    server = Server(settings, composed, service=service)
    server.stop()
    client.close()
    assert declared.name == service
    assert {method.scope.split(".")[0] for method in server.methods} == {service}
    served = {name for _, servicer in composed for name, at in _definitions(servicer) if not at.endswith("_pb2_grpc")}
    shared = (journal_pb2, operation_pb2) if declared.operations is not None else (journal_pb2,)
    common = [m for file in shared for each in file.DESCRIPTOR.services_by_name.values() for m in each.methods]
    assert {method.name for method in (*methods(service), *common)} <= served


def _definitions(servicer: object) -> list[tuple[str, str]]:
    """Every method of a servicer with the module of the class that defines it last."""
    names = {name for cls in type(servicer).__mro__ for name in vars(cls)}
    return [(n, next(cls.__module__ for cls in type(servicer).__mro__ if n in vars(cls))) for n in names]
