"""Single flight: a picture that several requests want is worked on once."""

import asyncio
from collections.abc import Awaitable, Callable

from clip_ranker.errors import EmbedFailedError
from clip_ranker.fair_queue import Picture, Request
from clip_ranker.models.encoder import Embedding
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.stage_clock import Stage
from clip_ranker.turns import Turns

MOST_KEPT = 32
"""Pictures that nobody waits for any more and that are finished all the same; two calls."""


class SharedPicture(Picture):
    """A picture being worked on, for all jobs that want it.

    Args:
        host: it is downloaded from.
        stage: it begins in; the clocks of all who want it count it there.

    Attributes:
        begun: it has had its turn to be downloaded, or needs none.
        worth_keeping: a job left it at its deadline, and will ask again.
    """

    def __init__(self, host: str, stage: Stage) -> None:
        super().__init__(host)
        self.begun = False
        self.worth_keeping = False
        self._stage = stage
        self._waiters: dict[asyncio.Future[Embedding], Job] = {}

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

    def join(self, job: Job, *, photo: bool) -> asyncio.Future[Embedding]:
        """One more job waits for it; returns what it waits for."""
        if job not in self.wanted_by:
            job.clock.enter(self._stage)
        self.want(job, photo=photo)
        waiter: asyncio.Future[Embedding] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = job
        return waiter

    def leave(self, waiter: asyncio.Future[Embedding]) -> None:
        """Undoes ``join``."""
        job = self._waiters.pop(waiter)
        self.worth_keeping |= job.late
        self.unwant(job)
        if job not in self.wanted_by:
            job.clock.leave(self._stage)

    def settle(self, outcome: Embedding | Exception, only: Job | None = None) -> None:
        """Tells all who wait, or one job among them."""
        for waiter, job in self._waiters.items():
            if waiter.done() or only not in (None, job):
                continue
            if isinstance(outcome, Exception):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)


class SingleFlight:
    """All pictures being worked on, by key.

    Args:
        turns: told when nobody waits any more for a picture that is kept.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._tasks: dict[SharedPicture, asyncio.Task[None]] = {}
        self._pictures: dict[str, SharedPicture] = {}
        self._keeper = Request(MOST_KEPT, background=True)
        self._kept: set[SharedPicture] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._pictures

    async def embedding(
        self,
        key: str,
        job: Job,
        new: SharedPicture,
        work: Callable[[SharedPicture], Awaitable[Embedding]],
        *,
        photo: bool = False,
    ) -> Embedding:
        """Joins the work on the picture of this key, beginning it if there is none.

        It ends when the last who waits leaves, unless it has begun and one of those who left did
        so at its deadline: then it is finished for the cache, behind everything else.

        Args:
            key: of the picture.
            job: that wants it.
            new: what it is if nobody works on it yet.
            work: does it.
            photo: it is the job's photo.

        Raises:
            CandidateError: why there is no embedding.
            EmbedderUnavailableError: nothing can be embedded at the moment.
        """
        picture = self._pictures.get(key)
        if picture is None:
            picture = self._pictures[key] = new
            self._tasks[picture] = asyncio.create_task(self._work(key, picture, work))
        elif picture in self._kept:
            self._kept.remove(picture)
            picture.unwant(self._keeper)
        waiter = picture.join(job, photo=photo)
        try:
            return await waiter
        finally:
            picture.leave(waiter)
            if self._pictures.get(key) is picture:
                if not picture.waited_for:
                    self._keep_or_end(key, picture)
                elif not picture.live:  # a prefetch still waits for it
                    self._turns.hand_out()

    async def close(self) -> None:
        """Ends all work."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keep_or_end(self, key: str, picture: SharedPicture) -> None:
        bodies = self._turns.big_bodies
        big = picture in bodies.held or picture.queue is bodies
        room = len(self._kept) < MOST_KEPT and not big
        if picture.worth_keeping and picture.begun and room:
            self._kept.add(picture)
            picture.want(self._keeper)
            self._turns.hand_out()
        else:
            del self._pictures[key]  # nobody may join what is being cancelled
            self._tasks[picture].cancel()

    async def _work(
        self,
        key: str,
        picture: SharedPicture,
        work: Callable[[SharedPicture], Awaitable[Embedding]],
    ) -> None:
        outcome: Embedding | Exception
        try:
            outcome = await work(picture)
        except asyncio.CancelledError:
            # By us when nobody waits, else by something below: whoever waits must not wait on.
            outcome = EmbedFailedError("the work on this picture was cut off")
        except Exception as error:  # noqa: BLE001 raised where it is waited for
            outcome = error
        if self._pictures.get(key) is picture:
            del self._pictures[key]
        del self._tasks[picture]
        self._kept.discard(picture)
        picture.settle(outcome)
