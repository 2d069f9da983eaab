"""The two BentoML services and their wiring; the logic is in clip_ranker."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
from bentoml.exceptions import InvalidArgument

from clip_ranker import entrypoint, web
from clip_ranker.embed.embedder import Embedder
from clip_ranker.embed.hung import LOADING_S, Watched
from clip_ranker.embed.packed import pack, unpack
from clip_ranker.embed.remote import Remote
from clip_ranker.embed.text_calls import TextCalls
from clip_ranker.models import store
from clip_ranker.models.encoder import Encoder
from clip_ranker.models.text import TextEncoder
from clip_ranker.pictures.pictures import Pictures
from clip_ranker.rank.feedback import Feedback, FeedbackRequest, FeedbackResponse
from clip_ranker.rank.prefetch import PrefetchRequest, PrefetchResponse
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.rank.verdicts import Verdicts
from clip_ranker.settings import get_settings
from clip_ranker.turns import most_in_a_call
from clip_ranker.web.answers import answers
from clip_ranker.web.api import Api

entrypoint.take_over()

settings = get_settings()
models = {name: store.load(name) for name in settings.served}
embedder = Embedder(
    {name: model.preprocess for name, model in models.items()}, timeout_s=settings.embed_timeout_s
)
# Not in ClipRanker.start: an error here ends the service, there its process starts again for ever.
verdicts = Verdicts(Path(settings.feedback_dir)) if settings.feedback_dir else None

MOST_IN_A_CALL = most_in_a_call(settings.max_batch_size)
# BentoML's own limits answer in another shape and its dispatcher drops calls: ours come first.
NEVER_MS = 600_000
TRAFFIC = {
    # Behind our limits by a minute. Not far behind: it keeps 1 KB a request until then.
    "timeout": settings.upload_timeout_s + settings.request_timeout_s + 60,
}
# What BentoML says of each request: a log line, a histogram a path that anybody may make up, kept
# for ever, and a trace, which costs two thirds of a /healthz. Our log and metrics have it.
QUIET = {
    "logging": {"access": {"enabled": False}},
    "metrics": {"enabled": False},
    "tracing": {"excluded_urls": ".*"},
}


def embedding_with(name: str) -> Any:
    """An API a model: what BentoML puts together into a batch is of one."""

    def embed(self: Any, pixels: np.ndarray) -> np.ndarray:
        """uint8 (batch, height, width, 3) to float32 (batch, dim), rows of unit length."""
        return self._models[name](pixels)

    embed.__name__ = f"embed_with_{name}"
    return bentoml.api(
        embed, batchable=True, max_batch_size=MOST_IN_A_CALL, max_latency_ms=NEVER_MS
    )


@bentoml.service(
    traffic={"timeout": NEVER_MS / 1000},
    **QUIET,
    # Else the client drops its connections with requests in flight, every 100 of them.
    runner_connection={"max_requests": 10**9, "max_age": 1e9},
)
class ClipEmbedder:
    """ONNX Runtime in a process of its own, with all models.

    Reached through a unix socket only, or served apart for the APIs of other machines.
    """

    for _name in models:
        vars()[f"embed_with_{_name}"] = embedding_with(_name)
        vars()[f"stored_{_name}"] = bentoml.models.BentoModel(_name)  # takes it into the Bento

    def __init__(self) -> None:
        self._models = {
            name: Watched(
                Encoder(model.graph, threads=settings.embed_threads, frugal=len(models) > 1),
                timeout_s=settings.embed_timeout_s,
            )
            for name, model in models.items()
        }
        limits = {"timeout_s": settings.embed_timeout_s, "first_s": LOADING_S}
        self._texts = {
            name: Watched(TextEncoder(model.text, threads=settings.embed_threads), **limits)
            for name, model in models.items()
            if model.text
        }

    @bentoml.api
    def embed_packed(self, pixels: str, digest: str, name: str = "") -> str:
        """The same for an API elsewhere; one of an older version gives no name."""
        name = name or next((n for n, model in models.items() if model.digest == digest), "")
        if name not in models or models[name].digest != digest:
            raise InvalidArgument("this embedder serves other models than the API asks for")
        return pack(self._models[name](unpack(pixels)))

    @bentoml.api
    def texts(self, name: str, texts: list[str]) -> np.ndarray:
        """Texts to float32 (batch, dim), rows of unit length."""
        return self._texts[name](texts)

    @bentoml.api
    def texts_packed(self, texts: str, key: str, name: str) -> str:
        """The same for an API elsewhere, of a list in JSON; empty if it has another text tower."""
        tower = models[name].text if name in models else None
        return pack(self._texts[name](json.loads(texts))) if tower and tower.key == key else ""

    @bentoml.api
    async def check(self) -> bool:
        """Whether all models work; does not wait in line for them, as what is not async does."""
        well = all(model.well for model in self._models.values())
        return well and not any(texts.hangs for texts in self._texts.values())

    @bentoml.api
    async def pid(self) -> int:
        """The process to kill when it hangs."""
        return os.getpid()


@bentoml.service(
    traffic=TRAFFIC,
    **QUIET,
    workers=1,
    http={"port": 8000},
    envs=[  # an image serves what it was built with
        {"name": "CLIP_MODEL", "value": settings.model},
        *([{"name": "CLIP_MODELS", "value": ",".join(settings.models)}] if settings.models else []),
    ],
    # Any distribution BentoML knows would bring a compiler and git, 0.6 GB.
    image=bentoml.images.Image(
        base_image=os.environ.get("BASE") or "python:3.11-slim", distro="none"
    ),
)
class ClipRanker:
    """The API. One worker: limits, batcher and cache belong to a process."""

    remote = bentoml.depends(ClipEmbedder, url=settings.embedder_url or None)

    @bentoml.on_startup
    async def start(self) -> None:
        """Runs inside the event loop, before the first request."""
        remote = Remote(self.remote.to_async.call, models, elsewhere=bool(settings.embedder_url))
        if settings.embedder_url:
            embedder.connect(remote.pictures, check=partial(remote.ask, "check"))
        else:
            embedder.connect(remote.pictures, partial(remote.ask, "pid"))
        feedback = Feedback(verdicts) if verdicts else None
        pictures: dict[str, Pictures] = {}
        for name, model in models.items():
            texts = TextCalls(embedder, partial(remote.texts, name)) if model.text else None
            more: Any = {"beside": pictures.get(settings.model), "embed_texts": texts}
            pictures[name] = Pictures(model, settings, partial(embedder, name), **more)
        self._api = Api(pictures, settings, feedback)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Runs after the last answer."""
        await self._api.close()
        await embedder.close()

    @bentoml.api(route="/rank")
    @answers
    async def rank(self, request: RankRequest, /) -> RankResponse:
        """Ranks the candidates by their likeness to the photo."""
        return await self._api.rank(request)

    @bentoml.api(route="/rank/stream")
    @answers
    async def rank_stream(self, request: RankRequest, /) -> Any:
        """The same, each candidate as soon as it is there."""
        return await self._api.stream(request)

    @bentoml.api(route="/prefetch")
    @answers
    async def prefetch(self, request: PrefetchRequest, /) -> PrefetchResponse:
        """Embeds pictures ahead of the request that will ask for them."""
        return await self._api.prefetch(request)

    @bentoml.api(route="/feedback")
    @answers
    async def feedback(self, request: FeedbackRequest, /) -> FeedbackResponse:
        """Takes what somebody says of a listing."""
        return await self._api.feedback(request)


web.install(ClipRanker, settings, list(models.values()), well=lambda: embedder.well)
