"""The documents say what is true: their commands run, and nothing is left out."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

import clip_ranker
from clip_ranker import metrics
from clip_ranker.errors import CandidateError
from clip_ranker.examples import FOLDER
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.prefetch import PrefetchRequest, PrefetchResponse
from clip_ranker.rank.schema import Failure, Meta, RankRequest, Result, TimingMs
from clip_ranker.web.openapi import document
from tests.conftest import IMPORTS
from tests.documents import (
    DEPLOYMENT,
    DEPLOYMENT_JA,
    PAGES,
    ROOT,
    Command,
    commands,
    fences,
)
from tests.running import Service

DOCS = ROOT / "docs"
DEPLOYMENTS = (DEPLOYMENT, DEPLOYMENT_JA)
KINDS = {"sh", "ts", "json", "yaml", "caddyfile"}
ELSEWHERE = {
    "make run ": "tests/processes/test_make_run.py",
    "MODEL=efficientnet_lite0 make run": "tests/processes/test_make_run.py",
    "CLIP_MODELS=": "tests/service/test_models.py",
    "curl -s http://localhost:8000/rank": "tests/test_readme.py",
    "docker logs --since 1h clip-api": "deploy/test_documents.py",
    "(cd ../typescript && npm install && npm pack": "tests/clients/test_documents.py",
    "npm test": "tests/clients/test_node.py",
    "docker swarm init": "deploy/swarm/stack.py",
    "docker stack deploy": "deploy/swarm/stack.py",
    "(cd clients/typescript && npm ci && npm pack)": "tests/clients/test_documents.py",
    "npm run check": "tests/clients/test_node.py",
    "npm run bundle": "tests/clients/test_node.py",
    ".venv/bin/python import_model.py  ": "tests/test_documents.py",
    ".venv/bin/python import_model.py --precision": "tests/test_documents.py",
    ".venv/bin/python import_model.py --text": "tests/importing/test_text.py",
    ".venv/bin/python import_model.py --views": "tests/models/test_names.py",
    ".venv/bin/python import_model.py --weights random": "tests/conftest.py",
    ".venv/bin/clip-ranker evaluate photos/": "tests/evaluate/test_command.py",
    ".venv/bin/pip install -e '.[evaluate]'": "tests/evaluate/test_command.py",
    ".venv/bin/pip install -e '.[local]'": "tests/service/test_local_features.py",
}
"""Commands that need another test than the one below."""
NOT_RUN = {
    ".venv/bin/python import_model.py --pretrained FILE": "FILE is the reader's; see models.md",
    "docker service rollback clip_clip-api": "in the tests the swarm goes back by itself",
    "make test-swarm": "it takes minutes, and a Docker engine",
    "make evaluate": "it takes minutes, and packages of PyPI and Debian",
    ".venv/bin/clip-ranker import": "another name of import_model.py; tests/cli/test_program.py",
    "python -m bench.fit": "it takes minutes, and the same packages",
    "python -m bench.local_features": "likewise",
    "python -m bench.seeds": "likewise",
    "python -m bench.evaluate --only costs": "it takes minutes",
    ".venv/bin/python -m bench.models": "it takes an hour, and imports ten models",
    "make run": "in the text it is a name; the blocks are run",
    ".venv/bin/python -m bench.containers": "it takes minutes, and a Docker engine",
    ".venv/bin/python -m bench.containers --only neighbour": "likewise",
}
URL = "http://localhost:8000"

RUN_HERE = [
    command
    for page in PAGES
    if page not in DEPLOYMENTS
    for command in commands(page)
    if command.kind == "sh" and not command.text.startswith(tuple(ELSEWHERE))
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the commands expect around them: a photo, listings, pictures, this repository."""
    photo = (FOLDER / "cat.jpg").read_bytes()
    (tmp_path / "photo.jpg").write_bytes(photo)
    (tmp_path / "pictures").symlink_to(FOLDER)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "import_model.py").symlink_to(ROOT / "import_model.py")
    listings = [{"auction_id": "A1", "image_url": f"data:{base64.b64encode(photo).decode()}"}]
    listings += [{"auction_id": "A2", "image_url": "example:cat"}]
    (tmp_path / "listings.json").write_text(json.dumps(listings))
    return tmp_path


