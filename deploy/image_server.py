"""Runs in a container of the deployment test: the example pictures, one of them held back.

/NAME.jpg        the picture
/held/NAME.jpg   the picture, once /release was asked for
/hold            the next ones are held back again
/waiting         how many wait for that
"""

import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

release = threading.Event()
waiting: list[str] = []


class Handler(SimpleHTTPRequestHandler):
    """Serves the working directory and the routes above."""

    def do_GET(self) -> None:
        if self.path == "/release":
            release.set()
        if self.path == "/hold":
            release.clear()
            waiting.clear()
        if self.path in ("/release", "/hold", "/waiting"):
            body = str(len(waiting)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if self.path.startswith("/held/"):
            waiting.append(self.path)
            release.wait()
            self.path = self.path.removeprefix("/held")
        super().do_GET()


ThreadingHTTPServer(("0.0.0.0", 80), Handler).serve_forever()
