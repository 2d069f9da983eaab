import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from clip_ranker.decode import images, worker
from clip_ranker.decode.geometry import fit, to_pixels
from clip_ranker.decode.pool import Decoded, Decoder
from clip_ranker.errors import (
    CandidateError,
    EmbedFailedError,
    NotAnImageError,
    TooLargeError,
)
from clip_ranker.models.preprocess import Pixels, Preprocess
from tests.decode import profiles
from tests.decode.workers import workers
from tests.hostile import files, heif
from tests.photos import PHOTOS, encode, picture

CLIP = Preprocess(224, 224, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
MOST_WAIT_S = 120
linux = pytest.mark.skipif(sys.platform != "linux", reason="what it looks at is Linux's")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(processes=1, max_pixels=files.CAP_PX)
    yield decoder
    asyncio.run(decoder.close())


def until(holds: Callable[[], object], saw: Callable[[], object] = str) -> None:
    end = time.monotonic() + MOST_WAIT_S
    while not holds():
        assert time.monotonic() < end, f"it never came to hold; at the end: {saw()}"
        time.sleep(0.01)


def decode(decoder: Decoder, data: bytes, preprocess: Preprocess = CLIP) -> Pixels:
    decoded = asyncio.run(decoder(data, preprocess, 768))
    if decoded is None:  # it is large
        decoded = asyncio.run(decoder(data, preprocess, 768, large=True))
    assert decoded is not None
    return decoded.pixels


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP"])
def test_pixels_are_those_of_decoding_here(decoder: Decoder, kind: str) -> None:
    file = encode(picture("cat"), kind)
    here = to_pixels(fit(images.decode(file, max_pixels=10**6), 768), CLIP)
    there = decode(decoder, file)
    assert there.dtype == np.uint8
    assert (there == here).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_are_in_the_colours_of_the_profile(decoder: Decoder, kind: str) -> None:
    cat, swapped = picture("cat"), profiles.SRGB[:, ::-1]
    stored = Image.fromarray(profiles.stored(np.asarray(cat), swapped, 2.2).astype(np.uint8))
    file = encode(stored, kind, quality=95, icc_profile=profiles.rgb(swapped, 2.2))
    right = to_pixels(fit(cat, 768), CLIP).astype(int)
    assert np.abs(decode(decoder, file) - right).mean() < 2
    assert np.abs(to_pixels(fit(stored, 768), CLIP) - right).mean() > 5


def test_a_picture_that_breaks_its_process_fails_alone(decoder: Decoder) -> None:
    async def scenario() -> list[Decoded | BaseException]:
        await decoder(PHOTOS["cat"], CLIP, 768)
        (process,) = workers()
        before = process.cpu_times().user
        bad = asyncio.create_task(decoder(files.endless_heic(), CLIP, 768))
        good = [asyncio.create_task(decoder(data, CLIP, 768)) for data in PHOTOS.values()]
        await asyncio.to_thread(until, lambda: process.cpu_times().user > before + 0.05)
        process.send_signal(signal.SIGSEGV)
        return await asyncio.gather(bad, *good, return_exceptions=True)

    broken, *whole = asyncio.run(scenario())
    assert isinstance(broken, NotAnImageError)
    assert str(broken) == "decoding it broke the decoder"
    assert [one.pixels.shape for one in whole] == [(224, 224, 3)] * len(PHOTOS)
    children = psutil.Process().children()
    assert [one for one in children if one.status() == psutil.STATUS_ZOMBIE] == []


def test_an_error_nobody_foresaw_fails_its_picture_and_ends_no_process() -> None:
    others = workers()
    decoder = Decoder(processes=1, max_pixels=files.CAP_PX)
    try:
        (process,) = set(workers()) - set(others)
        for _ in range(2):
            with pytest.raises(NotAnImageError, match="broke the decoder"):
                decode(decoder, PHOTOS["cat"], replace(CLIP, interpolation="none"))
        assert set(workers()) - set(others) == {process}
    finally:
        asyncio.run(decoder.close())


def test_a_picture_of_endless_work_is_ended_and_others_go_on(decoder: Decoder) -> None:
    async def scenario() -> list[Decoded | BaseException]:
        asked = [decoder(data, CLIP, 768) for data in (files.endless_heic(), PHOTOS["cat"])]
        return await asyncio.gather(*asked, return_exceptions=True)

    endless, cat = asyncio.run(scenario())
    assert isinstance(endless, NotAnImageError)
    assert "too long" in str(endless)
    assert not isinstance(cat, BaseException)


@linux
def test_the_limit_of_memory_ends_a_picture_that_takes_more_than_its_size_allows() -> None:
    wide = Preprocess(8000, 8000, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    decoder = Decoder(processes=1, max_pixels=64 * 64 * worker.LARGE_PART)
    try:
        with pytest.raises(TooLargeError, match="memory"):
            decode(decoder, encode(Image.new("RGB", (64, 64))), wide)
        with pytest.raises(CandidateError):
            decode(decoder, files.claims("AVIF", (10_000, 5_001), (64, 64)), wide)
    finally:
        asyncio.run(decoder.close())


def largest(kind: str, mode: str, **options: object) -> bytes:
    """A little under the limit of pixels, and turned, which takes a copy."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.linear_gradient("L").resize((8160, 6120)).convert("RGB").convert(mode)
    return encode(image, kind, exif=exif, **options)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(lambda: largest("PNG", "RGBA", compress_level=1), id="PNG"),
        pytest.param(lambda: largest("JPEG", "CMYK"), id="JPEG"),
        pytest.param(lambda: largest("JPEG", "RGB", progressive=True), id="progressive JPEG"),
        pytest.param(lambda: largest("WEBP", "RGBA", method=0), id="WebP"),
        pytest.param(lambda: largest("AVIF", "RGBA", speed=10), id="AVIF"),
        pytest.param(
            lambda: heif.file(
                [
                    heif.grid(12, 16, (8064, 6048), places=tuple(range(1, 193))),
                    *[heif.coded("HEIF", (512, 512))] * 192,
                ]
            ),
            id="HEIC",
        ),
    ],
)
def test_an_honest_picture_of_fifty_megapixels_is_decoded(
    decoder: Decoder, file: Callable[[], bytes]
) -> None:
    assert decode(decoder, file()).shape == (224, 224, 3)


def test_pictures_over_the_limit_are_told_from_those_that_are_large(decoder: Decoder) -> None:
    with pytest.raises(TooLargeError, match="10000x5001 pixels, the limit is 50000000"):
        decode(decoder, files.over_the_cap("WEBP"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_ended_while_idle_costs_no_picture(
    decoder: Decoder, number: signal.Signals
) -> None:
    decode(decoder, PHOTOS["cat"])
    (process,) = workers()
    process.send_signal(number)
    until(lambda: process.status() == psutil.STATUS_ZOMBIE, process.status)
    assert decode(decoder, PHOTOS["cat"]).shape == (224, 224, 3)
    assert not process.is_running()


def test_who_leaves_takes_no_answer_of_others(decoder: Decoder) -> None:
    async def scenario() -> Pixels:
        left = asyncio.create_task(decoder(files.endless_heic(), CLIP, 768))
        await asyncio.sleep(0)
        left.cancel()
        return (await decoder(PHOTOS["cat"], CLIP, 768)).pixels

    here = to_pixels(fit(images.decode(PHOTOS["cat"], max_pixels=10**6), 768), CLIP)
    assert (asyncio.run(scenario()) == here).all()


def test_closing_ends_every_process() -> None:
    async def scenario() -> None:
        decoder = Decoder(processes=2, max_pixels=10**6)
        busy = [asyncio.create_task(decoder(files.endless_heic(), CLIP, 768)) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(workers()) == 2
        await decoder.close()
        assert workers() == []
        done = await asyncio.gather(*busy, return_exceptions=True)
        assert not any(isinstance(one, Decoded) for one in done)

    asyncio.run(scenario())


PARENT = """
import asyncio, sys
from clip_ranker.decode.pool import Decoder
from clip_ranker.models.preprocess import Preprocess
decoder = Decoder(processes=2, max_pixels=10**6)
asyncio.run(decoder(sys.stdin.buffer.read(), Preprocess(8, 8, (0,) * 3, (1,) * 3), 768))
print("decoded", flush=True)
asyncio.run(asyncio.sleep(1e6))
"""


def test_no_process_outlives_the_one_that_started_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        parent.stdin.write(PHOTOS["cat"])
        parent.stdin.close()
        assert parent.stdout.readline() == b"decoded\n"
        children = workers(parent.pid)
        assert len(children) == 2
        parent.kill()

    def left() -> list[str]:
        living = [one for one in children if one.is_running()]
        return [one.status() for one in living if one.status() != psutil.STATUS_ZOMBIE]

    until(lambda: not left(), left)


def test_a_process_is_out_of_reach_of_ctrl_c(decoder: Decoder) -> None:
    decode(decoder, PHOTOS["cat"])
    (process,) = workers()
    assert os.getpgid(process.pid) != os.getpgid(0)


@linux
def test_a_process_has_one_socket_and_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLIP_API_KEY", "9f3b-key")
    decoder = Decoder(processes=2, max_pixels=10**6)
    try:
        for _ in range(4):
            decode(decoder, PHOTOS["cat"])
        for process in workers():
            opened = Path(f"/proc/{process.pid}/fd")
            inputs = {int(path.name) for path in opened.iterdir()}
            assert {number for number in inputs if number > 2} == set()
            assert b"9f3b-key" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    finally:
        asyncio.run(decoder.close())


@linux
def test_a_limit_from_outside_stays() -> None:
    limited = f"import resource\nresource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))\n{PARENT}"
    parent = subprocess.Popen(
        [sys.executable, "-c", limited], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        parent.stdin.write(PHOTOS["cat"])
        parent.stdin.close()
        assert parent.stdout.readline() == b"decoded\n"
        parent.kill()


def test_a_process_imports_little() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {worker.__name__}, sys; print(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    )
    heavy = {"asyncio", "bentoml", "httpx", "onnxruntime", "pydantic", "prometheus_client"}
    assert heavy & set(done.stdout.split()) == set()


def test_what_is_no_process_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clip_ranker.decode.pool.COMMAND", (sys.executable, "-c", "exit(3)"))
    decoder = Decoder(processes=1, max_pixels=10**6)
    with pytest.raises(EmbedFailedError, match="no process"):
        decode(decoder, PHOTOS["cat"])
    asyncio.run(decoder.close())


def test_the_codecs_of_a_picture_see_a_whole_file(decoder: Decoder) -> None:
    padded = io.BytesIO(PHOTOS["cat"].ljust(10_000_000, b"\0")).getvalue()
    assert decode(decoder, padded).shape == (224, 224, 3)


def test_without_a_thread_a_picture_fails_and_the_next_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        decoder = Decoder(processes=1, max_pixels=10**7)
        with monkeypatch.context() as none_left:
            none_left.setattr(threading.Thread, "start", refuse)
            with pytest.raises(EmbedFailedError):
                await decoder(PHOTOS["cat"], CLIP, 768)
        assert (await decoder(PHOTOS["cat"], CLIP, 768)).pixels.shape == (224, 224, 3)
        await decoder.close()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    asyncio.run(scenario())
