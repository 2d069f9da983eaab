"""The answer as a page that holds everything it shows."""

import asyncio
import base64
import io
from html import escape
from pathlib import Path
from string import Template

from PIL import Image

from clip_ranker import examples
from clip_ranker.cli.inputs import FILE, read_picture
from clip_ranker.decode import images
from clip_ranker.download.fetch import Fetcher
from clip_ranker.errors import CandidateError
from clip_ranker.rank.schema import Candidate, Failure, RankRequest, RankResponse, Result
from clip_ranker.settings import get_settings

THUMBNAIL_PX = 320
QUALITY = 80
PAGE = Template(Path(__file__).with_suffix(".html").read_text())


def sheet(request: RankRequest, answer: RankResponse, photo: bytes | None) -> str:
    """The page as HTML; pictures that cannot be had are left out.

    Args:
        request: what was asked.
        answer: what came; its ids are positions in the request.
        photo: the file, when the photo was one.
    """
    return asyncio.run(_sheet(request, answer, photo))


async def _sheet(request: RankRequest, answer: RankResponse, photo: bytes | None) -> str:
    entries: list[Result | Failure] = [*answer.results, *answer.failed]
    shown = [request.candidates[int(entry.auction_id)] for entry in entries]
    urls = {candidate.image_url for candidate in shown}
    if request.query_image_url:
        urls.add(request.query_image_url)
    fetcher = Fetcher(get_settings())
    at_once = asyncio.Semaphore(request.max_concurrency)
    try:
        small = await asyncio.gather(*(_of_url(url, fetcher, at_once) for url in urls))
    finally:
        await fetcher.close()
    pictures = dict(zip(urls, small, strict=True))
    lines = [f"{result.rank}. <b>{result.score:.4f}</b>" for result in answer.results]
    lines += [escape(f"{failure.reason}: {failure.detail}") for failure in answer.failed]
    mine = _small(photo) if photo else pictures.get(request.query_image_url or "", "")
    meta = answer.meta
    return PAGE.substitute(
        count=meta.candidates,
        photo=_img(mine, alt="The photo"),
        summary=escape(f"{meta.succeeded} ranked, {meta.failed} failed, model {meta.model}"),
        cards="\n".join(
            _card(candidate, pictures[candidate.image_url], line)
            for candidate, line in zip(shown, lines, strict=True)
        ),
    )


def _card(candidate: Candidate, picture: str, line: str) -> str:
    name = escape(candidate.title or candidate.auction_id)
    return f"<li>{_img(picture)}<p>{line}<br>{name}</p></li>"


async def _of_url(url: str, fetcher: Fetcher, at_once: asyncio.Semaphore) -> str:
    async with at_once:
        try:
            if url.startswith(FILE):
                data = await asyncio.to_thread(read_picture, url)
            elif url.startswith(examples.SCHEME):
                data = examples.read(url)
            else:
                data = await fetcher.fetch(fetcher.check(url))
        except CandidateError:
            return ""
        return await asyncio.to_thread(_small, data)


def _small(data: bytes) -> str:
    """A small JPEG as a ``data:`` URL; nothing when the bytes are no picture."""
    try:
        image = images.decode(data, max_pixels=get_settings().max_pixels)
    except CandidateError:
        return ""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _img(source: str, *, alt: str = "") -> str:
    return f'<img alt="{alt}" src="{source}">' if source else ""
