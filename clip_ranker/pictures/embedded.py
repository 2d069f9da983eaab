"""What is kept of a picture, or of a text."""

from dataclasses import dataclass

from clip_ranker.models.encoder import Embedding

TEXT_KEY = "text-"
"""Keys of texts begin with it."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Embedded:
    """A picture as it is ranked.

    Attributes:
        embedding: shape (dim,), unit length.
        fingerprint: tells copies of one picture, see ``decode/fingerprint``; empty of a text.
        points: of interest, see ``decode/points``; empty where nobody asked for them.
    """

    embedding: Embedding
    fingerprint: bytes
    points: bytes = b""

    @property
    def nbytes(self) -> int:
        """Of its contents."""
        return self.embedding.nbytes + len(self.fingerprint) + len(self.points)
