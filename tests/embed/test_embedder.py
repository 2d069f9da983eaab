"""How the API process watches the embedder; against a real process that stands in for it."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from clip_ranker.embed.embedder import DISPATCHER_LESSONS, Embedder
from clip_ranker.errors import EmbedderUnavailableError, EmbedFailedError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.preprocess import Pixels, Preprocess

ONE = np.zeros((1, 4, 4, 3), np.uint8)
MODELS = {"m": Preprocess(4, 4, (0.5,) * 3, (0.5,) * 3)}


class Remote:
    """The calls to a process that can be slow, away or wrong."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails: list[Exception] = []
        self.hangs = False
        self.vector = 1.0
        self.broken: Callable[[Pixels], bool] = lambda _: False
        """Batches that the model fails on."""
        self.probed = asyncio.Event()
        """Black pictures were asked for."""
        self.taught = asyncio.Event()
        """Past the calls that BentoML's dispatcher is taken through."""
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    async def embed(self, name: str, pixels: Pixels) -> Embedding:
        self.calls += 1
        if self.calls == 2 + DISPATCHER_LESSONS:
            self.taught.set()
        if not pixels.any():
            self.probed.set()
        if self.broken(pixels):
            raise EmbedFailedError("batch")
        if self.fails:
            raise self.fails.pop(0)
        if self.hangs:
            await asyncio.sleep(3600)
        return np.full((len(pixels), 4), self.vector, np.float32)

    async def pid(self) -> int:
        if self.hangs:
            await asyncio.sleep(3600)
        return self.process.pid


@pytest.fixture
def remote() -> Iterator[Remote]:
    remote = Remote()
    yield remote
    remote.process.kill()
    remote.process.communicate()