def run(command: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Types a command into a shell."""
    return subprocess.run(
        ["sh", "-euc", command],
        cwd=folder,
        env=os.environ | {"PATH": _path_of_a_reader(), "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _path_of_a_reader() -> str:
    """Without the environment that the tests run in, which a reader has not activated."""
    ours = Path(sys.executable).parent
    return ":".join(entry for entry in os.environ["PATH"].split(":") if Path(entry) != ours)


@pytest.mark.parametrize("command", RUN_HERE, ids=lambda command: command.page)
def test_commands_run_as_they_stand(
    serve: Callable[..., Service], folder: Path, command: Command
) -> None:
    service = serve("efficientnet_lite0", CLIP_API_KEY="secret")
    text = command.text.replace(URL, service.url)
    ran = run(text, folder, CLIP_API_KEY="secret", CLIP_MODEL="efficientnet_lite0")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert '"error"' not in ran.stdout


IMPORT_EACH = """
import shlex, sys
from import_model import main
for line in sys.stdin:
    python, script, *arguments = shlex.split(line, comments=True)
    assert (python, script) == (".venv/bin/python", "import_model.py")
    print("exit code", main(arguments), flush=True)
"""


def test_imports_that_need_the_model_hub_get_as_far_as_the_hub(folder: Path) -> None:
    page = commands(DOCS / "models.md")
    block = "".join(c.text for c in page if "webli" in c.text or "--precision" in c.text)
    (folder / "b32.safetensors").write_bytes(b"no weights")
    ran = subprocess.run(  # one process: torch takes long to load
        [sys.executable, "-c", IMPORT_EACH],
        input=block,
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.findall(r"^exit code (.*)$", ran.stdout, re.M) == ["1"] * 5, ran.stderr
    for weights in ("laion2b_s34b_b79k", "webli"):
        assert f"the model hub cannot be reached for the {weights} weights" in ran.stderr
    assert "'b32.safetensors' does not load as ViT-B-32" in ran.stderr


def test_no_command_is_left_unrun_unless_it_is_said_why() -> None:
    deployed = [command.text for command in commands(DEPLOYMENT)]
    known = "\n".join([*deployed, *(command.text for command in RUN_HERE)])
    used = set()
    for command in (c for page in PAGES if page not in DEPLOYMENTS for c in commands(page)):
        listed = [start for start in ELSEWHERE if command.text.startswith(start)]
        listed += [text for text in NOT_RUN if command.text == text]
        used.update(listed)
        lines = command.text.replace(" && ", "\n")
        assert listed or lines in known, f"{command.page}: nothing runs {command.text}"
    assert used == {*ELSEWHERE, *NOT_RUN}
    assert all((ROOT / path).exists() for path in ELSEWHERE.values())
    assert IMPORTS["openclip_vit_b32_random"] == ["--weights", "random"]  # other tests use it


def test_the_japanese_page_types_what_the_english_one_types() -> None:
    """And `make test-deploy` types that from top to bottom. Comments are in a page's language."""

    def typed(page: Path) -> list[str]:
        return [re.sub(r"(?m)\s+# .*$", "", command.text) for command in commands(page)]

    english, japanese = typed(DEPLOYMENT), typed(DEPLOYMENT_JA)
    assert japanese == english[: len(japanese)]
    _, last = DEPLOYMENT.read_text().split("## How the container is made")  # in English alone
    assert all(f"`{text}`" in last for text in english[len(japanese) :])


def test_blocks_say_what_they_are() -> None:
    for page in PAGES:
        for kind, text in fences(page):
            assert kind in KINDS, f"{page.name}: a block of kind {kind!r}: {text[:40]}"
            if kind == "yaml":
                yaml.safe_load(text)
            if kind == "caddyfile":
                assert (ROOT / "Caddyfile.snippet").read_text().startswith(text)


def test_a_key_may_be_pasted_as_it_stands() -> None:
    """A header takes no other characters: the client would throw before it asks."""
    keys = [key for page in PAGES for key in re.findall(r'apiKey: "(.*?)"', page.read_text())]
    assert keys
    assert all(key.isascii() for key in keys)


def test_links_lead_somewhere() -> None:
    for page in [
        *PAGES,
        *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")),
    ]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / unquote(target)).exists(), f"{page.name}: {target}"


