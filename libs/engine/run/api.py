"""The api process: calls come in through grpc, and none fails because the process is asked to end."""

from __future__ import annotations

from typing import Any

from kehu.common.v1.journal_pb2_grpc import add_JournalServiceServicer_to_server
from kehu.common.v1.operation_pb2_grpc import add_OperationsServiceServicer_to_server

from libs.chassis.service import Servicer
from libs.engine.rpc import onward
from libs.engine.rpc.journal import JournalServicer
from libs.engine.rpc.operations import OperationsServicer
from libs.engine.rpc.server import Server
from libs.engine.run.attend import attend
from libs.engine.run.process import Process


def servicers(process: Process[Any]) -> list[Servicer]:
    """Servicers of the process: the areas of the service, its journal, and its operations if it has any."""
    served = [*process.service.servicers(process.store)]
    served.append((add_JournalServiceServicer_to_server, JournalServicer(process.database)))
    if process.service.operations is not None:
        served.append((add_OperationsServiceServicer_to_server, OperationsServicer(process.operations)))
    return served


def serve(process: Process[Any]) -> int:
    """Serves calls until SIGTERM or SIGINT, then drains."""
    with onward.speaking(process.speaker()):
        return attend(process, Server(process.settings, servicers(process), service=process.service.name))
