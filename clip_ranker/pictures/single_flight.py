"""Single flight: a picture that several requests want is worked on once."""

import asyncio
from collections.abc import Awaitable, Callable

from clip_ranker.errors import EmbedFailedError
from clip_ranker.fair_queue import Request
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.shared_picture import SharedPicture
from clip_ranker.pictures.source import Source
from clip_ranker.turns import Turns

MOST_KEPT = 32
"""Pictures that nobody waits for any more and that are finished all the same; two calls."""


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
        source: Source,
        job: Job,
        work: Callable[[SharedPicture], Awaitable[Embedded]],
        *,
        photo: bool = False,
    ) -> Embedded:
        """Joins the work on a picture, beginning it if there is none.

        It ends when the last who waits leaves, unless it has begun and one of those who left did
        so at its deadline: then it is finished for the cache, behind everything else.

        Args:
            source: of the picture.
            job: that wants it.
            work: does it.
            photo: it is the job's photo.

        Raises:
            CandidateError: why there is no embedding.
            EmbedderUnavailableError: nothing can be embedded at the moment.
        """
        picture = self._pictures.get(source.key)
        if picture is None:
            picture = self._pictures[source.key] = SharedPicture(source)
            self._tasks[picture] = asyncio.create_task(self._work(picture, work))
        self._keep_no_more(picture)
        waiter = picture.join(job, photo=photo)
        try:
            return await waiter
        finally:
            picture = picture.merged_into or picture
            picture.leave(waiter)
            if self._pictures.get(source.key) is picture:
                if not picture.waited_for:
                    self._keep_or_end(picture)
                elif not picture.live:  # a prefetch still waits for it
                    self._turns.hand_out()

    def merge(self, picture: SharedPicture) -> bool:
        """Looks for another of the same ``bytes_key``, which may be under way by another URL.

        Returns:
            Whether there is one. It has all who waited for this one, whose work is to be ended.
        """
        same = self._pictures.setdefault(picture.bytes_key, picture)
        if same is picture:
            return False
        if picture not in self._kept:  # else nobody waits for it
            self._keep_no_more(same)
        self._pictures.update(dict.fromkeys([source.key for source in picture.sources], same))
        picture.merge_into(same)
        return True

    async def close(self) -> None:
        """Ends all work."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keep_or_end(self, picture: SharedPicture) -> None:
        bodies = self._turns.big_bodies
        big = picture in bodies.held or picture.queue is bodies
        room = len(self._kept) < MOST_KEPT and not big
        if picture.worth_keeping and picture.begun and room:
            self._kept.add(picture)
            picture.want(self._keeper)
            self._turns.hand_out()
        else:
            self._forget(picture)  # nobody may join what is being cancelled
            self._tasks[picture].cancel()

    def _keep_no_more(self, picture: SharedPicture) -> None:
        if picture in self._kept:
            self._kept.remove(picture)
            picture.unwant(self._keeper)

    def _forget(self, picture: SharedPicture) -> None:
        for key in picture.keys:
            if self._pictures.get(key) is picture:
                del self._pictures[key]

    async def _work(
        self, picture: SharedPicture, work: Callable[[SharedPicture], Awaitable[Embedded]]
    ) -> None:
        outcome: Embedded | Exception
        try:
            outcome = await work(picture)
        except asyncio.CancelledError:
            # By us when nobody waits, else by something below: whoever waits must not wait on.
            outcome = EmbedFailedError("work_cut_off")
        except Exception as error:  # noqa: BLE001 raised where it is waited for
            outcome = error
        self._forget(picture)
        del self._tasks[picture]
        self._kept.discard(picture)
        picture.settle(outcome)
