"""A text tower out of the store: tokens without torch, ONNX Runtime, unit vectors out."""

import html
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clip_ranker.models.encoder import Embedding, session

Tokens = NDArray[np.int64]
"""Of a batch of texts, (batch, context length), filled up behind their ends."""
Cleaning = Literal["lower", "whitespace", "canonicalize"]
CLEANINGS: tuple[Cleaning, ...] = get_args(Cleaning)
PUNCTUATION = str.maketrans("", "", string.punctuation)
BATCH = 16
"""Texts in one run of the graph, of about the same length: each costs what the longest does."""


@dataclass(frozen=True)
class TextTower:
    """The text tower of a stored model, into the space of its image tower.

    Attributes:
        graph: path of the ONNX file: int64 (batch, tokens) to float32 (batch, dim) of unit length.
        tokenizer: path of a file as the library ``tokenizers`` writes it; cuts and fills up.
        context_length: tokens that it reads of a text, marks of begin and end among them.
        cleaning: what is done to a text first, by OpenCLIP's names.
        short: takes batches that are filled up to their longest text only, for the same vectors.
        digest: SHA-256 of the weights, hexadecimal.
        tokenizer_digest: SHA-256 of the tokeniser's file, hexadecimal.
    """

    graph: Path
    tokenizer: Path
    context_length: int
    cleaning: Cleaning
    short: bool
    digest: str
    tokenizer_digest: str

    @property
    def key(self) -> str:
        """Differs whenever its vectors would."""
        return f"{self.digest} {self.tokenizer_digest} {self.context_length} {self.cleaning}"


class Tokenizer:
    """Texts to tokens, as OpenCLIP's own tokeniser of the model does it.

    Args:
        file: as the library ``tokenizers`` writes it.
        cleaning: what is done to a text first.

    Attributes:
        filling: the token that fills up.
    """

    def __init__(self, file: Path, cleaning: Cleaning) -> None:
        # Imported only where it is used: not in the API's process.
        import tokenizers

        self._tokenizer = tokenizers.Tokenizer.from_file(str(file))
        self._cleaning = cleaning
        self.filling = int((self._tokenizer.padding or {})["pad_id"])

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Int64 (batch, context length); what is longer is cut."""
        encodings = (self._tokenizer.encode(clean(text, self._cleaning)) for text in texts)
        return np.array([encoding.ids for encoding in encodings], np.int64)


def clean(text: str, how: Cleaning) -> str:
    """What OpenCLIP does to a text before it is cut into tokens."""
    import ftfy  # likewise

    text = html.unescape(html.unescape(ftfy.fix_text(text)))  # twice, as OpenCLIP does
    if how == "canonicalize":
        text = text.replace("_", " ").translate(PUNCTUATION)
    text = " ".join(text.split())
    return text if how == "whitespace" else text.lower()


class TextEncoder:
    """A text tower; loaded when it is first called, for it takes memory that few may need.

    Args:
        tower: out of the store.
        threads: of the session; 0 is one a processor this process may use.
    """

    def __init__(self, tower: TextTower, *, threads: int = 0) -> None:
        self._tower = tower
        self._threads = threads

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(self._tower.tokenizer, self._tower.cleaning)

    @cached_property
    def _session(self) -> Any:
        return session(self._tower.graph, threads=self._threads, mapped=True)

    def __call__(self, texts: Sequence[str]) -> Embedding:
        """Embeds at least one text, to float32 (batch, dim) of unit length."""
        tokens = self._tokenizer(texts)
        lengths = tokens.shape[1] - (tokens != self._tokenizer.filling)[:, ::-1].argmax(axis=1)
        order = np.argsort(lengths, kind="stable")
        vectors = []
        for some in np.split(order, range(BATCH, len(order), BATCH)):
            longest = int(lengths[some].max()) if self._tower.short else tokens.shape[1]
            vectors += self._session.run(None, {"tokens": tokens[some, :longest]})
        embeddings = np.empty((len(tokens), vectors[0].shape[1]), np.float32)
        embeddings[order] = np.concatenate(vectors)
        return embeddings
