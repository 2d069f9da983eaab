"""README says what is true, and all of it."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from clip_ranker.errors import CandidateError
from clip_ranker.web.openapi import document
from tests.conftest import ROOT
from tests.running import Service

README = (ROOT / "README.md").read_text()


def test_the_settings_worth_a_look_are_as_the_page_of_all_of_them_says() -> None:
    rows = re.findall(r"^\| `CLIP_\w+` \|.*$", README, re.MULTILINE)
    assert len(rows) == 5
    assert set(rows) <= set((ROOT / "docs" / "settings.md").read_text().splitlines())


def test_every_reason_code_is_there_and_no_other() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", README, re.MULTILINE))
    assert documented == {error.reason for error in CandidateError.__subclasses__()}


def test_every_endpoint_and_status_is_there() -> None:
    statuses = {"405"}  # of any path
    for path, methods in document()["paths"].items():
        for method, described in methods.items():
            assert f"`{method.upper()} {path}`" in README or f"`{path}`" in README
            statuses |= {status for status in described["responses"] if status >= "400"}
    (listed,) = re.findall(r"^A bad request is answered with ([\d, or]+) and", README, re.M)
    assert set(re.findall(r"\d+", listed)) == statuses


def test_the_curl_works_as_pasted_and_answers_what_is_shown(
    serve: Callable[..., Service],
) -> None:
    service = serve("efficientnet_lite0")
    (command,) = re.findall(r"^(curl .*?\}')$", README, re.MULTILINE | re.DOTALL)
    ran = subprocess.run(
        ["sh", "-c", command.replace("http://localhost:8000", service.url)],
        capture_output=True,
        check=True,
    )
    answer = json.loads(ran.stdout)
    (shown,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    expected = json.loads(shown)
    assert answer.keys() == expected.keys()
    assert answer["meta"].keys() == expected["meta"].keys()
    for one, other in zip(answer["results"], expected["results"], strict=True):
        assert (one["auction_id"], one["rank"]) == (other["auction_id"], other["rank"])
        assert abs(one["score"] - other["score"]) < 1e-3
    assert [(f["auction_id"], f["reason"]) for f in answer["failed"]] == [("A3", "url_blocked")]


def test_every_file_it_links_to_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert Path(ROOT / target).exists(), target
