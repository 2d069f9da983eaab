"""Verdicts on a disk: a line of JSON each, in a file a process."""

import base64
import json
import logging
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from clip_ranker.errors import ClipRankerError, NotStoredError
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.store import StoredModel
from clip_ranker.rank.scores import cosine

logger = logging.getLogger(__name__)

MOST_BYTES = 200_000_000
"""Of all files together: 35,000 verdicts at 512 values a vector, 14,000 at 1280."""
SETTING = "CLIP_FEEDBACK_DIR"


class Verdicts:
    """Appends to a file that no other process has, so that a line is cut off at its end at most.

    A process that is killed while it writes leaves such a line; whoever reads passes over it.
    Calls may not overlap.

    Args:
        folder: made if it is not there.
        most_bytes: of all files in it, those of other processes too.

    Raises:
        ClipRankerError: nothing can be written there.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._file = folder / f"{began}-{secrets.token_hex(8)}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write(b"")
            self._file.unlink()
        except OSError as error:
            why = f"{folder} cannot be written to: {error.strerror}"
            raise ClipRankerError(f"{SETTING}: {why}") from error

    def append(self, line: bytes) -> None:
        """Writes one line, whole or not at all.

        Raises:
            NotStoredError: the folder has reached its bound, or the disk says no.
        """
        try:
            if self._used_bytes() + len(line) > self._most_bytes:
                raise NotStoredError(
                    f"no verdict is taken: the files of {SETTING} have reached "
                    f"{self._most_bytes} bytes; move them away"
                )
            self._write(line)
        except OSError as error:
            logger.warning("feedback: %s", error)
            raise NotStoredError("the verdict could not be written, the log tells why") from error

    def _used_bytes(self) -> int:
        used = 0
        for file in self._folder.glob("*.jsonl"):
            with suppress(FileNotFoundError):  # moved away meanwhile
                used += file.stat().st_size
        return used

    def _write(self, line: bytes) -> None:
        # Opened anew each time: the file may have been moved away.
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            written = os.write(file, line)
            if written < len(line):
                os.ftruncate(file, os.fstat(file).st_size - written)
                raise OSError("there was room for a part of a line only")
        finally:
            os.close(file)


def line(model: StoredModel, photo: Embedding, listing: Embedding, *, same: bool) -> bytes:
    """One verdict: two vectors, shape (dim,) each, and nothing that names a person or a page."""
    verdict = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "model": model.name,
        "digest": model.digest,
        "photo": _text(photo),
        "listing": _text(listing),
        "score": cosine(photo, listing),
        "same": same,
    }
    return json.dumps(verdict, separators=(",", ":")).encode() + b"\n"


def _text(vector: Embedding) -> str:
    return base64.b64encode(vector.astype(np.dtype("<f4")).tobytes()).decode()
