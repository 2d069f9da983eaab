"""Titles and words in a request, in a process of ours, with models that read text or do not."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clip_ranker import examples
from clip_ranker.embed.batcher import Embed
from clip_ranker.errors import BadRequestError, EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.models.text import TextTower
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.feedback import Feedback
from clip_ranker.rank.prefetch import TITLES_AT_ONCE, Prefetcher, PrefetchRequest
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.rank.scores import cosine
from clip_ranker.rank.titles import by_model, weight_of
from clip_ranker.rank.verdicts import Verdicts
from clip_ranker.settings import Settings
from tests.rank.in_process import BANDS, MODEL, answered, colours

TOWER = TextTower(
    Path("t"), Path("t"), 77, "whitespace", short=False, digest="t", tokenizer_digest="t"
)
READS = replace(MODEL, text=TOWER)
NAMES = ("cat", "coffee", "rocket", "astronaut")
PLAIN: dict[str, Any] = {"query_image_url": "example:cat"}
ReadText = Callable[[Sequence[str]], Awaitable[Embedding]]


def direction(text: str) -> Embedding:
    """A unit vector that only this text has."""
    vector = np.random.default_rng(list(text.encode())).standard_normal(MODEL.dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Reader:
    """A text tower to which each text is another direction; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.calls = 0

    async def __call__(self, texts: Sequence[str]) -> Embedding:
        self.asked += texts
        self.calls += 1
        return np.stack([direction(text) for text in texts])


def listed(*titles: object, names: Sequence[str] = NAMES) -> list[dict[str, Any]]:
    return [
        {"auction_id": n, "image_url": f"example:{name}", "title": title}
        for n, (name, title) in enumerate(zip(names, titles, strict=False))
    ]


def ranked(
    candidates: Any, read: ReadText | None = None, embed: Embed = colours, **body: Any
) -> RankResponse:
    """What is answered; by a model that reads text where there is ``read``."""

    async def rank() -> RankResponse:
        model = READS if read else MODEL
        pictures = Pictures(model, Settings(), embed, embed_texts=read)
        return await answered(pictures, candidates, **PLAIN | body)

    return asyncio.run(rank())


def order(answer: RankResponse) -> list[Any]:
    return [result.auction_id for result in answer.results]


def said(answer: RankResponse) -> str:
    answer.meta.timing_ms = answer.meta.timing_ms.model_copy(
        update={"total": 0, "download": 0, "decode": 0, "embed": 0}
    )
    return answer.model_dump_json(exclude_none=True)


def test_titles_that_do_not_count_change_nothing() -> None:
    without = said(ranked(listed(None, None, None, None)))
    for more in ({}, {"title_weight": 0}, {"title_weight": 0, "query_text": "NTR-001"}):
        reader = Reader()
        assert said(ranked(listed("a", "NTR-001", "c", "d"), reader, **more)) == without
        assert reader.asked == []
    assert said(ranked(listed("a", "b", "c", "d"), query_text="  \n")) == without
    assert '"text' not in without
    assert "image_score" not in without


def test_words_find_a_number_in_a_title_where_the_model_reads_no_text() -> None:
    titles = ("猫 NTR-002", "猫 NTR001", "猫 NTR-003", None)
    plain = ranked(listed(*titles))
    answer = ranked(listed(*titles), query_text="ntr-001", title_weight=1)
    assert order(plain)[0] == 0
    assert order(answer)[0] == 1
    assert answer.meta.text_method == "lexical"
    assert answer.meta.timing_ms.text is not None
    cosines = {one.auction_id: one.score for one in plain.results}
    for one in answer.results:
        assert one.image_score == cosines[one.auction_id]
        assert one.score == (one.image_score if one.text_score is None else one.text_score)
    assert {one.auction_id for one in answer.results if one.text_score is None} == {3}


def test_with_words_and_no_weight_both_parts_count_alike() -> None:
    titles = ("猫 NTR-002", "猫 NTR-001", "猫 NTR-003", None)
    implied = ranked(listed(*titles), query_text="NTR-001")
    assert said(implied) != said(ranked(listed(*titles)))
    for more in ({"title_weight": 0.5}, {"title_weight": "0.5", "query_text": " NTR-001 "}):
        again = ranked(listed(*titles), **{"query_text": "NTR-001", **more})
        assert again.results == implied.results


def test_a_weight_alone_asks_for_a_model_that_reads() -> None:
    with pytest.raises(BadRequestError, match=r"^title_weight: the model m reads no text: send qu"):
        ranked(listed("a"), title_weight=0.5)
    with pytest.raises(BadRequestError, match="--text"):
        ranked(listed("a"), title_weight=0.5, query_text=" ")


