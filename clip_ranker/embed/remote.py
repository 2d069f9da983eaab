"""The embedder's APIs as the API process calls them, on this machine or on another."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
from bentoml.exceptions import BentoMLException

from clip_ranker.embed.packed import pack, unpack
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.models.store import StoredModel


class Remote:
    """Calls by BentoML's client.

    All raise ConnectionError, when the embedder is away, EmbedFailedError, when a model failed, or
    EmbedderUnavailableError, when one on another machine refuses.

    Args:
        call: of that client; takes an API's name and its arguments.
        models: by name.
        elsewhere: the embedder is on another machine, and may have been updated at another moment.
    """

    def __init__(
        self,
        call: Callable[..., Awaitable[Any]],
        models: Mapping[str, StoredModel],
        *,
        elsewhere: bool,
    ) -> None:
        self._call = call
        self._models = models
        self._elsewhere = elsewhere

    async def pictures(self, name: str, pixels: Pixels) -> Embedding:
        """Embeds uint8 (batch, height, width, 3) to float32 (batch, dim), with one model."""
        if self._elsewhere:
            digest = self._models[name].digest
            return unpack(await self.ask("embed_packed", pack(pixels), digest, name))
        embeddings: Embedding = await self.ask(f"embed_with_{name}", pixels)
        return embeddings

    async def texts(self, name: str, texts: Sequence[str]) -> Embedding:
        """Embeds texts likewise, with a model that has a text tower."""
        if not self._elsewhere:
            embeddings: Embedding = await self.ask("texts", name, texts)
            return embeddings
        tower = self._models[name].text
        key = tower.key if tower else ""
        packed = await self.ask("texts_packed", json.dumps(texts), key, name)
        if not packed:
            raise EmbedFailedError("batch")  # it has another text tower; pictures go on
        return unpack(packed)

    async def ask(self, api: str, *arguments: Any) -> Any:
        """Calls any of its APIs."""
        try:
            return await self._call(api, *arguments)
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error
        except BentoMLException as error:
            if self._elsewhere and error.error_code != HTTPStatus.INTERNAL_SERVER_ERROR:
                # Another model, or something before it that is full or down: no picture's fault.
                raise EmbedderUnavailableError(
                    f"the embedder refuses ({error.error_code:d}), try again in a few seconds"
                ) from error
            raise EmbedFailedError("batch") from error
