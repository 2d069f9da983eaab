"""Where a picture comes from, and the key of its embedding."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from clip_ranker.decode import points
from clip_ranker.decode.images import RECIPE
from clip_ranker.download.url_policy import host_of
from clip_ranker.models.store import StoredModel

USUAL_RESIZE_PX = 768
"""``image_resize`` of a request that does not say otherwise."""

BIG_BYTES = 200_000
"""More would keep the event loop for more than a fifth of a millisecond."""


@dataclass(frozen=True)
class Source:
    """Where a picture comes from.

    Attributes:
        key: of its embedding; differs whenever that would.
        content: URL to download from, or what reads its file, or the file itself.
        image_resize_px: longest side before the model's own resize.
        quarters: of a turn, to the left; of a file only.
    """

    key: str
    content: httpx.URL | Callable[[], bytes] | bytes
    image_resize_px: int
    quarters: int = 0

    @property
    def worth_keeping(self) -> bool:
        """Not what any size of an example would be, which costs its sender nothing to ask for."""
        return not callable(self.content) or self.image_resize_px == USUAL_RESIZE_PX

    @property
    def remote(self) -> bool:
        """It is downloaded, so that other replicas may be asked for it too."""
        return isinstance(self.content, httpx.URL)

    @property
    def host(self) -> str:
        """It is downloaded from."""
        return host_of(self.content) if isinstance(self.content, httpx.URL) else ""


class Keys:
    """Makes keys of embeddings.

    Args:
        model: its name, weights and preprocessing go into every key, and how files are decoded.
        local_features: points of interest are kept too.
    """

    def __init__(self, model: StoredModel, *, local_features: bool = False) -> None:
        recipes = (RECIPE, points.RECIPE) if local_features else (RECIPE,)
        self._model = repr((model.name, model.digest, model.preprocess, *recipes)).encode()

    def of_url(self, url: str, image_resize_px: int) -> str:
        """Key of the picture behind a URL."""
        return self._digest(b"url", url.encode("utf-8", "surrogatepass"), image_resize_px)

    async def of_bytes(self, data: bytes, image_resize_px: int, quarters: int = 0) -> str:
        """Key of a picture file, turned or as it is."""
        big = len(data) > BIG_BYTES
        digest = hashlib.sha256(data) if not big else await asyncio.to_thread(hashlib.sha256, data)
        kind = b"bytes, turned %d" % quarters if quarters else b"bytes"
        return self._digest(kind, digest.digest(), image_resize_px)

    def _digest(self, kind: bytes, picture: bytes, image_resize_px: int) -> str:
        parts = (self._model, kind, str(image_resize_px).encode(), picture)
        return hashlib.sha256(b"\0".join(parts)).hexdigest()
