"""The command line, in this process; once as a process of its own."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clip_ranker import examples
from clip_ranker.cli.main import main
from clip_ranker.download.fetch import Fetcher
from clip_ranker.settings import get_settings
from tests.image_server import ImageServer
from tests.running import Service

EXAMPLES = examples.FOLDER
PHOTO = str(EXAMPLES / "cat.jpg")


@pytest.fixture
def listings(tmp_path: Path) -> Path:
    """Two that can be ranked and one that cannot, with titles that want to be more than text."""
    path = tmp_path / "listings.json"
    candidates = [
        {"auction_id": "A1", "image_url": "example:coffee", "title": "\x1b[31m[bold]赤[/bold]"},
        {"auction_id": "A2", "image_url": "example:cat", "title": "<script>alert(1)</script>"},
        {"auction_id": "A3", "image_url": "example:gone", "title": "x"},
    ]
    path.write_text(json.dumps({"candidates": candidates}))
    return path


@pytest.fixture
def tiny(stored: Callable[[str], str]) -> list[str]:
    """Arguments that run the tiny model in the process."""
    return ["--model", stored("tiny")]


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What --json printed, which is nothing but JSON."""
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return parsed


def test_asks_a_service_and_prints_its_answer(
    service: Service, listings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rank", PHOTO, str(listings), "--url", service.url + "/", "--json"]) == 0
    printed = answer(capsys)
    assert [result["auction_id"] for result in printed["results"]] == ["A2", "A1"]
    assert [failure["reason"] for failure in printed["failed"]] == ["download_failed"]


def test_ranks_the_same_in_the_process(
    service: Service, tiny: list[str], listings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rank", PHOTO, str(listings), *tiny, "--json"]) == 0
    here = answer(capsys)
    main(["rank", PHOTO, str(listings), "--url", service.url, "--json"])
    there = answer(capsys)
    scores = [result["score"] for result in there["results"]]
    assert [result["score"] for result in here["results"]] == pytest.approx(scores, abs=1e-5)


def test_ranks_a_folder(tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rank", PHOTO, str(EXAMPLES), *tiny, "--top-k", "3", "--json"]) == 0
    printed = answer(capsys)
    assert [result["rank"] for result in printed["results"]] == [1, 2, 3]
    assert printed["results"][0]["auction_id"] == "cat.jpg"
    assert printed["meta"]["candidates"] == len(examples.names())


def test_a_folder_may_hold_more_pictures_than_a_request(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(201):
        (tmp_path / f"{number}.jpg").symlink_to(EXAMPLES / "cat.jpg")
    assert main(["rank", PHOTO, str(tmp_path), *tiny, "--json"]) == 0
    assert answer(capsys)["meta"]["succeeded"] == 201


def test_what_cannot_be_read_in_a_folder_fails_alone(
    tiny: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "pictures"
    (folder / "folder.jpg").mkdir(parents=True)
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    for name in ("cat.jpg", "coffee.jpg"):
        (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    read = Path.read_bytes

    def unreadable(path: Path) -> bytes:  # the tests may run as root, who reads everything
        if path == folder / "coffee.jpg":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", unreadable)
    sheet = tmp_path / "sheet.html"
    assert main(["rank", PHOTO, str(folder), *tiny, "--json", "--html", str(sheet)]) == 0
    printed = answer(capsys)
    assert [result["auction_id"] for result in printed["results"]] == ["cat.jpg"]
    assert [(f["auction_id"], f["detail"]) for f in printed["failed"]] == [
        ("coffee.jpg", "cannot be read: Permission denied")
    ]
    assert "Permission denied" in sheet.read_text()


def test_listings_with_one_id_keep_their_own_titles_and_pictures(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "listings.json"
    listings = [
        {"auction_id": "A", "image_url": f"example:{name}", "title": name.upper()}
        for name in ("coffee", "cat", "rocket")
    ]
    path.write_text(json.dumps(listings))
    sheet = tmp_path / "sheet.html"
    assert main(["rank", PHOTO, str(path), *tiny, "--html", str(sheet)]) == 0
    assert re.search(r"1\s+1\.0000\s+A\s+CAT\s", capsys.readouterr().out)
    page = sheet.read_text()
    cards = re.findall(r"<li><img[^>]*src=\"([^\"]+)\"><p>[^<]*<b>[^<]*</b><br>(\w+)", page)
    assert cards[0][1] == "CAT"
    assert {title for _, title in cards} == {"CAT", "COFFEE", "ROCKET"}
    assert len({picture for picture, _ in cards}) == 3
    assert main(["rank", PHOTO, str(path), *tiny, "--json"]) == 0
    assert [result["auction_id"] for result in answer(capsys)["results"]] == ["A"] * 3


def test_ids_may_be_integers_and_what_has_no_picture_fails_alone(
    service: Service, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, sheet = tmp_path / "listings.json", tmp_path / "sheet.html"
    listings = [
        {"auction_id": 10**30, "image_url": "example:cat"},
        {"auction_id": 5, "image_url": None},
        {"auction_id": "5", "image_url": {"uri": "x"}, "title": 7},
    ]
    path.write_text(json.dumps(listings))
    for where in (tiny, ["--url", service.url]):
        assert main(["rank", PHOTO, str(path), *where, "--json", "--html", str(sheet)]) == 0
        printed = answer(capsys)
        assert [result["auction_id"] for result in printed["results"]] == [10**30]
        assert [(f["auction_id"], f["reason"]) for f in printed["failed"]] == [
            (5, "no_image"),
            ("5", "no_image"),
        ]
        assert f"<br>{10**30}<" in sheet.read_text()
        assert main(["rank", PHOTO, str(path), *where]) == 0
        assert "5: no_image, image_url is an object" in capsys.readouterr().out


def test_a_slip_in_the_listings_is_told(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "listings.json"
    path.write_text('[{"auction_id": "A", "url": "example:cat"}]')
    assert main(["rank", PHOTO, str(path), *tiny]) == 1
    assert "url: did you mean image_url?" in capsys.readouterr().err


def test_the_table_shows_titles_as_text(
    tiny: list[str], listings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rank", PHOTO, str(listings), *tiny]) == 0
    shown = capsys.readouterr().out
    assert "[bold]赤[/bold]" in shown
    assert "\x1b" not in shown
    assert re.search(r"1\s+1\.0000\s+A2", shown)
    assert "A3: download_failed" in shown


def test_the_sheet_holds_its_pictures_and_nothing_runs_in_it(
    tiny: list[str], listings: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.html"
    assert main(["rank", PHOTO, str(listings), *tiny, "--html", str(sheet)]) == 0
    page = sheet.read_text()
    assert page.count("data:image/jpeg;base64,") == 3  # the photo and two listings
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=.?https?:", page)


ANSWERS = {
    "/page": (200, {}, "<!doctype html>\n<p>Sign in"),
    "/cut": (200, {}, '{"type":"scored","index":0}\n{"type":"answ'),
    "/other": (200, {}, '{"type":"answer","answer":{}}\n'),
    "/list": (200, {}, "[1]\n"),
    "/moved": (301, {"Location": "https://new.example/rank/stream"}, ""),
}


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """What else may answer at a URL than the service."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, body = ANSWERS[self.path.removesuffix("/rank/stream")]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("key", ["鍵", "secret\n", "se cret"])
def test_a_key_that_no_header_takes_is_not_quoted(
    listings: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    key: str,
) -> None:
    monkeypatch.setenv("CLIP_API_KEY", key)
    assert main(["rank", PHOTO, str(listings), "--url", "http://localhost:1"]) == 2
    said = capsys.readouterr().err
    assert "CLIP_API_KEY" in said
    assert key.strip() not in said


def test_a_setting_out_of_bounds_is_named(listings: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "clip_ranker", "rank", PHOTO, str(listings)],
        env=os.environ | {"CLIP_EMBED_THREADS": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert re.fullmatch(r"clip-ranker: CLIP_EMBED_THREADS: .*integer.*\n", ran.stderr)


def test_the_name_of_a_file_need_not_be_utf_8(
    tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    name = os.fsdecode("猫%.jpg".encode("shift_jis"))
    (folder / name).write_bytes((EXAMPLES / "cat.jpg").read_bytes())
    sheet = tmp_path / "sheet.html"
    assert main(["rank", PHOTO, str(folder), *tiny, "--json", "--html", str(sheet)]) == 0
    assert answer(capsys)["results"][0]["auction_id"] == "?L%.jpg"
    assert sheet.read_text().count("data:image/jpeg;base64,") == 2
    assert main(["rank", PHOTO, str(folder), *tiny]) == 0


def test_the_sheet_downloads_no_more_at_once_than_asked(
    tiny: list[str], images: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIP_ALLOW_PRIVATE_HOSTS", images.host)
    get_settings.cache_clear()
    under_way, most = 0, 0
    fetch = Fetcher.fetch

    async def counted(*how: Any, **more: Any) -> bytes:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await fetch(*how, **more)
        finally:
            under_way -= 1

    monkeypatch.setattr(Fetcher, "fetch", counted)
    path = tmp_path / "listings.json"
    urls = [f"{images.photo('cat')}?{number}" for number in range(6)]
    path.write_text(json.dumps([{"auction_id": url, "image_url": url} for url in urls]))
    sheet = tmp_path / "sheet.html"
    arguments = ["--max-concurrency", "2", "--html", str(sheet)]
    try:
        assert main(["rank", PHOTO, str(path), *tiny, *arguments]) == 0
    finally:
        get_settings.cache_clear()
    assert sheet.read_text().count("data:image/jpeg;base64,") == 7
    assert most == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{photo}", "{listings}", "--top-k", "0"], 2, "not between 1"),
        (["{photo}", "{listings}", "--image-resize", "x"], 2, "not a whole number"),
        (["{photo}", "{photo}", "{folder}", "--html", "x"], 2, "--html shows one photo"),
        (["{photo}", "{listings}", "--deadline-ms", "99"], 2, "not between 100 and 60000"),
        (["{empty}", "{listings}"], 1, "PHOTO: .*holds no picture"),
        (["{photo}", "{listings}", "--csv", "{folder}/no/where.csv"], 1, "cannot be written"),
        (["{photo}", "{table}"], 1, "must name the columns; without auction_id"),
        (["{photo}", "{listings}", "--url", "http://localhost:1"], 1, "cannot be reached"),
        (["{photo}", "{listings}", "--url", "nonsense"], 1, "not a URL"),
        (["{photo}", "{listings}", "--model", "nobody"], 1, "no model 'nobody'"),
        (["{folder}/nope.jpg", "{listings}"], 1, "PHOTO: .*cannot be read"),
        (["{listings}", "{listings}"], 1, "query_image_base64: not a"),
        (["{photo}", "{folder}/nope.json"], 1, "LISTINGS: .*cannot be read"),
        (["{photo}", "{photo}"], 1, "is not JSON"),
        (["{photo}", "{empty}"], 1, "holds no picture"),
        (["{photo}", "{wrong}"], 1, "listing 2: auction_id: Field required"),
        (["{photo}", "{listings}", "--html", "{folder}/no/where.html"], 1, "cannot be written"),
        (["{photo}", "{listings}", "--url", "{web}/page"], 1, "no clip-ranker .*<!doctype html>"),
        (["{photo}", "{listings}", "--url", "{web}/cut"], 1, "in the middle of its answer"),
        (["{photo}", "{listings}", "--url", "{web}/other"], 1, "another version: results"),
        (["{photo}", "{listings}", "--url", "{web}/list"], 1, "no clip-ranker"),
        (
            ["{photo}", "{listings}", "--url", "{web}/moved"],
            1,
            "it redirects to https://new.example: give that as --url",
        ),
    ],
)
def test_says_what_is_wrong(
    tiny: list[str],
    listings: Path,
    web: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.json").write_text('[{"auction_id":"A","image_url":"u"},{"image_url":"u"}]')
    (tmp_path / "table.csv").write_text("id,image_url\nA,u\n")
    places = {
        "photo": PHOTO,
        "listings": listings,
        "folder": EXAMPLES,
        "empty": tmp_path / "empty",
        "wrong": tmp_path / "wrong.json",
        "table": tmp_path / "table.csv",
        "web": web,
    }
    filled = [argument.format(**places) for argument in arguments]
    if "--url" not in filled and "--model" not in filled:
        filled += tiny
    try:
        ended = main(["rank", *filled])
    except SystemExit as error:
        ended = error.code
    assert ended == code
    assert re.search(said, capsys.readouterr().err.replace("\n", " "))


def test_nothing_ranked_has_a_code_of_its_own(tiny: list[str], tmp_path: Path) -> None:
    path = tmp_path / "listings.json"
    path.write_text('[{"auction_id": "A1", "image_url": "example:gone"}]')
    assert main(["rank", PHOTO, str(path), *tiny]) == 3


def test_the_key_comes_from_the_environment(
    serve: Callable[..., Service],
    listings: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = serve(CLIP_API_KEY="secret").url
    monkeypatch.delenv("CLIP_API_KEY", raising=False)
    assert main(["rank", PHOTO, str(listings), "--url", url]) == 1
    assert "CLIP_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv("CLIP_API_KEY", "secret")
    assert main(["rank", PHOTO, str(listings), "--url", url]) == 0


def test_a_terminal_shows_a_bar_and_standard_output_stays_json(
    service: Service, listings: Path
) -> None:
    command = [sys.executable, "-m", "clip_ranker", "rank", PHOTO, str(listings), "--json"]
    terminal, theirs = os.openpty()
    with subprocess.Popen(
        [*command, "--url", service.url],
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = _written_to(terminal)
        assert process.stdout is not None
        printed = json.loads(process.stdout.read())
    assert printed["meta"]["candidates"] == 3
    assert re.search("ranking .*━", shown)
    assert "3/3" in shown
    assert shown.endswith("\x1b[2K")  # the line is taken away at the end


def _written_to(terminal: int) -> str:
    """All that is written until the last writer has gone, which Linux tells as an error."""
    written = b""
    with os.fdopen(terminal, "rb", buffering=0) as reader, suppress(OSError):
        while part := reader.read(4096):
            written += part
    return written.decode()


def test_no_bar_where_nobody_watches(
    service: Service, listings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rank", PHOTO, str(listings), "--url", service.url]) == 0
    assert capsys.readouterr().err == ""


def test_help_teaches() -> None:
    command = [sys.executable, "-m", "clip_ranker", "rank", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for word in ("PHOTO", "LISTINGS", "--html", "examples:", "exit codes:", "CLIP_API_KEY"):
        assert word in shown
