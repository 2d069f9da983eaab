"""How many processors may be used, on a Mac and in a container."""

import os
from pathlib import Path

import pytest

from clip_ranker import processors

V1 = "5:cpuacct,cpu:{path}\n4:memory:/elsewhere\n"
V2 = "0::{path}\n"


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with eight processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


def files(root: Path, groups: str, contents: dict[str, str]) -> Path:
    """A root folder with control groups in it."""
    contents = {f"sys/fs/cgroup/{name}": text for name, text in contents.items()}
    for name, text in {"proc/self/cgroup": groups, **contents}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v1(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    return {
        f"cpu/{folder}cpu.cfs_quota_us": f"{quota}\n",
        f"cpu/{folder}cpu.cfs_period_us": f"{period}\n",
    }


def test_a_mac_has_no_affinity_and_no_control_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processors.available(tmp_path) == 8
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors.available(tmp_path) == 1


def test_an_affinity_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 6}, raising=False)
    assert processors.available(tmp_path) == 3


@pytest.mark.parametrize(
    ("path", "contents", "number"),
    [
        ("/", {"cpu.max": "50000 100000\n"}, 1),
        ("/", {"cpu.max": "150000 100000\n"}, 2),
        ("/", {"cpu.max": "200000 100000\n"}, 2),
        ("/", {"cpu.max": "10000000 100000\n"}, 8),
        ("/", {"cpu.max": "max 100000\n"}, 8),
        ("/", {"cpu.max": ""}, 8),
        ("/", {}, 8),
        ("/../..", {"cpu.max": "300000 100000\n"}, 3),
        ("/a.slice/b", {"a.slice/b/cpu.max": "max 1\n", "a.slice/cpu.max": "2 1\n"}, 2),
        ("/a.slice/b", {"a.slice/b/cpu.max": "3 1\n", "a.slice/cpu.max": "5 1\n"}, 3),
        ("/other", {"a.slice/cpu.max": "2 1\n"}, 8),
    ],
)
def test_a_quota_of_version_2(
    path: str, contents: dict[str, str], number: int, tmp_path: Path
) -> None:
    assert processors.available(files(tmp_path, V2.format(path=path), contents)) == number


@pytest.mark.parametrize(
    ("path", "contents", "number"),
    [
        ("/", v1("", 50_000), 1),
        ("/", v1("", 250_000), 3),
        ("/", v1("", -1), 8),
        ("/docker/b", v1("docker/b/", 200_000), 2),
        ("/docker/b", v1("", 200_000), 2),  # as seen from inside the container
        ("/docker/b", {"cpu/cpu.cfs_quota_us": "200000"}, 8),
    ],
)
def test_a_quota_of_version_1(
    path: str, contents: dict[str, str], number: int, tmp_path: Path
) -> None:
    assert processors.available(files(tmp_path, V1.format(path=path), contents)) == number


def test_no_quota_counts_where_control_groups_cannot_be_read(tmp_path: Path) -> None:
    assert processors.available(files(tmp_path, "what is this?", {"cpu.max": "1 1"})) == 8
