"""Embeddings by picture, so that none is made twice."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from weakref import WeakValueDictionary

import numpy as np
from cachetools import TLRUCache, TTLCache

from clip_ranker.errors import CandidateError
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.shared_cache import Entry, SharedCache
from clip_ranker.settings import Settings

ENTRY_OVERHEAD_BYTES = 888
"""Two keys, and objects around vector and fingerprint; measured with tracemalloc."""
FAILURE_TTL_S = 5
MOST_FAILURES = 10_000


class EmbeddingCache:
    """Memory first, bounded by bytes and time; behind it, if there is one, the shared cache.

    Args:
        settings: sizes and times.
    """

    def __init__(self, settings: Settings) -> None:
        self._ttl_s = settings.cache_ttl_s
        self._shared = None
        if settings.cache_url and settings.cache_bytes:
            self._shared = SharedCache(
                settings.cache_url,
                ttl_s=self._ttl_s,
                timeout_s=settings.cache_timeout_s,
                local_features=settings.local_features,
            )
        self._memory: TLRUCache[str, Entry] = TLRUCache(
            maxsize=settings.cache_bytes,
            ttu=lambda _, entry, __: entry.made_s + self._ttl_s,
            timer=time.time,
            getsizeof=lambda entry: ENTRY_OVERHEAD_BYTES + entry.embedded.nbytes,
        )
        self._failures: TTLCache[str, Callable[[], CandidateError]] = TTLCache(
            MOST_FAILURES if settings.cache_bytes else 0, FAILURE_TTL_S
        )
        self._unshared: dict[str, Entry] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._by_bytes: WeakValueDictionary[str, Embedded] = WeakValueDictionary()

    def get(self, key: str) -> Embedded | None:
        """What is kept of a picture, if it is in memory and its time is not over.

        Raises:
            CandidateError: this very picture failed a few seconds ago.
        """
        if (failure := self._failures.get(key)) is not None:
            raise failure()
        return self.peek(key)

    def peek(self, key: str) -> Embedded | None:
        """Likewise, whether or not it failed since."""
        entry = self._memory.get(key)
        return self._by_bytes.get(key) if entry is None else entry.embedded

    def put(self, key: str, embedded: Embedded, *, bytes_key: str, share: bool) -> None:
        """Keeps a picture.

        Args:
            key: to find it by.
            embedded: what is kept of it.
            bytes_key: to find it by as well, for as long as it is kept under any other key.
            share: other replicas get it too, soon.
        """
        kept = self._by_bytes.get(bytes_key)
        if kept is None:
            vector = np.array(embedded.embedding)  # a row would keep the whole batch alive
            vector.flags.writeable = False
            kept = self._by_bytes[bytes_key] = replace(embedded, embedding=vector)
        self._remember(key, entry := Entry(kept, time.time()))
        if share and self._shared is not None:
            self._unshared[key] = entry
            if self._flushing is None or self._flushing.done():
                self._flushing = asyncio.create_task(self._flush(self._shared))

    def put_failure(self, key: str, failure: CandidateError) -> None:
        """Keeps a failure for a few seconds, so that it is not asked for again and again."""
        if self._failures.maxsize:
            # Not itself: its traceback would keep all that it went through.
            self._failures[key] = partial(type(failure), failure.code, **failure.params)

    async def recall(self, keys: Iterable[str], *, dim: int) -> None:
        """Brings what the shared cache has of these keys into memory, in one round trip.

        Args:
            keys: of pictures.
            dim: width of their embeddings.
        """
        if self._shared is None:
            return
        missing = [key for key in dict.fromkeys(keys) if key not in self._memory]
        for key, entry in (await self._shared.get(missing, dim=dim)).items():
            self._remember(key, entry)

    async def close(self) -> None:
        """Writes what is new to the shared cache and closes its connections."""
        if self._shared is not None:
            if self._flushing is not None:
                await self._flushing
            await self._shared.close()

    async def _flush(self, shared: SharedCache) -> None:
        """Writes what is new, in one round trip what comes of one call of the model."""
        while self._unshared:
            unshared, self._unshared = self._unshared, {}
            await shared.put(unshared)

    def _remember(self, key: str, entry: Entry) -> None:
        if self._memory.getsizeof(entry) <= self._memory.maxsize:
            self._memory[key] = entry
