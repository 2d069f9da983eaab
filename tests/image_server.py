"""An image server on loopback that can misbehave on purpose."""

import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit


class ImageServer:
    """Serves what was ``put``, and the routes below.

    A query that begins with "own" makes the bytes of a file differ: it stands behind its end.

    /slow?s=2        the astronaut, that many seconds late
    /drip?s=0.2      a byte every so often, for ever
    /held/NAME       the picture NAME once ``release`` is set; ``waiting`` counts these requests,
                     ``most_waiting`` is the most at once since ``holding`` began
    /status/404      that status
    /flaky/NAME      503 the first time, then the picture NAME
    /dropped/NAME    closes the connection the first time, then the picture NAME
    /chain/3         302 to /chain/2, and so on; /chain/0 is the cat
    /nowhere         302 without a Location
    """

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.hits: Counter[str] = Counter()
        self.release = threading.Event()
        self.waiting = self.most_waiting = 0
        self._counting = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, data: bytes, kind: str = "image/jpeg") -> str:
        """Serves these bytes at that path; answers the URL."""
        self.files[path] = (data, kind)
        return self.url(path)

    def url(self, path: str) -> str:
        """The URL of a path here."""
        return f"http://{self.host}{path}"

    def photo(self, name: str) -> str:
        """The URL of a photograph."""
        return self.url(f"/photo/{name}")

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Keeps /held waiting until the block ends."""
        self.release.clear()
        self.most_waiting = 0
        try:
            yield
        finally:
            self.release.set()

    def wait_for_release(self) -> None:
        """Counts who waits, and waits."""
        with self._counting:
            self.waiting += 1
            self.most_waiting = max(self.waiting, self.most_waiting)
        self.release.wait()
        with self._counting:
            self.waiting -= 1

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1000
    """By default 5: the sixth at once would wait a second for its connection."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # the service may hang up
            super().handle_error(request, client_address)


def _handler(server: ImageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            server.hits[url.path] += 1
            if url.path in server.files:
                self._file(url.path, url.query)
                return
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            first, _, rest = url.path.lstrip("/").partition("/")
            route: Callable[[str, dict[str, str]], None] | None = getattr(
                self, f"route_{first}", None
            )
            try:
                (route or self.route_missing)(rest, query)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _file(self, path: str, query: str = "") -> None:
            data, kind = server.files[path]
            if query.startswith("own"):
                data += query.encode()
            self._answer(200, {"Content-Type": kind}, data)

        def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def route_missing(self, _: str, __: dict[str, str]) -> None:
            self._answer(404, {})

        def route_slow(self, _: str, query: dict[str, str]) -> None:
            time.sleep(float(query["s"]))
            self._file("/photo/astronaut")

        def route_drip(self, _: str, query: dict[str, str]) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while True:
                self.wfile.write(b"x")
                time.sleep(float(query["s"]))

        def route_held(self, name: str, _: dict[str, str]) -> None:
            server.wait_for_release()
            self._file(f"/photo/{name}")

        def route_status(self, status: str, _: dict[str, str]) -> None:
            self._answer(int(status), {})

        def route_flaky(self, name: str, _: dict[str, str]) -> None:
            if server.hits[urlsplit(self.path).path] == 1:
                self._answer(503, {})
            else:
                self._file(f"/photo/{name}")

        def route_dropped(self, name: str, _: dict[str, str]) -> None:
            if server.hits[urlsplit(self.path).path] == 1:
                self.close_connection = True
            else:
                self._file(f"/photo/{name}")

        def route_chain(self, left: str, _: dict[str, str]) -> None:
            if left == "0":
                self._file("/photo/cat")
            else:
                self._answer(302, {"Location": f"/chain/{int(left) - 1}"})

        def route_nowhere(self, _: str, __: dict[str, str]) -> None:
            self._answer(302, {})

    return Handler
