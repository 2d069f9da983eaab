"""``make run`` as the documents have it."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.documents import ROOT, commands
from tests.running import HANGS_S, free_port

README, MODELS = ROOT / "README.md", ROOT / "docs" / "models.md"
WARNING = "WARNING: serving the small starter model"


@pytest.mark.parametrize(("page", "warned"), [(README, True), (MODELS, False)])
def test_it_serves_and_says_how_to_ask(
    stored: Callable[[str], str], tmp_path: Path, page: Path, warned: bool
) -> None:
    stored("efficientnet_lite0")
    (tmp_path / "models").symlink_to(Path(os.environ["BENTOML_HOME"]) / "models")
    blocks = [command.text for command in commands(page) if command.kind == "sh"]
    block = next(text for text in blocks if "make run" in text)
    [line] = [line for line in block.splitlines() if "make run" in line]
    environment = {
        "PORT": str(free_port()),
        "BENTOML_HOME": str(tmp_path),
        "HF_ENDPOINT": "http://127.0.0.1:9",  # no hub: what the README says of that holds
        "HF_HOME": str(tmp_path),
    }
    with subprocess.Popen(
        ["sh", "-c", line],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout is not None
        said = ""
        for part in running.stdout:
            said += part
            if "Ctrl-C stops it" in part:
                break
        else:
            raise AssertionError(said)
        command = said[said.index("curl ") : said.index("Ctrl-C")]
        answer = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=True
        ).stdout
        os.killpg(running.pid, signal.SIGINT)
        rest, _ = running.communicate(timeout=HANGS_S)
    assert (WARNING in said) == warned
    assert '"auction_id":"A2","score":1' in answer
    assert "Traceback" not in rest
