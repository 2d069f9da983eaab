"""A listing as a request holds it."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from clip_ranker.errors import NoImageError
from clip_ranker.rank import lenient
from clip_ranker.rank.lenient import Id
from clip_ranker.rank.words import Title

LOOKED_AT = 10
"""Listings in which slips are looked for: who makes one makes it in all."""
ADDRESSES = ("http://", "https://", "//", "example:")


class Candidate(BaseModel):
    """One listing to rank."""

    auction_id: Id = Field(description="Comes back as it is, an integer unrounded; may repeat.")
    image_url: Any = Field(
        None,
        description="http or https URL of the thumbnail, or `example:<name>`. "
        "A bad one, or none, fails this candidate, never the request.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "null"}]},
    )
    title: Title = Field(None, description="Title of the listing; see `title_weight`.")

    _misnamed: str | None = PrivateAttr(None)
    """Under which name ``image_url`` was sent, where it was another."""

    @model_validator(mode="wrap")
    @classmethod
    def _is_a_listing(cls, data: Any, handler: ModelWrapValidatorHandler["Candidate"]) -> Any:
        if isinstance(data, Candidate):
            return data
        listing = lenient.object_of(data, "an object with auction_id and image_url")
        lenient.check_spelling(listing, ("auction_id",))
        candidate = handler(listing)
        if candidate.image_url is None:
            candidate._misnamed = lenient.respelled(listing, "image_url")
        return candidate

    def picture_url(self) -> str:
        """Where its picture is.

        Raises:
            NoImageError: ``image_url`` is no text, or there is none in it.
        """
        if isinstance(self.image_url, str) and self.image_url.strip():
            return self.image_url
        if self._misnamed:
            raise NoImageError("image_url_misnamed", name=self._misnamed)
        if "image_url" not in self.model_fields_set:
            raise NoImageError("image_url_missing")
        if self.image_url is None:
            raise NoImageError("image_url_null")
        if isinstance(self.image_url, str):
            raise NoImageError("image_url_empty")
        raise NoImageError("image_url_kind", kind=lenient.kind_of(self.image_url))


def _without_slips(listings: Any) -> Any:
    """One listing may lack its picture; where all do, its name may be the reason."""
    if not isinstance(listings, list):
        was = lenient.kind_of(listings)
        raise ValueError(f"it is {was}: send a list of objects with auction_id and image_url")  # noqa: TRY004
    sent = [one["image_url"] for one in listings if isinstance(one, dict) and "image_url" in one]
    none_has_one = all(value is None for value in sent)
    for place, listing in enumerate(listings[:LOOKED_AT]):
        if isinstance(listing, dict):
            try:
                lenient.check_slips(listing, ("auction_id",))
                if none_has_one:
                    # Who sends null knows the name, and ``url`` is that of the listing's page.
                    _check_picture(listing, slips=not sent)
            except ValueError as error:
                raise _at(place, error) from error
    return listings


def _check_picture(listing: dict[str, Any], *, slips: bool) -> None:
    """ValueError where there is an address under another name than ``image_url``."""
    names = lenient.slips(listing, "image_url") if slips else []
    for name in (lenient.respelled(listing, "image_url"), *names):
        if name and _is_address(listing[name]):
            raise ValueError(lenient.did_you_mean(name, "image_url"))


def _is_address(value: object) -> bool:
    if isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, str) and value.strip().lower().startswith(ADDRESSES)


def _at(place: int, error: ValueError) -> ValidationError:
    """The error, with the position of its listing."""
    kind = PydanticCustomError("value_error", "{said}", {"said": str(error)})
    return ValidationError.from_exception_data(
        "candidates", [InitErrorDetails(type=kind, loc=(place,), input=None)]
    )


Candidates = Annotated[list[Candidate], BeforeValidator(_without_slips)]
