"""Models in the BentoML store. A stored model carries all that is needed to feed it."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import bentoml
from bentoml.exceptions import BentoMLException, NotFound
from pydantic import TypeAdapter

from clip_ranker.errors import ModelNotFoundError
from clip_ranker.models import calibration
from clip_ranker.models.calibration import Calibration
from clip_ranker.models.preprocess import Preprocess
from clip_ranker.models.text import TextTower

FORMAT = 2
"""Raised when an older service could not feed what a newer import stores."""
RECIPE = 2
"""Raised when an import makes another graph of the same weights: importing again then replaces it.
The service takes graphs of any recipe."""
GRAPH, WEIGHTS = "model.onnx", "model.onnx.data"
TEXT_GRAPH, TEXT_WEIGHTS, TOKENIZER = "text.onnx", "text.onnx.data", "tokenizer.json"


@dataclass(frozen=True)
class StoredModel:
    """A model as the service sees it.

    Attributes:
        name: in the store; what ``meta.model`` says.
        graph: path of the ONNX file.
        preprocess: how to make its pixels.
        dim: width of its embeddings.
        source: where the weights come from, for people.
        digest: SHA-256 of the weights, hexadecimal.
        calibration: what its scores mean, if that was fitted.
        text: its text tower, if that was imported too.
        measured: what its import found, by name.
    """

    name: str
    graph: Path
    preprocess: Preprocess
    dim: int
    source: str
    digest: str
    calibration: Calibration | None = None
    text: TextTower | None = None
    measured: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def precision(self) -> Literal["fp32", "int8"]:
        """Of its large products; an import in 8 bits says so behind the digest."""
        return "int8" if "-int8" in self.digest else "fp32"


STORED = TypeAdapter(StoredModel)


def load(name: str) -> StoredModel:
    """Reads the newest model of that name.

    Raises:
        ModelNotFoundError: there is none, it was stored by an incompatible version, or its
            calibration is broken.
    """
    try:
        model = bentoml.models.get(name)
    except NotFound as error:
        raise ModelNotFoundError(
            f"no model '{name}' in the BentoML store; `python import_model.py --help` tells how "
            "to import one, CLIP_MODEL and CLIP_MODELS choose others"
        ) from error
    except (BentoMLException, ValueError) as error:
        raise ModelNotFoundError(f"'{name}' is no name of a model: {error}") from error
    metadata: dict[str, Any] = model.info.metadata
    if metadata.get("format") != FORMAT:
        raise ModelNotFoundError(
            f"the stored model '{name}' is not of format {FORMAT}: import it again"
        )
    where = {
        "name": model.tag.name,
        "graph": model.path_of(GRAPH),
        "calibration": calibration.load(Path(model.path)),
    }
    if metadata.get("text"):
        paths = {"graph": model.path_of(TEXT_GRAPH), "tokenizer": model.path_of(TOKENIZER)}
        where["text"] = metadata["text"] | paths
    return STORED.validate_python(metadata | where)


def names() -> list[str]:
    """Of all models in the store, sorted; some may be none of this service's."""
    return sorted({model.tag.name for model in bentoml.models.list()})


def find(
    name: str, source: str, digest: str, preprocess: Preprocess, text: str | None = None
) -> str | None:
    """Tag of the newest model of that name if an import of these weights would make it again.

    Two models may share weights and differ in an activation: ``source`` names the model.
    ``text`` is the ``TextTower.key`` that it must have; with None it may have any or none.
    """
    try:
        stored = load(name)
    except ModelNotFoundError:
        return None
    newest = bentoml.models.get(name)
    if text is not None and (stored.text is None or stored.text.key != text):
        return None
    recipe = newest.info.metadata.get("recipe")
    made = (stored.source, stored.digest, stored.preprocess, recipe)
    return str(newest.tag) if made == (source, digest, preprocess, RECIPE) else None


def save(new: StoredModel, measured: dict[str, float]) -> str:
    """Stores a model and removes older ones of the same name and weights; answers its tag.

    ``measured`` is what its import found, for people.
    """
    paths, elsewhere = {"graph", "tokenizer"}, ("name", "graph", "calibration", "measured")
    exclude: dict[str, Any] = {**dict.fromkeys(elsewhere, True), "text": paths}
    # BentoML takes no None for metadata.
    about = STORED.dump_python(new, mode="json", exclude=exclude, exclude_none=True)
    metadata = {"format": FORMAT, "recipe": RECIPE, "measured": measured, **about}
    with bentoml.models.create(new.name, module="onnxruntime", metadata=metadata) as model:
        files = [new.graph, new.graph.with_name(WEIGHTS)]
        if new.text is not None:
            files += [new.text.graph, new.text.graph.with_name(TEXT_WEIGHTS), new.text.tokenizer]
        for file in files:
            shutil.copyfile(file, model.path_of(file.name))
    for older in bentoml.models.list(new.name):
        if older.tag != model.tag and older.info.metadata.get("digest") == new.digest:
            bentoml.models.delete(older.tag)
    return str(model.tag)
