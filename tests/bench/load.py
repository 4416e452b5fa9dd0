"""A closed-loop load generator in a process of its own: so many calls in flight, for so many seconds.

    python -m tests.bench.load <job.json>

It sends ready bytes and looks at no answer, so that it costs as little as it can; it prints calls, errors and latencies
as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import grpc

SERVER_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run saw."""

    calls: int
    errors: int
    seconds: float
    median_ms: float
    p99_ms: float
    first_error: str = ""

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


def run(
    target: str,
    method: str,
    requests: Sequence[bytes],
    *,
    token: str = "",
    seconds: float,
    in_flight: int = 8,
    once: bool = False,
) -> Measured:
    """Loads a server from the other core; `once` sends every request only once and ends when they are used up."""
    job = {
        "target": target,
        "method": method,
        "requests": [base64.b64encode(request).decode() for request in requests],
        "token": token,
        "seconds": seconds,
        "in_flight": in_flight,
        "once": once,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(job, file)
        file.flush()
        command = [sys.executable, "-m", "tests.bench.load", file.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    measured = Measured(**json.loads(done.stdout))
    if measured.errors > measured.calls // 100:
        raise RuntimeError(f"{measured.errors} errors in {measured.calls} calls of {method}: {measured.first_error}")
    return measured


def pin(pid: int, core: int) -> None:
    """Keeps every thread of a process on one core, if there is more than one."""
    if (os.cpu_count() or 1) < 2:
        return
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), {core})
        except ProcessLookupError:
            continue  # a thread that has just ended


def _work(job: dict[str, object]) -> Measured:
    metadata = (("authorization", f"Bearer {job['token']}"),) if job["token"] else ()
    requests = [base64.b64decode(text) for text in job["requests"]]  # type: ignore[attr-defined]
    source = iter(requests) if job["once"] else cycle(requests)
    lock = threading.Lock()
    latencies: list[float] = []
    errors: list[str] = []
    with grpc.insecure_channel(str(job["target"])) as channel:
        call: Any = channel.unary_unary(str(job["method"]))
        grpc.channel_ready_future(channel).result(timeout=10)
        deadline = time.perf_counter() + float(job["seconds"])  # type: ignore[arg-type]

        def loop() -> None:
            while time.perf_counter() < deadline:
                with lock:
                    request = next(source, None)
                if request is None:
                    return
                begun = time.perf_counter()
                try:
                    call(request, metadata=metadata, timeout=20)
                except grpc.RpcError as error:
                    errors.append(f"{error.code().name}: {error.details()}")
                else:
                    latencies.append(time.perf_counter() - begun)

        started = time.perf_counter()
        threads = [threading.Thread(target=loop) for _ in range(int(job["in_flight"]))]  # type: ignore[call-overload]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
    latencies.sort()
    return Measured(
        calls=len(latencies),
        errors=len(errors),
        seconds=seconds,
        median_ms=1000 * latencies[len(latencies) // 2] if latencies else 0.0,
        p99_ms=1000 * latencies[len(latencies) * 99 // 100] if latencies else 0.0,
        first_error=errors[0] if errors else "",
    )


if __name__ == "__main__":
    pin(os.getpid(), LOAD_CORE)
    print(json.dumps(asdict(_work(json.loads(Path(sys.argv[1]).read_text())))))
