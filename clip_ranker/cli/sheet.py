"""The answer as a page that holds everything it shows."""

import asyncio
import base64
import io
from html import escape
from pathlib import Path
from string import Template

from PIL import Image

from clip_ranker.cli.rankers import READERS
from clip_ranker.decode import images
from clip_ranker.download.fetch import Fetcher
from clip_ranker.errors import CandidateError, NoImageError
from clip_ranker.rank.listing import Candidate
from clip_ranker.rank.schema import RankRequest, RankResponse
from clip_ranker.settings import get_settings

THUMBNAIL_PX = 320
QUALITY = 80
PAGE = Template(Path(__file__).with_suffix(".html").read_text())


async def sheet(request: RankRequest, answer: RankResponse, listings: list[Candidate]) -> str:
    """The page as HTML; pictures that cannot be had are left out.

    The ids in ``answer`` are positions in ``listings``.
    """
    photo = request.query_image_url or base64.b64decode(request.query_image_base64 or "")
    lines = {int(r.auction_id): f"{r.rank}. <b>{r.score:.4f}</b>" for r in answer.results}
    lines |= {int(f.auction_id): escape(f"{f.reason}: {f.detail}") for f in answer.failed}
    urls = {place: _url(listings[place]) for place in lines}
    sources = {photo, *urls.values()}
    fetcher = Fetcher(get_settings())
    at_once = asyncio.Semaphore(request.max_concurrency)
    try:
        small = await asyncio.gather(*(_small(one, fetcher, at_once) for one in sources))
    finally:
        await fetcher.close()
    pictures = dict(zip(sources, small, strict=True))
    cards = [
        f"<li>{_img(pictures[urls[place]])}"
        f"<p>{line}<br>{escape(listings[place].title or str(listings[place].auction_id))}</p></li>"
        for place, line in lines.items()
    ]
    meta = answer.meta
    return PAGE.substitute(
        count=meta.candidates,
        photo=_img(pictures[photo], alt="The photo"),
        summary=escape(f"{meta.succeeded} ranked, {meta.failed} failed, model {meta.model}"),
        cards="\n".join(cards),
    )


def _url(listing: Candidate) -> str:
    """Of its picture; nothing when it has none."""
    try:
        return listing.picture_url()
    except NoImageError:
        return ""


async def _small(source: str | bytes, fetcher: Fetcher, at_once: asyncio.Semaphore) -> str:
    """A small JPEG of a URL or file as a ``data:`` URL; nothing when there is no picture."""
    async with at_once:
        try:
            if isinstance(source, bytes):
                data = source
            elif read := READERS.get(source.partition(":")[0] + ":"):
                data = await asyncio.to_thread(read, source)
            else:
                data = await fetcher.fetch(fetcher.check(source))
            return await asyncio.to_thread(thumbnail, data)
        except CandidateError:
            return ""


def thumbnail(data: bytes, *, longest_px: int = THUMBNAIL_PX) -> str:
    """A small JPEG of a picture file as a ``data:`` URL; CandidateError when it is none."""
    image = images.decode(data, max_pixels=get_settings().max_pixels)
    image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _img(source: str, *, alt: str = "") -> str:
    return f'<img alt="{alt}" src="{source}">' if source else ""
