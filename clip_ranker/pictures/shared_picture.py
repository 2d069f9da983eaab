"""A picture under way, and who waits for it."""

import asyncio

from clip_ranker.errors import TimedOutError
from clip_ranker.fair_queue import Picture
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.source import Source
from clip_ranker.pictures.stage_clock import Stage


class SharedPicture(Picture):
    """A picture being worked on, for all jobs that want it.

    Args:
        source: of the picture; the clocks of all who want it count it in its first stage.

    Attributes:
        sources: all that have turned out to be this picture.
        bytes_key: of its bytes, once these are there.
        merged_into: the picture that has the same bytes, and all who waited for this one.
        begun: it has had its turn to be downloaded, or needs none.
        worth_keeping: a job left it at its deadline, and will ask again.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.host)
        self.sources = [source]
        self.bytes_key = source.key
        self.merged_into: SharedPicture | None = None
        self.begun = False
        self.worth_keeping = False
        self._stage: Stage = "decode" if isinstance(source.content, bytes) else "download"
        self._waiters: dict[asyncio.Future[Embedded], Job] = {}

    @property
    def keys(self) -> set[str]:
        """All under which it is found."""
        return {self.bytes_key, *(source.key for source in self.sources)}

    @property
    def waited_for(self) -> bool:
        """Whether anybody waits for its embedding."""
        return any(not waiter.done() for waiter in self._waiters)

    def jobs(self) -> list[Job]:
        """All that want it."""
        return [request for request in self.wanted_by if isinstance(request, Job)]

    def enter(self, stage: Stage) -> None:
        """It goes on to the next stage."""
        for job in self.jobs():
            job.clock.leave(self._stage)
            job.clock.enter(stage)
        self._stage = stage

    def join(self, job: Job, *, photo: bool) -> asyncio.Future[Embedded]:
        """One more job waits for it; returns what it waits for."""
        waiter: asyncio.Future[Embedded] = asyncio.get_running_loop().create_future()
        self._add(waiter, job, photo=photo)
        return waiter

    def leave(self, waiter: asyncio.Future[Embedded]) -> None:
        """Undoes ``join``."""
        job = self._waiters.pop(waiter)
        self.worth_keeping |= job.late
        self.unwant(job)
        if job not in self.wanted_by:
            job.clock.leave(self._stage)

    def merge_into(self, same: "SharedPicture") -> None:
        """All who wait for this one, which waits in no queue, wait for one of the same bytes."""
        for waiter, job in self._waiters.items():
            same._add(waiter, job, photo=job in self.photo_of)
        for job in self.jobs():
            job.clock.leave(self._stage)
        self._waiters = {}
        self.wanted_by.clear()
        self.photo_of.clear()
        same.sources += self.sources
        same.worth_keeping |= self.worth_keeping
        self.merged_into = same

    def tell_who_gave_up_on_its_host(self) -> None:
        """What one request learnt of a host is its own: the others go on.

        Raises:
            asyncio.CancelledError: there are none.
        """
        for job in self.jobs():
            if job.asker.gives_up_on(self.host):
                silent = TimedOutError("host_silent")
                self.settle(silent, only=job)
        if not self.waited_for:
            raise asyncio.CancelledError

    def settle(self, outcome: Embedded | Exception, only: Job | None = None) -> None:
        """Tells all who wait, or one job among them."""
        for waiter, job in self._waiters.items():
            if waiter.done() or only not in (None, job):
                continue
            if isinstance(outcome, Exception):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)

    def _add(self, waiter: asyncio.Future[Embedded], job: Job, *, photo: bool) -> None:
        if job not in self.wanted_by:
            job.clock.enter(self._stage)
        self.want(job, photo=photo)
        self._waiters[waiter] = job
