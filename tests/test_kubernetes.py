"""deploy/kubernetes against the schemas of Kubernetes itself; no cluster has run it."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from clip_ranker import metrics
from clip_ranker.download.addresses import GLOBAL_UNICAST, NOT_PUBLIC

FOLDER = Path(__file__).parent.parent / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RESOURCES: list[dict[str, Any]] = [
    resource
    for name in KUSTOMIZATION["resources"]
    for resource in yaml.safe_load_all((FOLDER / name).read_text())
]
VERSIONS = ("1.25", "1.37")
"""Oldest and newest of the validator's that have all kinds."""


def find(kind: str, name: str = "clip-api") -> dict[str, Any]:
    [found] = [one for one in RESOURCES if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def container() -> dict[str, Any]:
    [found] = find("Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one["kind"])
def test_every_resource_is_valid(resource: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_the_validator_notices_a_fault() -> None:
    wrong = find("Service") | {"spec": {"selector": {}, "prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_every_file_is_listed() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])


def test_nothing_goes_out_to_where_no_picture_may_come_from() -> None:
    blocks = [
        peer["ipBlock"]
        for rule in find("NetworkPolicy")["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", str(GLOBAL_UNICAST)}
    excepted = [network for block in blocks for network in block["except"]]
    assert sorted(excepted) == sorted(map(str, NOT_PUBLIC))


def test_it_scales_by_a_metric_that_the_service_exports() -> None:
    [metric] = find("HorizontalPodAutoscaler")["spec"]["metrics"]
    [exported] = metrics.EMBEDS_IN_FLIGHT.collect()
    assert metric["pods"]["metric"]["name"] == exported.name


def test_it_runs_as_the_image_and_compose_do() -> None:
    root = FOLDER.parent.parent
    compose = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]["clip-api"]
    assert container()["command"] == compose["entrypoint"]
    assert container()["workingDir"] == compose["working_dir"]
    [uid] = re.findall(r"--uid (\d+)", (root / "Dockerfile").read_text())
    assert find("Deployment")["spec"]["template"]["spec"]["securityContext"]["runAsUser"] == int(
        uid
    )


def test_a_pod_has_longer_to_end_than_its_requests_and_the_pause_before() -> None:
    limit_s = float(find("ConfigMap")["data"]["CLIP_DRAIN_LIMIT_S"])
    [pause_s] = re.findall(r"sleep\((\d+)\)", str(container()["lifecycle"]))
    grace_s = find("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s > limit_s + float(pause_s)


def test_the_labels_that_join_them_are_the_pods() -> None:
    pod = find("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert find("Service")["spec"]["selector"] == pod
    for kind in ("PodDisruptionBudget", "Deployment"):
        assert find(kind)["spec"]["selector"]["matchLabels"] == pod
    assert find("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == pod
