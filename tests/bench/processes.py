"""Figures of processes: memory at rest, and how soon an api serves."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.registry import PROCESSES
from tests.bench.figures import Figure
from tests.bench.stage import Stage


def memory(stage: Stage) -> list[Figure]:
    """Resident memory of processes that have just started and have nothing to do."""
    for name in PROCESSES:
        stage.system.restart(name)
    time.sleep(2)
    return [
        Figure.limit(f"memory of an idle {name}, MB", _resident(stage.system.pid(name)), most=90) for name in PROCESSES
    ]


def start(stage: Stage) -> Figure:
    """Seconds from the command to SERVING."""
    seconds = []
    for _ in range(stage.rounds):
        stage.system.stop_one("profiles-api")
        begun = time.perf_counter()
        stage.system.launch("profiles-api")
        _wait_serving(stage.system.targets["profiles"])
        seconds.append(time.perf_counter() - begun)
    stage.system.wait_ready("profiles-api")
    return Figure.limit("`kehu profiles api` to SERVING, median s", statistics.median(seconds), most=2)


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def _wait_serving(target: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with grpc.insecure_channel(target) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
            except grpc.RpcError:
                time.sleep(0.02)
                continue
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return
        time.sleep(0.02)
    raise TimeoutError(f"{target} does not serve")
