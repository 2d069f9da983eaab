"""Gathers decoded pictures and texts of all requests into calls of the embedder."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np

from clip_ranker import metrics
from clip_ranker.embed.pace import Pace
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.fair_queue import Picture
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import Content, ToEmbed, Turns

Embed = Callable[[Pixels], Awaitable[Embedding]]
"""uint8 (batch, height, width, 3) to float32 (batch, dim)."""
EmbedUnits = Callable[[Sequence[tuple[str, ...]]], Awaitable[Sequence[Embedding]]]
"""Texts by the few to float32 (texts, dim) for each of these few."""


class Batcher:
    """Work conserving: while one call is out, what becomes ready gathers; there is no timer.

    One call at a time, because BentoML's dispatcher holds lone calls back once it has seen calls
    queue.

    Args:
        turns: say what the next call holds.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._pace = Pace()
        self._calling: asyncio.Task[None] | None = None

    def put(
        self, picture: Picture, content: Content, embed: Embed | EmbedUnits
    ) -> asyncio.Future[Embedding]:
        """Puts a decoded picture, or a few texts that count as one, in line for a model.

        Args:
            picture: whose it is.
            content: pixels of it, uint8 (height, width, 3), or the texts.
            embed: the embedder's call for such; what shares one has the same.

        Returns:
            Its embedding, float32 (dim,), or theirs, (texts, dim); fails with EmbedFailedError, the
            model has no finite vector, or with EmbedderUnavailableError, nothing can be embedded at
            the moment. Cancelling it takes the picture out of the line.
        """
        embedding: asyncio.Future[Embedding] = asyncio.get_running_loop().create_future()
        embedding.add_done_callback(lambda _: self._turns.end(picture))
        self._turns.put(picture, ToEmbed(content, embed, embedding))
        if self._calling is None:
            self._calling = asyncio.create_task(self._call_until_empty())
        return embedding

    async def _call_until_empty(self) -> None:
        try:
            while call := self._turns.next_call(self._pace.most_before):
                await self._call(call)
        finally:
            self._calling = None

    async def _call(self, call: Mapping[Picture, ToEmbed]) -> None:
        embed = next(iter(call.values())).embed  # all have the same, and are of the same kind
        contents = [one.content for one in call.values()]
        pictures = [one for one in contents if isinstance(one, np.ndarray)]
        if pictures:
            metrics.BATCH_PICTURES.observe(len(pictures))
        now = asyncio.get_running_loop().time
        begun = now()
        try:
            embeddings = await embed(np.stack(pictures) if pictures else contents)
            if pictures:
                self._pace.took(embed, len(pictures), now() - begun)
            for one, embedding in zip(call.values(), embeddings, strict=True):
                if np.isfinite(embedding).all():
                    _settle(one, embedding)
                else:
                    _settle(one, EmbedFailedError("vector"))
        except EmbedderUnavailableError as error:
            # All that waits, or each batch in line would wait out the time limit in turn.
            for one in [*call.values(), *self._turns.take_all()]:
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
