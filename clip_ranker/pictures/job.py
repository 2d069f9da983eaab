"""What the pictures of one request share."""

import asyncio
from dataclasses import dataclass

from clip_ranker.download.hosts import Asker
from clip_ranker.pictures.stage_clock import StageClock
from clip_ranker.turns import Lane


@dataclass(eq=False)
class Job:
    """One request, or one picture to be embedded ahead.

    Attributes:
        lane: its place in the lines for decoding and embedding.
        asker: its opinion of hosts.
        clock: sums up where its time went.
        slots: held while downloading and decoding a candidate.
        image_resize_px: longest side before the model's own resize.
        late: its deadline has passed; what has begun is finished for the cache.
    """

    lane: Lane
    asker: Asker
    clock: StageClock
    slots: asyncio.Semaphore
    image_resize_px: int
    late: bool = False
