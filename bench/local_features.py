"""Does it help to look at the first ten again, point by point? ``python -m bench.local_features``.

Points of interest (ORB or SIFT) of the photo and of each of the first ten listings are matched; a
homography that explains enough of the matches puts a listing before those without one. ORB is what
``CLIP_LOCAL_FEATURES`` has the service do. Writes its table into ``docs/evaluation.md``; takes
minutes.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from PIL import Image
from rich.progress import track

from bench import evaluation, starters
from bench.datasets.__main__ import build
from bench.evaluate import CACHE, DATASETS
from clip_ranker.decode import images, points
from clip_ranker.decode.geometry import fit
from clip_ranker.evaluate import files, measures
from clip_ranker.evaluate.data import Dataset
from clip_ranker.evaluate.judge import Scored
from clip_ranker.pictures.source import USUAL_RESIZE_PX
from clip_ranker.rank import local_features


def sift(image: Image.Image) -> local_features.Described:
    """Points by SIFT, of a picture as large as ORB sees it."""
    grey = np.asarray(fit(image, points.LONGEST_PX).convert("L"))
    keypoints, described = cv2.SIFT.create(points.MOST_POINTS).detectAndCompute(grey, None)
    places = np.float32([point.pt for point in keypoints]).reshape(-1, 2)
    return places, np.zeros((0, 128), np.float32) if described is None else described


METHODS: dict[str, tuple[Callable[[Image.Image], Any], Callable[[Any, Any], int]]] = {
    "ORB": (points.find, local_features.agreeing),
    "SIFT": (sift, partial(local_features.explained, norm=cv2.NORM_L2)),
}


def main() -> int:
    """Judges both on the starter, writes the table."""
    model = starters.shipped()
    rows: list[list[str]] = [["data set", "the vector alone"]]
    rows[0] += [f"{name}, {what}" for name in METHODS for what in ("first ten again", "ms a photo")]
    for name in DATASETS:
        dataset = files.read(build(name))
        plain = starters.judge(dataset, model, CACHE)
        before = measures.by_item(plain)
        row = [f"`{name}`", evaluation.recall(before)]
        for method in METHODS:
            took_s = list[float]()
            again = [
                _timed(partial(reranked, one, dataset, method), took_s)
                for one in track(plain, f"{name}, {method}")
            ]
            after = measures.by_item(again)
            row += [
                f"{evaluation.recall(after)}; {evaluation.won_since(before, after)}",
                f"{1000 * median(took_s):.0f}",
            ]
        rows.append(row)
        print(*row, sep=", ", flush=True)
    evaluation.put("local", rows)
    return 0


def reranked(one: Scored, dataset: Dataset, method: str) -> Scored:
    """The first ten in order of how many points agree; where too few do, by the vector."""
    scores = one.scores.astype(np.float64)
    for place in np.argsort(-scores, kind="stable")[: local_features.FIRST]:
        listing = dataset.listings[one.candidates[place]]
        agree = METHODS[method][1]
        # A cosine is 1 at most.
        scores[place] += agree(found(one.photos[0], method), found(listing, method))
    return replace(one, scores=scores)


@cache
def found(file: str, method: str) -> Any:
    """Points of a picture, decoded as the service does it."""
    image = images.decode(Path(file).read_bytes(), max_pixels=10**8)
    return METHODS[method][0](fit(image, USUAL_RESIZE_PX))


def _timed(work: Callable[[], Scored], took_s: list[float]) -> Scored:
    start = time.perf_counter()
    done = work()
    took_s.append(time.perf_counter() - start)
    return done


if __name__ == "__main__":
    sys.exit(main())
