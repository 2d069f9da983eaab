"""The photo and the listings, read from files."""

import argparse
import base64
import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from pydantic import TypeAdapter, ValidationError

from clip_ranker.errors import ClipRankerError, DownloadFailedError
from clip_ranker.rank.listing import Candidate, Candidates
from clip_ranker.rank.words import LONGEST_WORDS

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif"})
LISTINGS = TypeAdapter[list[Candidate]](Candidates)
COLUMNS = ("auction_id", "image_url", "title")
FILE = "file:"  # as an image URL a quoted path on this machine; no service takes it


class CliError(ClipRankerError):
    """It could not be done; the text is all that the person sees."""


class UsageError(CliError):
    """The command line makes no sense."""


class PhotoError(CliError):
    """This photo cannot be ranked by; another one may."""


def photos_of(names: Sequence[str]) -> list[str]:
    """The photos: files and URLs as they are, folders as their pictures."""
    return [
        photo
        for name in names
        for photo in (map(str, _pictures("PHOTO", Path(name))) if Path(name).is_dir() else [name])
    ]


def read_photo(photo: str) -> dict[str, Any]:
    """The field of the request that holds the photo; PhotoError when it cannot be read."""
    if photo.startswith(("http://", "https://", "example:")):
        return {"query_image_url": photo}
    try:
        data = Path(photo).read_bytes()
    except OSError as error:
        raise PhotoError(f"PHOTO: {photo} cannot be read: {error.strerror}") from error
    return {"query_image_base64": base64.b64encode(data).decode()}


def read_photos(photos: Sequence[str]) -> dict[str, Any]:
    """The field that holds them, of one item; raises as ``read_photo``."""
    if len(photos) == 1:
        return read_photo(photos[0])
    read = [read_photo(photo) for photo in photos]
    if not all("query_image_base64" in one for one in read):
        raise UsageError("--same-item goes with files: a service opens one URL as a photo only")
    return {"query_images_base64": [one["query_image_base64"] for one in read]}


def read_picture(url: str) -> bytes:
    """The file behind a ``file:`` URL; DownloadFailedError when it cannot be read."""
    try:
        return Path(os.fsdecode(unquote_to_bytes(url.removeprefix(FILE)))).read_bytes()
    except OSError as error:
        raise DownloadFailedError("file_unreadable", why=str(error.strerror)) from error


def read_listings(path: Path) -> list[Candidate]:
    """Candidates of a JSON or CSV file or a folder; CliError says which is wrong, and why."""
    if path.is_dir():
        return _folder(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CliError(f"LISTINGS: {path} cannot be read: {error.strerror}") from error
    listings = _rows(path, data) if path.suffix.lower() == ".csv" else _json(path, data)
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


def _json(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise CliError(f"LISTINGS: {path} is not JSON: {error}") from error


def _rows(path: Path, data: bytes) -> list[dict[str, str]]:
    """Lines of a CSV file by the names in the first, as spreadsheets write them."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp932", "replace")  # what Excel writes in Japan
    rows = csv.DictReader(io.StringIO(text, newline=""), restkey="")
    if missing := {"auction_id", "image_url"} - set(rows.fieldnames or ()):
        names = " and ".join(sorted(missing))
        raise CliError(f"LISTINGS: {path}: its first line must name the columns; without {names}")
    try:
        return [{name: row[name] for name in COLUMNS if row.get(name)} for row in rows]
    except csv.Error as error:
        raise CliError(f"LISTINGS: {path}: line {rows.line_num}: {error}") from error


def _folder(path: Path) -> list[Candidate]:
    return [
        Candidate(
            auction_id=file.name.encode(errors="replace").decode()[:256],  # may be no UTF-8
            image_url=FILE + quote(os.fsencode(file)),
        )
        for file in _pictures("LISTINGS", path)
    ]


def _pictures(what: str, path: Path) -> list[Path]:
    files = sorted(path.iterdir())
    found = [file for file in files if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not found:
        raise CliError(f"{what}: {path} holds no picture ({', '.join(sorted(SUFFIXES))})")
    return found


def between(least: int, most: int, text: str) -> int:
    """A whole number of the command line, within bounds."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
    return value


def share(text: str) -> float:
    """A number of the command line from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def words(text: str) -> str | None:
    """Words of the command line, as a request takes them; None where there are none."""
    if len(text := text.strip()) > LONGEST_WORDS:
        raise argparse.ArgumentTypeError(f"more than {LONGEST_WORDS} characters")
    return text or None
