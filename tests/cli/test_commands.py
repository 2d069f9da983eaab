"""The commands beside rank: prefetch, health, models; and what a service is asked."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from clip_ranker import __version__, examples
from clip_ranker.cli.main import main
from tests.cli.answering import answering
from tests.running import Service


@pytest.fixture
def listings(tmp_path: Path) -> Path:
    """More than one prefetch takes, of few pictures; and one that is blocked."""
    path = tmp_path / "listings.json"
    urls = [f"example:{examples.names()[number % 3]}" for number in range(201)]
    urls[200] = "ftp://a.test/a.jpg"
    path.write_text(json.dumps([{"auction_id": n, "image_url": u} for n, u in enumerate(urls)]))
    return path


@pytest.fixture
def busy() -> Iterator[tuple[str, list[Any]]]:
    """A service that has too much to do, and what it was asked."""
    asked: list[Any] = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Retry-After", "7")
            self.end_headers()
            self.wfile.write(b'{"error": "the model is starting", "detail": []}')

    with answering(Busy) as url:
        yield url, asked


def test_prefetch_sends_all_in_parts(
    service: Service, listings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prefetch", str(listings), "--url", service.url, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["accepted"] + said["known"] == 200
    assert said["refused"] == 1
    assert main(["prefetch", str(listings), "--url", service.url]) == 0
    assert capsys.readouterr().out.endswith(" known already, 1 refused\n")


def test_prefetch_of_a_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prefetch", str(examples.FOLDER)]) == 2
    assert "give a file of listings" in capsys.readouterr().err.replace("\n", " ")


def test_health(
    service: Service, busy: tuple[str, list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", "--url", service.url]) == 0
    assert capsys.readouterr().out == f"ok, version {__version__}\n"
    assert main(["health", "--url", service.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "version": __version__}
    assert main(["health", "--url", busy[0]]) == 1
    assert "the model is starting (try again in 7 s)" in capsys.readouterr().err.replace("\n", " ")


def test_the_deadline_is_sent(busy: tuple[str, list[Any]], listings: Path) -> None:
    url, asked = busy
    wait = ["--url", url, "--deadline-ms", "5000"]
    assert main(["rank", "example:cat", str(listings), *wait]) == 1
    assert [body["deadline_ms"] for body in asked] == [5000]


def test_the_model_is_sent(busy: tuple[str, list[Any]], listings: Path) -> None:
    url, asked = busy
    assert main(["rank", "example:cat", str(listings), "--url", url, "--model", "m"]) == 1
    assert main(["prefetch", str(listings), "--url", url, "--model", "m"]) == 1
    assert main(["prefetch", str(listings), "--url", url]) == 1
    assert [body.get("model") for body in asked] == ["m", "m", None]


def test_models_lists_those_of_a_service(
    patient: Service, listings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "--url", patient.url, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == patient.client.get("/models").json()
    assert main(["models", "--url", f"{patient.url}/"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["tiny", "default", "fp32", "64x64", "px"] in [words[:5] for words in shown]
    assert ["efficientnet_lite0", "fp32", "320x320", "px"] in [words[:4] for words in shown]
    assert main(["prefetch", str(listings), "--url", patient.url, "--model", "no"]) == 1
    assert "choose one of tiny, efficientnet_lite0" in capsys.readouterr().err.replace("\n", " ")


def test_models_lists_the_store(stored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stored("tiny")
    assert main(["models", "--json"]) == 0
    (tiny,) = (one for one in json.loads(capsys.readouterr().out) if one["name"] == "tiny")
    assert tiny["precision"] == "fp32"
    assert tiny["source"]
    assert tiny["size_bytes"] > 1000
    assert main(["models"]) == 0
    assert "tiny" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["", "prefetch", "health", "models"])
def test_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    words = {"": ("rank", "prefetch", "health", "models", "import"), "models": ("CLIP_MODEL",)}
    for word in words.get(command, ("--url", "http://localhost:8000")):
        assert word in shown
