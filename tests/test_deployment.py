"""What can be told of the deployment without Docker; `make test-deploy` proves the rest."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from clip_ranker.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE = (ROOT / "docker-compose.yml").read_text()
BENTO = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
IN_THE_IMAGE: dict[str, str] = {entry["name"]: entry["value"] for entry in BENTO["envs"]}
NOT_A_SETTING = {"CLIP_DRAIN_LIMIT_S"}
"""Read by the entry point, which gets along without pydantic."""
FIXED_BY_THE_IMAGE = {"CLIP_MODEL", "CLIP_MODELS"}


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
    assert service["build"]["context"] == "."
    assert service["restart"] == "unless-stopped"
    assert service["expose"] == ["8000"]
    assert "ports" not in service
    assert "env_file" not in service  # compose v1 fails where the file is missing
    assert service["networks"] == ["edge"]
    assert compose["networks"]["edge"] == {"external": True, "name": "revathis-ai-agents_default"}


def test_at_home_only_this_machine_reaches_it_and_no_network_is_asked_for() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.local.yml").read_text())
    [(name, service)] = compose["services"].items()
    assert service["extends"] == {"file": "../docker-compose.yml", "service": name}
    assert service["ports"] == ["127.0.0.1:${PORT:-8000}:8000"]
    assert compose["networks"] == {"edge": {}}


EXAMPLE = (ROOT / "deploy" / "env.example").read_text()


def settings_of(env: str) -> dict[str, str]:
    return dict(re.findall(r"^(CLIP_\w+)=(.*)$", env, re.M))


def test_the_example_of_an_env_becomes_one_by_the_command_of_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    (command,) = re.findall(r"^sed .*$", page, re.M)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    subprocess.run(["sh", "-euc", command], cwd=tmp_path, check=True)
    made = settings_of((tmp_path / ".env").read_text())
    assert re.fullmatch("[0-9a-f]{48}", made["CLIP_API_KEY"])
    assert made | {"CLIP_API_KEY": ","} == settings_of(EXAMPLE)
    assert "openssl rand -hex 24" in EXAMPLE


def test_the_example_as_it_is_lets_nobody_in_and_else_says_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings_of(EXAMPLE).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match="CLIP_API_KEY holds nothing"):
        Settings()
    monkeypatch.delenv("CLIP_API_KEY")
    assert Settings() == Settings.model_construct()
    assert f"${{CLIP_MEM_LIMIT:-{settings_of(EXAMPLE)['CLIP_MEM_LIMIT']}}}" in COMPOSE


def test_the_example_s_limits_for_2_gb_add_up_to_less_than_its_memory() -> None:
    """The table in docs/operations.md, without feedback, and the model's process."""
    limits = settings_of(EXAMPLE.replace("#CLIP", "CLIP"))
    (most_mb,) = re.findall(r"take (\d+)m", EXAMPLE)
    pixels, bodies, decoders = (
        int(limits[f"CLIP_{name}"]) for name in ("MAX_PIXELS", "MAX_BODIES_BYTES", "DECODE_THREADS")
    )
    downloads, bodies = 181_000_000, 4 * bodies
    decoding = pixels * (18 + 4.5 * (decoders - 1)) + 48_000_000 * decoders
    waiting, look_ups, else_, model = 27_000_000, 13_000_000, 100_000_000, 521_000_000
    summed = downloads + bodies + decoding + waiting + look_ups + else_ + model
    assert summed < int(most_mb) * 2**20
    assert f"to {summed / 1e9:.2f} GB with the model" in EXAMPLE


def test_the_container_is_given_longer_to_stop_than_a_request_may_take() -> None:
    from clip_ranker.entrypoint import DRAIN_LIMIT_S

    grace = yaml.safe_load(COMPOSE)["services"]["clip-api"]["stop_grace_period"]
    (grace_s,) = re.fullmatch(r"\$\{CLIP_STOP_GRACE:-(\d+)s\}", grace).groups()  # type: ignore[union-attr]
    longest_s = sum(
        Settings.model_fields[name].default for name in ("upload_timeout_s", "request_timeout_s")
    )
    assert longest_s < float(DRAIN_LIMIT_S) < int(grace_s)


def test_both_images_set_the_same_environment() -> None:
    *_, stage = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    dockerfile = dict(re.findall(r"^(?:ENV)? +(\w+)=(\S+)", stage, re.M))
    assert IN_THE_IMAGE.items() <= dockerfile.items()


