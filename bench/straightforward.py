"""Baseline: the service one would write in an afternoon, FastAPI and torch.

Same request, same answer. Downloads everything, then decodes, then embeds in batches of 16. Start
with ``python -m bench.straightforward PORT``.
"""

import asyncio
import base64
import io
import os
import sys

import httpx
import open_clip
import torch
import uvicorn
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from PIL import Image

from bench.settings import BATCH, THREADS

torch.set_num_threads(THREADS)
torch.manual_seed(0)
weights = os.environ.get("BENCH_PRETRAINED") or None
model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32", pretrained=weights)
model.eval()
client = httpx.AsyncClient(timeout=3)
app = FastAPI()


async def download(url: str, slots: asyncio.Semaphore) -> bytes | str:
    async with slots:
        for attempt in (1, 2):
            try:
                response = await client.get(url)
                response.raise_for_status()
            except httpx.HTTPError as error:
                if attempt == 2:
                    return type(error).__name__
            else:
                return response.content
    raise AssertionError


def embed(files: list[bytes]) -> torch.Tensor:
    pictures = [preprocess(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    with torch.inference_mode():
        batches = [torch.stack(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)]
        return torch.cat([model.encode_image(batch, normalize=True) for batch in batches])


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.post("/rank")
async def rank(request: dict) -> dict:
    slots = asyncio.Semaphore(request.get("max_concurrency", 10))
    candidates = request["candidates"]
    files = await asyncio.gather(*(download(c["image_url"], slots) for c in candidates))
    names = [c["auction_id"] for c, f in zip(candidates, files, strict=True) if type(f) is bytes]
    good = [file for file in files if type(file) is bytes]
    query = base64.b64decode(request["query_image_base64"])
    vectors = await run_in_threadpool(embed, [query, *good])
    scores = (vectors[1:] @ vectors[0]).tolist()
    best = sorted(zip(names, scores, strict=True), key=lambda pair: -pair[1])
    return {
        "results": [{"auction_id": n, "score": s, "rank": r} for r, (n, s) in enumerate(best, 1)]
    }


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
