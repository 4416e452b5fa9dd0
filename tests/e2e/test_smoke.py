"""`kehu smoke`, by which a fresh installation is judged."""

from __future__ import annotations

import signal
import subprocess

from libs.client import Client
from tests.support.patience import eventually
from tests.support.stack import KEHU, System

SCOPES = ("profiles.customers.write", "profiles.privacy.*")


def smoke(stack: System, tenant: str, patience: int) -> subprocess.CompletedProcess[str]:
    """Runs it with a token that may do what its help says and nothing else."""
    environment = stack.environment(tenant) | {"KEHU_TOKEN": stack.token(tenant, SCOPES)}
    command = [KEHU, "smoke", "--patience", str(patience)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_one_event_goes_through_the_suite_and_leaves_nobody(stack: System, tenant: str, client: Client) -> None:
    done = smoke(stack, tenant, 60)
    assert done.returncode == 0, done.stderr
    assert "the suite is whole" in done.stdout
    assert not list(client.profiles.list_customers())


def test_a_worker_that_does_not_work_is_told_and_its_customer_is_erased_later(
    stack: System, tenant: str, client: Client
) -> None:
    stack.kill("interactions-worker", signal.SIGSTOP)
    try:
        done = smoke(stack, tenant, 2)
    finally:
        stack.kill("interactions-worker", signal.SIGCONT)
    assert done.returncode == 1
    assert "no answer from interactions to the erasure" in " ".join(done.stderr.split())
    id = done.stdout.split()[2]
    eventually(lambda: client.profiles.get_erasure_status(customer_id=id).certificate)
