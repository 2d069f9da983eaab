"""How the API process watches an embedder on another machine, which other APIs call as well."""

import asyncio

import numpy as np
import pytest

from clip_ranker.embed.embedder import IN_LINE_S, Embedder
from clip_ranker.embed.hung import ANSWERED_WITHIN_S
from clip_ranker.errors import EmbedderUnavailableError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from tests.embed.test_embedder import MODELS, ONE, until


class Elsewhere:
    """Its calls wait for ``go``, and what it says of itself meanwhile."""

    def __init__(self, *, says: bool | None = True) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.says = says
        self.checked = asyncio.Event()

    async def embed(self, name: str, pixels: Pixels) -> Embedding:
        await self.go.wait()
        return np.ones((len(pixels), 4), np.float32)

    async def check(self) -> bool:
        self.checked.set()
        if self.says is None:
            await asyncio.Event().wait()
        return bool(self.says)

    async def watched(self) -> Embedder:
        embedder = Embedder(MODELS, timeout_s=0.2)
        embedder.connect(self.embed, check=self.check)
        await until(lambda: embedder.well)
        return embedder


def test_a_call_behind_those_of_other_apis_is_waited_for() -> None:
    async def scenario() -> None:
        elsewhere = Elsewhere()
        embedder = await elsewhere.watched()
        elsewhere.go.clear()
        call = asyncio.create_task(embedder("m", ONE))
        async with asyncio.timeout(60):
            for _ in range(3):
                await elsewhere.checked.wait()
                elsewhere.checked.clear()
        assert embedder.well
        elsewhere.go.set()
        assert (await call).shape == (1, 4)
        await embedder.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("says", [False, None, True], ids=["hangs", "silent", "works for ever"])
def test_one_that_hangs_or_keeps_a_call_for_ever_is_unwell(
    says: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert IN_LINE_S > ANSWERED_WITHIN_S
    monkeypatch.setattr("clip_ranker.embed.embedder.IN_LINE_S", 1)

    async def scenario() -> None:
        elsewhere = Elsewhere(says=says)
        embedder = await elsewhere.watched()
        elsewhere.go.clear()
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", ONE)
        assert not embedder.well
        elsewhere.go.set()
        await until(lambda: embedder.well)
        await embedder.close()

    asyncio.run(scenario())
