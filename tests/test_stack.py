"""What can be told of deploy/stack.yml without a swarm; `make test-swarm` proves the rest."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from clip_ranker.settings import Settings
from tests.image_server import ImageServer
from tests.running import free_port

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["clip-api"]
SERVICES: dict[str, dict[str, Any]] = {
    f"{name} of {file}": service
    for file in ("stack.yml", "stack.embedder.yml")
    for name, service in yaml.safe_load((ROOT / "deploy" / file).read_text())["services"].items()
}
API = SERVICES["clip-api of stack.yml"]


def test_a_replica_runs_as_the_container_of_compose_does() -> None:
    for name in ("entrypoint", "working_dir", "init", "stop_grace_period", "read_only", "cap_drop"):
        assert API[name] == COMPOSE[name], name


def test_every_service_is_found_by_dns_and_has_limits() -> None:
    for name, service in SERVICES.items():
        if "image" in service:  # else it only adds to stack.yml's
            assert service["deploy"]["endpoint_mode"] == "dnsrr", name
            assert service["deploy"]["resources"]["limits"]["memory"], name
            assert service["healthcheck"], name


def _probe(code: str) -> int:
    return subprocess.run([sys.executable, "-ISc", code], capture_output=True).returncode


@pytest.mark.parametrize("status", [200, 503])
def test_the_health_check_tells_well_from_unwell(status: int, images: ImageServer) -> None:
    code = API["healthcheck"]["test"][-1].replace("8000", images.host.rpartition(":")[2])
    code = code.replace("/healthz", "/photo/cat" if status == 200 else "/status/503")
    assert (_probe(code) == 0) == (status == 200)


def test_the_health_check_fails_where_nobody_listens() -> None:
    code = API["healthcheck"]["test"][-1].replace("8000", str(free_port()))
    assert _probe(code) != 0


def test_caddy_waits_longer_for_an_answer_than_a_request_may_take() -> None:
    caddyfile = (ROOT / "deploy" / "Caddyfile.swarm").read_text()
    [limit_s] = re.findall(r"response_header_timeout (\d+)s", caddyfile)
    assert float(limit_s) > Settings.model_fields["request_timeout_s"].default + 5
    [buffered_mb] = re.findall(r"request_buffers (\d+)MB", caddyfile)
    assert int(buffered_mb) * 1_000_000 >= Settings.model_fields["max_body_bytes"].default
