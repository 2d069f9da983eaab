"""The pictures that ship with the package, for trying the service and for checking imports."""

from pathlib import Path

from clip_ranker.errors import DownloadFailedError

FOLDER = Path(__file__).parent
SCHEME = "example:"
"""``example:<name>`` as an image URL means the picture of that name."""


def names() -> list[str]:
    """Names of all pictures, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.jpg"))


def read(url: str) -> bytes:
    """The JPEG file behind an ``example:<name>`` URL.

    Raises:
        DownloadFailedError: there is no picture of that name.
    """
    name = url.removeprefix(SCHEME)
    if name not in names():  # also keeps paths out
        raise DownloadFailedError("no_such_example", names=", ".join(names()))
    return (FOLDER / f"{name}.jpg").read_bytes()
