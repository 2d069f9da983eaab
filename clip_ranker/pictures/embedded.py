"""What is kept of a picture."""

from dataclasses import dataclass

from clip_ranker.models.encoder import Embedding


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Embedded:
    """A picture as it is ranked.

    Attributes:
        embedding: shape (dim,), unit length.
        fingerprint: tells copies of one picture, see ``decode/fingerprint``.
    """

    embedding: Embedding
    fingerprint: bytes
