"""The photo and the listings, read from files."""

import base64
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from pydantic import TypeAdapter, ValidationError

from clip_ranker.errors import ClipRankerError, DownloadFailedError
from clip_ranker.rank.listing import Candidate, Candidates

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif"})
LISTINGS = TypeAdapter[list[Candidate]](Candidates)
FILE = "file:"  # as an image URL a quoted path on this machine; no service takes it


class CliError(ClipRankerError):
    """It could not be done; the text is all that the person sees."""


class UsageError(CliError):
    """The command line makes no sense."""


def read_photo(photo: str) -> dict[str, Any]:
    """The field of the request that holds the photo; CliError when it cannot be read."""
    if photo.startswith(("http://", "https://", "example:")):
        return {"query_image_url": photo}
    try:
        data = Path(photo).read_bytes()
    except OSError as error:
        raise CliError(f"PHOTO: {photo} cannot be read: {error.strerror}") from error
    return {"query_image_base64": base64.b64encode(data).decode()}


def read_picture(url: str) -> bytes:
    """The file behind a ``file:`` URL; DownloadFailedError when it cannot be read."""
    try:
        return Path(os.fsdecode(unquote_to_bytes(url.removeprefix(FILE)))).read_bytes()
    except OSError as error:
        raise DownloadFailedError("file_unreadable", why=str(error.strerror)) from error


def read_listings(path: Path) -> list[Candidate]:
    """Candidates of a JSON file or a folder of pictures; CliError says which is wrong, and why."""
    if path.is_dir():
        return _folder(path)
    try:
        listings = json.loads(path.read_bytes())
    except OSError as error:
        raise CliError(f"LISTINGS: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CliError(f"LISTINGS: {path} is not JSON: {error}") from error
    if isinstance(listings, dict):
        listings = listings.get("candidates")
    if not isinstance(listings, list):
        raise CliError(f'LISTINGS: {path} holds neither a list nor one under "candidates"')
    try:
        candidates = LISTINGS.validate_python(listings)
    except ValidationError as error:
        fault = error.errors()[0]
        place = [f"listing {int(number) + 1}" for number in fault["loc"][:1]]
        what = [*map(str, fault["loc"][1:]), fault["msg"].removeprefix("Value error, ")]
        raise CliError(": ".join([f"LISTINGS: {path}", *place, *what])) from error
    if any(str(candidate.image_url).startswith(FILE) for candidate in candidates):
        raise CliError(f"LISTINGS: {path}: give a folder of pictures instead of {FILE} URLs")
    return candidates


def _folder(path: Path) -> list[Candidate]:
    pictures = [
        Candidate(
            auction_id=file.name.encode(errors="replace").decode()[:256],  # may be no UTF-8
            image_url=FILE + quote(os.fsencode(file)),
        )
        for file in sorted(path.iterdir())
        if file.suffix.lower() in SUFFIXES and file.is_file()
    ]
    if not pictures:
        raise CliError(f"LISTINGS: {path} holds no picture ({', '.join(sorted(SUFFIXES))})")
    return pictures
