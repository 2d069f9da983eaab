"""infinity-emb (PyPI), which serves embeddings of CLIP, on the same pictures, sent inline.

It wants other versions than this service, so it has an environment of its own, made once: some
gigabytes. ``python -m bench.infinity FOLDER VOCABULARY``, in that environment, writes a model.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from time import perf_counter, sleep

import httpx

from bench.session import Bench, Figures
from bench.settings import BATCH, ROOT, THREADS, WORK
from tests.running import free_port

VERSION = "0.0.78"
PACKAGES = (
    "aiohttp",
    f"infinity-emb[server,torch]=={VERSION}",
    "huggingface_hub<1",
    "pillow",
    "transformers<5",
)
FOLDER = WORK / "infinity"
NAME = "clip"
POLL_S = 0.2
MOST_IN_A_REQUEST = 32
"""More pictures it refuses."""


def inline(bench: Bench) -> Figures:
    """A /rank of fifty, downloads and all, against the 51 pictures' embeddings."""
    with _serving() as client:
        figures = bench.pairs(
            lambda: bench.rank(bench.ours(), bench.urls(bench.fifty)),
            lambda: _embed_s(bench, client),
            rounds=min(bench.rounds, 5),
        )
    return figures | {"version": VERSION}


def _embed_s(bench: Bench, client: httpx.Client) -> float:
    """Of pictures that no cache has seen, in as few requests as it takes, all at once."""
    files = [f"600x450/{index}.jpg" for index in range(bench.fifty + 1)]
    pictures = [f"data:image/jpeg;base64,{bench.query(file)}" for file in files]
    most = MOST_IN_A_REQUEST
    parts = [pictures[at : at + most] for at in range(0, len(pictures), most)]

    def embed(part: list[str]) -> int:
        body = {"model": NAME, "input": part, "modality": "image"}
        return len(client.post("/embeddings", json=body).raise_for_status().json()["data"])

    start = perf_counter()
    with ThreadPoolExecutor(len(parts)) as threads:
        embedded = sum(threads.map(embed, parts))
    seconds = perf_counter() - start
    assert embedded == len(pictures)
    return seconds


@contextmanager
def _serving() -> Iterator[httpx.Client]:
    """The service with random ViT-B/32; made where it is missing."""
    python, model = FOLDER / "venv" / "bin" / "python", FOLDER / "model"
    if not model.exists():
        from open_clip.tokenizer import default_bpe

        subprocess.run([sys.executable, "-m", "venv", "--without-pip", FOLDER / "venv"], check=True)
        install = [sys.executable, "-m", "uv", "pip", "install", "--python", python, *PACKAGES]
        subprocess.run(install, check=True)  # pip takes minutes to find what fits together
        part = FOLDER / "part"
        command = [python, ROOT / "bench" / "infinity_model.py", part, default_bpe()]
        subprocess.run(command, check=True)
        part.rename(model)
    port = free_port()
    command = [python.with_name("infinity_emb"), "v2", "--model-id", model, "--port", str(port)]
    command += ["--served-model-name", NAME, "--engine", "torch", "--device", "cpu"]
    command += ["--batch-size", str(BATCH), "--no-bettertransformer", "--no-model-warmup"]
    own = os.environ | {"OMP_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    url = f"http://127.0.0.1:{port}"
    with (
        subprocess.Popen(command, env=own) as process,
        httpx.Client(base_url=url, timeout=600, trust_env=False) as client,
    ):
        try:
            while process.poll() is None:
                with suppress(httpx.TransportError):
                    client.get("/health").raise_for_status()
                    break
                sleep(POLL_S)
            yield client
        finally:
            process.terminate()
