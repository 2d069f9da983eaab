"""What may stand on the command line."""

import argparse
from functools import partial
from pathlib import Path

from clip_ranker import __version__

ABOUT = "Ranks listings by the likeness of their thumbnails to a photo."
ARGUMENTS = """\

PHOTO     a picture file, the URL of one, or example:NAME
LISTINGS  a JSON file with a list of {"auction_id", "image_url", "title"} (the last one optional),
          or with such a list under "candidates"; or a folder of pictures
"""
EXAMPLES = """\
examples:
  python -m clip_ranker rank photo.jpg listings.json --url http://localhost:8000
      asks a running service; the key, if it wants one, is read from CLIP_API_KEY
  python -m clip_ranker rank photo.heic pictures/ --top-k 10
      runs the model in this process, no service needed; a folder goes this way only
  python -m clip_ranker rank photo.jpg pictures/ --html sheet.html
      writes a page that holds its pictures, to look at or to send
  python -m clip_ranker rank photo.jpg listings.json --json | jq '.results[0]'
      prints what POST /rank answers

exit codes: 0 ranked, 1 it could not be done, 2 wrong usage, 3 not one listing could be ranked
"""


def parser() -> argparse.ArgumentParser:
    """The command line's grammar, and its help."""
    top = argparse.ArgumentParser(prog="python -m clip_ranker", description=ABOUT)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    rank = commands.add_parser(
        "rank",
        help="rank listings, or a folder of pictures; `rank --help` tells how",
        description=f"{ABOUT}\n{ARGUMENTS}",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rank.add_argument("photo", metavar="PHOTO")
    rank.add_argument("listings", metavar="LISTINGS", type=Path)
    rank.add_argument("--url", help="ask the service there; without it the model runs in here")
    rank.add_argument(
        "--model", help="name in the BentoML store, without --url (default: CLIP_MODEL)"
    )
    rank.add_argument("--json", action="store_true", help="print the answer as JSON")
    rank.add_argument("--html", type=Path, metavar="FILE", help="write a self-contained page too")
    rank.add_argument(
        "--top-k", type=partial(_between, 1, 10**9), metavar="N", help="show N at most"
    )
    rank.add_argument(
        "--max-concurrency",
        type=partial(_between, 1, 50),
        default=10,
        metavar="N",
        help="download N at once, 1 to 50 (default: 10)",
    )
    rank.add_argument(
        "--image-resize",
        type=partial(_between, 224, 2048),
        default=768,
        metavar="PX",
        help="longest side before the model's own resize, 224 to 2048 (default: 768)",
    )
    return top


def _between(least: int, most: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{value} is not between {least} and {most}")
    return value
