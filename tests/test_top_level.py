"""What a newcomer finds at the top: all of it is wanted, and CONTRIBUTING.md says what it is."""

import re
import subprocess

import yaml

from tests.conftest import ROOT

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def at_the_top() -> set[str]:
    """Names of files and folders, these with a slash, as git knows them or soon will."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heads = {path.partition("/")[:2] for path in listed.splitlines()}
    return {name + slash for name, slash in heads if (ROOT / name).exists()}


def test_everything_there_is_explained_and_nothing_else_is() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", CONTRIBUTING.split("## Rooms")[1], re.M)
    explained = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert explained == at_the_top()


def test_contributors_are_told_of_targets_that_exist_and_of_every_test() -> None:
    told = set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)?)`", CONTRIBUTING.replace("\n", " ")))
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    assert told <= targets
    assert {name for name in targets if "test" in name} <= told
    steps = re.findall(r"^step make (\S+)$", (ROOT / ".ci" / "run").read_text(), re.M)
    assert set(steps) <= told


def test_the_workflow_runs_what_everybody_can_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    commands = [step.get("run") for step in workflow["jobs"]["everything"]["steps"]]
    assert ".ci/run" in commands


def test_dependabot_looks_at_every_folder_with_dependencies() -> None:
    config = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    looked_at = {
        update["package-ecosystem"]: set(update.get("directories", [update.get("directory")]))
        for update in config["updates"]
    }
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for ecosystem, name in (("npm", "package-lock.json"), ("pip", r"requirements.*\.txt")):
        folders = {re.fullmatch(rf"(?:(.*)/)?{name}", path) for path in tracked} - {None}
        assert {f"/{found[1] or ''}" for found in folders if found} == looked_at[ecosystem]
