"""Every code that a failure can carry has its sentence in both languages, everywhere.

``python -m tests.test_messages`` renews the copy of the TypeScript client.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from clip_ranker.errors import MESSAGES, CandidateError, DownloadFailedError, TimedOutError

ROOT = Path(__file__).parent.parent
COPY = ROOT / "clients" / "typescript" / "src" / "texts.ts"
KINDS = {kind.__name__: kind.reason for kind in CandidateError.__subclasses__()}
SOURCES = [ROOT / "service.py", *sorted((ROOT / "clip_ranker").rglob("*.py"))]
DETAILS = [(reason, code) for reason, about in MESSAGES.items() for code in about["details"]]


def copied() -> str:
    """What the client's copy must be."""
    return (
        "/** Made of clip_ranker/messages.json by `python -m tests.test_messages`, "
        "not by hand. */\n\n"
        f"export const TEXTS = {json.dumps(MESSAGES, ensure_ascii=False, indent=2)};\n"
    )


def named(template: str) -> set[str]:
    """The names in a sentence's ``{}``."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def raised() -> Iterator[tuple[str, ast.Call]]:
    """Each place that makes a failure: where, and how."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=kind)) if kind in KINDS:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_failure_is_made_of_a_code_of_its_reason_with_what_its_sentence_names() -> None:
    wrong, checked = [], 0
    for place, call in raised():
        assert isinstance(call.func, ast.Name)
        code = call.args[0]
        if not isinstance(code, ast.Constant):  # a variable, or a code that is put together
            assert " " not in ast.unparse(code) or isinstance(code, ast.IfExp), place
            continue
        about = MESSAGES[KINDS[call.func.id]]["details"].get(code.value)
        given = {keyword.arg for keyword in call.keywords}
        checked += 1
        if about is None or named(about["en"]) != given:
            wrong.append((place, ast.unparse(call)))
    assert wrong == []
    assert checked > 40


def test_every_code_is_used() -> None:
    strings = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    }
    assert [code for _, code in DETAILS if code.removesuffix("_at") not in strings] == []


def test_every_reason_and_code_has_both_languages_and_japanese_names_nothing_else() -> None:
    assert set(MESSAGES) == set(KINDS.values())
    for reason, about in MESSAGES.items():
        assert about["en"].endswith(".")
        assert about["ja"].endswith("。")
        for code, words in about["details"].items():
            assert re.fullmatch(r"[a-z_]+", code)
            assert words["en"]
            assert re.search(r"[ぁ-んァ-ヶ一-龠]|HTTP", words["ja"]), (reason, code)
            assert named(words["ja"]) <= named(words["en"])


def test_the_text_is_the_english_sentence() -> None:
    assert str(TimedOutError("no_answer_in_time", seconds=3.0)) == "no complete answer within 3 s"
    error = DownloadFailedError("http_status_page", status=403, title="{status}")
    assert str(error) == "HTTP 403 with a web page, “{status}”"
    assert error.told() == {
        "reason": "download_failed",
        "detail": str(error),
        "detail_code": "http_status_page",
        "detail_params": {"status": 403, "title": "{status}"},
    }


def test_the_client_has_the_same_sentences() -> None:
    assert COPY.read_text() == copied(), "run .venv/bin/python -m tests.test_messages"


@pytest.mark.parametrize(("reason", "code"), DETAILS)
def test_the_api_reference_lists_every_code(reason: str, code: str) -> None:
    (row,) = re.findall(rf"^\| `{reason}` \| (`.*) \|$", DOCUMENT, re.MULTILINE)
    assert f"`{code}`" in row


DOCUMENT = (ROOT / "docs" / "api.md").read_text()

if __name__ == "__main__":
    COPY.write_text(copied())
