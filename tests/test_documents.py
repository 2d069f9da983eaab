"""The documents say what is true: their commands run, and nothing is left out."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
from prometheus_client.metrics import MetricWrapperBase

import clip_ranker
from clip_ranker import metrics
from clip_ranker.errors import CandidateError
from clip_ranker.example_pictures import FOLDER
from clip_ranker.schema import RankRequest, RankResponse
from clip_ranker.web.openapi import document
from tests.conftest import ROOT
from tests.running import Service

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted((ROOT / "clients").glob("*/README.md"))]
NEEDS_A_SERVER = {"deployment.md"}
"""Its commands are for the machine it is about; ``make test-deploy`` proves them."""
UNTESTED = [
    ("clients/expo/README.md", "npm install"),
    ("docs/models.md", "python import_model.py  "),  # these need the model hub
    ("docs/models.md", "python import_model.py --weights random"),  # minutes, and in other tests
    ("docs/models.md", "CLIP_MODEL=efficientnet_lite0 make run"),  # never ends
    ("docs/operations.md", "docker logs"),
]
URL = "http://localhost:8000"


def blocks(page: Path, kind: str) -> list[str]:
    """The code blocks whose opening line says exactly this."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


COMMANDS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    if page.name not in NEEDS_A_SERVER
    for number, block in enumerate(blocks(page, "sh"), start=1)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands expect around them: a photo, listings, pictures, this repository."""
    photo = (FOLDER / "cat.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(photo)
    (tmp_path / "pictures").symlink_to(FOLDER)
    (tmp_path / "import_model.py").symlink_to(ROOT / "import_model.py")
    listings = [{"auction_id": "A1", "image_url": f"data:{base64.b64encode(photo).decode()}"}]
    listings += [{"auction_id": "A2", "image_url": "example:cat"}]
    (tmp_path / "listings.json").write_text(json.dumps(listings))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run_as_they_stand(
    serve: Callable[..., Service], folder: Path, command: str
) -> None:
    service = serve("efficientnet_lite0", CLIP_API_KEY="secret")
    ran = subprocess.run(
        ["sh", "-euc", command.replace(URL, service.url)],
        cwd=folder,
        env=os.environ
        | {
            "CLIP_API_KEY": "secret",
            "CLIP_MODEL": "efficientnet_lite0",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"error"' not in ran.stdout


def test_what_is_not_run_is_a_closed_list() -> None:
    unrun = [
        (str(page.relative_to(ROOT)), block)
        for page in PAGES
        for block in blocks(page, r"sh [^\n]+")
    ]
    assert len(unrun) == len(UNTESTED)
    for (page, block), (expected_page, start) in zip(sorted(unrun), sorted(UNTESTED), strict=True):
        assert page == expected_page
        assert block.startswith(start)


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / unquote(target)).exists(), f"{page.name}: {target}"


def test_the_reference_has_every_field_path_status_and_reason() -> None:
    reference = (DOCS / "api.md").read_text()
    for name in RankRequest.model_fields:
        assert f"`{name}`" in reference
    for name in RankResponse.model_fields["meta"].annotation.model_fields:  # type: ignore[union-attr]
        assert f"`meta.{name}`" in reference
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            section = f"## {method.upper()} {path}\n"
            assert section in reference or (method == "get" and f"`{path}`" in reference), path
            for status in operation["responses"]:
                assert status in reference
    reasons = {kind.reason for kind in CandidateError.__subclasses__()}
    for page in ("api.md", "ja.md"):
        assert set(re.findall(r"^\| `([a-z_]+)` \|", (DOCS / page).read_text(), re.M)) >= reasons


def test_every_metric_is_explained_and_shown_and_none_is_made_up() -> None:
    actual = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.collect()
            actual.add(family.name + ("_total" if family.type == "counter" else ""))
    explained = re.findall(r"^\| `(clip_ranker_\w+)", (DOCS / "operations.md").read_text(), re.M)
    assert set(explained) == actual
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    queries = " ".join(
        target["expr"] for panel in dashboard["panels"] for target in panel["targets"]
    )
    shown = {
        re.sub("_(bucket|count)$", "", name) for name in re.findall(r"clip_ranker_\w+", queries)
    }
    assert shown == actual


def test_the_newest_change_is_of_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\S+)$", changes, re.M)[0] == clip_ranker.__version__


def test_the_running_version_is_told(service: Service) -> None:
    answers = [service.client.get(path) for path in ("/healthz", "/demo", "/nothing")]
    assert [answer.headers["X-Clip-Ranker-Version"] for answer in answers] == [
        clip_ranker.__version__
    ] * 3
    assert service.client.get("/docs.json").json()["info"]["version"] == clip_ranker.__version__
