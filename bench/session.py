"""What the scenarios share: services, URLs, one timed request, interleaved pairs."""

import base64
import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import pictures, processes
from bench.image_server import HOSTS
from bench.measured import Endpoint, Service
from bench.pictures import THUMBNAIL
from bench.processes import Session
from bench.settings import MODEL

Figures = dict[str, Any]
CANDIDATES = 50
FEW = 3


@dataclass
class Bench:
    """What the scenarios share; starts each service when it is first asked for.

    Attributes:
        folder: of the pictures.
        graph: the plain export.
        port: of the image server.
        rounds: pairs in each scenario.
        most: candidates at most, 200 but for a quick look.
    """

    folder: Path
    graph: Path
    port: int
    rounds: int
    most: int = 200
    _running: dict[str, Any] = field(default_factory=dict)
    _new: "itertools.count[int]" = field(default_factory=itertools.count)

    def ours(self) -> Service:
        """This repository's service as ``processes.ours`` sets it."""
        return self._once("ours", lambda: processes.ours(self.port))

    def straightforward(self) -> Service:
        """The baseline service."""
        return self._once("straightforward", processes.straightforward)

    def bare(self) -> Session:
        """The baseline session."""
        thumbnails = str(self.folder / pictures.name(THUMBNAIL))
        command = ("bench.bare", str(self.graph), MODEL, thumbnails)
        return self._once("bare", lambda: Session(*command))

    def close(self) -> None:
        """Ends what was started."""
        while self._running:
            self._running.popitem()[1].close()

    def _once(self, name: str, start: Callable[[], Any]) -> Any:
        if name not in self._running:
            self._running[name] = start()
        return self._running[name]

    @property
    def few(self) -> int:
        """Rounds of what takes long."""
        return min(self.rounds, FEW)

    @property
    def fifty(self) -> int:
        """50, or fewer for a quick look."""
        return min(CANDIDATES, self.most)

    def url(self, path: str, *, delay_ms: int = 0, loss: float = 0, host: str = HOSTS[0]) -> str:
        """A URL that no cache has seen."""
        wish = f"delay_ms={delay_ms}&loss={loss}&new={next(self._new)}"
        return f"http://{host}:{self.port}{path}?{wish}"

    def urls(
        self,
        count: int,
        *,
        delay_ms: int = 0,
        loss: float = 0,
        size: tuple[int, int] = THUMBNAIL,
    ) -> list[str]:
        """URLs of pictures that no cache has seen."""
        return [
            self.url(
                f"/{pictures.name(size)}/{index % pictures.SIZES[size]}.jpg",
                delay_ms=delay_ms,
                loss=loss,
            )
            for index in range(count)
        ]

    def query(self, file: str = "600x450/0.jpg") -> str:
        """A picture as base64, with a few bytes behind its end that no cache has seen."""
        photo = (self.folder / file).read_bytes() + str(next(self._new)).encode()
        return base64.b64encode(photo).decode()

    def rank(self, service: Endpoint, urls: list[str], *, failing: int = 0) -> float:
        """Seconds of one request; all but ``failing`` candidates must come back ranked."""
        seconds, answer = service.rank(self.query(), urls)
        assert len(answer["results"]) == len(urls) - failing, answer
        return seconds

    def pairs(
        self, ours: Callable[[], float], other: Callable[[], float], rounds: int = 0
    ) -> Figures:
        """One unmeasured round, then interleaved pairs."""
        ours(), other()
        times = [(ours(), other()) for _ in range(rounds or self.rounds)]
        ratios = [a / b for a, b in times]
        return {
            "ours_s": statistics.median(a for a, _ in times),
            "other_s": statistics.median(b for _, b in times),
            "ratio": statistics.median(ratios),
            "ratios": ratios,
        }
