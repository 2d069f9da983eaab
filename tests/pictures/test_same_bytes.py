"""One picture under many URLs: who waits for it, and how often it is decoded and embedded."""

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_ranker.errors import NotAnImageError
from clip_ranker.pictures.embedded import Embedded
from clip_ranker.pictures.job import Job
from clip_ranker.pictures.shared_picture import SharedPicture
from clip_ranker.pictures.single_flight import SingleFlight
from clip_ranker.pictures.source import Source
from clip_ranker.turns import Turns
from tests.image_server import ImageServer
from tests.photos import PHOTOS, encode, picture
from tests.pictures.test_pictures import World as Service
from tests.pictures.test_pictures import request, run, until
from tests.pictures.test_single_flight import settle, source

BYTES = 2
"""Different files in the world below; URL n leads to file n modulo this."""


class World:
    """Downloads and decoding that end when they are told to."""

    def __init__(self) -> None:
        self.turns = Turns(downloads=4, decoders=1, max_batch_size=16)
        self.flights = SingleFlight(self.turns)
        self.arrives: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.decoded: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.broken: set[int] = set()
        self.decoding: Counter[int] = Counter()
        self.decodes = 0
        self.finished: list[set[str]] = []

    def join(self, url: int, job: Job, *, photo: bool = False) -> "asyncio.Task[Embedded]":
        """A request wants what is behind a URL; a photo is there already."""
        file = url % BYTES
        wanted = Source(f"bytes {file}", b"", 768) if photo else source(f"url {url}", str(file))

        async def work(shared: SharedPicture) -> Embedded:
            return await self._work(url, shared, photo=photo)

        return asyncio.create_task(
            self.flights.embedding(wanted, job, work, photo=photo), name=str(file)
        )

    async def _work(self, url: int, shared: SharedPicture, *, photo: bool) -> Embedded:
        file = url % BYTES
        async with AsyncExitStack() as held:
            if not photo:
                await held.enter_async_context(self.turns.downloads.hold(shared))
                shared.begun = True
                await self.arrives[url].wait()
                shared.bytes_key = f"bytes {file}"
            shared.begun = True
            if self.flights.merge(shared):
                raise asyncio.CancelledError
            shared.enter("decode")
            self.decoding[file] += 1
            self.decodes += 1
            try:
                await held.enter_async_context(self.turns.decoding.hold(shared))
                await self.decoded[file].wait()
            finally:
                self.decoding[file] -= 1
            if file in self.broken:
                raise NotAnImageError("decoder_broke")
        self.finished.append(shared.keys)
        return Embedded(np.full(4, file, np.float32), b"")

    async def happens(self, event: asyncio.Event) -> None:
        """To all who wait for it now."""
        event.set()
        await settle()
        event.clear()

    def check(self) -> None:
        """What holds at any time."""
        assert all(count <= 1 for count in self.decoding.values())
        flights = self.flights
        for one in flights._tasks:
            keeper = [flights._keeper] if one in flights._kept else []
            assert one.wanted_by == Counter([*one._waiters.values(), *keeper])
        for one in flights._pictures.values():
            assert one.merged_into is None
            assert one.waited_for or one in flights._kept

    async def end(self, jobs: list[Job]) -> None:
        """Lets all go on; nothing is left behind."""
        for _ in range(99):
            for event in [*self.arrives.values(), *self.decoded.values()]:
                event.set()
            await settle()
        assert not self.flights._tasks
        assert not self.flights._pictures
        assert not self.flights._kept
        for places in (self.turns.downloads, self.turns.decoding):
            assert not places.held
            assert not places.waiting()
            assert not +places.held_by
        assert not any(+job.clock._inside for job in jobs)


urls = st.integers(0, 5)
jobs = st.integers(0, 3)
actions = st.one_of(
    st.tuples(st.just("join"), urls, jobs, st.booleans()),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("late"), jobs),
    st.tuples(st.just("arrive"), urls),
    st.tuples(st.just("decode"), st.integers(0, BYTES - 1)),
)


@settings(max_examples=300)
@given(st.lists(actions, max_size=40))
def test_each_file_is_decoded_once_at_a_time_and_everyone_gets_its_embedding(
    history: list[tuple[Any, ...]],
) -> None:
    async def scenario() -> None:
        world = World()
        requests = [Job(2), Job(9), Job(9), Job(4, background=True)]
        waiting: list[asyncio.Task[Embedded]] = []
        left = set()
        for action in history:
            match action:
                case "join", url, job, photo:
                    waiting.append(world.join(url, requests[job], photo=photo))
                case "leave", place if waiting:
                    leaving = waiting[place % len(waiting)]
                    leaving.cancel()
                    left.add(leaving)
                case "late", job:
                    requests[job].late = True
                case "arrive", url:
                    await world.happens(world.arrives[url])
                case "decode", file:
                    await world.happens(world.decoded[file])
            if action[0] != "join" or len(waiting) % 3:  # some come and go in the same moment
                await settle()
                world.check()
        await world.end(requests)
        for one, found in zip(
            waiting, await asyncio.gather(*waiting, return_exceptions=True), strict=True
        ):
            if isinstance(found, BaseException):
                assert isinstance(found, asyncio.CancelledError)
                assert one in left
            else:
                assert (found.embedding == float(one.get_name())).all()

    asyncio.run(scenario())