LOAD = """
import psutil
process, pictures, small = psutil.Process(), [], []
before = process.memory_info().rss
del (large := [bytearray(b"x") * 30_000_000])[:]  # glibc now takes 30 MB for an ordinary size
for _ in range(20):
    pictures.append(bytearray(b"x") * 10_000_000)
    small.append(bytearray(b"x") * 50_000)  # one above each picture, so that none is at the top
del pictures
print(process.memory_info().rss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_in_the_image_freed_pictures_are_given_back() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    kept_as_it_is, kept = (
        int(
            subprocess.run(
                [sys.executable, "-c", LOAD], env=env, capture_output=True, check=True, text=True
            ).stdout
        )
        for env in (plain, plain | IN_THE_IMAGE)
    )
    assert kept < 10_000_000
    assert kept_as_it_is > 100_000_000  # else this shows nothing


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


FAKE_PYTHON = """\
#!/bin/sh
case $1 in
-c) exit 1 ;; # not in the store yet
-m) exec {python} "$@" ;;
*) echo "$*" ;;
esac
"""


@pytest.mark.parametrize(
    ("asked", "imported"),
    [
        (["openclip_vit_b32"], "--name openclip_vit_b32"),
        (["openclip_vit_b32_int8"], "--precision int8 --name openclip_vit_b32_int8"),
        (["openclip_vit_b32_views"], "--views --name openclip_vit_b32_views"),
        (["efficientnet_lite0"], "--starter --name efficientnet_lite0"),
        (
            ["openclip_mine_views_int8", "--pretrained", "FILE"],
            "--views --precision int8 --pretrained FILE --name openclip_mine_views_int8",
        ),
        (["street_views", "--pretrained", "FILE"], "--pretrained FILE --name street_views"),
        (["openclip_vit_b32", "--text"], "--text --name openclip_vit_b32"),
        (
            ["openclip_vit_b32_random", "--text"],
            "--weights random --text --name openclip_vit_b32_random",
        ),
        (
            ["mine_int8", "--pretrained", "FILE"],
            "--precision int8 --pretrained FILE --name mine_int8",
        ),
    ],
)
def test_an_image_s_model_is_imported_as_its_name_says(
    tmp_path: Path, asked: list[str], imported: str
) -> None:
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    environment = os.environ | {"PYTHON": str(python)}
    command = ["deploy/import.sh", *asked]
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines() == [f"import_model.py {imported}"]


def test_a_machine_without_docker_is_told_so_before_anything_is_installed() -> None:
    result = subprocess.run(
        ["make", "--no-print-directory", "image"],
        cwd=ROOT,
        env=os.environ | {"DOCKER_HOST": "unix:///nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "no Docker engine answers" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "file",
    ["requirements.txt", "deploy/requirements-uv.txt", "deploy/requirements-local.txt"],
)
def test_what_the_image_installs_is_held_to_hashes(file: str) -> None:
    requirements = (ROOT / file).read_text().replace("\\\n", " ").splitlines()
    assert requirements
    for requirement in requirements:
        assert re.fullmatch(r"[\w.-]+==[\w.]+( +--hash=sha256:[0-9a-f]{64})+", requirement)


def test_what_the_dockerfile_copies_is_sent_to_the_engine() -> None:
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    copied = " ".join(re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", dockerfile)).split()
    assert "deploy/requirements-uv.txt" in copied
    for source in set(copied) - {"."}:
        assert any(f"!{part}" in sent for part in (source, *map(str, Path(source).parents))), source


def test_the_dockerfile_installs_nothing_into_the_image_without_a_hash() -> None:
    stage, *_ = (ROOT / "Dockerfile").read_text().split("\nFROM packages")
    installs = re.findall(r"pip install .*?(?=&&|\n\w|\Z)", stage.replace("\\\n", " "), re.S)
    assert len(installs) == 2
    assert all("--require-hashes" in install for install in installs)


def test_what_the_image_may_take_in_as_well_is_what_its_setting_needs() -> None:
    pinned = (ROOT / "deploy/requirements-local.txt").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.split("[=<>]", one)[0] for one in project["optional-dependencies"]["local"]]
    assert re.findall(r"^([\w-]+)==", pinned, re.M) == wanted


def test_the_import_stage_is_pinned() -> None:
    pinned = (ROOT / "deploy/requirements-import.txt").read_text().splitlines()
    assert all("==" in line for line in pinned)
    pinned += (ROOT / "requirements.txt").read_text().splitlines()  # the stage is held to both
    names = {line.partition("==")[0].replace("-", "_") for line in pinned}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        re.split("[=<>]", line)[0].replace("-", "_")
        for line in project["optional-dependencies"]["import"]
    }
    assert wanted <= names
