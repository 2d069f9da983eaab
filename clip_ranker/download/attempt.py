"""One attempt at a download, as what httpx calls sees it: for whom it is, and its deadline."""

import math
from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass

import anyio

from clip_ranker.download.hosts import Asker


@dataclass(frozen=True)
class Attempt:
    """An attempt that is under way.

    Attributes:
        askers: requests that wanted the picture when it began, at least one.
        deadline: of the attempt.
    """

    askers: tuple[Asker, ...]
    deadline: anyio.CancelScope

    async def wait_outside(self, turn: Awaitable[object]) -> None:
        """Waits for a place of ours while its time stands still: that is not the host's fault."""
        left_s = self.deadline.deadline - anyio.current_time()
        self.deadline.deadline = math.inf
        await turn
        self.deadline.deadline = anyio.current_time() + left_s


CURRENT: ContextVar[Attempt] = ContextVar("CURRENT")
"""Through httpx and httpcore, which pass nothing on to what makes connections for them."""
