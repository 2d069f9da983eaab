"""Nothing that a server, a file or its name brings reaches the terminal as more than text."""

import io
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clip_ranker import examples
from clip_ranker.cli.main import main
from clip_ranker.cli.show import table
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankResponse

HOSTILE = "赤\x1b]0;owned\x07\x1b[2J\x9b2J\u202e\u2066\x7f\r\x00"
"""A title for the window, a cleared screen twice, text turned round; no line feed, as all of it
must come out as one."""
OBEYED = re.compile("\x1b\\]|\x1b\\[2J|[\x00\x07\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PHOTO = str(examples.FOLDER / "cat.jpg")
META = {
    "model": HOSTILE,
    "image_resize": 768,
    "candidates": 2,
    "succeeded": 1,
    "failed": 1,
    "cached": 0,
    "duplicates": 0,
    "partial": False,
    "timing_ms": {"total": 1, "download": 1, "decode": 1, "embed": 1},
}
ANSWER: dict[str, Any] = {
    "results": [{"auction_id": "0", "score": 0.5, "rank": 1}],
    "failed": [{"auction_id": "1", "reason": HOSTILE, "detail": HOSTILE}],
    "meta": META,
}
NAMED = ANSWER | {"failed": [{"auction_id": HOSTILE, "reason": "x", "detail": "x"}]}


def event(**fields: Any) -> bytes:
    """A line of a stream, its text unescaped where JSON lets it be."""
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "answer": (200, {}, event(type="answer", answer=ANSWER)),
    "named": (200, {}, event(type="answer", answer=NAMED)),
    "version": (200, {}, event(type="answer", answer={HOSTILE: HOSTILE})),
    "broken": (200, {}, event(type="error", error=HOSTILE)),
    "refused": (400, {"Retry-After": HOSTILE}, event(error=HOSTILE)),
    "unshaped": (400, {}, event(error={HOSTILE: HOSTILE})),
    "worded": (200, {}, b""),
    "nested": (200, {}, b"[" * 200_000),
    "page": (200, {}, HOSTILE.encode()),
    "cut": (200, {}, b"{" + HOSTILE.encode()),
    "moved": (301, {"Location": f"/{HOSTILE}"}, b""),
    "moved-away": (301, {"Location": f"http://{HOSTILE}/"}, b""),
}


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """URL of a server that puts the sequences wherever it may write."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            way = self.path.split("/")[1]
            status, headers, body = ANSWERS[way]
            reason = HOSTILE.replace("\r", "").encode().decode("latin-1")
            self.send_response(status, reason if way == "worded" else None)
            for name, value in headers.items():
                raw = value.translate({0: None, 13: None})  # which no header can have
                self.send_header(name, raw.encode().decode("latin-1"))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def arguments(hostile: str, folder: Path) -> dict[str, tuple[list[str], int]]:
    """Each way in which it can end, and the exit code."""
    name = HOSTILE.replace("\x00", "")  # which no name of a file can have
    listings, wrong, half = (folder / f"{kind}{name}.json" for kind in ("good", "wrong", "half"))
    one = {"auction_id": HOSTILE, "image_url": f"http://{HOSTILE}/", "title": HOSTILE}
    listings.write_text(json.dumps([one, one | {"image_url": f"{HOSTILE}://x"}]))
    wrong.write_text(json.dumps([{"auction_id": {HOSTILE: HOSTILE}, "image_url": "x"}]))
    half.write_text(f'[{{"{name}')
    pictures, empty = folder / f"pictures{name}", folder / f"empty{name}"
    pictures.mkdir()
    empty.mkdir()
    (pictures / f"{name}.jpg").write_bytes((examples.FOLDER / "cat.jpg").read_bytes())
    (pictures / f"{name}.png").write_bytes(HOSTILE.encode())
    asked = [PHOTO, str(listings), "--url"]
    served = {
        path: ([*asked, f"{hostile}/{path}"], 0 if path == "answer" else 1) for path in ANSWERS
    }
    good = ([PHOTO, str(listings)], 3)
    return served | {
        "json": ([*asked, f"{hostile}/answer", "--json"], 0),
        "csv": ([*asked, f"{hostile}/answer", "--csv", "-"], 0),
        "two": ([PHOTO, *asked, f"{hostile}/answer"], 0),
        "two-json": ([PHOTO, *asked, f"{hostile}/answer", "--json"], 0),
        "two-csv": ([PHOTO, *asked, f"{hostile}/answer", "--csv", "-"], 0),
        "photos": ([str(pictures), str(listings), "--url", f"{hostile}/answer"], 0),
        "photos-csv": ([str(pictures), str(pictures), "--csv", "-"], 1),
        "no-csv": ([PHOTO, str(pictures), "--csv", f"{folder}/no/{name}"], 1),
        "url": ([*asked, f"nonsense{name}"], 1),
        "unreachable": ([*asked, f"http://127.0.0.1:1/{name}"], 1),
        "in-process": good,
        "in-process-json": ([*good[0], "--json"], 3),
        "folder": ([PHOTO, str(pictures)], 0),
        "folder-json": ([PHOTO, str(pictures), "--json"], 0),
        "empty": ([PHOTO, str(empty)], 1),
        "no-photo": ([f"{folder}/gone{name}", str(listings)], 1),
        "bad-photo": ([str(pictures / f"{name}.png"), str(listings)], 1),
        "photo-url": ([f"http://{name}/", str(listings)], 1),
        "wrong": ([PHOTO, str(wrong)], 1),
        "half": ([PHOTO, str(half)], 1),
        "no-listings": ([PHOTO, f"{folder}/gone{name}"], 1),
        "sheet": ([PHOTO, str(pictures), "--html", f"{folder}/no/{name}"], 1),
        "model": ([*good[0], "--model", f"x{name}"], 1),
        "one-too-many": ([*good[0], name], 1),
        "option": ([*good[0], f"--{name}"], 2),
        "same-item": ([PHOTO, "example:cat", *good[0][1:], "--same-item"], 2),
        "number": ([*good[0], "--top-k", name], 2),
    }


@pytest.mark.parametrize("watched", [True, False], ids=["terminal", "pipe"])
def test_no_output_obeys_what_others_write(
    hostile: str,
    watched: bool,
    tmp_path: Path,
    stored: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if watched:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    ways = arguments(hostile, tmp_path)
    for way, (given, code) in ways.items():
        if "--url" not in given and "--model" not in given:
            given = [*given, "--model", stored("tiny")]
        try:
            ended = main(["rank", *given])
        except SystemExit as error:
            ended = error.code
        shown = "".join(capsys.readouterr())
        assert not OBEYED.search(shown), (way, shown)
        assert ended == code, (way, shown)
        assert shown


@pytest.mark.parametrize("command", ["prefetch", "health"])
def test_no_other_command_obeys_a_service(
    hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "listings.json").write_text('[{"auction_id": 1, "image_url": "example:cat"}]')
    given = [str(tmp_path / "listings.json")] if command == "prefetch" else []
    for path in ANSWERS:
        assert main([command, *given, "--url", f"{hostile}/{path}"]) == 1
        shown = "".join(capsys.readouterr())
        assert not OBEYED.search(shown), (path, shown)
        assert shown


def test_what_is_made_harmless_in_json_is_the_same_json(
    hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, _ = arguments(hostile, tmp_path)["json"]
    main(["rank", *given])
    printed = capsys.readouterr().out
    assert "赤" in printed
    assert json.loads(printed)["failed"] == [
        {"auction_id": HOSTILE, "reason": HOSTILE, "detail": HOSTILE}
    ]


def test_listings_with_the_same_picture_are_marked() -> None:
    def printed(*groups: int | None) -> list[list[str]]:
        results = [
            {"auction_id": str(n), "score": 0.5, "rank": n + 1, "group": group}
            for n, group in enumerate(groups)
        ]
        listings = [Candidate(auction_id=f"A{n}") for n in range(len(groups))]
        console = Console(file=io.StringIO(), width=80)
        table(RankResponse.model_validate(ANSWER | {"results": results}), listings, console)
        assert isinstance(console.file, io.StringIO)
        return [line.split() for line in console.file.getvalue().splitlines()[: len(groups) + 1]]

    assert printed(None, 1, 1)[0] == ["rank", "score", "group", "listing"]
    assert printed(None, 1, 1)[2] == ["2", "0.5000", "1", "A1"]
    assert printed(None, None)[0] == ["rank", "score", "listing"]
