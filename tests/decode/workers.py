"""The decoding processes of this one."""

import psutil

from clip_ranker.decode import worker


def workers(pid: int | None = None) -> list[psutil.Process]:
    """Those that live, as children of this or another process."""
    children = psutil.Process(pid).children()
    return [one for one in children if one.is_running() and worker.__name__ in _command(one)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []
