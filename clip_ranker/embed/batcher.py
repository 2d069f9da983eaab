"""Gathers decoded pictures of all requests into calls of the embedder."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from clip_ranker import metrics
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.fair_queue import Picture
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import ToEmbed, Turns

Embed = Callable[[Pixels], Awaitable[Embedding]]
"""uint8 (batch, height, width, 3) to float32 (batch, dim)."""


class Batcher:
    """Work conserving: while one call is out, what becomes ready gathers; there is no timer.

    One call at a time, because BentoML's dispatcher holds lone calls back once it has seen calls
    queue.

    Args:
        turns: say what the next call holds.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._calling: asyncio.Task[None] | None = None

    def put(self, picture: Picture, pixels: Pixels, embed: Embed) -> asyncio.Future[Embedding]:
        """Puts a decoded picture, uint8 (height, width, 3), in line for a model.

        Args:
            picture: whose it is.
            pixels: of it.
            embed: the embedder's call; what shares one has the same.

        Returns:
            Its embedding, float32 (dim,); fails with EmbedFailedError, the model has no finite
            vector for it, or with EmbedderUnavailableError, nothing can be embedded at the moment.
            Cancelling it takes the picture out of the line.
        """
        embedding: asyncio.Future[Embedding] = asyncio.get_running_loop().create_future()
        embedding.add_done_callback(lambda _: self._turns.end(picture))
        self._turns.to_embed.put(picture, ToEmbed(pixels, embed, embedding))
        if self._calling is None:
            self._calling = asyncio.create_task(self._call_until_empty())
        return embedding

    async def _call_until_empty(self) -> None:
        try:
            while call := self._turns.next_call():
                await self._call(call)
        finally:
            self._calling = None

    async def _call(self, call: Mapping[Picture, ToEmbed]) -> None:
        metrics.BATCH_PICTURES.observe(len(call))
        embed = next(iter(call.values())).embed  # all have the same
        try:
            embeddings = await embed(np.stack([one.pixels for one in call.values()]))
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


def _settle(one: ToEmbed, outcome: Embedding | Exception) -> None:
    if one.embedding.done():  # whoever waited has gone
        return
    if isinstance(outcome, Exception):
        one.embedding.set_exception(outcome)
    else:
        one.embedding.set_result(outcome)
