"""Pictures on their way to the model, in every order in which things can happen to them."""

import asyncio
from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from clip_ranker.embed.batcher import Batcher
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.fair_queue import Picture, Request, count_live
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import Turns, most_in_a_call

BATCH, DECODERS = 4, 2
LOOP_TURNS = 6
"""After which nothing happens by itself any more."""


class History(RuleBasedStateMachine):
    """Pictures are decoded, joined, given up and embedded; four requests, two in the background."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.turns = Turns(downloads=64, decoders=DECODERS, max_batch_size=BATCH)
        self.batcher = Batcher(self.turns)
        self.requests = [Request(50, early=n == 0, background=n > 3) for n in range(6)]
        self.call: asyncio.Future[None] | None = None
        self.decoding: list[Picture] = []
        self.embedding: dict[Picture, asyncio.Future[Embedding]] = {}

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for picture in list(self.decoding):
            self._end_decoding(picture)
        while self.call:
            self.comes_back(None)
        assert all(embedding.done() for embedding in self.embedding.values())
        assert not [*self.turns.to_embed.held, *self.turns.to_embed.waiting()]
        self.loop.close()

    async def _embed(self, pixels: Pixels) -> Embedding:
        assert self.call is None
        assert len(pixels) <= most_in_a_call(BATCH)
        live = count_live(self.turns.to_embed.held)
        left = [picture for picture in self.turns.to_embed.waiting() if picture.live]
        if live:
            assert live == len(pixels)
            assert not self._could_go(left) or live >= BATCH
        else:
            assert not left
        self.call = self.loop.create_future()
        try:
            await self.call
        finally:
            self.call = None
        return np.ones((len(pixels), 8), np.float32)

    def _could_go(self, pictures: Iterable[Picture]) -> bool:
        """Whether one of these is wanted by somebody without a quota."""
        early, *plain = self.requests[:4]
        return any(one.wanted_by.keys() & {*plain} or early in one.photo_of for one in pictures)

    def _settle(self) -> None:
        for _ in range(LOOP_TURNS):
            self.loop.run_until_complete(asyncio.sleep(0))

    def _end_decoding(self, picture: Picture) -> None:
        self.decoding.remove(picture)
        self.turns.decoding.release(picture)
        self.turns.hand_out()

    @rule(who=st.sets(st.integers(0, 5), min_size=1), photo=st.booleans())
    def comes(self, who: set[int], photo: bool) -> None:
        picture = Picture()
        for number in who:
            picture.want(self.requests[number], photo=photo and len(who) == 1)
        self.decoding.append(picture)
        self.turns.decoding.put(picture, self.loop.create_future())
        self.turns.hand_out()

    @precondition(lambda self: self.turns.decoding.held)
    @rule(data=st.data())
    def is_decoded(self, data: st.DataObject) -> None:
        picture = data.draw(st.sampled_from(list(self.turns.decoding.held)))

        async def put() -> None:  # the batcher wants a running loop
            pixels = np.zeros((2, 2, 3), np.uint8)
            self.embedding[picture] = self.batcher.put(picture, pixels, self._embed)
            self._end_decoding(picture)

        self.loop.run_until_complete(put())

    @precondition(lambda self: self.turns.decoding.held)
    @rule(data=st.data())
    def cannot_be_decoded(self, data: st.DataObject) -> None:
        self._end_decoding(data.draw(st.sampled_from(list(self.turns.decoding.held))))

    @precondition(lambda self: self.decoding or self.embedding)
    @rule(data=st.data(), number=st.integers(0, 5))
    def is_joined(self, data: st.DataObject, number: int) -> None:
        picture = data.draw(st.sampled_from([*self.decoding, *self.embedding]))
        if picture in self.decoding or not self.embedding[picture].done():
            picture.want(self.requests[number])

    @precondition(lambda self: self.decoding or self.embedding)
    @rule(data=st.data())
    def is_given_up(self, data: st.DataObject) -> None:
        picture = data.draw(st.sampled_from([*self.decoding, *self.embedding]))
        if not picture.wanted_by:
            return
        picture.unwant(data.draw(st.sampled_from(list(picture.wanted_by))))
        if picture.wanted_by:
            self.turns.hand_out()
        elif picture in self.embedding:
            self.embedding[picture].cancel()
        else:
            self._end_decoding(picture)

    @precondition(lambda self: self.call)
    @rule(error=st.sampled_from([None, EmbedFailedError("batch"), EmbedderUnavailableError("x")]))
    def comes_back(self, error: Exception | None) -> None:
        assert self.call
        if error is None:
            self.call.set_result(None)
        else:
            self.call.set_exception(error)
        self._settle()
        for picture in [one for one, embedding in self.embedding.items() if embedding.done()]:
            if not (embedding := self.embedding.pop(picture)).cancelled():
                embedding.exception()

    @invariant()
    def nothing_ready_waits_while_no_call_is_out(self) -> None:
        if hasattr(self, "loop"):
            self._settle()
            assert self.call or not self.turns.to_embed.waiting()

    @invariant()
    def no_decoder_idles_while_something_may_go(self) -> None:
        if not hasattr(self, "loop"):
            return
        self._settle()  # a cancelled embedding tells its queue in the loop's next turn
        if count_live(self.turns.decoding.held) < DECODERS:
            waiting = [one for one in self.turns.decoding.waiting() if one.live]
            ahead = count_live([*self.turns.decoding.held, *self.turns.to_embed.waiting()])
            assert not self._could_go(waiting) or ahead >= most_in_a_call(BATCH)


TestHistory = History.TestCase
