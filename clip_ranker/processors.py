"""How many processors this process may use."""

import os


def available() -> int:
    """At least one."""
    return len(os.sched_getaffinity(0))
