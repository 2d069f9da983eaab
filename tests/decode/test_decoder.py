import asyncio
from collections.abc import Callable

import numpy as np

from clip_ranker.decode.decoder import Decoder, Prepare
from clip_ranker.embed.batcher import Batcher
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels
from clip_ranker.turns import Lane, Waiting

PIXELS = np.zeros((2, 2, 3), np.uint8)


class Embedder:
    """Answers a call when it is told to."""

    def __init__(self) -> None:
        self.out: asyncio.Queue[tuple[int, asyncio.Future[None]]] = asyncio.Queue()

    async def __call__(self, pixels: Pixels) -> Embedding:
        answer = asyncio.get_running_loop().create_future()
        self.out.put_nowait((len(pixels), answer))
        await answer
        return np.ones((len(pixels), 4), np.float32)


class Scenario:
    """Files that are decoded, then embedded, noting which were decoded."""

    def __init__(self, most: int, threads: int = 2) -> None:
        self.embedder = Embedder()
        self.batcher = Batcher(self.embedder, max_batch_size=most)
        self.decoder = Decoder(threads, self.batcher)
        self.decoded: list[str] = []

    def file(self, name: str) -> Prepare:
        async def prepare() -> Pixels:
            self.decoded.append(name)
            if name == "broken":
                raise ValueError(name)
            return PIXELS

        return prepare

    async def embed(self, lane: Lane, name: str, *, first: bool = False) -> Embedding:
        file: Waiting[Prepare, Pixels] = Waiting(self.file(name), asyncio.Future())
        self.decoder.waitlist.put(lane, file, first=first)
        pixels: Waiting[Pixels, Embedding] = Waiting(await file.result, asyncio.Future())
        self.batcher.waitlist.put(lane, pixels, first=first)
        return await pixels.result

    def start(
        self, lane: Lane, names: str, *, first: bool = False
    ) -> list["asyncio.Task[Embedding]"]:
        return [asyncio.create_task(self.embed(lane, name, first=first)) for name in names]

    async def finish(self, tasks: list["asyncio.Task[Embedding]"]) -> None:
        async def answer() -> None:
            while True:
                (await self.embedder.out.get())[1].set_result(None)

        answering = asyncio.create_task(answer())
        await asyncio.gather(*tasks)
        answering.cancel()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(5000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


def test_no_more_is_decoded_than_the_next_call_takes() -> None:
    async def scenario() -> None:
        s = Scenario(most=4)
        lane = s.batcher.lane()
        tasks = s.start(lane, "abcdefghijkl")
        sizes = []
        while len(s.decoded) < len(tasks):
            # One call is out, and all that the next one takes is ready.
            left = len(tasks) - sum(sizes)
            size, answer = await s.embedder.out.get()
            sizes.append(size)
            ready = min(4, left - size)
            await until(lambda: s.batcher.waitlist.waiting(lane) >= ready)  # noqa: B023
            assert len(s.decoded) == sum(sizes) + ready
            assert s.decoder.waitlist.waiting(lane) == len(tasks) - len(s.decoded)
            answer.set_result(None)
        await s.finish(tasks)
        assert sizes[1:3] == [4, 4]

    asyncio.run(scenario())


def test_all_requests_together_have_two_calls_decoded_and_none_is_left_out() -> None:
    async def scenario() -> None:
        s = Scenario(most=4)
        lanes = [s.batcher.lane() for _ in range(3)]
        tasks = [task for lane in lanes for task in s.start(lane, "abcdefgh")]
        size, answer = await s.embedder.out.get()
        await until(lambda: len(s.decoded) >= 8 + size)
        assert s.batcher.waitlist.waiting_in_all() == 8
        late = s.batcher.lane()
        tasks += s.start(late, "xyz")
        await until(lambda: s.batcher.waitlist.waiting(late) > 0)
        assert s.batcher.waitlist.waiting(late) == 1
        answer.set_result(None)
        await s.finish(tasks)

    asyncio.run(scenario())


def test_one_of_each_request_is_decoded_in_turn_and_its_photo_before_all() -> None:
    async def scenario() -> None:
        s = Scenario(most=16, threads=1)
        held = asyncio.Event()

        async def wait() -> Pixels:
            await held.wait()
            return PIXELS

        hold: Waiting[Prepare, Pixels] = Waiting(wait, asyncio.Future())
        s.decoder.waitlist.put(s.batcher.lane(), hold)
        many, few = s.batcher.lane(), s.batcher.lane()
        tasks = s.start(many, "abcdef") + s.start(few, "x")
        await asyncio.sleep(0)
        tasks += s.start(few, "P", first=True)
        await asyncio.sleep(0)
        held.set()
        await hold.result
        await s.finish(tasks)
        assert "".join(s.decoded) == "Paxbcdef"

    asyncio.run(scenario())


def test_a_broken_file_fails_alone_and_its_place_is_free_again() -> None:
    async def scenario() -> None:
        s = Scenario(most=1, threads=1)
        lane = s.batcher.lane()
        broken = asyncio.create_task(s.embed(lane, "broken"))
        (good,) = s.start(lane, "a")
        await s.finish([good])
        assert isinstance((await asyncio.gather(broken, return_exceptions=True))[0], ValueError)

    asyncio.run(scenario())
