"""A pool of processes for decoding: a picture that breaks its process fails alone.

Neither ``concurrent.futures`` nor pebble: both import the main module again in each process, which
here is BentoML (twice the memory, four times the start), and the former loses every picture under
way when a process dies. See bench/WAYS.md.
"""

import asyncio
import json
import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from clip_ranker.decode import worker
from clip_ranker.decode.fingerprint import FINGERPRINT_BYTES
from clip_ranker.decode.worker import Request
from clip_ranker.errors import EmbedFailedError, NotAnImageError
from clip_ranker.models.preprocess import Pixels, Preprocess

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", worker.__name__)
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # each has buffers, and nothing here multiplies matrices
    "MALLOC_ARENA_MAX": "2",
    # Above a thumbnail of 600x450: what is larger is given back to the system, the rest kept for
    # the next picture. Asking for it anew each time took a fifth of a thumbnail's time.
    "MALLOC_MMAP_THRESHOLD_": "2000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000",
}
HANGS_S = 600
"""Far above what the limits in the process allow."""
OUT_OF_TIME = (-signal.SIGPROF, -signal.SIGALRM)


class Decoded(NamedTuple):
    """A picture: uint8 (height, width, 3), RGB, not yet normalised, its fingerprint and points."""

    pixels: Pixels
    fingerprint: bytes
    points: bytes


class Decoder:
    """Decodes pictures in processes that may die.

    Of pictures of more than a fourth of ``max_pixels``, which are large, one is decoded at a time:
    that bounds the memory of all processes together.

    Args:
        processes: pictures that are decoded at once.
        max_pixels: width times height of a picture.
        local_features: points of interest are found, too, of what is not turned.
    """

    def __init__(self, *, processes: int, max_pixels: int, local_features: bool = False) -> None:
        self._max_pixels = max_pixels
        self._closed = False
        self._workers = [_Worker(local_features=local_features) for _ in range(processes)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for one in self._workers:
            self._idle.put(one)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="decode")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="decode-large")

    async def __call__(
        self,
        data: bytes,
        preprocess: Preprocess,
        image_resize_px: int,
        *,
        quarters: int = 0,
        large: bool = False,
    ) -> Decoded | None:
        """What a model takes of the picture; nothing if it turns out to be large.

        Args:
            data: of the file.
            preprocess: of the model.
            image_resize_px: longest side before the model's own resize.
            quarters: of a turn, to the left.
            large: it may be.

        Raises:
            NotAnImageError: no supported or no whole picture, or one that broke its process.
            TooLargeError: it has more than ``max_pixels``, or takes more memory than so many do.
            EmbedFailedError: the system has no process for it at the moment.
        """
        request = Request(
            data, preprocess, image_resize_px, quarters, self._max_pixels, large=large
        )
        answer = await _run(self._large if large else self._threads, self._ask, request)
        if answer.startswith(worker.LARGE):
            return None
        for start, kind in worker.FAILURES.items():
            if answer.startswith(start):
                code, params = json.loads(answer[1:])
                raise kind(code, **params)
        shape = (preprocess.height, preprocess.width, 3)
        at, end = 1 + FINGERPRINT_BYTES, 1 + FINGERPRINT_BYTES + math.prod(shape)
        pixels = np.frombuffer(answer, np.uint8, end - at, at).reshape(shape)
        return Decoded(pixels, answer[1:at], answer[end:])

    async def close(self) -> None:
        """Ends the processes; what they are decoding is lost."""
        self._closed = True
        for executor in (self._threads, self._large):
            executor.shutdown(wait=False, cancel_futures=True)
        for one in self._workers:
            one.kill()

    def _ask(self, request: Request) -> bytes:
        one = self._idle.get()
        try:
            if not one.alive and not self._closed:
                one.start()
            return one.ask(request)
        finally:
            self._idle.put(one)


async def _run(
    threads: ThreadPoolExecutor, ask: Callable[[Request], bytes], request: Request
) -> bytes:
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, ask, request)
    except (OSError, RuntimeError) as error:
        logger.error("decoding: no process or no thread, %s", error)
        raise EmbedFailedError("no_decoder") from error


class _Worker:
    """One process after the other; asked by one thread at a time."""

    def __init__(self, *, local_features: bool) -> None:
        self._command = (*COMMAND, worker.WITH_POINTS) if local_features else COMMAND
        self.start()

    def start(self) -> None:
        """Returns at once; the process imports meanwhile."""
        self._connection, theirs = Pipe()
        self._ready = False
        with theirs:
            self._process = subprocess.Popen(
                self._command,
                stdin=theirs.fileno(),
                cwd=ROOT,
                # Without keys and passwords: what comes in is hostile.
                env={k: v for k, v in os.environ.items() if not k.startswith("CLIP_")}
                | ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for the process that started it
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: Request) -> bytes:
        try:
            if not self._ready:
                self._receive()
                self._ready = True
            self._connection.send(request)
            return self._receive()
        except (EOFError, OSError) as error:
            code = self.kill()
            if not self._ready:
                raise RuntimeError(f"a process for decoding ended with {code} at once") from error
            if code in OUT_OF_TIME:
                raise NotAnImageError("decoder_slow") from error
            raise NotAnImageError("decoder_broke") from error

    def _receive(self) -> bytes:
        """What it says; it has limits of its own, unless it is stopped or still starting."""
        if not self._connection.poll(HANGS_S):
            raise EOFError
        return self._connection.recv_bytes()

    def kill(self) -> int:
        """Exit code, of a process that has ended already its own."""
        self._process.kill()
        return self._process.wait()
