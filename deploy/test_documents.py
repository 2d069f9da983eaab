"""docs/deployment.md typed from top to bottom, against a real engine, network and Caddy.

Stand-ins, because the real ones are elsewhere: folders of the test for those in /root, a bare
repository for the project's, a local shell for ssh, another Caddy container for the neighbour's.
"""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.conftest import BASE, MODEL
from deploy.engine import (
    NETWORK,
    PROJECT,
    ROOT,
    SERVICE,
    container,
    docker,
    inspect,
    log,
    run,
    wait_until,
)
from tests.documents import DEPLOYMENT, commands

CADDY = "revathis-ai-caddy"
SITE = "clip.revathis-dev.com"
BEFORE = f'{{\n\tlocal_certs\n\tskip_install_trust\n}}\n{SITE} {{\n\trespond "soon"\n}}\n'
NOT_RUN = {
    "make image": "the fixture bento_image runs it",
    "make image MODEL=efficientnet_lite0": "the fixture bento_image runs it",
    "make image MODELS=efficientnet_lite0": "as MODEL, for one more",
    "make image PLATFORM=linux/amd64": "the fixture bento_image names a platform",
    "make test-deploy": "this runs in it",
    "docker run --rm -p 127.0.0.1:8000:8000 clip-api:latest": "deploy/test_local.py runs it",
    "docker compose -f deploy/compose.local.yml up": "deploy/test_local.py runs it",
    "docker image prune": "it asks first, and removes what others left on the engine",
    "docker builder prune": "it asks first, and removes what others left on the engine",
    "python -m clip_ranker.entrypoint": "the name of process 1, nothing to type",
}
EXPECTED = {
    "docker network ls | grep": NETWORK,
    "docker compose config | grep CLIP_API_KEY": r"CLIP_API_KEY\W+[0-9a-f]{48}",
    "docker image ls clip-api": "test-dockerfile",
    "docker image inspect --format": "^(amd64|arm64)$",
    "docker compose ps": r"\(healthy\)",
    "docker exec revathis-ai-caddy wget": "^ok",
    "curl https://clip.revathis-dev.com/healthz": "^ok",
    "curl -s https://clip.revathis-dev.com/rank": r'\[{"auction_id":"A2","score":(1\.0|0\.99)',
    "docker network inspect": f'"{SERVICE}"',
}
"""What the page says a command shows, waited for because things take a moment to come up."""