def test_the_model_compares_the_photo_with_titles_and_words_with_both() -> None:
    pictures = ranked(listed(*NAMES))
    reader = Reader()
    titles = ("one", "two", "three", None)
    by_photo = ranked(listed(*titles), reader, title_weight=1)
    assert by_photo.meta.text_method == "model"
    assert sorted(reader.asked) == ["one", "three", "two"]
    parts = {one.auction_id: one for one in by_photo.results}
    assert parts[3].text_score is None
    cosines = {one.auction_id: one.score for one in pictures.results}
    assert {one.auction_id: one.image_score for one in by_photo.results} == cosines
    by_words = ranked(listed(*titles), reader, title_weight=1, query_text="two")
    assert all(one.text_score is not None for one in by_words.results)  # words with pictures
    assert by_words.results != by_photo.results


def test_each_kind_of_likeness_is_the_cosine_of_its_two() -> None:
    one, other = np.eye(2, dtype=np.float32)
    alone = by_model(one[None], None, {0: one, 2: other}, {0: other, 1: one, 2: one})
    assert alone == [{0: 1, 2: 0}]
    both = by_model(np.stack([one, other]), other, {0: one, 2: other}, {0: other, 1: one, 2: one})
    assert both == [{0: 1, 2: 1}, {0: 0, 2: 1}, {0: 1, 1: 0, 2: 0}]


def test_no_text_goes_before_the_photo() -> None:
    went = list[str]()

    async def embed(pixels: Pixels) -> Embedding:
        went.append("pictures")
        return await colours(pixels)

    async def read(texts: Sequence[str]) -> Embedding:
        went.append("texts")
        return np.stack([direction(text) for text in texts])

    photo = base64.b64encode(examples.read("example:cat")).decode()
    sent = {"query_image_url": None, "query_image_base64": photo}
    ranked(listed(*NAMES), read, embed, title_weight=0.5, query_text="cat", **sent)
    assert went[0] == "pictures"
    assert "texts" in went


def test_the_same_title_is_embedded_once_and_a_long_one_is_cut() -> None:
    reader = Reader()
    ranked(listed("same", " same ", "x" * 10_000, 7), reader, title_weight=0.5)
    assert sorted(reader.asked) == ["same", "x" * 1000]


def test_a_title_that_the_model_fails_on_counts_as_none_and_so_does_what_is_no_text() -> None:
    async def fails(texts: Sequence[str]) -> Embedding:
        if "bad" in texts:
            raise EmbedFailedError("batch")
        return np.stack([direction(text) for text in texts])

    for title in ("bad", 7, None, " "):
        answer = ranked(listed("a", "b", "c", title), fails, title_weight=0.5)
        told = {one.auction_id: one.text_score for one in answer.results}
        assert told[3] is None
        assert answer.meta.failed == 0
    with pytest.raises(EmbedderUnavailableError, match="query_text"):
        ranked(listed("a", "b"), fails, query_text="bad")


def test_what_has_no_picture_stays_failed_and_has_no_say() -> None:
    titles = ("猫 NTR-002", "猫 NTR-001", "猫 NTR-003")
    some = listed(*titles)
    gone = {"auction_id": 9, "image_url": "example:gone", "title": "NTR-001"}
    answer = ranked([gone, *some], query_text="NTR-001")
    assert [one.auction_id for one in answer.failed] == [9]
    assert answer.results == ranked(some, query_text="NTR-001").results


def test_no_band_is_told_of_a_score_that_was_not_calibrated() -> None:
    model = replace(MODEL, calibration=BANDS)

    async def rank() -> list[Any]:
        pictures = Pictures(model, Settings(), colours)
        try:
            request = RankRequest(candidates=listed("猫", "NTR-001"), query_text="猫", **PLAIN)
            async with Ranking(request, pictures, timeout_s=60) as ranking:
                events = [ranking.meaning(0.5) async for _ in ranking.events()]
            return [*events, *ranking.answer().results]
        finally:
            await pictures.close()

    *events, first, second = asyncio.run(rank())
    assert events == [{}, {}]
    assert (first.match, first.probability, second.match) == (None, None, None)


def test_the_least_score_and_groups_count_by_the_blended_score() -> None:
    titles = ("NTR-002 猫", "NTR-001 猫", "NTR-003 猫", "NTR-001 犬")
    names = ("cat", "cat", "rocket", "coffee")
    more = {"query_text": "NTR-001", "title_weight": 0.9}
    every = ranked(listed(*titles, names=names), **more)
    scores = [one.score for one in every.results]
    least = ranked(listed(*titles, names=names), min_score=scores[1], **more)
    assert order(least) == order(every)[:2]
    assert least.meta.below_min_score == 2
    one_each = ranked(listed(*titles, names=names), group_duplicates=True, **more)
    (copies,) = [one for one in one_each.results if one.duplicates]
    assert (copies.auction_id, copies.duplicates) == (1, [0])


