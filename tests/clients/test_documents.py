"""The commands in the clients' documents."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx

from tests.documents import ROOT, commands
from tests.running import free_port

CLIENTS = ROOT / "clients"
START_S = 300


def test_the_example_starts_as_documented() -> None:
    (block,) = (c.text for c in commands(CLIENTS / "expo" / "README.md") if c.kind == "sh")
    port = str(free_port())
    environment = {"RCT_METRO_PORT": port, "CI": "1", "EXPO_OFFLINE": "1"}
    quiet = {"EXPO_NO_TELEMETRY": "1", "npm_config_offline": "true"}  # what it needs is there
    with subprocess.Popen(
        ["sh", "-euc", block],
        cwd=CLIENTS / "expo",
        env=os.environ | environment | quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            _wait_for(f"http://127.0.0.1:{port}/status", running)
        finally:
            os.killpg(running.pid, signal.SIGTERM)


def _wait_for(url: str, running: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert running.poll() is None, running.stdout and running.stdout.read()
        try:
            if "running" in httpx.get(url).text:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"nothing at {url}")


def test_the_client_installs_into_an_app_as_documented(tmp_path: Path) -> None:
    (block,) = (c.text for c in commands(CLIENTS / "typescript" / "README.md") if c.kind == "sh")
    made = shutil.ignore_patterns("node_modules", "dist", "build", "*.tgz")
    shutil.copytree(CLIENTS / "typescript", tmp_path / "clients" / "typescript", ignore=made)
    app = tmp_path / "path" / "to" / "your" / "app"
    app.mkdir(parents=True)
    (app / "package.json").write_text('{"name": "app", "version": "1.0.0", "type": "module"}')
    subprocess.run(["sh", "-euc", block], cwd=tmp_path, check=True)
    uses = {
        "module": "import { ClipRanker } from 'clip-ranker-client'; console.log(typeof ClipRanker)",
        "commonjs": "console.log(typeof require('clip-ranker-client').ClipRanker)",
    }
    for kind, use in uses.items():
        node = ["node", f"--input-type={kind}", "--eval", use]
        ran = subprocess.run(node, cwd=app, capture_output=True, text=True)
        assert ran.stdout == "function\n", ran.stderr
    assert not (app / "node_modules" / "clip-ranker-client").is_symlink()
    lock = json.loads((app / "package-lock.json").read_text())
    resolved = lock["packages"]["node_modules/clip-ranker-client"]["resolved"]
    assert (app / resolved.removeprefix("file:")).is_file()  # what a build in the cloud looks for
