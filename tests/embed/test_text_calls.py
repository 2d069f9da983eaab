"""Calls for texts: measured before the first, and watched as those for pictures are."""

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from clip_ranker.embed.hung import LOADING_S, Watched
from clip_ranker.embed.text_calls import LONG_TEXT, TextCalls
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from tests.embed.test_embedder import ONE, Remote, started, until


class RemoteTexts(Remote):
    """It has a text tower, too."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[Sequence[str]] = []
        self.texts_hang = self.texts_fail = False

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        self.texts.append(texts)
        if self.texts_hang:
            await asyncio.sleep(3600)
        if self.texts_fail:
            raise EmbedFailedError("batch")
        return np.ones((len(texts), 4), np.float32)


@pytest.fixture
def remote() -> Iterator[RemoteTexts]:
    remote = RemoteTexts()
    yield remote
    remote.process.kill()
    remote.process.communicate()


def test_the_text_tower_is_left_alone_until_somebody_wants_a_text(remote: RemoteTexts) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        calls = TextCalls(embedder, remote.embed_texts)
        await embedder("m", ONE)
        assert remote.texts == []
        assert (await calls(["a", "b"])).shape == (2, 4)
        assert (await calls(["c"])).shape == (1, 4)
        assert remote.texts == [[LONG_TEXT], [LONG_TEXT], ["a", "b"], ["c"]]
        await embedder.close()

    asyncio.run(scenario())


def test_a_call_for_texts_that_hangs_ends_the_process_and_the_next_one_is_measured(
    remote: RemoteTexts,
) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        calls = TextCalls(embedder, remote.embed_texts)
        await calls(["a"])
        remote.texts_hang = True
        with pytest.raises(EmbedderUnavailableError):
            await calls(["b"])
        assert remote.process.wait(5) < 0
        assert not embedder.well
        with pytest.raises(EmbedderUnavailableError):
            await calls(["c"])  # refused at once
        remote.process.communicate()
        remote.texts_hang = False
        remote.start()
        await until(lambda: embedder.well)
        remote.texts.clear()
        await calls(["d"])
        assert remote.texts == [[LONG_TEXT], [LONG_TEXT], ["d"]]
        await embedder.close()

    asyncio.run(scenario())


def test_texts_that_the_model_fails_on_leave_it_well(remote: RemoteTexts) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        calls = TextCalls(embedder, remote.embed_texts)
        await calls(["a"])
        remote.texts_fail = True
        remote.probed.clear()
        with pytest.raises(EmbedFailedError):
            await calls(["b"])
        assert embedder.well
        assert (await embedder("m", ONE)).shape == (1, 4)
        await embedder.close()

    asyncio.run(scenario())


def test_a_call_that_loads_the_tower_hangs_later_than_others() -> None:
    def encode(texts: Sequence[str]) -> Embedding:
        limits.append(watched._hung_at)
        return np.ones((len(texts), 4), np.float32)

    limits: list[float] = []
    watched = Watched(encode, timeout_s=0.1, first_s=LOADING_S)
    for _ in range(2):
        watched(["a"])
    assert limits[0] - limits[1] > LOADING_S / 2
