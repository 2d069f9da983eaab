"""Embeddings in Redis or Valkey, shared by all replicas. Away, slow or full, it is left alone."""

import asyncio
import logging
import struct
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from clip_ranker import metrics
from clip_ranker.decode import points
from clip_ranker.decode.fingerprint import FINGERPRINT_BYTES
from clip_ranker.pictures.embedded import TEXT_KEY, Embedded

logger = logging.getLogger(__name__)

MAGIC = b"CRe3"
"""Raised when an entry looks different, or a fingerprint does."""
PREFIX = f"clip-ranker:{MAGIC.decode()}:"
"""Of keys: replicas of two versions leave each other's entries alone."""
HEADER = struct.Struct("<4sd")
"""Before the fingerprint, which a text has not, the vector, and points where they are kept."""
FLOAT = np.dtype("<f4")
LEFT_ALONE_S = 5.0
"""After a failure, before it is asked again."""
UNIT_TOLERANCE = 1e-3
CLOCK_SKEW_S = 300


@dataclass(frozen=True)
class Entry:
    """What is kept of a picture, and when it was made, in seconds since the epoch."""

    embedded: Embedded
    made_s: float


class SharedCache:
    """Reads and writes many keys in one round trip; never raises, never waits long.

    Args:
        url: ``redis://…`` as redis-py takes it.
        ttl_s: time to live of an entry.
        timeout_s: for one round trip.
        local_features: pictures have points of interest.
    """

    def __init__(
        self, url: str, *, ttl_s: float, timeout_s: float, local_features: bool = False
    ) -> None:
        self._most_points_bytes = points.MOST_BYTES if local_features else 0
        self._ttl_s = ttl_s
        self._timeout_s = timeout_s
        self._left_alone_until = {"reading": 0.0, "writing": 0.0}
        # Imported only where it is used: it takes a third of a second, in every process.
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis = redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0))

    async def get(self, keys: Sequence[str], *, dim: int) -> dict[str, Entry]:
        """What is there and valid of these keys; ``dim`` is the width of their embeddings."""
        found: dict[str, Entry | None] = {}
        if keys and self._may_ask("reading"):
            async with self._asking("reading"):
                values = await self._redis.mget([PREFIX + key for key in keys])
                entries = (self._decode(*pair, dim) for pair in zip(keys, values, strict=True))
                found = dict(zip(keys, entries, strict=True))
        return {key: entry for key, entry in found.items() if entry is not None}

    async def put(self, entries: Mapping[str, Entry]) -> None:
        """Writes; what is not written is made again some day."""
        if entries and self._may_ask("writing"):
            async with (
                self._asking("writing"),
                self._redis.pipeline(transaction=False) as pipeline,
            ):
                for key, entry in entries.items():
                    header = HEADER.pack(MAGIC, entry.made_s) + entry.embedded.fingerprint
                    vector = entry.embedded.embedding.astype(FLOAT).tobytes()
                    value = header + vector + entry.embedded.points
                    pipeline.set(PREFIX + key, value, px=max(1, int(self._ttl_s * 1000)))
                await pipeline.execute()

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    def _decode(self, key: str, value: bytes | str | None, dim: int) -> Entry | None:
        """Anybody may have written it: nothing but a fresh unit vector of this width is taken."""
        text = key.startswith(TEXT_KEY)
        vector_at = HEADER.size + (0 if text else FINGERPRINT_BYTES)
        points_at = vector_at + dim * FLOAT.itemsize
        if not isinstance(value, bytes):
            return None
        points_bytes = len(value) - points_at
        if not 0 <= points_bytes <= (0 if text else self._most_points_bytes):
            return None
        if points_bytes % points.POINT.itemsize:
            return None
        magic, made_s = HEADER.unpack_from(value)
        fingerprint = value[HEADER.size : vector_at]
        embedding = np.frombuffer(value, FLOAT, dim, vector_at).astype(np.float32)
        age_s = time.time() - made_s
        if magic != MAGIC or not -CLOCK_SKEW_S < age_s < self._ttl_s:
            return None
        with np.errstate(all="ignore"):
            length = float(np.linalg.norm(embedding))
        if not abs(length - 1) < UNIT_TOLERANCE:
            return None
        embedded = Embedded(embedding, fingerprint, value[points_at:])
        return Entry(embedded, min(made_s, time.time()))

    def _may_ask(self, what: str) -> bool:
        return time.monotonic() >= self._left_alone_until[what]

    @asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        """Ends trouble of the block, and says once that it began and once that it is over."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except Exception as error:  # noqa: BLE001 what is no Redis raises anything in its client
            if not self._left_alone_until[what]:
                name = type(error).__name__
                logger.warning("shared cache: going on without %s it, %s", what, name)
            self._left_alone_until[what] = time.monotonic() + LEFT_ALONE_S
            metrics.CACHE_BACKEND_ERRORS.inc()
        else:
            if self._left_alone_until[what]:
                logger.warning("shared cache: %s it again", what)
            self._left_alone_until[what] = 0.0