async def until(true: Callable[[], bool]) -> None:
    """Fails only where it would wait for ever."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def started(remote: Remote) -> Embedder:
    embedder = Embedder(MODELS, timeout_s=0.3)
    embedder.connect(remote.embed, remote.pid)
    await until(lambda: embedder.well)
    await remote.taught.wait()
    return embedder


def test_calls_are_refused_until_a_picture_came_back(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = Embedder(MODELS, timeout_s=0.3)
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", ONE)
        embedder = await started(remote)
        assert (await embedder("m", ONE)).shape == (1, 4)
        await embedder.close()

    asyncio.run(scenario())


def test_a_connection_that_died_under_a_request_is_tried_once_more(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.fails = [ConnectionError("idle for too long")]
        assert (await embedder("m", ONE)).shape == (1, 4)
        assert embedder.well
        await embedder.close()

    asyncio.run(scenario())


def test_a_dead_process_is_not_waited_for_and_its_successor_is_found(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.process.kill()
        remote.process.communicate()
        remote.fails = [ConnectionError("gone")]
        before = remote.calls
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", ONE)
        assert remote.calls == before + 1
        assert not embedder.well
        remote.start()
        await until(lambda: embedder.well)
        assert (await embedder("m", ONE)).shape == (1, 4)
        await embedder.close()

    asyncio.run(scenario())


def test_a_hung_process_is_killed_and_calls_are_refused_meanwhile(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.hangs = True
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", ONE)
        assert remote.process.wait(5) < 0
        assert not embedder.well
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", ONE)
        remote.process.communicate()
        remote.hangs = False
        remote.start()
        await until(lambda: embedder.well)
        await embedder.close()

    asyncio.run(scenario())


def test_a_model_that_fails_on_all_pictures_makes_it_unwell_until_one_comes_back(
    remote: Remote,
) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.broken = lambda _: True
        with pytest.raises(EmbedFailedError):
            await embedder("m", ONE + 1)
        await until(lambda: not embedder.well)
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", ONE)
        remote.broken = lambda _: False
        await until(lambda: embedder.well)
        assert (await embedder("m", ONE)).shape == (1, 4)
        await embedder.close()

    asyncio.run(scenario())


def test_a_model_that_fails_on_full_batches_only_makes_it_unwell(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.broken = lambda pixels: len(pixels) > 1
        with pytest.raises(EmbedFailedError):
            await embedder("m", np.repeat(ONE + 1, 16, axis=0))
        await until(lambda: not embedder.well)
        await embedder.close()

    asyncio.run(scenario())


def test_a_model_without_finite_vectors_makes_it_unwell(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.vector = float("nan")
        assert np.isnan(await embedder("m", ONE + 1)).all()
        await until(lambda: not embedder.well)
        remote.vector = 1
        await until(lambda: embedder.well)
        await embedder.close()

    asyncio.run(scenario())


def test_one_batch_that_fails_alone_leaves_it_well(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.probed.clear()
        remote.broken = lambda pixels: bool(pixels.any())
        with pytest.raises(EmbedFailedError):
            await embedder("m", ONE + 1)
        async with asyncio.timeout(30):
            await remote.probed.wait()
        assert embedder.well
        assert (await embedder("m", ONE)).shape == (1, 4)
        assert embedder.well
        await embedder.close()

    asyncio.run(scenario())


def test_a_process_that_cannot_be_looked_at_is_looked_at_again(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def no_file_left(_: psutil.Process) -> str:
        nonlocal looked
        looked += 1
        raise OSError(24, "Too many open files")

    async def scenario() -> None:
        embedder = await started(remote)
        with monkeypatch.context() as patched:
            patched.setattr(psutil.Process, "status", no_file_left)
            await until(lambda: looked > 1)
            assert embedder.well
            assert (await embedder("m", ONE)).shape == (1, 4)
        remote.process.kill()
        remote.process.communicate()
        await until(lambda: not embedder.well)
        remote.start()
        await until(lambda: embedder.well)
        await embedder.close()

    asyncio.run(scenario())


def test_a_hung_process_that_could_not_be_killed_is_killed_later(
    remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = psutil.Process.kill
    refused = 0

    def once_refused(process: psutil.Process) -> None:
        nonlocal refused
        refused += 1
        if refused == 1:
            raise OSError(24, "Too many open files")
        kill(process)

    monkeypatch.setattr(psutil.Process, "kill", once_refused)

    async def scenario() -> None:
        embedder = await started(remote)
        remote.hangs = True
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", ONE)
        async with asyncio.timeout(30):
            await asyncio.to_thread(remote.process.wait)
        await embedder.close()

    asyncio.run(scenario())


def test_a_large_batch_that_hangs_is_not_waited_for_longer_than_an_answer_may_take(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("clip_ranker.embed.hung.ANSWERED_WITHIN_S", 0.5)

    async def scenario() -> None:
        embedder = await started(remote)
        embedder._models["m"].one_picture_s = 0.01
        remote.hangs = True
        with pytest.raises(EmbedderUnavailableError):
            await embedder("m", np.repeat(ONE, 16, axis=0))
        await embedder.close()

    asyncio.run(scenario())
    assert "no answer in 0.5 s" in caplog.text  # not 0.8


def test_it_is_as_well_as_the_worst_of_its_models(remote: Remote) -> None:
    async def scenario() -> None:
        broken: set[str] = set()
        shapes: dict[str, set[tuple[int, ...]]] = {"m": set(), "wide": set()}

        async def call(name: str, pixels: Pixels) -> Embedding:
            shapes[name].add(pixels.shape[1:])
            if name in broken:
                raise EmbedFailedError("batch")
            return await remote.embed(name, pixels)

        wide = Preprocess(4, 8, (0.5,) * 3, (0.5,) * 3)
        embedder = Embedder(MODELS | {"wide": wide}, timeout_s=0.3)
        embedder.connect(call, remote.pid)
        await until(lambda: embedder.well)
        broken.add("wide")
        with pytest.raises(EmbedFailedError):
            await embedder("wide", np.ones((1, 4, 8, 3), np.uint8))
        await until(lambda: not embedder.well)
        broken.clear()
        await until(lambda: embedder.well)
        assert shapes == {"m": {(4, 4, 3)}, "wide": {(4, 8, 3)}}
        await embedder.close()

    asyncio.run(scenario())


def test_one_call_at_a_time(remote: Remote) -> None:
    async def scenario() -> None:
        out = most = 0

        async def counting(_: str, pixels: Pixels) -> Embedding:
            nonlocal out, most
            out += 1
            most = max(most, out)
            await asyncio.sleep(0)
            out -= 1
            return np.ones((len(pixels), 4), np.float32)

        embedder = Embedder(MODELS, timeout_s=0.3)
        embedder.connect(counting, remote.pid)
        await until(lambda: embedder.well)
        await asyncio.gather(*(embedder("m", ONE) for _ in range(10)))
        assert most == 1
        await embedder.close()

    asyncio.run(scenario())


def test_who_waited_behind_a_call_that_hangs_is_refused_with_it(remote: Remote) -> None:
    """And does not wait as long once more."""

    async def scenario() -> None:
        embedder = await started(remote)
        await remote.taught.wait()
        remote.hangs, calls = True, remote.calls
        outcomes = await asyncio.gather(
            embedder("m", ONE), embedder("m", ONE), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [EmbedderUnavailableError] * 2
        assert remote.calls == calls + 1
        await embedder.close()

    asyncio.run(scenario())


def test_one_that_refuses_is_unwell_until_it_does_not(remote: Remote) -> None:
    async def scenario() -> None:
        embedder = await started(remote)
        remote.fails = [EmbedderUnavailableError("it has another model")]
        with pytest.raises(EmbedderUnavailableError, match="another model"):
            await embedder("m", ONE)
        assert not embedder.well
        await until(lambda: embedder.well)
        await embedder.close()

    asyncio.run(scenario())
