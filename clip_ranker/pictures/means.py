"""What the pictures of all models share."""

from clip_ranker import processors
from clip_ranker.decode import points
from clip_ranker.decode.pool import Decoder
from clip_ranker.download.fetch import Fetcher
from clip_ranker.embed.batcher import Batcher
from clip_ranker.pictures.cache import EmbeddingCache
from clip_ranker.pictures.single_flight import SingleFlight
from clip_ranker.settings import Settings
from clip_ranker.turns import Turns

MOST_DECODERS = 4
"""Unless the settings say more: each takes memory, and the model takes most of the time."""


class Means:
    """Turns, work under way, connections, processes that decode, calls of the embedder, cache.

    Args:
        settings: limits, which hold for all models together.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.local_features:
            points.opencv()  # what is broken ends the start, and the first request does not load it
        decoders = settings.decode_threads or min(processors.available(), MOST_DECODERS)
        self.turns = Turns(
            downloads=settings.max_downloads,
            downloads_per_host=settings.max_downloads_per_host,
            decoders=decoders,
            max_batch_size=settings.max_batch_size,
        )
        self.single_flight = SingleFlight(self.turns)
        self.fetcher = Fetcher(settings)
        self.decoder = Decoder(
            processes=decoders,
            max_pixels=settings.max_pixels,
            local_features=settings.local_features,
        )
        self.batcher = Batcher(self.turns)
        self.cache = EmbeddingCache(settings)

    async def close(self) -> None:
        """Ends what is under way, processes and connections."""
        await self.single_flight.close()
        await self.decoder.close()
        await self.fetcher.close()
        await self.cache.close()
