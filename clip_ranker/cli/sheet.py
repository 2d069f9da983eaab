"""The answer as a page that holds everything it shows."""

import asyncio
import base64
import io
from html import escape
from string import Template

from PIL import Image

from clip_ranker import examples
from clip_ranker.cli.inputs import FILE, read_picture
from clip_ranker.decode import images
from clip_ranker.download.fetch import Fetcher
from clip_ranker.errors import CandidateError
from clip_ranker.rank.schema import Candidate, RankRequest, RankResponse
from clip_ranker.settings import Settings, get_settings

THUMBNAIL_PX = 320
QUALITY = 80
PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>clip-ranker: $count listings</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 0 auto; padding: 24px; }
header { display: flex; flex-wrap: wrap; gap: 16px 24px; align-items: center; margin-bottom: 24px; }
header div { flex: 1 1 160px; min-width: 0; overflow-wrap: anywhere; }
header img { max-width: min(240px, 100%); max-height: 240px; border-radius: 8px; }
h1 { font-size: 1.3rem; font-weight: 500; margin: 0; }
ol { list-style: none; padding: 0; display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); }
li { border: 1px solid #8886; border-radius: 10px; overflow: hidden; overflow-wrap: anywhere; }
li img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; }
p { margin: 8px 12px; }
b { font-variant-numeric: tabular-nums; }
</style>
<header>$photo<div><h1>$count listings by likeness</h1><p>$summary</p></div></header>
<main><ol>
$cards
</ol></main>
</html>
""")


def sheet(request: RankRequest, answer: RankResponse, photo: bytes | None) -> str:
    """The page as HTML; pictures that cannot be had are left out.

    Args:
        request: what was asked.
        answer: what came; its ids are positions in the request.
        photo: the file, when the photo was one.
    """
    return asyncio.run(_sheet(request, answer, photo))


async def _sheet(request: RankRequest, answer: RankResponse, photo: bytes | None) -> str:
    settings = get_settings()
    ids = [result.auction_id for result in answer.results]
    ids += [failure.auction_id for failure in answer.failed]
    shown = [request.candidates[int(place)] for place in ids]
    urls = {candidate.image_url for candidate in shown}
    if request.query_image_url:
        urls.add(request.query_image_url)
    fetcher = Fetcher(settings)
    at_once = asyncio.Semaphore(request.max_concurrency)
    try:
        small = await asyncio.gather(*(_of_url(url, fetcher, at_once, settings) for url in urls))
    finally:
        await fetcher.close()
    pictures = dict(zip(urls, small, strict=True))
    lines = [f"{result.rank}. <b>{result.score:.4f}</b>" for result in answer.results]
    lines += [escape(f"{failure.reason}: {failure.detail}") for failure in answer.failed]
    mine = _small(photo, settings) if photo else pictures.get(request.query_image_url or "", "")
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


async def _of_url(
    url: str, fetcher: Fetcher, at_once: asyncio.Semaphore, settings: Settings
) -> str:
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
        return await asyncio.to_thread(_small, data, settings)


def _small(data: bytes, settings: Settings) -> str:
    """A small JPEG as a ``data:`` URL; nothing when the bytes are no picture."""
    try:
        image = images.decode(data, max_pixels=settings.max_pixels)
    except CandidateError:
        return ""
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _img(source: str, *, alt: str = "") -> str:
    return f'<img alt="{alt}" src="{source}">' if source else ""
