"""The pictures that ship with the package: photographs, and drawings of mugs.

The photographs are for trying the service and for checking imports, the mugs for the page.
"""

from pathlib import Path

from clip_ranker.errors import DownloadFailedError

FOLDER = Path(__file__).parent
MUGS = FOLDER / "mugs"
SCHEME = "example:"
"""``example:<name>`` as an image URL means the picture of that name."""


def names() -> list[str]:
    """Names of the photographs, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.jpg"))


def all_names() -> list[str]:
    """Names of all pictures: of the photographs, then of the mugs."""
    return names() + sorted(path.stem for path in MUGS.glob("*.jpg"))


def path_of(name: str) -> Path | None:
    """The JPEG file of a picture, if there is one of that name."""
    if name not in all_names():  # also keeps paths out
        return None
    return (FOLDER if name in names() else MUGS) / f"{name}.jpg"


def read(url: str) -> bytes:
    """The JPEG file behind an ``example:<name>`` URL.

    Raises:
        DownloadFailedError: there is no picture of that name.
    """
    name = url.removeprefix(SCHEME)
    if (path := path_of(name)) is None:
        raise DownloadFailedError("no_such_example", names=", ".join(all_names()))
    return path.read_bytes()