def test_the_reference_has_every_field_path_status_and_reason() -> None:
    reference = (DOCS / "api.md").read_text()
    named = _first_cells(reference)
    assert named >= set(RankRequest.model_fields)
    assert named >= {f"candidates[].{name}" for name in Candidate.model_fields}
    assert named >= {f"results[].{name}" for name in Result.model_fields}
    assert named >= {f"failed[].{name}" for name in Failure.model_fields}
    assert named >= {f"meta.{name}" for name in Meta.model_fields}
    (timing,) = re.findall(r"^\| `meta.timing_ms` \| (.*) \|$", reference, re.M)
    assert set(re.findall(r"`(\w+)`", timing)) >= set(TimingMs.model_fields)
    prefetch = reference.split("## POST /prefetch\n")[1].split("\n## ")[0]
    assert set(re.findall(r'"(\w+)":', prefetch)) >= set(PrefetchRequest.model_fields)
    assert set(re.findall(r"`(\w+)`", prefetch)) >= set(PrefetchResponse.model_fields)
    statuses = {"405", "500"}  # of any path
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            section = f"## {method.upper()} {path}\n"
            assert section in reference or (method == "get" and f"`{path}`" in reference), path
            statuses |= {status for status in operation["responses"] if status >= "400"}
    rows = re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", reference, re.M)
    assert {status for row in rows for status in row.split(", ")} == statuses
    reasons = {kind.reason for kind in CandidateError.__subclasses__()}
    for page in ("api.md", "ja.md"):
        assert set(re.findall(r"^\| `([a-z_]+)` \|", (DOCS / page).read_text(), re.M)) >= reasons


def _first_cells(page: str) -> set[str]:
    """What the rows of a page's tables are about; ``a.b`, `.c`` stands for ``a.b`` and ``a.c``."""
    names = set()
    for cell in re.findall(r"^\| (`[^|]*`) \|", page, re.M):
        first, *rest = re.findall(r"`([^`]+)`", cell)
        names |= {first, *rest, *(first.rpartition(".")[0] + name for name in rest)}
    return names


def test_every_metric_is_explained_and_shown_and_none_is_made_up() -> None:
    actual = set()
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.collect()
            actual.add(family.name + ("_total" if family.type == "counter" else ""))
    page = (DOCS / "operations.md").read_text()
    assert set(re.findall(r"^\| `(clip_ranker_\w+)", page, re.M)) == actual
    series = actual | {f"{name}_bucket" for name in actual}
    assert set(re.findall(r"\bclip_ranker_\w+", page)) <= series  # in the alerts too
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    queries = " ".join(
        target["expr"] for panel in dashboard["panels"] for target in panel["targets"]
    )
    shown = {
        re.sub("_(bucket|count)$", "", name) for name in re.findall(r"clip_ranker_\w+", queries)
    }
    assert shown == actual


def test_the_newest_change_is_of_this_version() -> None:
    unreleased, *releases = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert unreleased == "Unreleased"
    assert releases[0].startswith(f"{clip_ranker.__version__} (")
    dates = [date.fromisoformat(release[-11:-1]) for release in releases]
    assert dates == sorted(dates, reverse=True)


def test_the_running_version_is_told(service: Service) -> None:
    answers = [service.client.get(path) for path in ("/healthz", "/demo", "/nothing")]
    assert [answer.headers["X-Clip-Ranker-Version"] for answer in answers] == [
        clip_ranker.__version__
    ] * 3
    assert service.client.get("/docs.json").json()["info"]["version"] == clip_ranker.__version__
