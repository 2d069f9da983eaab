"""What titles, and words beside the photo, say of the listings of one request."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from clip_ranker.errors import BadRequestError, EmbedderUnavailableError
from clip_ranker.models.encoder import Embedding
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.blend import Blended, Likeness, blend
from clip_ranker.rank.lexical import spelt_alike
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import Outcome, cosine, score
from clip_ranker.rank.words import WITH_WORDS

LONGEST = 1000
"""Characters of a title that are read: more than the tokens of a text tower hold."""


class Titles:
    """Compares by the model, or words and titles by their spelling where it reads no text.

    Args:
        request: validated.
        pictures: where embeddings of texts come from, too.
        job: of the request.

    Attributes:
        method: how; None where titles do not count.
        late: vectors of texts were not there at the deadline.

    Raises:
        BadRequestError: titles count, and there is nothing to compare them with.
    """

    def __init__(self, request: RankRequest, pictures: Pictures, job: Job) -> None:
        self._weight = weight_of(request)
        self._words = request.query_text
        self._titles = titles_of(request.candidates) if self._weight else {}
        self._photo_is_downloaded = request.query_image_url is not None
        self._texts = pictures.texts
        self._job = job
        self._vectors: asyncio.Task[dict[str, Embedding]]
        self.late = False
        self.method: Literal["model", "lexical"] | None = None
        if self._weight:
            self.method = "model" if self._texts else "lexical"
        if self.method == "lexical" and not self._words:
            why = (
                f"the model {pictures.model.name} reads no text: send query_text too, which is "
                "compared with the titles by its spelling, or import a model with --text"
            )
            raise BadRequestError(
                f"title_weight: {why}", [{"field": "title_weight", "message": why}]
            )

    def begin(self, photos: asyncio.Task[Any]) -> asyncio.Task[dict[str, Embedding]]:
        """Sends texts to the model, behind photos; whoever ends the request ends this task."""
        self._vectors = asyncio.create_task(self._embedded(photos))
        return self._vectors

    async def blended(
        self,
        photos: Embedding,
        listings: Mapping[int, Embedding],
        outcomes: Mapping[int, Outcome],
        deadline: float,
    ) -> dict[int, Blended] | None:
        """Scores of all listings with a picture; None where titles do not count, or came too late.

        Args:
            photos: shape (photos, dim).
            listings: vectors of the thumbnails by position, shape (dim,) each.
            outcomes: by the pictures alone, by position.
            deadline: by the event loop's clock.

        Raises:
            EmbedderUnavailableError: texts cannot be embedded at the moment.
        """
        if self.method is None:
            return None
        left_s = deadline - asyncio.get_running_loop().time()
        await asyncio.wait([self._vectors], timeout=max(0, left_s))
        if not self._vectors.done() or self._vectors.cancelled():
            self.late = self._job.late = True
            return None
        vectors = self._vectors.result()
        pictures = {n: one for n, one in outcomes.items() if isinstance(one, float)}
        self._job.clock.enter("text")
        try:  # in a thread: two hundred long titles take longer than the event loop may be kept
            return await asyncio.to_thread(self._blended, vectors, photos, listings, pictures)
        finally:
            self._job.clock.leave("text")

    async def _embedded(self, photos: asyncio.Task[Any]) -> dict[str, Embedding]:
        """Vectors of all texts but those of titles that the model failed on."""
        if self.method != "model" or self._texts is None:
            return {}
        if not self._photo_is_downloaded:  # which takes seconds, and the model has time
            await asyncio.wait([photos])
        words = [self._words] if self._words else []
        titles = list(dict.fromkeys(self._titles.values()))
        of_words, of_titles = await asyncio.gather(
            # As the photo, what somebody typed stays in this process.
            self._texts.embed(words, self._job, share=False),
            self._texts.embed(titles, self._job),
        )
        if any(one is None for one in of_words):
            raise EmbedderUnavailableError("query_text: the model failed on it, try again")
        found = zip([*titles, *words], [*of_titles, *of_words], strict=True)
        return {text: vector for text, vector in found if vector is not None}

    def _blended(
        self,
        vectors: Mapping[str, Embedding],
        photos: Embedding,
        listings: Mapping[int, Embedding],
        pictures: Likeness,
    ) -> dict[int, Blended]:
        shown = {n: title for n, title in self._titles.items() if n in pictures}
        if self.method == "lexical":
            assert self._words
            return blend(pictures, [spelt_alike(self._words, shown)], self._weight)
        titles = {n: vectors[title] for n, title in shown.items() if title in vectors}
        words = vectors[self._words] if self._words else None
        return blend(pictures, by_model(photos, words, titles, listings), self._weight)


def weight_of(request: RankRequest) -> float:
    """How much titles count in the end."""
    if request.title_weight is None:
        return WITH_WORDS if request.query_text else 0
    return request.title_weight


def titles_of(candidates: Sequence[Candidate]) -> dict[int, str]:
    """By position, of those that have one, cut to what is read."""
    titles = {n: (one.title or "").strip()[:LONGEST] for n, one in enumerate(candidates)}
    return {n: title for n, title in titles.items() if title}


def by_model(
    photos: Embedding,
    words: Embedding | None,
    titles: Mapping[int, Embedding],
    listings: Mapping[int, Embedding],
) -> list[Likeness]:
    """Cosines of the photo with titles and, if there are words, of these with titles and pictures.

    Args:
        photos: shape (photos, dim); the one that a title is most like counts.
        words: shape (dim,).
        titles, listings: by position, shape (dim,) each.
    """
    found: list[Likeness] = [{n: score(photos, title) for n, title in titles.items()}]
    if words is not None:
        found += [{n: cosine(words, one) for n, one in of.items()} for of in (titles, listings)]
    return found
