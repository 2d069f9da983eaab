"""A model that is plain arithmetic, and a ranking with it in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clip_ranker.models.calibration import Calibration
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess
from clip_ranker.models.store import StoredModel
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.ranking import Ranking
from clip_ranker.rank.schema import RankRequest, RankResponse

PREPROCESS = Preprocess(8, 8, (0.5,) * 3, (0.5,) * 3)
MODEL = StoredModel("m", Path("m"), PREPROCESS, 192, "source", "digest")
BANDS = Calibration((0.2, 1.0), (0.0, 1.0), 0.999, 0.9, 0.95, "by hand")


async def colours(pixels: Pixels) -> Embedding:
    """A model that sees nothing but where which colour is."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


async def answered(pictures: Pictures, listed: Sequence[Any], **body: Any) -> RankResponse:
    """What is answered for these; closes the pictures."""
    try:
        request = RankRequest(candidates=listed, **body)
        async with Ranking(request, pictures, timeout_s=60) as ranking:
            async for _ in ranking.events():
                pass
        return ranking.answer()
    finally:
        await pictures.close()
