"""What is remembered of rankings, and what of verdicts is on the disk, whatever happens there."""

import asyncio
import base64
import json
import resource
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clip_ranker.errors import BadRequestError, ClipRankerError, NotFoundError, NotStoredError
from clip_ranker.models.encoder import Embedding
from clip_ranker.rank.feedback import (
    REMEMBERED_BYTES,
    REMEMBERED_S,
    Feedback,
    FeedbackRequest,
    Outcome,
)
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest
from clip_ranker.rank.scores import cosine, score
from clip_ranker.rank.verdicts import Verdicts, line
from tests.conftest import ROOT
from tests.rank.in_process import MODEL

DIM = 16


def unit(seed: int, dim: int = DIM) -> Embedding:
    vector = np.random.default_rng(seed).normal(size=dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Ranked:
    """What feedback needs of a ranking that has ended: ids, vectors, scores."""

    def __init__(self, *ids: str | int, photos: int = 1, dim: int = DIM, seed: int = 0) -> None:
        self.photos = np.stack([unit(seed + n, dim) for n in range(photos)])
        self.embeddings = {n: unit(seed + 100 + n, dim) for n in range(len(ids))}
        self.outcomes = {n: score(self.photos, one) for n, one in self.embeddings.items()}
        candidates = [Candidate(auction_id=name) for name in ids]
        self.request = RankRequest.model_construct(candidates=candidates)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Every verdict in the files of a folder, each line of which must be whole."""
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(one) for file in files for one in file.read_text().splitlines()]


def vector(text: str) -> Embedding:
    return np.frombuffer(base64.b64decode(text), "<f4")


class Desk:
    """Feedback over a folder, with a clock of its own."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.folder = folder
        self.now_s = 0.0
        self.feedback = Feedback(Verdicts(folder, **settings), timer=lambda: self.now_s)

    def remember(self, ranking: Ranked) -> str:
        found = self.feedback.remember(ranking, MODEL)  # type: ignore[arg-type]
        assert found
        return found

    def say(self, request_id: str, name: str | int, *, same: bool) -> Outcome:
        request = FeedbackRequest(request_id=request_id, auction_id=name, same=same)
        return asyncio.run(self.feedback.accept(request)).outcome


def test_a_verdict_is_two_vectors_their_score_and_nothing_else(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "made" / "for it")
    ranking = Ranked("A", 7)
    request_id = desk.remember(ranking)
    assert desk.say(request_id, 7, same=True) == "written"
    assert desk.say(request_id, "A", same=False) == "written"
    first, second = lines(desk.folder)
    assert list(first) == ["time", "model", "digest", "photo", "listing", "score", "same"]
    assert (first["model"], first["digest"]) == (MODEL.name, MODEL.digest)
    assert (first["same"], second["same"]) == (True, False)
    np.testing.assert_array_equal(vector(first["photo"]), ranking.photos[0])
    np.testing.assert_array_equal(vector(first["listing"]), ranking.embeddings[1])
    np.testing.assert_array_equal(vector(second["listing"]), ranking.embeddings[0])
    assert first["score"] == ranking.outcomes[1]
    assert all(file.stat().st_mode & 0o077 == 0 for file in desk.folder.iterdir())


def test_of_several_photos_the_one_that_is_most_like_is_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    ranking = Ranked(*range(20), photos=4)
    request_id = desk.remember(ranking)
    for name in range(20):
        desk.say(request_id, name, same=True)
    written = lines(tmp_path)
    best = [
        max(ranking.photos, key=lambda one: cosine(one, e)) for e in ranking.embeddings.values()
    ]
    assert [vector(one["photo"]).tolist() for one in written] == [one.tolist() for one in best]
    assert [one["score"] for one in written] == list(ranking.outcomes.values())
    assert len({one["photo"] for one in written}) > 1


def test_of_listings_with_one_name_the_best_is_meant(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    ranking = Ranked("A", "A", "A", 5, "5")
    request_id = desk.remember(ranking)
    desk.say(request_id, "A", same=True)
    desk.say(request_id, "5", same=True)
    assert [one["score"] for one in lines(tmp_path)] == [
        max(ranking.outcomes[n] for n in range(3)),
        ranking.outcomes[4],
    ]


def test_a_verdict_that_comes_again_is_written_once_and_two_changes_of_mind_too(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    request_id = desk.remember(Ranked("A", "B"))
    said = [desk.say(request_id, "A", same=same) for same in (True, True, False, False, True)]
    assert said == ["written", "known", "written", "known", "written"]
    for _ in range(3):
        with pytest.raises(BadRequestError, match="same: this verdict was changed 2 times"):
            desk.say(request_id, "A", same=False)
        assert desk.say(request_id, "A", same=True) == "known"
    assert [one["same"] for one in lines(tmp_path)] == [True, False, True]
    assert desk.say(request_id, "B", same=False) == "written"


def test_a_file_that_goes_while_the_folder_is_measured_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    request_id = desk.remember(Ranked("A"))
    gone, found = tmp_path / "gone.jsonl", Path.glob
    gone.touch()

    def moved_away_behind(folder: Path, pattern: str) -> list[Path]:
        files = list(found(folder, pattern))
        gone.unlink()
        return files

    monkeypatch.setattr(Path, "glob", moved_away_behind)
    assert desk.say(request_id, "A", same=True) == "written"


def test_a_ranking_is_forgotten_after_an_hour_and_not_before(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    early = desk.remember(Ranked("A"))
    desk.now_s = REMEMBERED_S - 1
    late = desk.remember(Ranked("A"))
    assert desk.say(early, "A", same=True) == "written"
    desk.now_s = REMEMBERED_S + 1
    with pytest.raises(NotFoundError, match=r"request_id: no ranking of the last hour"):
        desk.say(early, "A", same=True)
    assert desk.say(late, "A", same=True) == "written"


def test_what_is_not_known_is_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    request_id = desk.remember(Ranked("A"))
    with pytest.raises(NotFoundError, match="request_id") as refused:
        desk.say("made up", "A", same=True)
    assert refused.value.detail[0]["field"] == "request_id"
    with pytest.raises(NotFoundError, match="auction_id") as refused:
        desk.say(request_id, "B", same=True)
    assert refused.value.detail[0]["field"] == "auction_id"
    assert not lines(tmp_path)


def test_what_is_remembered_takes_no_more_memory_than_its_bound(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    # Ids of every size: a short ranking is mostly overhead, a long one mostly vectors.
    kinds = [Ranked(), Ranked(*"ABC"), Ranked(*(f"{n}" * 64 for n in range(200)), dim=512)]
    batch = np.zeros((20, 100_000), np.float32)  # a row of which must not keep it alive
    kinds[1].embeddings = {n: batch[n, :DIM] for n in range(3)}
    counted = 0
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(300):
            kind = kinds[number % 3]
            ids = [f"{number} {one.auction_id}" for one in kind.request.candidates]
            kind.request = RankRequest.model_construct(
                candidates=[Candidate.model_construct(auction_id=one) for one in ids]
            )
            remembered = desk.feedback._remembered[desk.remember(kind)]
            remembered.said.update({row: [True, False, True] for row in remembered.rows})
        for kind in kinds:
            kind.request = RankRequest.model_construct(candidates=[])
        after, _ = tracemalloc.get_traced_memory()
        counted = int(desk.feedback._remembered.currsize)
    finally:
        tracemalloc.stop()
    assert 0 < after - before <= counted <= REMEMBERED_BYTES


def test_the_oldest_ranking_gives_way_and_one_over_the_bound_has_no_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Ranked(*range(40))
    monkeypatch.setattr("clip_ranker.rank.feedback.REMEMBERED_BYTES", 30_000)
    desk = Desk(tmp_path)
    ids = [desk.remember(large) for _ in range(4)]
    assert desk.say(ids[-1], 0, same=True) == "written"
    with pytest.raises(NotFoundError, match="forgotten"):
        desk.say(ids[0], 0, same=True)
    assert desk.feedback.remember(Ranked(*range(400)), MODEL) is None  # type: ignore[arg-type]
    assert desk.say(ids[-1], 1, same=True) == "written"


def test_verdicts_at_once_are_written_each_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    request_id = desk.remember(Ranked(*range(50)))

    async def all_at_once() -> list[Outcome]:
        requests = [
            FeedbackRequest(request_id=request_id, auction_id=n % 50, same=True) for n in range(200)
        ]
        answers = await asyncio.gather(*map(desk.feedback.accept, requests))
        await desk.feedback.close()
        return [answer.outcome for answer in answers]

    outcomes = asyncio.run(all_at_once())
    assert (outcomes.count("written"), outcomes.count("known")) == (50, 150)
    assert len({one["listing"] for one in lines(tmp_path)}) == len(lines(tmp_path)) == 50


def test_a_full_folder_refuses_and_takes_more_when_its_files_are_moved_away(
    tmp_path: Path,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "feedback"
    size = len(line(MODEL, unit(1), unit(2), same=True))
    desks = [Desk(folder, most_bytes=size * 5 // 2) for _ in range(2)]
    ids = [desk.remember(Ranked(*range(9))) for desk in desks]
    for name in range(2):  # the bound is for the files of all processes together
        desks[name].say(ids[name], name, same=True)
    with pytest.raises(NotStoredError, match="CLIP_FEEDBACK_DIR have reached"):
        desks[0].say(ids[0], 3, same=True)
    assert len(lines(folder)) == 2
    for file in folder.iterdir():
        file.rename(elsewhere / file.name)
    assert desks[0].say(ids[0], 3, same=True) == "written"
    assert len(lines(folder)) == 1


def test_a_folder_that_nobody_can_make_or_write_to_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "feedback", Path("/sys")):
        with pytest.raises(ClipRankerError, match=f"CLIP_FEEDBACK_DIR: {folder} cannot be"):
            Verdicts(folder)
    Verdicts(tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


WRITE = """
import itertools, sys
from pathlib import Path
from clip_ranker.errors import NotStoredError
from clip_ranker.rank.verdicts import Verdicts
verdicts = Verdicts(Path(sys.argv[1]))
long = "x" * 8_000_000
print("ready", flush=True)
for number in itertools.count():
    try:
        verdicts.append(f'{{"model":"{number}","photo":"{long}"}}\\n'.encode())
    except NotStoredError as error:
        print(error, flush=True)
        sys.exit()
    print(number, flush=True)
"""


def writer(folder: Path, **options: Any) -> "subprocess.Popen[str]":
    """A process that writes long lines and tells the number of each that is written."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_kill_in_the_middle_of_a_line_costs_that_line_alone(tmp_path: Path) -> None:
    for turn in (1, 2):
        known = set(tmp_path.iterdir())
        with writer(tmp_path) as process:
            assert process.stdout
            told = [process.stdout.readline() for _ in range(1 + turn)]
            (file,) = set(tmp_path.iterdir()) - known
            seen = file.stat().st_size
            while file.stat().st_size == seen and process.poll() is None:
                pass  # until it is in the middle of a line
            process.send_signal(signal.SIGKILL)
            told += process.stdout.read().splitlines(keepends=True)
        assert told[0] == "ready\n"
        *kept, torn = file.read_bytes().split(b"\n")
        numbers = [int(json.loads(one)["model"]) for one in kept]
        # What was told is there; one more may be, if the kill came before it was told.
        assert numbers in (list(range(len(told) - 1)), list(range(len(told))))
        assert len(torn) < len(kept[0])
    assert len(list(tmp_path.iterdir())) == 2  # a process never writes behind what another left
    for file in tmp_path.iterdir():  # pytest would keep them
        file.unlink()


def test_a_disk_that_takes_a_part_of_a_line_leaves_none_of_it(tmp_path: Path) -> None:
    most = 20_000_000  # the third line ends behind it

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    with writer(tmp_path, preexec_fn=limit, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        said = process.stdout.read().splitlines()
    assert said == ["ready", "0", "1", "the verdict could not be written, the log tells why"]
    assert [one["model"] for one in lines(tmp_path)] == ["0", "1"]
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size < most