@dataclass
class Vps:
    """What the page finds on the machine it is about."""

    folder: Path
    port: int

    @property
    def clone(self) -> Path:
        return self.folder / "clip-ranker"

    @property
    def neighbour(self) -> Path:
        return self.folder / "revathis-ai-agents"

    @property
    def caddyfile(self) -> Path:
        return self.neighbour / "Caddyfile"

    def type(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Types it in the folder where the reader is, with the stand-ins in reach."""
        here = self.neighbour if command.startswith("cp ") else self.clone
        # In the text the image is the one that the page names, here it has a name of the test's.
        text = command.replace(f"{SERVICE}:latest", f"{SERVICE}:test-dockerfile")
        text = text.replace(f"{SERVICE}:previous", f"{SERVICE}:test-previous")
        text = text.replace("<this repository>", str(self.folder / "origin.git"))
        text = text.replace("/root/clip-ranker", str(self.clone))
        text = text.replace("/root/revathis-ai-agents", str(self.neighbour))
        if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
            text = text.replace("docker compose", "docker-compose")  # as the page's first lines say
        own = {name: value for name, value in os.environ.items() if not name.startswith("CLIP_")}
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=here if here.exists() else self.folder,
            env=own
            | {
                "PATH": f"{self.folder / 'bin'}:{own['PATH']}",
                "CURL_HOME": str(self.folder),
                "COMPOSE_FILE": f"docker-compose.yml:{self.folder / 'override.yml'}",
                "COMPOSE_PROJECT_NAME": PROJECT,
                "DOCKER_BUILDKIT": "1",
                "COMPOSE_DOCKER_CLI_BUILD": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def vps(network: str, dockerfile_image: str, tmp_path: Path) -> Iterator[Vps]:
    """The machine as the page expects it: network, Caddy with the old site, nothing of ours."""
    remove_own_container()
    found = inspect("container", CADDY)
    assert found is None or PROJECT in found["Config"]["Labels"], f"{CADDY} is somebody else's"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        vps = Vps(tmp_path, probe.getsockname()[1])
    stand_ins(vps, dockerfile_image)
    docker(
        *("run", "--detach", "--label", PROJECT, "--name", CADDY, "--network", network),
        # Docker gives a free port anew at every restart; the page restarts it.
        *("--publish", f"127.0.0.1:{vps.port}:443", "--env", "XDG_DATA_HOME=/data"),
        *("--volume", f"{vps.caddyfile}:/etc/caddy/Caddyfile"),
        *("--volume", f"{shutil.which('caddy')}:/usr/bin/caddy:ro"),
        *("--volume", f"{shutil.which('busybox')}:/usr/bin/wget:ro"),  # as in Caddy's own image
        *("--entrypoint", "caddy", BASE, "run", "--config", "/etc/caddy/Caddyfile"),
    )

    def authority() -> bool:
        source = f"{CADDY}:/data/caddy/pki/authorities/local/root.crt"
        copied = subprocess.run(
            ["docker", "cp", source, tmp_path / "root.crt"], capture_output=True
        )
        return copied.returncode == 0

    wait_until(authority, "Caddy's certificate authority")
    yield vps
    remove_own_container()
    docker("rm", "--force", "--volumes", CADDY)
    if inspect("image", f"{SERVICE}:test-previous"):
        docker("image", "rm", "--force", f"{SERVICE}:test-previous")


def remove_own_container() -> None:
    """Takes away a container of the service that this test made."""
    found = inspect("container", SERVICE)
    if found is not None:
        assert found["Config"]["Labels"].get("com.docker.compose.project") == PROJECT
        docker("rm", "--force", "--volumes", SERVICE)


def stand_ins(vps: Vps, image: str) -> None:
    """Programs, files and a repository in the place of those that are elsewhere."""
    programs = {
        "ssh": '[ "$1" = root@VPS ] && shift && exec "$@"',
        "make": '[ "$*" = image ]',  # see NOT_RUN
        "gzip": 'exec /bin/gzip -1 "$@"',  # the same, in less time
    }
    (vps.folder / "bin").mkdir()
    for name, text in programs.items():
        program = vps.folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    vps.neighbour.mkdir()
    vps.caddyfile.write_text(BEFORE)
    (vps.folder / ".curlrc").write_text(
        f'silent\nfail\nconnect-to = "{SITE}:443:127.0.0.1:{vps.port}"\n'
        f'cacert = "{vps.folder}/root.crt"\n'
    )
    (vps.folder / "override.yml").write_text(
        f"services: {{{SERVICE}: {{image: '{image}', build: {{context: ., network: host, args: "
        f"{{MODEL: {MODEL}, TORCH_BACKEND: '', "
        f"PIP_INDEX_URL: '{os.environ.get('PIP_INDEX_URL', '')}'}}}}}}}}\n"
    )
    origin = vps.folder / "origin.git"
    run("git", "init", "--quiet", "--bare", "--initial-branch", "main", origin)
    run("git", "-C", origin, "config", "receive.shallowUpdate", "true")
    run("git", "push", "--quiet", origin, "HEAD:refs/heads/main")


def edit_the_caddyfile(vps: Vps) -> None:
    """What the page asks of an editor."""
    block = re.compile(rf"{re.escape(SITE)} {{\n\trespond .*\n}}\n")
    snippet = (ROOT / "Caddyfile.snippet").read_text()
    edited, times = block.subn(lambda _: snippet, BEFORE)
    assert times == 1
    vps.caddyfile.write_text(edited)


def check_the_copy_and_edit_again(vps: Vps) -> None:
    assert vps.caddyfile.read_text() == BEFORE
    edit_the_caddyfile(vps)


def publish_a_change(vps: Vps) -> None:
    """Something to pull that can be told in the container."""
    work = vps.folder / "upstream"
    run("git", "clone", "--quiet", vps.folder / "origin.git", work)
    icon = work / "clip_ranker" / "web" / "static" / "icon.svg"
    icon.write_text(icon.read_text() + "<!-- new -->\n")
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    run("git", "-C", work, *author, "commit", "--quiet", "--all", "--message", "Change the icon")
    run("git", "-C", work, "push", "--quiet", "origin", "main")


def check_the_new_one_runs(vps: Vps) -> None:
    wait_until(lambda: "new" in vps.type(f"curl https://{SITE}/static/icon.svg").stdout, "the new")


def check_the_old_one_runs(vps: Vps) -> None:
    def old() -> bool:
        icon = vps.type(f"curl https://{SITE}/static/icon.svg").stdout
        return "<svg" in icon and "new" not in icon

    wait_until(old, "the old one again")
    assert "new" not in (vps.clone / "clip_ranker/web/static/icon.svg").read_text()


def check_it_has_the_key(vps: Vps) -> None:
    environment = container()["Config"]["Env"]
    settings = (vps.clone / ".env").read_text().splitlines()
    (key,) = (line for line in settings if line.startswith("CLIP_API_KEY="))
    assert key in environment


BEFOREHAND: dict[str, Callable[[Vps], None]] = {
    "docker cp /root/revathis-ai-agents/Caddyfile": edit_the_caddyfile,
    "docker tag clip-api:latest clip-api:previous": publish_a_change,
}
AFTERWARDS: dict[str, Callable[[Vps], None]] = {
    "docker compose up -d            #": check_it_has_the_key,
    "cp Caddyfile.bak Caddyfile": check_the_copy_and_edit_again,
    "docker tag clip-api:latest clip-api:previous": check_the_new_one_runs,
    "docker tag clip-api:previous clip-api:latest": check_the_old_one_runs,
}


def test_the_page_as_typed_from_top_to_bottom(vps: Vps) -> None:
    typed = [command.text for command in commands(DEPLOYMENT)]
    starts = (*EXPECTED, *BEFOREHAND, *AFTERWARDS)
    for start in starts:
        assert any(text.startswith(start) for text in typed), f"the page lost: {start}"
    for text in typed:
        if text.strip() in NOT_RUN:
            continue
        for start, prepare in BEFOREHAND.items():
            if text.startswith(start):
                prepare(vps)
        expected = [shown for start, shown in EXPECTED.items() if text.startswith(start)]
        _type(vps, text, expected[-1] if expected else None)
        for start, check in AFTERWARDS.items():
            if text.startswith(start):
                check(vps)
    (rank,) = (start for start in EXPECTED if "/rank" in start)
    _type(vps, next(text for text in typed if text.startswith(rank)), EXPECTED[rank])
    (text,) = (c.text for c in commands(ROOT / "docs/operations.md") if "docker logs" in c.text)
    _type(vps, text, '"path":"/rank"')


def _type(vps: Vps, text: str, shown: str | None) -> None:
    ran = vps.type(text)
    if shown is None:
        assert ran.returncode == 0, f"{text}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}\n{log()}"
        return

    def seen() -> bool:
        nonlocal ran
        if ran.returncode == 0 and re.search(shown, ran.stdout, re.MULTILINE):
            return True
        ran = vps.type(text)
        return False

    try:
        wait_until(seen, text)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}") from error
