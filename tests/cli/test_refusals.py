"""Several photos at a service that says no to some."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from clip_ranker import examples
from clip_ranker.cli.main import main
from tests.cli.answering import answering
from tests.running import Service

PHOTOS = [str(examples.FOLDER / f"{name}.jpg") for name in ("cat", "coffee")]


@pytest.fixture
def listings(tmp_path: Path) -> Path:
    """Two that can be ranked."""
    path = tmp_path / "listings.json"
    path.write_text(
        json.dumps([{"auction_id": n, "image_url": f"example:{n}"} for n in ("cat", "coffee")])
    )
    return path


@pytest.fixture
def refusing(service: Service) -> Iterator[tuple[str, list[int | None]]]:
    """The service behind one that says no first; None is a connection that breaks."""
    plan: list[int | None] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = plan.pop(0) if plan else 200
            if status is None:
                return
            said, kind = b'{"error": "not now", "detail": []}', self.headers["Content-Type"]
            if status == 200:
                said = httpx.post(
                    service.url + self.path, content=body, headers={"Content-Type": kind}
                ).content
            self.send_response(status)
            self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(said)

    with answering(Refusing) as url:
        yield url, plan


def ranked_photos(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """Which photos have an answer in what --json printed, and what people were told."""
    said = capsys.readouterr()
    return [answer["photo"] for answer in json.loads(said.out)], said.err.replace("\n", " ")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_once_more_when_it_says(
    refusing: tuple[str, list[int | None]],
    listings: Path,
    capsys: pytest.CaptureFixture[str],
    status: int,
) -> None:
    url, plan = refusing
    plan[:] = [200, status]
    assert main(["rank", *PHOTOS, str(listings), "--url", url, "--json"]) == 0
    assert ranked_photos(capsys) == (PHOTOS, "")


def test_a_photo_that_is_too_large_fails_alone(
    refusing: tuple[str, list[int | None]], listings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, plan = refusing
    plan[:] = [413]
    assert main(["rank", *PHOTOS, str(listings), "--url", url, "--json"]) == 1
    ranked, said = ranked_photos(capsys)
    assert ranked == PHOTOS[1:]
    assert "cat.jpg: the service says: not now" in said


@pytest.mark.parametrize("fault", [[None], [429, 429], [401]])
def test_what_is_ranked_before_a_service_fails_is_written(
    refusing: tuple[str, list[int | None]],
    listings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: list[int | None],
) -> None:
    url, plan = refusing
    plan[:] = [200, *fault]
    written = tmp_path / "ranked.csv"
    way = ["--url", url, "--json", "--csv", str(written)]
    assert main(["rank", *PHOTOS, *PHOTOS, str(listings), *way]) == 1
    ranked, said = ranked_photos(capsys)
    assert ranked == PHOTOS[:1]
    assert "photos that were not tried: 2" in said
    assert written.read_text().count(PHOTOS[0]) == 2
    assert PHOTOS[1] not in written.read_text()
    assert plan == []
