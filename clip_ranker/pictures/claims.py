"""Single flight across replicas: who makes an embedding says so in the shared cache."""

import asyncio
from contextlib import suppress

from clip_ranker.pictures.shared_cache import CLAIM_S, Entry, SharedCache

LOOK_S = 0.1
"""Between looks for what another replica is making."""


class Claims:
    """Asks for all pictures that come at the same moment in one round trip.

    Args:
        shared: where replicas meet.
    """

    def __init__(self, shared: SharedCache) -> None:
        self._shared = shared
        self._asked: dict[str, asyncio.Future[Entry | None]] = {}
        self._more = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    async def entry(self, key: str) -> Entry | None:
        """What another replica has made, or is making; None where it is now ours to make.

        A replica that dies with a claim keeps others waiting until the claim expires.
        """
        asked = self._asked.setdefault(key, asyncio.get_running_loop().create_future())
        self._more.set()
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(2 * CLAIM_S):  # somebody else's claim may have no expiry
                return await asyncio.shield(asked)
        except TimeoutError:
            return None
        finally:
            self._asked.pop(key, None)

    async def close(self) -> None:
        """Returns when nothing is asked any more."""
        if self._asking is not None:
            await self._asking

    async def _ask(self) -> None:
        try:
            while self._asked:
                self._more.clear()
                for key, entry in (await self._shared.claim(list(self._asked))).items():
                    if (asked := self._asked.pop(key, None)) is not None:
                        asked.set_result(entry)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._more.wait()
        finally:
            self._asking = None
