"""The TypeScript client and the Expo example's logic, by Node's own test runner."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import Service

ROOT = Path(__file__).parent.parent.parent
CLIENTS = ROOT / "clients"
DOCS = ROOT / "docs"
KEY = "key-of-the-tests-only"


def npm(folder: str, *arguments: str, **environment: str) -> None:
    """Runs npm in one of the clients and lets its output through.

    Raises:
        CalledProcessError: it failed; pytest shows what it wrote.
    """
    subprocess.run(
        ["npm", *arguments], cwd=CLIENTS / folder, env=os.environ | environment, check=True
    )


@pytest.mark.parametrize("folder", ["typescript", "expo"])
def test_types_hold(folder: str) -> None:
    npm(folder, "run", "check")


@pytest.mark.parametrize("folder", ["typescript", "expo"])
def test_against_the_running_service(
    folder: str, serve: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory
) -> None:
    feedback = tmp_path_factory.getbasetemp() / "feedback"
    service = serve("efficientnet_lite0", CLIP_API_KEY=KEY, CLIP_FEEDBACK_DIR=str(feedback))
    npm(folder, "test", CLIP_RANKER_URL=service.url, CLIP_RANKER_KEY=KEY)


def test_the_example_bundles_for_both_phones() -> None:
    npm("expo", "run", "bundle", CI="1", EXPO_OFFLINE="1", EXPO_NO_TELEMETRY="1")
    bundles = [path.parent.name for path in (CLIENTS / "expo" / "dist").rglob("*.hbc")]
    assert sorted(bundles) == ["android", "ios"]


def test_the_code_in_the_documents_compiles() -> None:
    folder = CLIENTS / "expo" / "build" / "documents"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for page in (DOCS.parent / "README.md", DOCS / "ja.md", CLIENTS / "typescript" / "README.md"):
        blocks = re.findall(r"^```ts\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        assert blocks
        for number, block in enumerate(blocks):
            (folder / f"{page.parent.name}-{page.stem}-{number}.ts").write_text(block)
    settings = {"extends": "../../tsconfig.json", "include": ["*.ts"]}
    settings["compilerOptions"] = {
        "paths": {"clip-ranker-client": ["../../../typescript/src/index.ts"]}
    }
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    npm("expo", "run", "check", "--", "--project", "build/documents")
