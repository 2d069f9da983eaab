"""Embeds pictures and titles ahead of the request that will ask for them, behind all else."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from pydantic import BaseModel, Field

from clip_ranker import metrics
from clip_ranker.errors import CandidateError, EmbedderUnavailableError
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.pictures.source import Source
from clip_ranker.pictures.texts import TEXTS_A_PICTURE
from clip_ranker.rank.lenient import Request, Share, Whole
from clip_ranker.rank.listing import Candidates
from clip_ranker.rank.titles import titles_of
from clip_ranker.settings import get_settings
from clip_ranker.turns import BACKGROUND_MOST

logger = logging.getLogger(__name__)

TITLES_AT_ONCE = BACKGROUND_MOST * TEXTS_A_PICTURE
"""As a call of the model has of what nobody waits for."""


class PrefetchRequest(Request):
    """Listings whose pictures will be asked for soon."""

    candidates: Candidates = Field(
        max_length=get_settings().max_candidates, description="As for /rank."
    )
    image_resize: Whole = Field(
        768, ge=224, le=2048, description="The one that /rank will be asked with."
    )
    model: str | None = Field(None, description="The one that /rank will be asked with.")
    title_weight: Share | None = Field(None, description="Above 0 titles are embedded, too.")


class PrefetchResponse(BaseModel):
    """What became of the candidates of a prefetch; the three add up to their number."""

    accepted: int = Field(description="Will be downloaded and embedded in the background.")
    known: int = Field(description="Embedded already, or on the way.")
    refused: int = Field(
        description="Too many are waiting, it is blocked, or failed a few seconds ago."
    )


class Prefetcher:
    """Pictures and titles that nobody waits for yet, each once.

    Args:
        most_waiting: pictures and titles in line or under way; more are refused.
    """

    def __init__(self, *, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def accept(self, request: PrefetchRequest, pictures: Pictures) -> PrefetchResponse:
        """Begins with what is not known yet; returns at once. The embeddings go to ``pictures``."""
        counts: Counter[str] = Counter()
        sources = []
        for candidate in request.candidates:
            try:
                found = pictures.find(candidate.picture_url(), request.image_resize)
            except CandidateError:
                counts["refused"] += 1
                continue
            if isinstance(found, Source):
                sources.append(found)
            else:
                counts["known"] += 1
        await pictures.recall(sources)
        job = Job(BACKGROUND_MOST, background=True)
        counts.update(self._begin(source, job, pictures) for source in sources)
        if request.title_weight:
            self._begin_titles(titles_of(request.candidates).values(), job, pictures)
        for outcome, count in counts.items():
            metrics.PREFETCH.labels(outcome).inc(count)
        return PrefetchResponse(**{name: counts[name] for name in PrefetchResponse.model_fields})

    async def close(self) -> None:
        """Drops what is in line and under way."""
        logger.info("prefetch: %d pictures and titles dropped", len(self._tasks))
        tasks = self._drop()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, source: Source, job: Job, pictures: Pictures) -> str:
        known = pictures.known(source) is not None
        if known or source.key in self._tasks or pictures.under_way(source):
            return "known"
        if len(self._tasks) >= self._most_waiting:
            return "refused"
        self._add([source.key], partial(pictures.embed, source, job))
        return "accepted"

    def _begin_titles(self, titles: Iterable[str], job: Job, pictures: Pictures) -> None:
        """Where the model reads them; the answer does not count them."""
        if (texts := pictures.texts) is None:
            return
        keys = {f"{pictures.model.name} {title}": title for title in titles}
        room = max(0, self._most_waiting - len(self._tasks))
        new = [key for key in keys if key not in self._tasks][:room]
        for n in range(0, len(new), TITLES_AT_ONCE):
            some = new[n : n + TITLES_AT_ONCE]
            self._add(some, partial(texts.embed, [keys[key] for key in some], job))

    def _add(self, keys: Sequence[str], embed: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.create_task(self._embed(keys, embed))
        self._tasks.update(dict.fromkeys(keys, task))
        metrics.PREFETCH_WAITING.set(len(self._tasks))

    async def _embed(self, keys: Sequence[str], embed: Callable[[], Awaitable[object]]) -> None:
        try:
            await embed()
        except CandidateError:
            pass  # whoever asks for it will be told
        except EmbedderUnavailableError:
            self._drop()  # or the whole line would be downloaded for nothing
            return
        except Exception:
            logger.exception("prefetch: a picture or title failed")
        finally:
            for key in keys:
                if self._tasks.get(key) is asyncio.current_task():
                    del self._tasks[key]
            metrics.PREFETCH_WAITING.set(len(self._tasks))

    def _drop(self) -> set[asyncio.Task[None]]:
        metrics.PREFETCH_DROPPED.inc(len(self._tasks))
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        self._tasks.clear()
        return tasks
