"""Generates what compose.yaml and its Prometheus derive from the registry of services. `make chart` runs it.

python docker/generate.py

compose.tls.yaml          each process, with its certificate
compose.yaml              the addresses of the services, and three or four containers for each
compose/prometheus.yaml   a target for each process
"""

from __future__ import annotations

from pathlib import Path

from libs import generated
from libs.registry import PROCESSES, REGISTRY, SERVICES, Registration, target_variable

DOCKER = Path(__file__).resolve().parent
COMPOSE = DOCKER / "compose.yaml"
TLS = DOCKER / "compose.tls.yaml"
PROMETHEUS = DOCKER / "compose" / "prometheus.yaml"
FIRST_PORT = 7501
FIRST_WEB_PORT = 7541

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
_WEB = """\
  {service}-web:
    <<: *kehu
    command: [{service}, web]
    environment:
      <<: *environment
      KEHU_LISTEN: 0.0.0.0:8080
      KEHU_WEB_HTTPS: "no"
    ports: ["127.0.0.1:${{KEHU_{variable}_WEB_PORT:-{port}}}:8080"]
"""


def files() -> dict[Path, str]:
    """File → what it has to hold."""
    targets = [f"    {target_variable(service)}: dns:///{service}-api:50051\n" for service in SERVICES]
    containers = [_containers(each, number) + "\n" for number, each in enumerate(REGISTRY)]
    scraped = [
        f'      - {{targets: ["{each.name}-{role}:9090"], labels: {{service: {each.name}, role: {role}}}}}\n'
        for each in REGISTRY
        for role in each.roles
    ]
    secured = "".join(f"  {process}: *tls\n" for process in PROCESSES)
    compose = generated.between(COMPOSE.read_text(), "# targets:", "# end of targets", "".join(targets))
    return {
        COMPOSE: generated.between(compose, "# services:", "# end of services", "".join(containers)),
        TLS: generated.between(TLS.read_text(), "# services:", "# end of services", secured),
        PROMETHEUS: generated.between(PROMETHEUS.read_text(), "# processes:", "# end of processes", "".join(scraped)),
    }


def _containers(service: Registration, number: int) -> str:
    """The containers of a service, which is the so many-th of the registry."""
    named = {"service": service.name, "variable": service.name.upper()}
    pages = _WEB.format(**named, port=FIRST_WEB_PORT + number) if service.web else ""
    return _CONTAINERS.format(**named, port=FIRST_PORT + number) + pages


if __name__ == "__main__":
    generated.write(files())
