"""The model hub and the host that holds its large files, on loopback: what its client asks of both.

The hub answers a HEAD of ``/OWNER/NAME/resolve/main/FILE`` with the file's revision, SHA-256 and
size, and sends whoever wants the bytes to another origin.
"""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

COMMIT = "1a" * 20
CHUNK_BYTES = 1 << 20


class ModelHub:
    """Serves the files that were ``put``.

    Attributes:
        url: of the hub, for ``HF_ENDPOINT``.
        closed: repositories that want a token, and the code of the refusal.
        breaks: of the transfers to come, after how many bytes the connection ends.
        status: what the host of the bytes answers instead of sending them, if not 200.
        ranges: of the transfers so far, what was asked for; None is all.
        tokens: that each of the two was shown, by its name.
    """

    def __init__(self) -> None:
        self.closed: dict[str, str] = {}
        self.breaks: list[int] = []
        self.status = 200
        self.ranges: list[str | None] = []
        self.tokens: dict[str, set[str | None]] = {"hub": set(), "bytes": set()}
        self._paths: dict[str, Path] = {}
        self._told: dict[str, str] = {}
        self._hub = ThreadingHTTPServer(("127.0.0.1", 0), _hub(self))
        self._bytes = ThreadingHTTPServer(("127.0.0.1", 0), _bytes(self))
        self.url = f"http://127.0.0.1:{self._hub.server_port}"
        self.bytes_url = f"http://localhost:{self._bytes.server_port}"

    def put(self, repository: str, name: str, path: Path, *, sha256: str | None = None) -> str:
        """Serves a file, under a SHA-256 that may be made up; answers it."""
        with path.open("rb") as file:
            told = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
        self._told[f"/{repository}/resolve/main/{name}"] = told
        self._paths[told] = path
        return told

    def told(self, url_path: str) -> str | None:
        """SHA-256 of the file at that path of the hub."""
        return self._told.get(url_path)

    def path(self, sha256: str) -> Path:
        """Of the bytes that are sent for it."""
        return self._paths[sha256]

    def __enter__(self) -> Self:
        for server in (self._hub, self._bytes):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._hub, self._bytes):
            server.shutdown()
            server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def _hub(hub: ModelHub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_HEAD(self) -> None:
            hub.tokens["hub"].add(self.headers["Authorization"])
            closed = hub.closed.get(self.path.partition("/resolve/")[0].strip("/"))
            if self.path == "/":
                self.answer(200)
            elif closed:
                self.answer(401, X_Error_Code=closed)
            elif (sha256 := hub.told(self.path)) is None:
                self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            else:
                self.answer(
                    302,
                    Location=f"{hub.bytes_url}/{sha256}",
                    X_Repo_Commit=COMMIT,
                    X_Linked_Etag=f'"{sha256}"',
                    X_Linked_Size=str(hub.path(sha256).stat().st_size),
                )

    return Handler


def _bytes(hub: ModelHub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_GET(self) -> None:
            hub.tokens["bytes"].add(self.headers["Authorization"])
            wanted = self.headers["Range"]
            hub.ranges.append(wanted)
            if hub.status != 200:
                self.answer(hub.status)
                return
            path = hub.path(self.path.strip("/"))
            size = path.stat().st_size
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted else 0
            length = str(size - start)
            if wanted:
                part = f"bytes {start}-{size - 1}/{size}"
                self.answer(206, Content_Length=length, Content_Range=part)
            else:
                self.answer(200, Content_Length=length)
            left = hub.breaks.pop(0) if hub.breaks else size
            self.close_connection = left < size - start
            with path.open("rb") as file:
                file.seek(start)
                while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
                    self.wfile.write(chunk)
                    left -= len(chunk)

    return Handler