def test_texts_that_come_too_late_leave_the_pictures_order() -> None:
    async def hangs(_: Sequence[str]) -> Embedding:
        return await asyncio.get_running_loop().create_future()

    async def rank() -> RankResponse:
        pictures = Pictures(READS, Settings(), colours, embed_texts=hangs)
        try:
            for weight in (0, 1):  # the first brings all pictures into the cache
                request = RankRequest(candidates=listed("a", "b"), title_weight=weight, **PLAIN)
                async with Ranking(request, pictures, timeout_s=60) as ranking:
                    async for _ in ranking.events():
                        if len(ranking.outcomes) == 2:
                            ranking._job.deadline = asyncio.get_running_loop().time()
            return ranking.answer()
        finally:
            await pictures.close()

    answer = asyncio.run(rank())
    assert (answer.meta.partial, answer.meta.text_method) == (True, None)
    assert answer.results == ranked(listed("a", "b")).results


def test_feedback_keeps_the_best_by_title_and_the_plain_cosine(tmp_path: Path) -> None:
    async def remember() -> None:
        pictures = Pictures(MODEL, Settings(), colours)
        titles = ("NTR-002 猫", "NTR-001 猫", "NTR-003 猫")
        candidates = [one | {"auction_id": "twice"} for one in listed(*titles)]
        request = RankRequest(candidates=candidates, query_text="NTR-001", title_weight=1, **PLAIN)
        try:
            async with Ranking(request, pictures, timeout_s=60) as ranking:
                async for _ in ranking.events():
                    pass
            feedback = Feedback(Verdicts(tmp_path))
            request_id = feedback.remember(ranking, MODEL)
            assert request_id
            kept = feedback._remembered[request_id]
            row = kept.vectors[kept.rows["twice"]]
            assert np.array_equal(row, ranking.embeddings[1])
            assert cosine(row, ranking.photos[0]) == ranking.answer().results[0].image_score
            await feedback.close()
        finally:
            await pictures.close()

    asyncio.run(remember())


def test_titles_are_prefetched_where_they_will_count() -> None:
    async def prefetch(**body: Any) -> list[str]:
        reader = Reader()
        pictures = Pictures(READS, Settings(), colours, embed_texts=reader)
        prefetcher = Prefetcher(most_waiting=100)
        request = PrefetchRequest(candidates=listed("a", "a", None, "b"), **body)
        answer = await prefetcher.accept(request, pictures)
        assert answer.accepted == 4
        await asyncio.gather(*prefetcher._tasks.values())
        asked = sorted(reader.asked)
        if asked:  # and a request finds them done
            rank = RankRequest(candidates=listed("a", "a", None, "b"), title_weight=1, **PLAIN)
            async with Ranking(rank, pictures, timeout_s=60) as ranking:
                async for _ in ranking.events():
                    pass
            assert sorted(reader.asked) == asked
        await prefetcher.close()
        await pictures.close()
        return asked

    assert asyncio.run(prefetch(title_weight=0.3)) == ["a", "b"]
    assert asyncio.run(prefetch()) == []
    assert asyncio.run(prefetch(title_weight=0)) == []


def test_titles_are_prefetched_together_and_no_more_than_may_wait() -> None:
    async def prefetch() -> None:
        reader = Reader()
        pictures = Pictures(READS, Settings(), colours, embed_texts=reader)
        prefetcher = Prefetcher(most_waiting=10)
        titles = [f"title {n}" for n in range(12)]
        body = {"candidates": listed(*titles, names=["cat"] * 12), "title_weight": 1}
        for _ in range(2):
            answer = await prefetcher.accept(PrefetchRequest(**body), pictures)
            assert len(prefetcher._tasks) == 10
        assert (answer.accepted, answer.known) == (0, 12)
        await asyncio.gather(*prefetcher._tasks.values())
        assert prefetcher._tasks == {}
        assert len(set(reader.asked)) == len(reader.asked) == 9  # and the picture
        assert reader.asked == titles[:9]
        assert reader.calls == -(-9 // TITLES_AT_ONCE)
        await prefetcher.close()
        await pictures.close()

    asyncio.run(prefetch())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"title_weight": 1.01}, "less than or equal to 1"),
        ({"title_weight": -0.1}, "greater than or equal to 0"),
        ({"title_weight": True}, "valid number, not true"),
        ({"title_weight": "nan"}, "finite number"),
        ({"titleWeight": 0.5}, "titleWeight: did you mean title_weight?"),
        ({"queryText": "a"}, "queryText: did you mean query_text?"),
        ({"query_text": ["a"]}, "it is a list: send the words as text"),
        ({"query_text": True}, "it is true: send the words as text"),
        ({"query_text": "a" * 1001}, "at most 1000 characters"),
    ],
)
def test_what_is_refused(body: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RankRequest.model_validate({"candidates": [], **PLAIN, **body})
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("sent", "taken"), [(75192, "75192"), (" a ", "a"), ("", None), (None, None)]
)
def test_words_may_be_a_number_and_blank_ones_are_none(sent: Any, taken: str | None) -> None:
    request = RankRequest.model_validate({"candidates": [], **PLAIN, "query_text": sent})
    assert request.query_text == taken
    assert weight_of(request) == (0.5 if taken else 0)
