import asyncio
from pathlib import Path

import numpy as np

from clip_ranker.batcher import Batcher, Embedding, Pixels
from clip_ranker.images import Preprocess
from clip_ranker.pictures import Pictures
from clip_ranker.settings import Settings
from clip_ranker.store import StoredModel
from tests.image_server import ImageServer

MODEL = StoredModel(
    "m", Path("m"), Preprocess(64, 64, (0.5,) * 3, (0.5,) * 3), 8, "source", "digest"
)


def test_one_request_does_not_keep_another_waiting_for_all_its_downloads(
    images: ImageServer,
) -> None:
    async def embed(pixels: Pixels) -> Embedding:
        return np.ones((len(pixels), 8), np.float32)

    async def scenario() -> None:
        settings = Settings(allow_private_hosts=(images.host,), max_downloads=4)
        pictures = Pictures(MODEL, settings, Batcher(embed, max_batch_size=16))
        greedy = pictures.job(768, most_at_once=50)
        tasks = [
            asyncio.create_task(pictures.embed_url(images.url(f"/slow?s=0.2&fair={n}"), greedy))
            for n in range(20)
        ]
        for _ in range(20):
            await asyncio.sleep(0)  # until they stand in line
        modest = pictures.job(768, most_at_once=1)
        await pictures.embed_url(images.url("/photo/cat?fair"), modest)
        assert sum(task.done() for task in tasks) < 10
        await asyncio.gather(*tasks)
        await pictures.close()

    asyncio.run(scenario())
