"""``/feedback`` and bands over HTTP: what is told and kept, under load and when it is killed."""

import base64
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from clip_ranker import examples
from clip_ranker.models import store
from clip_ranker.models.calibration import Calibration
from tests.photos import PHOTOS
from tests.running import Service, wait_until

NAMES = examples.names()
RANK = {
    "query_image_url": "example:cat",
    "candidates": [{"auction_id": name, "image_url": f"example:{name}"} for name in NAMES]
    + [{"auction_id": "gone", "image_url": "example:gone"}],
}
BANDS = Calibration((0.0, 1.0), (0.0, 1.0), 0.9999, 0.9, 0.95, "by hand")
KEY = {"Authorization": "Bearer secret"}


class Taking(Service):
    """A service that takes feedback, wants a key and has a model with a calibration."""

    def __init__(self, home: Path, model: str) -> None:
        stored = store.load(model).graph.parent
        models = home / "models" / model
        (models / stored.name).mkdir(parents=True)
        for file in stored.iterdir():
            (models / stored.name / file.name).symlink_to(file)
        (models / "latest").write_text(stored.name)
        BANDS.save(models / stored.name)
        self.folder = home / "feedback"
        super().__init__(
            {
                "CLIP_MODEL": model,
                "CLIP_API_KEY": "secret",
                "CLIP_FEEDBACK_DIR": str(self.folder),
                "BENTOML_HOME": str(home),
            }
        )
        self.client.headers.update(KEY)

    def ranking(self, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.post("/rank", json=RANK | more).json()
        return answer

    def say(self, request_id: str, name: str, *, same: bool = True) -> httpx.Response:
        verdict = {"request_id": request_id, "auction_id": name, "same": same}
        return self.client.post("/feedback", json=verdict)

    def verdicts(self) -> list[dict[str, Any]]:
        """Every whole line; what comes after the last may be on its way, or cut off."""
        files = sorted(self.folder.glob("*.jsonl"))
        texts = [file.read_text().rpartition("\n")[0] for file in files]
        return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.fixture(scope="module")
def taking(stored: Callable[[str], str]) -> Iterator[Taking]:
    with tempfile.TemporaryDirectory() as home, Taking(Path(home), stored("tiny")) as service:
        yield service


def test_without_the_setting_there_is_none_and_answers_are_as_before(service: Service) -> None:
    answer = service.client.post("/rank", json=RANK).json()
    assert set(answer["results"][0]) == {"auction_id", "score", "rank"}
    assert "request_id" not in answer["meta"]
    verdict = {"request_id": "x", "auction_id": "cat", "same": True}
    refused = service.client.post("/feedback", json=verdict)
    assert refused.status_code == 404
    assert "CLIP_FEEDBACK_DIR" in refused.json()["error"]


def test_bands_are_told_in_answers_and_streams(taking: Taking) -> None:
    answer = taking.ranking()
    told = {}
    for line in taking.client.post("/rank/stream", json=RANK).text.splitlines():
        event = json.loads(line)
        if event["type"] == "scored":
            told[event["auction_id"]] = event["match"], event["probability"]
    assert len(answer["results"]) == len(NAMES)
    for result in answer["results"]:
        expected = BANDS.match(result["score"]), BANDS.probability(result["score"])
        assert (result["match"], result["probability"]) == told[result["auction_id"]] == expected
    assert {result["auction_id"] for result in answer["results"] if result["match"] == "same"} == {
        "cat"
    }


def test_a_verdict_is_kept_for_new_for_cached_and_for_streamed_answers(taking: Taking) -> None:
    before = len(taking.verdicts())
    lines = taking.client.post("/rank/stream", json=RANK).text.splitlines()
    answers = [taking.ranking(image_resize=500), taking.ranking(image_resize=500)]
    answers.append(json.loads(lines[-1])["answer"])
    for answer in answers:
        request_id = answer["meta"]["request_id"]
        said = taking.say(request_id, "coffee", same=False)
        assert (said.status_code, said.json()) == (200, {"outcome": "written"})
        assert taking.say(request_id, "coffee", same=False).json() == {"outcome": "known"}
        last = taking.verdicts()[-1]
        score = {one["auction_id"]: one["score"] for one in answer["results"]}["coffee"]
        assert (last["model"], last["score"], last["same"]) == ("tiny", score, False)
    assert len(taking.verdicts()) == before + len(answers)
    assert len({answer["meta"]["request_id"] for answer in answers}) == len(answers)


def test_nothing_is_kept_that_names_a_listing_a_picture_or_a_request(taking: Taking) -> None:
    photo = base64.b64encode(PHOTOS["cat"]).decode()
    listed = {"auction_id": "secret-id", "image_url": "example:rocket", "title": "secret title"}
    answer = taking.ranking(query_image_base64=photo, query_image_url=None, candidates=[listed])
    request_id = answer["meta"]["request_id"]
    assert taking.say(request_id, "secret-id").status_code == 200
    kept = "".join(file.name + file.read_text() for file in taking.folder.iterdir())
    for secret in ("secret", "rocket", "example", request_id, photo[:40]):
        assert secret not in kept
    known = {"time", "model", "digest", "photo", "listing", "score", "same"}
    assert set(taking.verdicts()[-1]) == known
    assert request_id not in taking.log()
    (line,) = [line for line in taking.log().splitlines() if '"path":"/feedback"' in line][-1:]
    assert json.loads(line[line.index("{") :])["feedback"] == "written"


def test_what_cannot_be_kept_is_refused_with_words(taking: Taking) -> None:
    before = len(taking.verdicts())
    counted = refusals(taking)
    request_id = taking.ranking()["meta"]["request_id"]
    good = {"request_id": request_id, "auction_id": "cat", "same": True}
    for wrong, status, says in (
        ({"request_id": "made-up"}, 404, "request_id: no ranking of the last hour"),
        ({"auction_id": "gone"}, 404, "auction_id: this ranking has no listing"),
        ({"same": None}, 400, "same: Input should be a valid boolean"),
        ({"same": "perhaps"}, 400, "same: Input should be a valid boolean"),
        ({"request_id": None, "requestId": "x"}, 400, "requestId: did you mean request_id?"),
        ({"same": None, "verdict": True}, 400, "verdict: did you mean same?"),
        ({"auction_id": None, "id": "cat"}, 400, "id: did you mean auction_id?"),
    ):
        refused = taking.client.post("/feedback", json=good | wrong)
        assert (refused.status_code, says in refused.json()["error"]) == (status, True), (
            refused.text
        )
    assert httpx.post(f"{taking.url}/feedback", json=good, trust_env=False).status_code == 401
    assert taking.client.post("/feedback", content=b"{}").status_code == 415
    assert len(taking.verdicts()) == before
    assert refusals(taking) == counted + 2  # what is no verdict is none that was refused


def refusals(service: Service) -> float:
    found = re.search(
        r'^clip_ranker_feedback_total\{outcome="refused"\} (\S+)$',
        service.client.get("/metrics").text,
        re.M,
    )
    return float(found[1]) if found else 0


def test_under_load_every_verdict_is_kept_once(taking: Taking) -> None:
    before = len(taking.verdicts())
    ids = [taking.ranking()["meta"]["request_id"] for _ in range(4)]

    def say(number: int) -> str:
        request_id, name = ids[number % 4], NAMES[number // 4 % len(NAMES)]
        if number % 10 == 0:  # rankings go on meanwhile
            taking.ranking()
        said = taking.say(request_id, name, same=True)
        while said.status_code == 429:
            said = taking.say(request_id, name, same=True)
        assert said.status_code == 200, said.text
        return str(said.json()["outcome"])

    with ThreadPoolExecutor(16) as clients:
        outcomes = list(clients.map(say, range(8 * len(NAMES))))
    assert outcomes.count("written") == outcomes.count("known") == 4 * len(NAMES)
    added = taking.verdicts()[before:]
    assert len(added) == 4 * len(NAMES)
    assert len({one["listing"] for one in added}) == len(NAMES)


def test_what_was_answered_outlives_a_service_that_is_killed(taking: Taking) -> None:
    """In the middle of it, twice; four clients say all they can of one ranking after the other."""
    files = len(list(taking.folder.glob("*.jsonl")))
    for _ in range(2):
        answers = [taking.ranking() for _ in range(60)]
        ids = [answer["meta"]["request_id"] for answer in answers]
        before = len(taking.verdicts())
        enough = before + 20

        def say(name: str, ids: list[str] = ids) -> int:
            written = 0
            with suppress(httpx.TransportError):
                for request_id, same in product(ids, (True, False, True)):
                    said = taking.say(request_id, name, same=same)
                    if said.status_code != 200:
                        return written
                    assert said.json() == {"outcome": "written"}
                    written += 1
            return written

        [api] = [one for one in taking.processes() if "ClipRanker" in one.cmdline()]
        with ThreadPoolExecutor(4) as clients:
            saying = list(map(partial(clients.submit, say), NAMES[:4]))
            wait_until(lambda enough=enough: len(taking.verdicts()) > enough)
            api.kill()
            written = [one.result() for one in saying]
        assert min(written) < 3 * len(ids), "it was not killed in the middle"
        api.wait()
        taking.wait_until_ok()
        kept = Counter(one["score"] for one in taking.verdicts()[before:])
        scores = {one["auction_id"]: one["score"] for one in answers[0]["results"]}
        for name, times in zip(NAMES, written, strict=False):
            assert times <= kept[scores[name]] <= times + 1  # the last one's answer was cut off
        assert taking.say(ids[0], "cat").status_code == 404
    assert taking.say(taking.ranking()["meta"]["request_id"], "cat").status_code == 200
    assert len(list(taking.folder.glob("*.jsonl"))) <= files + 3
