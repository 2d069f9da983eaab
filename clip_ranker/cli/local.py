"""Ranks in this process, with the model from the store and the service's own parts."""

import asyncio

from clip_ranker.cli.inputs import READERS
from clip_ranker.cli.show import Advance
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.settings import get_settings

NEVER_S = 1e6  # somebody watches the progress bar and can press Ctrl-C


async def rank(request: RankRequest, advance: Advance, *, model: str | None) -> RankResponse:
    """As the service would answer, with ``advance`` called for each listing as it is done.

    Raises:
        ModelNotFoundError: the store has no such model.
        BadRequestError: the photo cannot be had or read.
    """
    settings = get_settings()
    stored = store.load(model or settings.model)
    encoder = Encoder(stored.graph, threads=settings.embed_threads)
    pictures = Pictures(
        stored, settings, lambda pixels: asyncio.to_thread(encoder, pixels), READERS
    )
    try:
        async with Ranking(request, pictures, timeout_s=NEVER_S) as ranking:
            async for _ in ranking.events():
                advance()
        return ranking.answer(stored.name)
    finally:
        await pictures.close()
