"""The photo and the listings, read from files."""

import base64
import json
import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from pydantic import ValidationError

from clip_ranker.errors import ClipRankerError, DownloadFailedError
from clip_ranker.rank.schema import Candidate

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif"})
FILE = "file:"
"""``file:<quoted path>`` as an image URL is a file of this machine; no service takes it."""


class CliError(ClipRankerError):
    """It could not be done; the text is all that the person sees."""


class UsageError(CliError):
    """The command line makes no sense."""


def read_photo(photo: str) -> dict[str, str]:
    """The field of the request that holds the photo.

    Raises:
        CliError: there is no such file.
    """
    if photo.startswith(("http://", "https://", "example:")):
        return {"query_image_url": photo}
    try:
        data = Path(photo).read_bytes()
    except OSError as error:
        raise CliError(f"PHOTO: {photo} cannot be read: {error.strerror}") from error
    return {"query_image_base64": base64.b64encode(data).decode()}


def read_picture(url: str) -> bytes:
    """The file behind a ``file:`` URL.

    Raises:
        DownloadFailedError: it cannot be read.
    """
    try:
        return Path(os.fsdecode(unquote_to_bytes(url.removeprefix(FILE)))).read_bytes()
    except OSError as error:
        raise DownloadFailedError(f"cannot be read: {error.strerror}") from error


def read_listings(path: Path) -> list[Candidate]:
    """Candidates out of a JSON file, or one of each picture in a folder.

    Raises:
        CliError: what is wrong with the file, and with which listing in it.
    """
    return _folder(path) if path.is_dir() else _file(path)


def _folder(path: Path) -> list[Candidate]:
    pictures = sorted(
        file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()
    )
    if not pictures:
        raise CliError(f"LISTINGS: {path} holds no picture ({', '.join(sorted(SUFFIXES))})")
    return [
        Candidate(auction_id=_readable(picture.name)[:256], image_url=_url(picture), title=None)
        for picture in pictures
    ]


def _readable(name: str) -> str:
    """The name of a file as text: its bytes need not be UTF-8."""
    return name.encode(errors="replace").decode()


def _url(path: Path) -> str:
    return FILE + quote(os.fsencode(path))


def _file(path: Path) -> list[Candidate]:
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
    return [_candidate(listing, f"{path}, listing {n}") for n, listing in enumerate(listings, 1)]


def _candidate(listing: object, place: str) -> Candidate:
    try:
        candidate = Candidate.model_validate(listing)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"])) or "it"
        raise CliError(f"LISTINGS: {place}: {field}: {fault['msg']}") from error
    if candidate.image_url.startswith(FILE):
        raise CliError(f"LISTINGS: {place}: give a folder of pictures instead of {FILE} URLs")
    return candidate