def test_the_second_download_gives_its_place_back_and_waits_for_the_first() -> None:
    async def scenario() -> None:
        world, first, second = World(), Job(9), Job(9)
        waiting = [world.join(0, first), world.join(2, second)]
        await settle()
        assert len(world.turns.downloads.held) == 2
        for url in (0, 2):
            await world.happens(world.arrives[url])
        assert len(world.turns.downloads.held) == 1
        (decoding,) = world.turns.decoding.held
        assert set(decoding.wanted_by) == {first, second}
        waiting.append(world.join(2, first))  # its URL leads there too by now
        await settle()
        await world.happens(world.decoded[0])
        await asyncio.gather(*waiting)
        assert world.decodes == 1
        assert world.finished == [{"url 0", "url 2", "bytes 0"}]
        assert second.clock.spent_ms()["decode"] > 0
        await world.end([first, second])

    asyncio.run(scenario())


def test_the_first_goes_on_for_the_second_alone_and_ends_with_it() -> None:
    async def scenario() -> None:
        world, job = World(), Job(9)
        first, second = world.join(0, job), world.join(2, job)
        await settle()
        for url in (0, 2):
            await world.happens(world.arrives[url])
        first.cancel()
        await settle()
        assert world.decoding[0] == 1
        second.cancel()
        await settle()
        assert world.decoding[0] == 0
        await world.end([job])

    asyncio.run(scenario())


def test_what_was_left_at_a_deadline_is_somebodys_again_by_another_url() -> None:
    async def scenario() -> None:
        world, late, job = World(), Job(9), Job(9)
        late.late = True
        leaving, waiting = world.join(0, late), world.join(2, job)
        await settle()
        await world.happens(world.arrives[0])
        leaving.cancel()
        await settle()
        (decoding,) = world.turns.decoding.held
        assert not decoding.live
        await world.happens(world.arrives[2])
        assert decoding.live
        await world.happens(world.decoded[0])
        await waiting
        await world.end([late, job])

    asyncio.run(scenario())


def test_a_broken_file_fails_under_each_of_its_urls() -> None:
    async def scenario() -> None:
        world, job = World(), Job(9)
        world.broken.add(0)
        waiting = [world.join(0, job), world.join(2, job)]
        await settle()
        for url in (0, 2):
            await world.happens(world.arrives[url])
        await world.happens(world.decoded[0])
        for one in waiting:
            with pytest.raises(NotAnImageError, match="broke"):
                await one
        assert world.decodes == 1
        await world.end([job])

    asyncio.run(scenario())


def listing(names: list[str], **more: Any) -> Any:
    asked = request([], **more).model_dump()
    asked["candidates"] = [{"auction_id": name, "image_url": name} for name in names]
    return type(request([])).model_validate(asked)


def test_many_urls_of_one_picture_are_embedded_once(images: ImageServer) -> None:
    async def scenario() -> None:
        service = Service(allow_private_hosts=(images.host,), max_batch_size=16)
        same = [images.put(f"/same/{n}", PHOTOS["coffee"]) for n in range(20)]
        asked = asyncio.create_task(service.api.rank(listing(same)))
        await until(lambda: sum(images.hits[f"/same/{n}"] for n in range(20)) == 20)
        await service.out.wait()
        service.go.set()
        answer = await asked
        assert answer.meta.succeeded == 20
        assert sum(len(call) for call in service.calls) == 2  # the photo is the other
        later = images.put("/same/later", PHOTOS["coffee"])
        again = await service.api.rank(listing([*same, later]))
        assert again.meta.cached == 20  # and the other is downloaded
        assert sum(len(call) for call in service.calls) == 2
        assert (await service.api.rank(listing([later]))).meta.cached == 1
        other_size = await service.api.rank(listing([later], image_resize=300))
        assert other_size.meta.succeeded == 1
        assert sum(len(call) for call in service.calls) == 4
        await service.api.close()

    run(scenario)


def test_a_thumbnail_that_is_the_photo_is_not_embedded_again(images: ImageServer) -> None:
    async def scenario() -> None:
        service = Service(allow_private_hosts=(images.host,))
        service.go.set()
        big = encode(picture("retina"), "PNG")
        assert len(big) > 1_000_000
        photos = [images.put("/the/photo", PHOTOS["china"]), images.put("/another", big)]
        photos += [images.put("/yet/another", big)]
        answer = await service.api.rank(listing(photos))
        assert answer.meta.succeeded == 3
        assert sum(len(call) for call in service.calls) == 2
        await service.api.close()

    run(scenario)


def test_a_broken_picture_under_two_urls_fails_both_listings(images: ImageServer) -> None:
    async def scenario() -> None:
        service = Service(allow_private_hosts=(images.host,))
        service.go.set()
        broken = [images.put(f"/broken/{n}", PHOTOS["coffee"][:999]) for n in range(2)]
        answer = await service.api.rank(listing(broken))
        assert [failure.reason for failure in answer.failed] == ["not_an_image"] * 2
        assert (await service.api.rank(listing(broken))).failed == answer.failed  # remembered
        assert [images.hits[f"/broken/{n}"] for n in range(2)] == [1, 1]
        await service.api.close()

    run(scenario)
