"""The image at work, on a read-only root and without any capability."""

from __future__ import annotations

import os
import sysconfig
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.engine import access
from libs.localstack.processes import HOST, answers, free_port
from tests.support.containers import HARDENED, ROOT, Engine
from tests.support.patience import eventually

TESTERS = (
    *(
        "py",
        "pytest",
        "_pytest",
        "pluggy",
        "iniconfig",
        "hypothesis",
        "sortedcontainers",
        "pytest_socket",
        "pytest_timeout",
    ),
    *("_hypothesis_ftz_detector", "_hypothesis_globals", "_hypothesis_pytestplugin"),
    "pygments/lexers/diff",
)
"""What tests need and the image lacks: pure Python, lent to it for the time of this test."""
PACKAGES = "/opt/kehu/lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def settings(stack_folder: Path, mongodb_uri: str, amqp_uri: str) -> dict[str, str]:
    """The environment of a process on this machine's own store and bus."""
    return {
        "KEHU_MONGODB_URI": mongodb_uri,
        "KEHU_AMQP_URI": amqp_uri,
        "KEHU_TOKEN_KEYS": "/etc/kehu/keys",
        "KEHU_DRAIN_SECONDS": "0",
        "KEHU_LISTEN": f"{HOST}:{free_port()}",
        "KEHU_ADMIN_LISTEN": f"{HOST}:{free_port()}",
    }


@pytest.fixture(scope="module")
def options(stack_folder: Path, settings: dict[str, str]) -> list[str]:
    """How the engine is asked to run it, with keys that the user of the image can read."""
    folder = stack_folder / "image-keys"
    access.make_keys(folder)
    for path in (stack_folder, folder, *folder.iterdir()):
        path.chmod(0o755)
    return [*HARDENED, f"--volume={folder}:/etc/kehu/keys:ro", *(f"--env={k}={v}" for k, v in settings.items())]


def test_every_module_of_ours_imports(engine: Engine, image: str) -> None:
    program = """
import importlib, pkgutil, sys
count = 0
for root in ("libs", "services", "kehu"):
    for module in pkgutil.walk_packages(importlib.import_module(root).__path__, root + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
            count += 1
import kubernetes.client, kubernetes.config, kubernetes.watch
print(count)
"""
    told = engine("run", "--rm", *HARDENED, "--entrypoint=python3", image, "-c", program)
    assert int(told.splitlines()[-1]) > 100


def test_the_unit_tests_pass_on_the_libraries_of_the_image(engine: Engine, image: str) -> None:
    """Fits of customer value, telephone numbers, calendars, names: what was taken out is missed by none of them."""
    packages = Path(sysconfig.get_path("purelib"))
    lent = [
        f"--volume={path}:{PACKAGES}/{path.relative_to(packages)}:ro"
        for name in TESTERS
        for path in (*packages.glob(name), *packages.glob(f"{name}.py"), *packages.glob(f"{name}-*.dist-info"))
    ]
    lent += [
        f"--volume={ROOT / name}:/opt/kehu/app/{name}:ro" for name in ("tests", "libs/localstack", "pyproject.toml")
    ]
    told = engine(
        *(
            "run",
            "--rm",
            *HARDENED,
            "--memory=1g",
            *lent,
            "--workdir=/opt/kehu/app",
            "--env=HOME=/tmp",
            "--env=HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis",
        ),
        *("--entrypoint=python3", image, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--override-ini=testpaths="),
        *("tests/unit/profiles",),
    )
    assert " passed" in told.splitlines()[-1]


@pytest.mark.parametrize("service", sorted(path.parent.name for path in ROOT.glob("services/*/__main__.py")))
def test_from_its_start_to_serving(
    engine: Engine, image: str, service: str, settings: dict[str, str], options: list[str]
) -> None:
    engine("run", "--rm", *options, image, service, "migrate")
    figures = []
    for _ in range(3):
        begun = time.monotonic()
        with engine.running(*options, image, service, "api") as container:
            started = time.monotonic()
            _wait_for_serving(settings["KEHU_LISTEN"])
            serving = time.monotonic()
            pid = int(engine("inspect", "--format={{.State.Pid}}", container))
            figures.append((serving - begun, serving - started, _cpu_seconds(pid)))
            assert eventually(lambda: answers(f"http://{settings['KEHU_ADMIN_LISTEN']}/readyz"))
            probed = _cpu_of(engine, container)
            assert engine("exec", container, "kehu-ready") == ""
            assert _uid(pid) == 65532
    best = min(figures)
    print(
        f"\n{service} api: SERVING {best[0]:.2f} s after the engine was asked, {best[1]:.2f} s after the process "
        f"began, of {best[2]:.2f} s of a processor; a health check costs {probed * 1000:.0f} ms"
    )
    # The processor's time, because the wall clock of a busy machine says little.
    assert best[2] < 2.0


def _wait_for_serving(address: str) -> None:
    with grpc.insecure_channel(address, options=[("grpc.initial_reconnect_backoff_ms", 50)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        until = time.monotonic() + 60
        while True:
            try:
                request = health_pb2.HealthCheckRequest(service="readiness")
                if stub.Check(request, wait_for_ready=True, timeout=1).status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                pass
            assert time.monotonic() < until, f"{address} does not serve"
            time.sleep(0.02)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cpu_of(engine: Engine, container: str) -> float:
    """What the health check uses of a processor, in seconds: the clock of children of the probe's own interpreter."""
    program = (
        "import os, resource, subprocess\n"
        "for _ in range(10): subprocess.run(['kehu-ready'], check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print((used.ru_utime + used.ru_stime) / 10)"
    )
    return float(engine("exec", container, "python3", "-c", program))


def _uid(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid
