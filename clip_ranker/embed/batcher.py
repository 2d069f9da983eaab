"""Gathers decoded pictures and texts of all requests into calls of the embedder."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np

from clip_ranker import metrics
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.fair_queue import Picture
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import EmbedAll, ToEmbed, Turns

Embed = Callable[[Pixels], Awaitable[Embedding]]
"""uint8 (batch, height, width, 3) to float32 (batch, dim)."""
EmbedTexts = Callable[[Sequence[str]], Awaitable[Embedding]]
"""Texts to float32 (batch, dim)."""


class Batcher:
    """Work conserving: while one call is out, what becomes ready gathers; there is no timer.

    One call at a time, because BentoML's dispatcher holds lone calls back once it has seen calls
    queue.

    Args:
        embed: the embedder's call for pictures.
        embed_texts: that for texts, of a model that has a text tower.
        turns: say what the next call holds.
    """

    def __init__(self, embed: Embed, turns: Turns, embed_texts: EmbedTexts | None = None) -> None:
        self._embed = embed
        self._embed_texts = embed_texts
        self._turns = turns
        self._calling: asyncio.Task[None] | None = None

    def put(self, picture: Picture, pixels: Pixels) -> asyncio.Future[Embedding]:
        """Puts a decoded picture, uint8 (height, width, 3), in line for the model.

        Returns:
            Its embedding, float32 (dim,); fails with EmbedFailedError, the model has no finite
            vector for it, or with EmbedderUnavailableError, nothing can be embedded at the moment.
            Cancelling it takes the picture out of the line.
        """
        return self._put(picture, pixels, self._pictures)

    def put_texts(self, unit: Picture, texts: Sequence[str]) -> asyncio.Future[Embedding]:
        """Puts texts in line that count as one picture; likewise, float32 (texts, dim)."""
        return self._put(unit, texts, self._texts)

    def _put(self, picture: Picture, content: Any, embed: EmbedAll) -> asyncio.Future[Embedding]:
        embedding: asyncio.Future[Embedding] = asyncio.get_running_loop().create_future()
        embedding.add_done_callback(lambda _: self._turns.end(picture))
        self._turns.to_embed.put(picture, ToEmbed(content, embedding, embed))
        if self._calling is None:
            self._calling = asyncio.create_task(self._call_until_empty())
        return embedding

    async def _call_until_empty(self) -> None:
        try:
            while call := self._turns.next_call():
                for part in _by_what_embeds(call):
                    await self._call(part)
        finally:
            self._calling = None

    async def _pictures(self, pictures: Sequence[Pixels]) -> list[Embedding]:
        metrics.BATCH_PICTURES.observe(len(pictures))
        return [*await self._embed(np.stack(pictures))]

    async def _texts(self, units: Sequence[Sequence[str]]) -> Sequence[Embedding]:
        assert self._embed_texts
        embeddings = await self._embed_texts(list(chain.from_iterable(units)))
        return np.split(embeddings, list(accumulate(map(len, units)))[:-1])

    async def _call(self, call: Mapping[Picture, ToEmbed]) -> None:
        embed = next(iter(call.values())).embed
        try:
            embeddings = await embed([one.content for one in call.values()])
            for one, embedding in zip(call.values(), embeddings, strict=True):
                if np.isfinite(embedding).all():
                    _settle(one, embedding)
                else:
                    _settle(one, EmbedFailedError("vector"))
        except EmbedderUnavailableError as error:
            # All that waits, or each batch in line would wait out the time limit in turn.
            for one in [*call.values(), *self._turns.to_embed.take_all()]:
                _settle(one, error)
        except Exception as error:  # noqa: BLE001 raised where the embedding is awaited
            for one in call.values():
                _settle(one, error)
        except asyncio.CancelledError:
            for one in call.values():
                _settle(one, EmbedFailedError("call_cut_off"))
            if (task := asyncio.current_task()) and task.cancelling():
                raise  # it was this task that was meant, not what it waited for
        finally:
            for picture in call:  # their futures tell of it only after the next call is made up
                self._turns.end(picture)


def _by_what_embeds(call: Mapping[Picture, ToEmbed]) -> Iterable[dict[Picture, ToEmbed]]:
    parts: dict[EmbedAll, dict[Picture, ToEmbed]] = {}
    for picture, one in call.items():
        parts.setdefault(one.embed, {})[picture] = one
    return parts.values()


def _settle(one: ToEmbed, outcome: Embedding | Exception) -> None:
    if one.embedding.done():  # whoever waited has gone
        return
    if isinstance(outcome, Exception):
        one.embedding.set_exception(outcome)
    else:
        one.embedding.set_result(outcome)
