"""Does it help to look at the first ten again, point by point? ``python -m bench.local_features``.

Points of interest (ORB or SIFT) of the photo and of each of the first ten listings are matched; a
homography that explains enough of the matches puts a listing before those without one. Writes its
table into ``docs/evaluation.md``; takes minutes.
"""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache, partial
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from bench import evaluation, starters
from bench.datasets.__main__ import build
from bench.evaluate import CACHE, DATASETS
from clip_ranker.evaluate import files, measures
from clip_ranker.evaluate.data import Dataset
from clip_ranker.evaluate.judge import Scored, score
from clip_ranker.evaluate.setting import SERVED, SETTINGS
from clip_ranker.models.store import StoredModel

FIRST = 10
POINTS = 1000
LONGEST_PX = 480
RATIO = 0.75
"""Of the nearest match's distance to the second's, at most (Lowe's test)."""
OFF_PX = 5.0
LEAST_INLIERS = 12
"""Fewer are there by chance."""

Points = tuple[NDArray[np.float32], NDArray[Any]]
METHODS: dict[str, tuple[Callable[[], Any], int]] = {
    "ORB": (partial(cv2.ORB.create, POINTS), cv2.NORM_HAMMING),
    "SIFT": (partial(cv2.SIFT.create, POINTS), cv2.NORM_L2),
}


def main() -> int:
    """Judges both on the starter, writes the table."""
    model = starters.shipped()
    rows: list[list[str]] = [["data set", "the vector alone"]]
    rows[0] += [f"{name}, {what}" for name in METHODS for what in ("first ten again", "ms a photo")]
    rows.append(["---"] * len(rows[0]))
    for name in DATASETS:
        dataset = files.read(build(name))
        plain = judge(dataset, model)
        before = measures.by_item(plain)
        row = [f"`{name}`", _cell(before)]
        for method in METHODS:
            took_s = list[float]()
            again = [
                _timed(partial(reranked, one, dataset, method), took_s)
                for one in track(plain, f"{name}, {method}")
            ]
            after = measures.by_item(again)
            paired = measures.paired(before, after)[evaluation.MEASURE]
            row += [
                f"{_cell(after)}; {paired.won} won, {paired.lost} lost, p {paired.p:.2g}",
                f"{1000 * median(took_s):.0f}",
            ]
        rows.append(row)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    document = evaluation.DOCUMENT
    document.write_text(evaluation.between(document.read_text(), "local", table))
    print(table)
    return 0


def judge(dataset: Dataset, model: StoredModel) -> list[Scored]:
    """By the vector alone."""
    with closing(starters.Embedder(model, CACHE)) as embedder:
        photos = embedder([one.photo for one in dataset.queries], ["centre"], lambda: None).found
        listings = embedder(dataset.listings, ["centre"], lambda: None).found
    return score(dataset, SETTINGS[SERVED], photos, listings)


def reranked(one: Scored, dataset: Dataset, method: str) -> Scored:
    """The first ten in order of how many points agree; where too few do, by the vector."""
    scores = one.scores.astype(np.float64)
    for place in np.argsort(-scores, kind="stable")[:FIRST]:
        listing = dataset.listings[one.candidates[place]]
        inliers = agreeing(points(one.photos[0], method), points(listing, method), method)
        if inliers >= LEAST_INLIERS:
            scores[place] += inliers  # a cosine is 1 at most
    return replace(one, scores=scores)


@cache
def points(file: str, method: str) -> Points:
    """Places (n, 2) and descriptors (n, …) of what stands out."""
    grey = cv2.imread(file, cv2.IMREAD_GRAYSCALE)
    scale = min(1, LONGEST_PX / max(grey.shape))
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found, described = METHODS[method][0]().detectAndCompute(grey, None)
    places = np.float32([point.pt for point in found]).reshape(-1, 2)
    return places, np.zeros((0, 1), np.uint8) if described is None else described


def agreeing(photo: Points, listing: Points, method: str) -> int:
    """How many matches one homography explains."""
    if min(len(photo[0]), len(listing[0])) < LEAST_INLIERS:
        return 0
    pairs = cv2.BFMatcher(METHODS[method][1]).knnMatch(photo[1], listing[1], k=2)
    good = [one for one, two in pairs if one.distance < RATIO * two.distance]
    if len(good) < LEAST_INLIERS:
        return 0
    there = photo[0][[match.queryIdx for match in good]]
    here = listing[0][[match.trainIdx for match in good]]
    _, inliers = cv2.findHomography(there, here, cv2.RANSAC, OFF_PX)
    return 0 if inliers is None else int(inliers.sum())


def _timed(work: Callable[[], Scored], took_s: list[float]) -> Scored:
    start = time.perf_counter()
    done = work()
    took_s.append(time.perf_counter() - start)
    return done


def _cell(values: measures.Values) -> str:
    return evaluation.cell(asdict(measures.means(values, seed=0)[evaluation.MEASURE]))


if __name__ == "__main__":
    sys.exit(main())
