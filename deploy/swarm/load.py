"""A steady load of clients that send again what is refused, and that forget nothing."""

import itertools
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

import httpx

PATIENCE_S = 900
"""A request that was refused for so long is lost."""
LEAST_PAUSE_S = 0.01


class BrokenStreamError(Exception):
    """A stream that ended early, and said so."""


class RefusedError(Exception):
    """429 or 503, with the time after which to come back."""

    def __init__(self, status: int, after_s: int) -> None:
        super().__init__(status)
        self.status, self.after_s = status, after_s


class Load:
    """Clients in threads; each asks, waits for the answer, checks it, and asks again.

    Args:
        client: where to.
        body: of the request of that number.
        clients: how many at once.
        every_s: a client begins so long after it began the one before, or once that is answered.
        first: number of the first request.
        check: fails where an answer is not the right one for a request.

    Attributes:
        start: when it began, on the monotonic clock.
        answered: seconds that each answered request took, what was refused and sent again included.
        refused: how often by status.
        broken: streams that broke, and said so, and were asked for again.
        lost: everything else, in words.
    """

    def __init__(
        self,
        client: httpx.Client,
        body: Callable[[int], dict[str, Any]],
        *,
        check: Callable[[dict[str, Any]], None],
        clients: int = 6,
        every_s: float = 1.0,
        first: int = 0,
    ) -> None:
        self._client, self._body, self._check = client, body, check
        self._every_s = every_s
        self._numbers = itertools.count(first)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self.answered: list[float] = []
        self.refused: Counter[int] = Counter()
        self.broken = 0
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        self.start = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Begins no more, and waits until all that was begun is settled."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def summary(self) -> str:
        """One line of figures."""
        took = sorted(self.answered)
        percentile = statistics.quantiles(took, n=20)[-1]
        return (
            f"{len(took)} answered, {self.refused.total()} times refused ({dict(self.refused)}), "
            f"{self.broken} streams broken, {len(self.lost)} lost; seconds: median "
            f"{statistics.median(took):.2f}, 95 % {percentile:.2f}, longest {took[-1]:.2f}"
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            start = time.monotonic()
            self._settle(next(self._numbers), start)
            self._stopping.wait(max(LEAST_PAUSE_S, start + self._every_s - time.monotonic()))

    def _settle(self, number: int, start: float) -> None:
        ask = self._stream if number % 3 == 0 else self._rank
        body = self._body(number)
        while time.monotonic() < start + PATIENCE_S:
            try:
                self._check(ask(body))
            except RefusedError as refused:
                self.refused[refused.status] += 1
                time.sleep(refused.after_s)
            except BrokenStreamError:
                self.broken += 1
            except (AssertionError, httpx.TransportError) as error:
                self.lost.append(f"request {number}: {type(error).__name__} {error}")
                return
            else:
                self.answered.append(time.monotonic() - start)
                return
        self.lost.append(f"request {number}: refused for {PATIENCE_S} s")

    def _rank(self, body: dict[str, Any]) -> dict[str, Any]:
        response = self._client.post("/rank", json=body)
        _refused(response)
        answer: dict[str, Any] = response.json()
        return answer

    def _stream(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._client.stream("POST", "/rank/stream", json=body) as response:
            if response.status_code != httpx.codes.OK:
                response.read()
            _refused(response)
            last: dict[str, Any] = {}
            try:
                for line in response.iter_lines():
                    last = json.loads(line)
            except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                raise BrokenStreamError from error
        if last.get("type") == "error":
            raise BrokenStreamError
        assert last.get("type") == "answer", f"a stream ended as if it were whole, with {last}"
        answer: dict[str, Any] = last["answer"]
        return answer


def _refused(response: httpx.Response) -> None:
    if response.status_code in (429, 503):
        assert "Retry-After" in response.headers, f"{response.status_code} without Retry-After"
        raise RefusedError(response.status_code, int(response.headers["Retry-After"]))
    assert response.status_code == httpx.codes.OK, f"{response.status_code} {response.text[:300]}"
