"""How many processors this process may use: its affinity, and the quota of its container."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

V1, V2 = ["cpu.cfs_quota_us", "cpu.cfs_period_us"], ["cpu.max"]
"""Files of a control group: a quota and its period, in microseconds."""


def available(root: Path = Path("/")) -> int:
    """At least one, also with a quota of half a processor; ``root`` has ``proc`` and ``sys``."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    count: float = len(affinity(0)) if affinity else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no Linux, or one that this does not know
        count = min([count, *_quotas(root)])
    return max(1, math.ceil(count))


def _quotas(root: Path) -> Iterator[float]:
    """Processors granted to each control group that this process is in, and to those above it."""
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            hierarchy = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            # Inside a container its own group may be the root, whatever its path says.
            for folder in (PurePosixPath(group), *PurePosixPath(group).parents):
                yield _quota(hierarchy / folder.relative_to("/"))


def _quota(group: Path) -> float:
    with suppress(OSError, ValueError):  # "max" is no number
        names = V2 if (group / V2[0]).exists() else V1
        quota, period = map(int, " ".join((group / name).read_text() for name in names).split())
        if quota > 0:
            return quota / period
    return math.inf
