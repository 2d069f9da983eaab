"""A request as those who work on its pictures see it."""

from clip_ranker.download.hosts import Asker
from clip_ranker.fair_queue import Request
from clip_ranker.pictures.stage_clock import StageClock


class Job(Request):
    """One request, with what its pictures share.

    Args:
        max_concurrency: pictures downloaded and decoded at once.
        early: its first result is wanted soon, at some cost to all of it together.
        background: nobody waits for it.

    Attributes:
        asker: what it has learnt of hosts.
        clock: sums up where its time went.
        late: its deadline has passed; what has begun is finished for the cache.
    """

    def __init__(
        self, max_concurrency: int, *, early: bool = False, background: bool = False
    ) -> None:
        super().__init__(max_concurrency, early=early, background=background)
        self.asker = Asker(background=background)
        self.clock = StageClock()
        self.late = False
