"""Whom a download is for: places are shared out fairly among askers, and none waits for a host
that keeps silent as often as the list names it."""

from collections import Counter
from dataclasses import dataclass, field

ENOUGH_SILENCES = 3
"""Attempts that ran out of time; one URL with its retry makes two."""


@dataclass(eq=False)
class Asker:
    """One request's downloads.

    What it learns of a host is its own: who sends URLs of a good host that never answer must not
    make that host look silent to others.

    Attributes:
        background: nobody waits for it.
    """

    background: bool = False
    _silences: Counter[str] = field(default_factory=Counter)
    _heard: set[str] = field(default_factory=set)

    def heard(self, host: str) -> None:
        """This host has answered in time."""
        self._heard.add(host)

    def silent(self, host: str) -> None:
        """This host has not."""
        self._silences[host] += 1

    def gives_up_on(self, host: str) -> bool:
        """True when a host did not answer in time several times, and never did."""
        return host not in self._heard and self._silences[host] >= ENOUGH_SILENCES
