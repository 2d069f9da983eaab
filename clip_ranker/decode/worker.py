"""A process that decodes one picture after the other, within limits that the kernel keeps.

It may die of any picture: ``pool.py`` starts another one. Standard input is a socket; the process
ends when that is closed, so with the one that started it. Imports as little as possible.
"""

import json
import resource
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from clip_ranker.decode import images, points
from clip_ranker.decode.fingerprint import fingerprint
from clip_ranker.decode.geometry import fit, to_pixels, turn
from clip_ranker.decode.header import read_header
from clip_ranker.errors import CandidateError, NotAnImageError, TooLargeError
from clip_ranker.models.preprocess import Preprocess

BASE_BYTES = 80_000_000
"""Of this process and of the codecs' threads, without a picture."""
OPENCV_BYTES = 30_000_000
"""More of it, where points of interest are found; twice what that takes there."""
BYTES_PER_PIXEL = 20
"""At most, of an honest file: WebP with alpha. JPEG takes 4 to 8."""
LARGE_PART = 4
"""A picture of more than a fourth of the limit of pixels is large: of these one at a time."""
BASE_S = 1.0
"""Of processor time: headers and small pictures, which take 0.05 s on a slow core of today."""
SECONDS_PER_PIXEL = 0.25e-6
"""More of it, by the size claimed; five times what honest files take there."""
PATIENCE = 20
"""Times the processor time that may pass on the clock: the processor has other work too."""

PIXELS, LARGE, NOT_AN_IMAGE, TOO_LARGE = b"P", b"L", b"N", b"T"
"""How an answer begins. Behind it: fingerprint, pixels and points if they are wanted; nothing; or
the code of what failed."""
WITH_POINTS = "points"
"""As an argument of the process: they are wanted."""
FAILURES: dict[bytes, type[CandidateError]] = {
    NOT_AN_IMAGE: NotAnImageError,
    TOO_LARGE: TooLargeError,
}


class Request(NamedTuple):
    """One picture to decode, as ``Decoder`` is asked; ``large`` if it may be large."""

    data: bytes
    preprocess: Preprocess
    image_resize_px: int
    quarters: int
    max_pixels: int
    large: bool


def main() -> None:
    """Answers until standard input is closed."""
    with_points = WITH_POINTS in sys.argv[1:]
    if with_points:
        points.opencv()  # before there are limits
    connection: Connection[bytes, Request] = Connection(sys.stdin.fileno())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, ConnectionError):
        connection.send_bytes(b"")  # ready
        while True:
            answer = _answer(connection.recv(), with_points=with_points)
            _limit_seconds(0)
            _limit_memory(sys.maxsize)
            connection.send_bytes(answer)


def _answer(request: Request, *, with_points: bool) -> bytes:
    most_pixels = request.max_pixels if request.large else request.max_pixels // LARGE_PART
    base_bytes = BASE_BYTES + (OPENCV_BYTES if with_points else 0)
    _limit_memory(base_bytes + 2 * len(request.data) + BYTES_PER_PIXEL * most_pixels)
    _limit_seconds(BASE_S)
    try:
        opened = read_header(request.data, max_pixels=most_pixels)
        _limit_seconds(BASE_S + SECONDS_PER_PIXEL * opened.canvas[0] * opened.canvas[1])
        image, to_srgb = images.load(opened)
        fitted = turn(fit(image, request.image_resize_px), request.quarters)
        pixels = to_pixels(fitted, request.preprocess, to_srgb)
        # Points are the same in every direction, so the upright picture's are enough.
        found = points.find(fitted, to_srgb) if with_points and not request.quarters else b""
        return PIXELS + fingerprint(fitted, to_srgb) + pixels.tobytes() + found
    except NotAnImageError as error:
        return _failure(error)
    except TooLargeError as error:
        return _failure(error) if request.large else _large(request)
    except MemoryError:
        return _failure(TooLargeError("memory"))
    except Exception:  # noqa: BLE001 of parsers on hostile bytes: ending would cost a start
        traceback.print_exc()  # goes to the service's standard error
        return _failure(NotAnImageError("decoder_broke"))


def _large(request: Request) -> bytes:
    """The answer for what is no small picture: over all limits it is refused at once."""
    try:
        read_header(request.data, max_pixels=request.max_pixels)
    except TooLargeError as error:
        return _failure(error)
    except (NotAnImageError, MemoryError):  # some cannot be opened with a small one's memory
        pass
    return LARGE


def _failure(error: NotAnImageError | TooLargeError) -> bytes:
    start = NOT_AN_IMAGE if isinstance(error, NotAnImageError) else TOO_LARGE
    return start + json.dumps([error.code, error.params]).encode()


def _limit_memory(most_bytes: int) -> None:
    if sys.platform == "linux":  # macOS keeps no such limit
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _limit_seconds(processor_s: float) -> None:
    """The signals end the process; 0 lifts the limits."""
    signal.setitimer(signal.ITIMER_PROF, processor_s)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * processor_s)


if __name__ == "__main__":
    main()
