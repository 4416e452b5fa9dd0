"""Generates what compose.yaml and its Prometheus derive from the registry of services. `make chart` runs it.

python docker/generate.py

compose.tls.yaml          each process, with its certificate
compose.yaml              the addresses of the services, and three containers for each
compose/prometheus.yaml   a target for each process
"""

from __future__ import annotations

from pathlib import Path

from libs import generated
from libs.registry import ROLES, SERVICES, target_variable

DOCKER = Path(__file__).resolve().parent
COMPOSE = DOCKER / "compose.yaml"
TLS = DOCKER / "compose.tls.yaml"
PROMETHEUS = DOCKER / "compose" / "prometheus.yaml"
FIRST_PORT = 7501

_CONTAINERS = """\
  {service}-migrate:
    <<: *job
    command: [{service}, migrate]
  {service}-api:
    <<: *kehu
    command: [{service}, api]
    ports: ["127.0.0.1:${{KEHU_{variable}_PORT:-{port}}}:50051"]
  {service}-worker:
    <<: *kehu
    command: [{service}, worker]

"""


def files() -> dict[Path, str]:
    """File → what it has to hold."""
    targets = [f"    {target_variable(service)}: dns:///{service}-api:50051\n" for service in SERVICES]
    containers = [
        _CONTAINERS.format(service=service, variable=service.upper(), port=port)
        for port, service in enumerate(SERVICES, start=FIRST_PORT)
    ]
    scraped = [
        f'      - {{targets: ["{service}-{role}:9090"], labels: {{service: {service}, role: {role}}}}}\n'
        for service in SERVICES
        for role in ROLES
    ]
    secured = "".join(f"  {service}-{role}: *tls\n" for service in SERVICES for role in ROLES)
    compose = generated.between(COMPOSE.read_text(), "# targets:", "# end of targets", "".join(targets))
    return {
        COMPOSE: generated.between(compose, "# services:", "# end of services", "".join(containers)),
        TLS: generated.between(TLS.read_text(), "# services:", "# end of services", secured),
        PROMETHEUS: generated.between(PROMETHEUS.read_text(), "# processes:", "# end of processes", "".join(scraped)),
    }


if __name__ == "__main__":
    generated.write(files())
