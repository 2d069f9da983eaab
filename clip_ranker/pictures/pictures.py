"""From a picture's URL or bytes to its unit vector, or straight out of the cache."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import partial

from clip_ranker import examples, metrics
from clip_ranker.download.urls import MAX_URL_CHARS
from clip_ranker.embed.batcher import Embed
from clip_ranker.embed.text_calls import EmbedTexts
from clip_ranker.errors import CandidateError, EmbedFailedError, TooLargeError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.means import Means
from clip_ranker.pictures.shared_picture import SharedPicture
from clip_ranker.pictures.source import Keys, Source
from clip_ranker.pictures.texts import Texts
from clip_ranker.settings import Settings

Read = Callable[[str], bytes]
Readers = Mapping[str, Read]
EXAMPLES: Readers = {examples.SCHEME: examples.read}


class Pictures:
    """Downloads, decodes and embeds, each picture once, whoever asks for it.

    Args:
        model: the one that embeds.
        settings: limits.
        embed: a call of the embedder.
        readers: what reads a URL that is no download, by its scheme with the colon.
        beside: pictures of another model, which share with these all that is not a model's own.
        embed_texts: a call of the embedder for texts, of a model with a text tower.

    Attributes:
        texts: embeds them, of such a model.
    """

    def __init__(
        self,
        model: StoredModel,
        settings: Settings,
        embed: Embed,
        readers: Readers = EXAMPLES,
        *,
        beside: "Pictures | None" = None,
        embed_texts: EmbedTexts | None = None,
    ) -> None:
        self.model = model
        self._means: Means = Means(settings) if beside is None else beside._means
        self.turns = self._means.turns
        self._max_bytes = settings.max_download_bytes
        self._call = embed
        self._single_flight = self._means.single_flight
        self._readers = readers
        self._keys = Keys(model, local_features=settings.local_features)
        self._cache = self._means.cache
        self.texts = (
            Texts(model, self._cache, self._means.batcher, embed_texts) if embed_texts else None
        )

    def find(self, url: str, image_resize_px: int) -> Embedded | Source:
        """What is in memory of a URL, or what it stands for.

        Args:
            url: http, https or of one of the readers' schemes.
            image_resize_px: longest side before the model's own resize.

        Raises:
            UrlBlockedError: nothing is downloaded from there.
            CandidateError: it failed a few seconds ago.
        """
        reads = [read for scheme, read in self._readers.items() if url.startswith(scheme)]
        if not reads and len(url) > MAX_URL_CHARS:
            self._means.fetcher.check(url)  # refuses it, unless all but spaces is short
        key = self._keys.of_url(url, image_resize_px)
        if (known := self._cache.get(key)) is not None:  # found here before, so it was judged
            return known
        content = partial(reads[0], url) if reads else self._means.fetcher.check(url)
        return Source(key, content, image_resize_px)

    async def source_of_bytes(self, data: bytes, image_resize_px: int, quarters: int = 0) -> Source:
        """What a picture file stands for, turned to the left by so many quarters.

        Raises:
            TooLargeError: no download may have as many bytes.
        """
        if len(data) > self._max_bytes:
            raise TooLargeError("bytes_of", bytes=len(data), most=self._max_bytes)
        key = await self._keys.of_bytes(data, image_resize_px, quarters)
        return Source(key, data, image_resize_px, quarters)

    def known(self, source: Source) -> Embedded | None:
        """What is in memory of it by now."""
        return self._cache.peek(source.key)

    def under_way(self, source: Source) -> bool:
        """Whether somebody waits for this picture already."""
        return source.key in self._single_flight

    async def recall(self, sources: Iterable[Source]) -> None:
        """Brings what the shared cache knows of downloads into memory."""
        await self._cache.recall((one.key for one in sources if one.remote), dim=self.model.dim)

    async def embed(self, source: Source, job: Job, *, photo: bool = False) -> Embedded:
        """Unit vector and fingerprint of a picture, out of memory if it is known.

        Args:
            source: of the picture.
            job: of the request that wants it.
            photo: it is the request's photo, and goes before all else.

        Raises:
            CandidateError: why there is none.
            EmbedderUnavailableError: nothing can be embedded at the moment.
        """
        if (known := self._cache.get(source.key)) is not None:
            return known
        work = partial(self._embed, source)
        return await self._single_flight.embedding(source, job, work, photo=photo)

    async def close(self) -> None:
        """Ends what is under way, processes and connections, of all models that share them."""
        await self._means.close()

    async def _embed(self, source: Source, picture: SharedPicture) -> Embedded:
        """The life of a picture, each step when it is its turn."""
        try:
            embedded = await self._known_or_new(source, picture)
        except CandidateError as failure:
            if not isinstance(failure, EmbedFailedError):  # the model's, or its whole call's
                for one in picture.sources:
                    self._cache.put_failure(one.key, failure)
            raise
        for one in picture.sources:
            if one.worth_keeping:
                self._cache.put(one.key, embedded, bytes_key=picture.bytes_key, share=one.remote)
        return embedded

    async def _known_or_new(self, source: Source, picture: SharedPicture) -> Embedded:
        """Decodes and embeds only what has not been, under whatever URL, and is not about to be."""
        async with AsyncExitStack() as held:
            data = await self._bytes(source, picture, held)
            if data is not source.content:
                picture.bytes_key = await self._keys.of_bytes(data, source.image_resize_px)
            if (known := self._cache.peek(picture.bytes_key)) is not None:
                return known
            if self._single_flight.merge(picture):
                raise asyncio.CancelledError
            picture.enter("decode")
            waiting, decoded = await self._decode(data, source, picture)
        with metrics.EMBEDS_IN_FLIGHT.track_inprogress():
            return Embedded(await waiting, *decoded)

    async def _decode(
        self, data: bytes, source: Source, picture: SharedPicture
    ) -> tuple[asyncio.Future[Embedding], tuple[bytes, bytes]]:
        """Decodes the file, and puts it in line for the model; fingerprint and points are there."""
        for large in (False, True):
            async with AsyncExitStack() as places:
                if large:
                    await places.enter_async_context(self.turns.large.hold(picture))
                await places.enter_async_context(self.turns.decoding.hold(picture))
                decoded = await self._means.decoder(
                    data,
                    self.model.preprocess,
                    source.image_resize_px,
                    quarters=source.quarters,
                    large=large,
                )
                if decoded is not None:
                    picture.enter("embed")
                    waiting = self._means.batcher.put(picture, decoded.pixels, self._call)
                    return waiting, (decoded.fingerprint, decoded.points)
        raise AssertionError("no picture is too large to be large")

    async def _bytes(self, source: Source, picture: SharedPicture, held: AsyncExitStack) -> bytes:
        """The file; ``held`` keeps what it takes of memory in count."""
        if isinstance(source.content, bytes):
            picture.begun = True
            return source.content
        await held.enter_async_context(self.turns.downloads.hold(picture))
        held.enter_context(metrics.DOWNLOADS_IN_FLIGHT.track_inprogress())
        if source.remote:
            picture.tell_who_gave_up_on_its_host()
        picture.begun = True
        if callable(source.content):
            return await asyncio.to_thread(source.content)

        async def grow() -> None:
            if picture not in self.turns.big_bodies.held:
                await held.enter_async_context(self.turns.big_bodies.hold(picture))

        return await self._means.fetcher.fetch(
            source.content, askers=lambda: [job.asker for job in picture.jobs()], grow=grow
        )
