"""The auction site: serves pictures from memory, late or not at all, in a process of its own.

``/600x450/17.jpg?delay_ms=300&loss=0.1`` answers after 300 ms, or, one time in ten, closes the
connection instead. ``/dead`` is 404, ``/hang`` never answers. The query string is put behind the
end of the picture, so that a number in it makes URL and bytes new to every cache.
"""

import asyncio
import contextlib
import random
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HOSTS = ("127.0.0.1", "127.0.0.2")
"""The second is another host to the service: the one that hangs."""
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class _Site:
    def __init__(self, folder: Path) -> None:
        self._pictures = {
            f"/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.jpg")
        }
        self._chance = random.Random(0)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                url = urlsplit(request.split(b" ", 2)[1].decode())
                wish = {key: float(values[0]) for key, values in parse_qs(url.query).items()}
                if url.path == "/hang":
                    await reader.read()  # until the client has had enough
                    break
                await asyncio.sleep(wish.get("delay_ms", 0) / 1000)
                if self._chance.random() < wish.get("loss", 0):
                    break
                picture = self._pictures.get(url.path)
                writer.write(_answer(picture + url.query.encode()) if picture else MISSING)
                await writer.drain()
        writer.close()


def _answer(data: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


async def main(folder: Path) -> None:
    """Serves until ended; prints its port first."""
    site = _Site(folder)
    first = await asyncio.start_server(site.connected, HOSTS[0], 0)
    port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(site.connected, HOSTS[1], port)
    print(port, flush=True)
    async with first, second:
        await asyncio.gather(first.serve_forever(), second.serve_forever())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1])))
