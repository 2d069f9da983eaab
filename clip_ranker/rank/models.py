"""Which models a service ranks with: what it tells of them, and which one a request means."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from clip_ranker.errors import BadRequestError
from clip_ranker.models.store import StoredModel

T = TypeVar("T")


class ModelInfo(BaseModel):
    """One model."""

    name: str = Field(description="For `model` in a request; `meta.model` says it.")
    source: str = Field(description="Where its weights come from, for people.")
    digest: str = Field(description="SHA-256 of the weights; `-views` and `-int8…` may follow.")
    precision: Literal["fp32", "int8"] = Field(description="Of its large products.")
    dim: int = Field(description="Numbers in a vector.")
    width_px: int = Field(description="Of a picture as the model takes it.")
    height_px: int = Field(description="Of a picture as the model takes it.")
    calibrated: bool = Field(description="Whether answers say `match` and `probability`.")
    text: bool = Field(description="Whether it has a text tower too.")
    measured: dict[str, Any] = Field(description="What its import found, by name.")


class ModelsResponse(BaseModel):
    """The models that a request may choose from."""

    default: str = Field(description="Ranks where a request names none.")
    models: list[ModelInfo] = Field(description="All of them, the default first.")


def told(models: Iterable[StoredModel]) -> ModelsResponse:
    """What is told of the models, of which the first is the default."""
    known = [
        ModelInfo(
            name=one.name,
            source=one.source,
            digest=one.digest,
            precision=one.precision,
            dim=one.dim,
            width_px=one.preprocess.width,
            height_px=one.preprocess.height,
            calibrated=one.calibration is not None,
            text=one.text is not None,
            measured=one.measured,
        )
        for one in models
    ]
    return ModelsResponse(default=known[0].name, models=known)


def chosen(name: str | None, models: Mapping[str, T]) -> T:
    """What is there of the model of that name; of the default, the first, for None.

    Raises:
        BadRequestError: no model of these has that name.
    """
    if name is None:
        return next(iter(models.values()))
    if name not in models:
        why = f"there is no such model here, choose one of {', '.join(models)}"
        raise BadRequestError(f"model: {why}", [{"field": "model", "message": why}])
    return models[name]
