"""What can be told of the deployment without Docker; `make test-deploy` proves the rest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from clip_ranker.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
NOT_A_SETTING = {"CLIP_DRAIN_LIMIT_S"}
"""Read by the entry point, which gets along without pydantic."""
FIXED_BY_THE_IMAGE = {"CLIP_MODEL"}


def test_compose_passes_every_setting_through() -> None:
    settings = {f"CLIP_{name.upper()}" for name in Settings.model_fields} - FIXED_BY_THE_IMAGE
    passed = yaml.safe_load(COMPOSE)["services"]["clip-api"]["environment"]
    missing = sorted(settings - set(passed))
    lines = "\n".join(f"      {name}: ${{{name}:-}}" for name in missing)
    assert not missing, f"docker-compose.yml: add under environment:\n{lines}"
    assert set(passed) == settings | NOT_A_SETTING
    assert all(value == f"${{{name}:-}}" for name, value in passed.items())


def test_compose_keeps_what_the_user_fixed() -> None:
    compose = yaml.safe_load(COMPOSE)
    [(name, service)] = compose["services"].items()
    assert (name, service["container_name"]) == ("clip-api", "clip-api")
    assert service["build"] == "."
    assert service["restart"] == "unless-stopped"
    assert service["expose"] == ["8000"]
    assert "ports" not in service
    assert service["networks"] == ["edge"]
    assert compose["networks"]["edge"] == {"external": True, "name": "revathis-ai-agents_default"}


def test_the_container_is_given_longer_to_stop_than_a_request_may_take() -> None:
    from clip_ranker.entrypoint import DRAIN_LIMIT_S

    grace_s = int(yaml.safe_load(COMPOSE)["services"]["clip-api"]["stop_grace_period"][:-1])
    deadline_s = Settings.model_fields["request_timeout_s"].default
    assert deadline_s < float(DRAIN_LIMIT_S) < grace_s


def test_the_site_block_is_the_one_the_user_fixed() -> None:
    blocks = re.sub(r"(?m)^#.*\n?", "", (ROOT / "Caddyfile.snippet").read_text())
    assert blocks.split() == ["clip.revathis-dev.com", "{", "reverse_proxy", "clip-api:8000", "}"]


def test_an_image_with_a_model_nobody_knows_says_how_to_import_it(tmp_path: Path) -> None:
    result = subprocess.run(
        ["deploy/import.sh", "unheard_of"],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "'unheard_of'" in result.stderr
    assert "IMPORT_ARGS" in result.stderr
