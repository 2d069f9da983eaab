"""From a text to its unit vector, or straight out of the cache."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate, chain

import numpy as np

from clip_ranker.embed.batcher import Batcher
from clip_ranker.embed.text_calls import EmbedTexts
from clip_ranker.errors import EmbedFailedError
from clip_ranker.fair_queue import Picture, Request
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.cache import EmbeddingCache
from clip_ranker.pictures.embedded import TEXT_KEY, Embedded
from clip_ranker.pictures.job import Job

TEXTS_A_PICTURE = 2
"""Texts that count as one picture where turns are given: XLM-R base takes half the time of
ViT-B/32 for a title, CLIP's own text tower less."""
MOST_KEPT = 32
"""Of these, that nobody waits for any more and that are embedded all the same."""


class Texts:
    """Embeds texts, each once, whoever asks for it, in turn with the pictures.

    Args:
        model: the one that embeds.
        cache: that of the pictures.
        batcher: likewise.
        call: a call of its text tower.
    """

    def __init__(
        self, model: StoredModel, cache: EmbeddingCache, batcher: Batcher, call: EmbedTexts
    ) -> None:
        self._model = repr((model.name, model.text and model.text.key)).encode()
        self._dim = model.dim
        self._cache = cache
        self._batcher = batcher
        self._call = call
        self._under_way: dict[str, _Unit] = {}
        self._keeper = Request(MOST_KEPT, background=True)
        self._kept: set[_Unit] = set()

    async def embed(
        self, texts: Sequence[str], job: Job, *, share: bool = True
    ) -> list[Embedding | None]:
        """Unit vectors of texts, float32 (dim,) each; None where the model has none.

        What a job leaves at its deadline is embedded all the same, behind everything else, for the
        cache.

        Args:
            texts: what is longer than the model reads is cut; the same may come again.
            job: of the request that wants them.
            share: other replicas may know them too.

        Raises:
            EmbedderUnavailableError: nothing can be embedded at the moment.
        """
        keys = {text: self._key(text) for text in texts}
        if share:
            await self._cache.recall(keys.values(), dim=self._dim)
        known = {key: self._cache.peek(key) for key in keys.values()}
        units = self._join({k: t for t, k in keys.items() if known[k] is None}, job, share=share)
        job.clock.enter("text")
        try:
            if units:  # not themselves: who is cut off here must not cut off others
                await asyncio.wait({unit.embeddings for unit in units.values()})
            found = {
                key: one.embedding if one else units[key].of(key) for key, one in known.items()
            }
        finally:
            job.clock.leave("text")
            for unit in dict.fromkeys(units.values()):  # first those whose turn is first
                self._leave(unit, job)
        return [found[keys[text]] for text in texts]

    def _key(self, text: str) -> str:
        parts = self._model, text.encode("utf-8", "surrogatepass")
        return TEXT_KEY + hashlib.sha256(b"\0".join(parts)).hexdigest()

    def _join(self, texts: Mapping[str, str], job: Job, *, share: bool) -> dict[str, "_Unit"]:
        """Waits for what is under way, and puts the rest in line; texts and units by key."""
        new = [key for key in texts if key not in self._under_way]
        units = [_Unit(new[n : n + TEXTS_A_PICTURE]) for n in range(0, len(new), TEXTS_A_PICTURE)]
        for unit in units:
            self._under_way.update(dict.fromkeys(unit.keys, unit))
        joined = {key: self._under_way[key] for key in texts}
        for unit in set(joined.values()):
            unit.want(job)
        for key, unit in joined.items():
            if share:
                unit.shared.add(key)
        for unit in units:
            some = tuple(texts[key] for key in unit.keys)
            unit.embeddings = self._batcher.put(unit, some, self._embed_units)
            unit.embeddings.add_done_callback(partial(self._keep, unit))
        return joined

    async def _embed_units(self, units: Sequence[tuple[str, ...]]) -> Sequence[Embedding]:
        embeddings = await self._call(list(chain.from_iterable(units)))
        return np.split(embeddings, list(accumulate(map(len, units)))[:-1])

    def _leave(self, unit: "_Unit", job: Job) -> None:
        unit.unwant(job)
        if unit.wanted_by or unit.embeddings.done():
            return
        if job.late and len(self._kept) < MOST_KEPT:
            self._kept.add(unit)
            unit.want(self._keeper)
        else:
            self._forget(unit)  # nobody may join what is being cancelled
            unit.embeddings.cancel()

    def _keep(self, unit: "_Unit", embeddings: asyncio.Future[Embedding]) -> None:
        self._forget(unit)
        self._kept.discard(unit)
        if not embeddings.cancelled() and embeddings.exception() is None:
            for key, embedding in zip(unit.keys, embeddings.result(), strict=True):
                embedded = Embedded(embedding, fingerprint=b"")
                self._cache.put(key, embedded, bytes_key=key, share=key in unit.shared)

    def _forget(self, unit: "_Unit") -> None:
        for key in unit.keys:
            if self._under_way.get(key) is unit:
                del self._under_way[key]


class _Unit(Picture):
    """A few texts that count as one picture, for all jobs that want one of them.

    Attributes:
        embeddings: float32 (texts, dim), when they are there.
        shared: keys of those that other replicas may know too.
    """

    embeddings: asyncio.Future[Embedding]

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__()
        self.keys = keys
        self.shared: set[str] = set()

    def of(self, key: str) -> Embedding | None:
        """That of one text, when they are there; None if the model failed; raises as ``embed``."""
        try:
            embedding: Embedding = self.embeddings.result()[self.keys.index(key)]
        except EmbedFailedError:
            return None
        return embedding
