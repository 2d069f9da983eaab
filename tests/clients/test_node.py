"""The TypeScript client, its package, and the Expo example that has it installed."""

import json
import os
import plistlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.running import Service

ROOT = Path(__file__).parent.parent.parent
CLIENTS = ROOT / "clients"
DOCS = ROOT / "docs"
KEY = "key-of-the-tests-only"
QUIET = {"CI": "1", "EXPO_OFFLINE": "1", "EXPO_NO_TELEMETRY": "1"}


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
    folder: str,
    serve: Callable[..., Service],
    stored: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = {
        "CLIP_API_KEY": KEY,
        "CLIP_FEEDBACK_DIR": str(tmp_path_factory.getbasetemp() / "feedback"),
        "CLIP_MODELS": stored("tiny"),
    }
    service = serve("efficientnet_lite0", **settings)
    npm(folder, "test", CLIP_RANKER_URL=service.url, CLIP_RANKER_KEY=KEY)


@pytest.mark.parametrize("check", ["publint {} --strict", "attw {}"])
def test_the_package_is_sound(check: str, packed: Path) -> None:
    npm("typescript", "exec", "--offline", "--", *check.format(packed).split())


def test_the_example_bundles_for_both_phones_with_one_copy_of_the_client() -> None:
    npm("expo", "run", "bundle", **QUIET)
    maps = {path.parent.name: path for path in (CLIENTS / "expo" / "dist").rglob("*.hbc.map")}
    assert sorted(maps) == ["android", "ios"]
    for path in maps.values():
        sources = json.loads(path.read_text())["sources"]
        ours = {source.partition("clip-ranker-client/")[2] for source in sources} - {""}
        assert {"dist/cjs/index.js", "dist/cjs/expo/index.js"} <= ours
        assert all(part.startswith("dist/cjs/") for part in ours)
        assert not [source for source in sources if "clients/typescript" in source]


def test_the_example_asks_for_no_more_than_it_needs(tmp_path: Path) -> None:
    app = tmp_path / "expo"
    made = shutil.ignore_patterns("node_modules", "dist", "build", ".expo", "ios", "android")
    shutil.copytree(CLIENTS / "expo", app, ignore=made)
    (app / "node_modules").symlink_to(CLIENTS / "expo" / "node_modules")
    prebuild = ["npx", "--offline", "expo", "prebuild", "--no-install"]
    subprocess.run(prebuild, cwd=app, env=os.environ | QUIET, check=True)
    (plist,) = app.glob("ios/*/Info.plist")
    asked = [key for key in plistlib.loads(plist.read_bytes()) if key.endswith("UsageDescription")]
    assert sorted(asked) == ["NSCameraUsageDescription", "NSPhotoLibraryUsageDescription"]
    assert "出品" in next(app.glob("ios/*/Supporting/ja.lproj/InfoPlist.strings")).read_text()
    assert _permissions(app / "android/app/src/main/AndroidManifest.xml") == {
        "INTERNET": True,
        "WRITE_EXTERNAL_STORAGE": True,  # the camera's, before Android 10
        "READ_EXTERNAL_STORAGE": False,
        "RECORD_AUDIO": False,
        "SYSTEM_ALERT_WINDOW": False,
        "VIBRATE": False,
    }


def _permissions(manifest: Path) -> dict[str, bool]:
    """Each permission that the manifest names, and whether it asks for it or takes it out."""
    tools = "{http://schemas.android.com/tools}node"
    name = "{http://schemas.android.com/apk/res/android}name"
    return {
        one.attrib[name].rpartition(".")[2]: one.get(tools) != "remove"
        for one in ElementTree.parse(manifest).iter("uses-permission")
    }


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
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    npm("expo", "exec", "--offline", "--", "tsc", "--project", "build/documents")
