"""The feedback log: verdicts that an app collected, as a data set of vectors."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clip_ranker.evaluate.data import DataError, Dataset, Fault, Pair, from_pairs
from clip_ranker.models.encoder import Embedding
from clip_ranker.models.store import StoredModel


def read(path: Path, model: StoredModel) -> Dataset:
    """The verdicts on answers of one model; a data set without items when there are none.

    Those on other weights under its name are left out and counted: their vectors do not compare.

    Args:
        path: a file of JSON lines, or a folder of ``*.jsonl``.
        model: by its name and digest.

    Raises:
        DataError: there is no such file, or a folder without any.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no file *.jsonl")
    pairs: list[Pair] = []
    faults: list[Fault] = []
    vectors: dict[str, Embedding] = {}
    others: Counter[object] = Counter()
    for file in files:
        for where, line in _lines(file):
            try:
                verdict = json.loads(line)
                if verdict["model"] != model.name:
                    continue
                if (digest := verdict.get("digest")) != model.digest:
                    others[digest] += 1
                    continue
                photo, listing = (_vector(verdict[side]) for side in ("photo", "listing"))
                same = bool(verdict["same"])
            except (ValueError, KeyError, TypeError) as error:
                faults.append(Fault(where, f"is no verdict ({error!r})"))
                continue
            pair = Pair(f"photo {_name(photo)}", f"listing {_name(listing)}", same)
            vectors |= {pair.photo: photo, pair.listing: listing}
            pairs.append(pair)
    if len({len(vector) for vector in vectors.values()}) > 1:
        raise DataError(f"{path} holds vectors of different widths under the name {model.name}")
    left_out = [Fault(str(path), _why(count, digest, model)) for digest, count in others.items()]
    found = from_pairs(str(path), pairs, [*left_out, *faults])
    return replace(found, vectors=vectors)


def _why(count: int, digest: object, model: StoredModel) -> str:
    if digest is None:
        which = f"on {model.name} that do not say of which weights, as early copies wrote them"
    else:
        which = f"on other weights called {model.name}, digest {_short(digest)}"
    return f"verdicts {which}: {count}; judged are those on {_short(model.digest)}"


def _short(digest: object) -> str:
    """With what follows the sum, such as ``-int8-smooth``."""
    text = str(digest)
    return f"{text[:12]}…{text[64:]}"


def _lines(file: Path) -> Iterator[tuple[str, bytes]]:
    """Whole lines; a last one without an end was cut off by a kill, and is no fault."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    *whole, _ = content.split(b"\n")
    for number, line in enumerate(whole, start=1):
        if line.strip():
            yield f"{file}, line {number}", line


def _vector(text: Any) -> Embedding:
    """Of unit length; ValueError when it is none."""
    vector = np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) < 1e-3:
        raise ValueError(f"a vector of length {length:.3g} instead of 1")
    return vector / np.float32(length)


def _name(vector: Embedding) -> str:
    return hashlib.sha256(vector.tobytes()).hexdigest()[:16]
