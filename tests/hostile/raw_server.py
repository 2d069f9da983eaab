"""A server that says exactly the bytes it is told to, and counts who comes."""

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Act = Callable[[socket.socket], None]


class RawServer:
    """Listens on loopback.

    Attributes:
        acts: path to what is done with the connection after its request was read; the
            connection is closed afterwards. A request to another path is answered 404.
        accepted: connections so far.
        requests: heads of all requests so far.
        server_names: what clients called this server in their TLS handshakes.

    Args:
        tls: makes it speak TLS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.acts: dict[str, Act] = {}
        self.accepted = 0
        self.requests: list[bytes] = []
        self.server_names: list[str | None] = []
        self._tls = tls
        if tls:
            tls.sni_callback = lambda _, name, __: self.server_names.append(name)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self._open: set[socket.socket] = set()
        self.port: int = self._listening.getsockname()[1]

    def says(self, path: str, *pieces: bytes) -> str:
        """Answers that path with these bytes; returns the path."""
        self.acts[path] = lambda connection: connection.sendall(b"".join(pieces))
        return path

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self._open):
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # the end
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    received = connection.recv(65536)
                    if not received:
                        return
                    head += received
                self.requests.append(head)
                path = head.split(b" ")[1].decode()
                self.acts.get(path, _not_found)(connection)
        except OSError:  # the client left, which is what most of this is about
            pass
        finally:
            self._open.discard(connection)


def _not_found(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def until_closed(connection: socket.socket) -> None:
    """Waits for the client to leave."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """Makes closing send a RST."""
    linger_on_zero_seconds = b"\1\0\0\0\0\0\0\0"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_on_zero_seconds)


def drip(piece: bytes, every_s: float = 0.05) -> Act:
    """Sends ``piece`` again and again until the client leaves."""

    def act(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.settimeout(every_s)
        while True:
            connection.sendall(piece)
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                continue

    return act


def flood(head: bytes, piece: bytes) -> Act:
    """Sends ``piece`` as fast as the client takes it, until it leaves."""

    def act(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return act
