"""The TypeScript client and the Expo example's logic, by Node's own test runner."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import Service

CLIENTS = Path(__file__).parent.parent.parent / "clients"
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
def test_against_the_running_service(folder: str, serve: Callable[..., Service]) -> None:
    service = serve("efficientnet_lite0", CLIP_API_KEY=KEY)
    npm(folder, "test", CLIP_RANKER_URL=service.url, CLIP_RANKER_KEY=KEY)


def test_the_example_bundles_for_both_phones() -> None:
    npm("expo", "run", "bundle", CI="1", EXPO_OFFLINE="1", EXPO_NO_TELEMETRY="1")
    bundles = [path.parent.name for path in (CLIENTS / "expo" / "dist").rglob("*.hbc")]
    assert sorted(bundles) == ["android", "ios"]
