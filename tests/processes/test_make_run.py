"""``make run`` as the documents have it, without a model hub and with one on loopback."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from clip_ranker.importing import weights
from tests.documents import ROOT, commands
from tests.importing.model_hub import ModelHub
from tests.running import HANGS_S, free_port

README, MODELS = ROOT / "README.md", ROOT / "docs" / "models.md"
WARNING = "WARNING: serving the small starter model"
REPOSITORY, SAFE = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "open_clip_model.safetensors"


class Run:
    """A command that serves, up to the sentence that it does.

    Attributes:
        said: everything until then.
    """

    def __init__(self, *command: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.said = ""
        for part in self._process.stdout:
            self.said += part
            if "Ctrl-C stops it" in part:
                return
        raise AssertionError(self.said)

    def stop(self) -> str:
        """Presses Ctrl-C; answers what else it says."""
        os.killpg(self._process.pid, signal.SIGINT)
        rest, _ = self._process.communicate(timeout=HANGS_S)
        return rest


@pytest.mark.parametrize(
    ("page", "typed", "warned"),
    [(README, "make run", True), (MODELS, "MODEL=efficientnet_lite0 make run", False)],
)
def test_it_serves_and_says_how_to_ask(
    stored: Callable[[str], str], tmp_path: Path, page: Path, typed: str, warned: bool
) -> None:
    stored("efficientnet_lite0")
    (tmp_path / "models").symlink_to(Path(os.environ["BENTOML_HOME"]) / "models")
    blocks = [command.text for command in commands(page) if command.kind == "sh"]
    [line] = [line for text in blocks for line in text.splitlines() if line.startswith(typed)]
    environment = {
        "PORT": str(free_port()),
        "BENTOML_HOME": str(tmp_path),
        "HF_ENDPOINT": "http://127.0.0.1:9",  # no hub: what the README says of that holds
        "HF_HOME": str(tmp_path),
    }
    run = Run("sh", "-c", line, **environment)
    command = run.said[run.said.index("curl ") : run.said.index("Ctrl-C")]
    answer = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True
    ).stdout
    assert (WARNING in run.said) == warned
    assert '"auction_id":"A2","score":1' in answer
    assert "Traceback" not in run.stop()


def test_where_a_hub_is_in_reach_it_ends_with_the_default_model_from_it(tmp_path: Path) -> None:
    file, port = tmp_path / SAFE, free_port()
    torch.manual_seed(1)
    clip = open_clip.create_model("ViT-B-32")
    # Half as many bytes; loading makes them what they were.
    save_file({name: w.half().contiguous() for name, w in clip.state_dict().items()}, file)
    del clip
    with ModelHub() as hub:
        sha256 = hub.put(REPOSITORY, SAFE, file)
        hub.breaks = [file.stat().st_size // 3]
        run = Run(
            sys.executable,
            "-m",
            "clip_ranker.cli.run",
            PORT=str(port),
            BENTOML_HOME=str(tmp_path / "bentoml"),
            HF_ENDPOINT=hub.url,
            HF_HOME=str(tmp_path / "huggingface"),
        )
        answer = httpx.post(
            f"http://127.0.0.1:{port}/rank",
            json={
                "query_image_url": "example:cat",
                "candidates": [{"auction_id": "A1", "image_url": "example:cat"}],
            },
            trust_env=False,
            timeout=HANGS_S,
        ).json()
        rest = run.stop()
    assert answer["meta"]["model"] == "openclip_vit_b32"
    assert answer["results"][0]["score"] == pytest.approx(1)
    assert WARNING not in run.said
    first, resumed = hub.ranges
    assert first is None
    assert resumed
    assert resumed != "bytes=0-"
    # Random weights are others than the published ones, and mean nothing.
    for sum_of in (sha256, weights.PINNED[f"{REPOSITORY}/{SAFE}"]):
        assert sum_of in run.said
    assert "tell hardly anything apart" in run.said
    assert "Traceback" not in rest
