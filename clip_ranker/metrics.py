"""What Prometheus reads at /metrics."""

import os
import sys
from functools import partial
from pathlib import Path

import psutil
from prometheus_client import Counter, Gauge, Histogram

LiveGauge = partial(Gauge, multiprocess_mode="livesum")
CANDIDATES = Counter(
    "clip_ranker_candidates", "Candidates by outcome: ranked, or a reason code.", ["outcome"]
)
CACHE = Counter(
    "clip_ranker_cache", "Look-ups of candidates that did not just fail: hit or miss.", ["result"]
)
CACHE_BACKEND_ERRORS = Counter(
    "clip_ranker_cache_backend_errors", "Round trips to the shared cache that failed."
)
STAGE_SECONDS = Histogram(
    "clip_ranker_stage_seconds",
    "Wall clock of a request with a picture in that stage.",
    ["stage"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 2, 3, 4, 6, 10, 30, 60),
)
DOWNLOADS_IN_FLIGHT = LiveGauge(
    "clip_ranker_downloads_in_flight", "Places for downloads held, until the picture is decoded."
)
EMBEDS_IN_FLIGHT = LiveGauge(
    "clip_ranker_embeds_in_flight", "Pictures with the embedder, or waiting for it."
)
BATCH_PICTURES = Histogram(
    "clip_ranker_batch_pictures",
    "Different pictures in a call of the model.",
    buckets=(1, 2, 4, 8, 12, 16, 32, 64),
)
REQUESTS = Counter("clip_ranker_requests", "Requests that brought a key, by its name.", ["key"])
REQUESTS_REFUSED = Counter(
    "clip_ranker_requests_refused", "Requests answered with an error, by status.", ["status"]
)
PREFETCH = Counter(
    "clip_ranker_prefetch", "Pictures asked for ahead: accepted, known, refused.", ["outcome"]
)
PREFETCH_DROPPED = Counter(
    "clip_ranker_prefetch_dropped",
    "Pictures in line or under way when the service stopped or the model died.",
)
FEEDBACK = Counter(
    "clip_ranker_feedback", "Verdicts on listings: written, known, refused.", ["outcome"]
)
PREFETCH_WAITING = LiveGauge("clip_ranker_prefetch_waiting", "Pictures in line or under way.")


def _tend_files() -> None:
    """Takes the room on the disk of the files that prometheus_client writes through a mapping.

    There a full disk is no error, but ends the process (SIGBUS). What a process that was killed
    had in flight no longer counts.
    """
    folder = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.devnull)
    for path in folder.glob("gauge_live*_*.db"):
        if not psutil.pid_exists(int(path.stem.rpartition("_")[2])):
            path.unlink(missing_ok=True)
    if sys.platform == "linux":
        for path in folder.glob(f"*_{os.getpid()}.db"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


_tend_files()  # of each kind there is one without labels, so that by now all files are there
