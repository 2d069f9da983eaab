"""Places that a fair queue hands out: a semaphore with turns and quotas."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from clip_ranker.fair_queue import FairQueue, Picture, Request, count_live


class Places(FairQueue[asyncio.Future[None]]):
    """So many places, each handed out as soon as it is free and somebody may have it.

    What nobody waits for is never counted against what somebody waits for: it gets a place only
    where one is over, and a place that it holds is there for others all the same.

    Args:
        total: places.
        may, most_of_a_host: as the queue's.
    """

    def __init__(
        self,
        total: int,
        may: Callable[[Request], bool] = lambda _: True,
        *,
        most_of_a_host: int | None = None,
    ) -> None:
        super().__init__(may, most_of_a_host=most_of_a_host)
        self._total = total

    @asynccontextmanager
    async def hold(self, picture: Picture) -> AsyncIterator[None]:
        """Waits for the picture's turn and keeps its place until the block ends."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(picture, turn)
        self.hand_out()
        try:
            await turn
            yield
        finally:
            self.release(picture)
            self.hand_out()

    def join(self, request: Request, picture: Picture) -> None:
        """One more request wants a picture that waits here; it may have its turn by that."""
        super().join(request, picture)
        self.hand_out()

    def hand_out(self) -> None:
        """Gives free places to whom they are due; to be called when a quota has changed."""
        self._give(lambda: count_live(self.held), background=False)
        self._give(lambda: len(self.held), background=True)

    def _give(self, held: Callable[[], int], *, background: bool) -> None:
        while held() < self._total and (taken := self.take(background=background)):
            if not (turn := taken[1]).cancelled():  # else it is about to be released
                turn.set_result(None)
