"""Whose turn it is to be downloaded, to be decoded, to go to the model.

Who is next is the fair queue's to say; the quotas are here.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clip_ranker.fair_queue import FairQueue, Picture, Request, count_live
from clip_ranker.places import Places

BACKGROUND_MOST = 4
"""Pictures downloaded at once, or in a call, that nobody waits for: a request that comes meanwhile
waits little."""
BIG_BODIES = 8
"""Downloads of over a megabyte that may be in memory at once; thumbnails never are of them."""


def most_in_a_call(max_batch_size: int) -> int:
    """Pictures in a call where that makes fewer calls: a fourth more."""
    return max_batch_size + max_batch_size // 4


Content = NDArray[np.uint8] | tuple[str, ...]
EmbedCall = Callable[[Any], Awaitable[Iterable[NDArray[np.float32]]]]
MostBefore = Callable[[EmbedCall, float], float]
"""How many pictures such a call can have back before a deadline, in the event loop's time."""


class ToEmbed(NamedTuple):
    """What goes to a model, the call that takes such, and where its embedding is awaited.

    A decoded picture, uint8 (height, width, 3), or a few texts, which count as one picture.
    """

    content: Content
    embed: EmbedCall
    embedding: asyncio.Future[NDArray[np.float32]]


class Turns:
    """The queues that pictures go through.

    Args:
        downloads: places in all; a request holds all but one of them at most, and not more than
            its ``max_concurrency``.
        downloads_per_host: that a host holds at most; 0 is three quarters of them.
        decoders: pictures decoded at once.
        max_batch_size: pictures in one call of the model, if not a few more.

    Attributes:
        downloads: a place is held until the picture is decoded: what waits for that takes as much
            memory as what is still coming in.
        big_bodies: held besides, likewise.
        large: waited for before one for decoding, so that of those one at most is kept waiting by a
            large picture.
        decoding: goes as far ahead as a call may reach, because it shares the processor with the
            call before; but each request may have one picture ahead.
        to_embed: decoded pictures.
        texts: by the few. In a line of their own, which has every other call: they are there long
            before the pictures of their request, and nothing is decoded less far ahead for them.
            Only a photo goes before them out of turn.
    """

    def __init__(
        self, *, downloads: int, decoders: int, max_batch_size: int, downloads_per_host: int = 0
    ) -> None:
        self._most_downloads = max(1, downloads - 1)
        self._max_batch_size = max_batch_size
        self._most_in_a_call = most_in_a_call(max_batch_size)
        self.downloads = Places(
            downloads,
            self._may_download,
            most_of_a_host=downloads_per_host or max(1, downloads * 3 // 4),
        )
        self.big_bodies = Places(
            BIG_BODIES, self._may_hold_a_big_body, most_of_a_host=BIG_BODIES * 3 // 4
        )
        self.large = Places(1)
        self.decoding = Places(decoders, self._may_decode)
        self.to_embed: FairQueue[ToEmbed] = FairQueue(
            lambda request: self.to_embed.held_by[request] < self._quota(request)
        )
        self.texts: FairQueue[ToEmbed] = FairQueue(
            lambda request: self.texts.held_by[request] < self._quota(request)
        )
        self._lines = [self.to_embed, self.texts]
        self._out_of_turn = False

    def put(self, picture: Picture, work: ToEmbed) -> None:
        """A picture is decoded, or a few texts are there."""
        line = self.texts if isinstance(work.content, tuple) else self.to_embed
        line.put(picture, work)

    def next_call(self, most_before: MostBefore) -> dict[Picture, ToEmbed]:
        """What goes into the next call of the model; ``end`` each when it is back.

        What is ready or on its way is divided evenly into as few calls as can be, for a picture
        costs more in a small one; but of pictures only as many as are expected back before all who
        wait for this model have left. All of it is pictures, or texts, for the model whose turn it
        is. Of what nobody waits for only when there is nothing else, and few.
        """
        few = min(BACKGROUND_MOST, self._max_batch_size)
        # Once in a row, or photos that keep coming would hold texts back for ever.
        self._out_of_turn = not self._out_of_turn and self._lines[0] is self.texts and self._photo()
        if self._out_of_turn:
            self._lines.reverse()
        for background in (False, True):
            for line in list(self._lines):
                most = few if background else self._evenly(line)
                if call := self._take(line, most, most_before, background=background):
                    self._lines.remove(line)
                    self._lines.append(line)
                    self.decoding.hand_out()
                    return call
        self.decoding.hand_out()
        return {}

    def end(self, picture: Picture) -> None:
        """What was put is embedded, or nobody wants it any more."""
        self.texts.release(picture)
        self.to_embed.release(picture)
        self.decoding.hand_out()

    def take_all(self) -> list[ToEmbed]:
        """Takes all that waits for a model, out of turn."""
        return [work for line in self._lines for work in line.take_all()]

    def hand_out(self) -> None:
        """Somebody has stopped waiting for a picture that holds places."""
        for places in (self.downloads, self.big_bodies, self.large, self.decoding):
            places.hand_out()

    def _photo(self) -> bool:
        return any(picture.photo_of for picture in self.to_embed.waiting())

    def _evenly(self, line: FairQueue[ToEmbed]) -> int:
        """How many of a line are in its next call, if so many may be."""
        coming = set(line.waiting())
        if line is self.to_embed:
            for places in (self.downloads, self.decoding):
                coming |= {*places.held, *places.waiting()}
        left = count_live(coming)
        calls = math.ceil(left / self._most_in_a_call) or 1
        return max(self._max_batch_size, math.ceil(left / calls))

    def _take(
        self, line: FairQueue[ToEmbed], most: float, most_before: MostBefore, *, background: bool
    ) -> dict[Picture, ToEmbed]:
        if not (first := line.take(background=background)):
            return {}
        call, embed = dict([first]), first[1].embed
        if line is self.to_embed and not background:  # some titles without the rest are of no use
            candidates = [first[0], *line.waiting(lambda one: one.embed == embed)]
            most = min(most, most_before(embed, _latest_deadline(candidates)))
        while len(call) < most and (
            taken := line.take(background=background, suits=lambda one: one.embed == embed)
        ):
            picture, call[picture] = taken
        for picture in call:  # only now: the quotas of this call rest on it
            line.held[picture].embedded += 1
        return call

    def _may_download(self, request: Request) -> bool:
        held = self.downloads.held
        if request.background and len(held) - count_live(held) >= BACKGROUND_MOST:
            return False
        most = min(request.max_concurrency, self._most_downloads)
        return self.downloads.held_by[request] < most

    def _may_hold_a_big_body(self, request: Request) -> bool:
        if request.background:
            return all(picture.live for picture in self.big_bodies.held)
        return self.big_bodies.held_by[request] < BIG_BODIES - 1

    def _may_decode(self, request: Request) -> bool:
        ahead = [*self.decoding.held, *self.to_embed.waiting()]
        own = self.decoding.held_by[request] + self.to_embed.waiting_for(request)
        if request.background:
            return own < BACKGROUND_MOST and len(ahead) < self._max_batch_size
        if own == 0:
            return True
        return own < self._quota(request) and count_live(ahead) < self._most_in_a_call

    def _quota(self, request: Request) -> int:
        """Pictures of one call that may be the request's."""
        most = self._most_in_a_call
        return min(most, max(1, request.embedded)) if request.early else most


def _latest_deadline(pictures: Iterable[Picture]) -> float:
    """Of the requests that wait for any of these, of which there must be one."""
    return max(
        one.deadline for picture in pictures for one in picture.wanted_by if not one.background
    )
