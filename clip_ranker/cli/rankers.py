"""Ranks in this process, with the model from the store and the service's own parts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from clip_ranker.cli.inputs import FILE, PhotoError, read_picture
from clip_ranker.errors import BadRequestError
from clip_ranker.models import store
from clip_ranker.models.encoder import Embedding, Encoder
from clip_ranker.models.text import TextEncoder
from clip_ranker.pictures.pictures import EXAMPLES, Pictures
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.settings import get_settings

Batch = TypeVar("Batch")
READERS = {**EXAMPLES, FILE: read_picture}  # of URLs that are no downloads, by scheme
NEVER_S = 1e6  # somebody watches the progress bar and can press Ctrl-C


class Here:
    """The model in this process, as a context manager; what it has seen it knows.

    Args:
        model: name in the store; that of the settings by default.

    Raises:
        ModelNotFoundError: the store has no such model.
    """

    def __init__(self, model: str | None = None) -> None:
        self._stored = store.load(model or get_settings().model)
        self._runner = asyncio.Runner()

    @property
    def model(self) -> str:
        """Its name in the store."""
        return self._stored.name

    def __enter__(self) -> Self:
        self._pictures = self._runner.run(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._pictures.close())
        self._runner.close()

    def rank(self, request: RankRequest, advance: Callable[[], None]) -> RankResponse:
        """As the service would answer; ``advance`` is called for each listing as it is done.

        Raises:
            PhotoError: the photo cannot be had or read.
        """
        try:
            return self._runner.run(self._rank(request, advance))
        except BadRequestError as error:
            raise PhotoError(str(error)) from error

    async def _begin(self) -> Pictures:
        settings = get_settings()
        threads, tower = settings.embed_threads, self._stored.text
        embed = _in_a_thread(Encoder(self._stored.graph, threads=threads))
        texts = _in_a_thread(TextEncoder(tower, threads=threads)) if tower else None
        return Pictures(self._stored, settings, embed, READERS, embed_texts=texts)

    async def _rank(self, request: RankRequest, advance: Callable[[], None]) -> RankResponse:
        async with Ranking(request, self._pictures, timeout_s=NEVER_S) as ranking:
            async for _ in ranking.events():
                advance()
        return ranking.answer()


def _in_a_thread(encode: Callable[[Batch], Embedding]) -> Callable[[Batch], Awaitable[Embedding]]:
    return lambda batch: asyncio.to_thread(encode, batch)
