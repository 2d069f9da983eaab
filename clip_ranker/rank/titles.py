"""What titles, and words beside the photo, say of the listings of one request."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

from clip_ranker.errors import BadRequestError
from clip_ranker.models.encoder import Embedding
from clip_ranker.rank.blend import Blended, Likeness, blend
from clip_ranker.rank.lexical import spelt_alike
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import cosine, score

LONGEST = 1000
"""Characters of a title that are read: more than the 77 tokens of a text tower hold."""
Embed = Callable[[Sequence[str]], Awaitable[Sequence[Embedding]]]


class Titles:
    """Compares by the model, or words and titles by their spelling where it reads no text.

    Args:
        request: validated.
        model: name of the model, for people.
        embed: texts to unit vectors of the pictures' space; None where the model has no text tower.
        clock: of the request.

    Attributes:
        method: how; None where titles do not count.

    Raises:
        BadRequestError: titles count, and there is nothing to compare them with.
    """

    def __init__(self, request: RankRequest, model: str, embed: Embed | None) -> None:
        self._weight = request.weight_of_titles
        self._words = request.query_text
        self._titles = titles_of(request.candidates) if self._weight else {}
        self._embed = embed
        self.method: Literal["model", "lexical"] | None = None
        if self._weight:
            self.method = "model" if embed else "lexical"
        if self.method == "lexical" and not self._words:
            why = (
                f"the model {model} reads no text: send query_text too, which is compared with "
                "the titles by its spelling, or import a model with --text"
            )
            raise BadRequestError(f"title_weight: {why}", [{"field": "title_weight", "message": why}])

    async def vectors(self) -> dict[str, Embedding]:
        """Of each text, shape (dim,) and unit length; nothing where none is needed."""
        if self._embed is None or not self._weight:
            return {}
        texts = list(dict.fromkeys([*filter(None, [self._words]), *self._titles.values()]))
        return dict(zip(texts, await self._embed(texts) if texts else [], strict=True))

    async def blended(
        self,
        vectors: Mapping[str, Embedding],
        photos: Embedding,
        listings: Mapping[int, Embedding],
        pictures: Mapping[int, float],
    ) -> dict[int, Blended]:
        """Scores by position.

        Args:
            vectors: of the texts.
            photos: shape (photos, dim).
            listings: vectors of the thumbnails by position, shape (dim,) each.
            pictures: scores by the pictures alone, by position.
        """

        def work() -> dict[int, Blended]:
            shown = {n: title for n, title in self._titles.items() if n in pictures}
            if self._words and self.method == "lexical":
                likenesses = [spelt_alike(self._words, shown)]
            else:
                titles = {n: vectors[title] for n, title in shown.items()}
                words = vectors[self._words] if self._words else None
                likenesses = by_model(photos, words, titles, listings)
            return blend(pictures, likenesses, self._weight)

        return await asyncio.to_thread(work)


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
    found = [{n: score(photos, title) for n, title in titles.items()}]
    if words is not None:
        found += [
            {n: cosine(words, one) for n, one in of.items()} for of in (titles, listings)
        ]
    return found
