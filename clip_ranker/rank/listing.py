"""A listing as a request holds it."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from clip_ranker.errors import NoImageError
from clip_ranker.rank import lenient
from clip_ranker.rank.lenient import Id, Title


class Candidate(BaseModel):
    """One listing to rank."""

    auction_id: Id = Field(description="Comes back as it is, an integer unrounded; may repeat.")
    image_url: Any = Field(
        None,
        description="http or https URL of the thumbnail, or `example:<name>`. "
        "A bad one, or none, fails this candidate, never the request.",
        json_schema_extra={"anyOf": [{"type": "string"}, {"type": "null"}]},
    )
    title: Title = Field(None, description="Title of the listing; not used for the score yet.")

    @model_validator(mode="before")
    @classmethod
    def _is_a_listing(cls, data: Any) -> Any:
        if isinstance(data, Candidate):
            return data
        listing = lenient.object_of(data, "an object with auction_id and image_url")
        lenient.check_spelling(listing, ("auction_id", "image_url"))
        lenient.check_slips(listing, ("auction_id",))
        return listing

    def picture_url(self) -> str:
        """Where its picture is.

        Raises:
            NoImageError: ``image_url`` is no text, or there is none in it.
        """
        if isinstance(self.image_url, str) and self.image_url.strip():
            return self.image_url
        if "image_url" not in self.model_fields_set:
            raise NoImageError("image_url_missing")
        if self.image_url is None:
            raise NoImageError("image_url_null")
        if isinstance(self.image_url, str):
            raise NoImageError("image_url_empty")
        raise NoImageError("image_url_kind", kind=lenient.kind_of(self.image_url))


def _have_pictures(listings: Any) -> Any:
    """One listing may lack its picture; where all do, its name may be the reason."""
    if not isinstance(listings, list):
        was = lenient.kind_of(listings)
        raise ValueError(f"it is {was}: send a list of objects with auction_id and image_url")  # noqa: TRY004
    if all(isinstance(listing, dict) and "image_url" not in listing for listing in listings):
        for listing in listings:
            lenient.check_slips(listing, ("image_url",))
    return listings


Candidates = Annotated[list[Candidate], BeforeValidator(_have_pictures)]
