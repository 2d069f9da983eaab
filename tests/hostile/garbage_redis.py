"""A Redis on loopback that says whatever it is told to."""

import os
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.running import wait_until

Answer = Callable[[random.Random], tuple[bytes, ...]]
FLOOD = b""
"""In an answer: the piece before it again and again, until the client leaves."""

ANSWERS: dict[str, Answer] = {
    "nothing": lambda _: (),
    "random bytes": lambda _: (os.urandom(3000),),
    "random text of the protocol": lambda chance: (
        bytes(chance.choices(b"*$+-:_%~>=(,#!|0123456789\r\nab", k=3000)) + b"\r\n",
    ),
    "a number": lambda _: (b":5\r\n",),
    "no number where one belongs": lambda _: (b"$abc\r\n",),
    "a number of 5000 digits": lambda _: (b":" + b"9" * 5000 + b"\r\n",),
    "a name that is no UTF-8": lambda _: (b"-\xff\xfe\r\n",),
    "fewer values than keys": lambda _: (b"*0\r\n",),
    "more values than keys": lambda _: (b"*9\r\n" + b"$1\r\nx\r\n" * 9,),
    "values of odd types": lambda _: (b"*1\r\n%1\r\n:1\r\n*1\r\n:2\r\n",),
    "a key that is no key": lambda _: (b"%1\r\n*0\r\n:1\r\n",),
    "lists in lists": lambda _: (b"*1\r\n" * 50_000,),
    "a huge text": lambda _: (b"$9999999999999\r\n", b"x" * 65536, FLOOD),
    "a text of no length": lambda _: (b"$-9\r\nx\r\n",),
    "a huge list": lambda _: (b"*9999999999\r\n", b"_\r\n" * 20_000, FLOOD),
    "a line without an end": lambda _: (b"+", b"x" * 65536, FLOOD),
    "half an answer": lambda _: (b"*1\r\n$4000\r\nabc",),
    "an answer too many": lambda _: (b"*1\r\n_\r\n*1\r\n_\r\n",),
    "pushes": lambda _: (b">2\r\n+invalidate\r\n_\r\n", FLOOD),
    "an error": lambda _: (b"-MOVED 1 127.0.0.1:1\r\n",),
}


class GarbageRedis:
    """Listens on loopback.

    Attributes:
        answer: to each command but those of the handshake, or to these too if ``early``.
        hangs_up: after its answer.
        asked: commands so far.
    """

    def __init__(self) -> None:
        self.answer: Answer = ANSWERS["nothing"]
        self.early = self.hangs_up = False
        self.asked = 0
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def wait_until_asked(self) -> None:
        """Returns once one more command has come."""
        before = self.asked
        wait_until(lambda: self.asked > before)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # the end
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        chance = random.Random(self.asked)
        with suppress(OSError), connection:  # until it leaves
            while command := connection.recv(1 << 20):
                if self.early or b"\r\nMGET\r\n" in command or b"\r\nSET\r\n" in command:
                    self.asked += 1
                    _say(connection, self.answer(chance))
                    if self.hangs_up:
                        return
                else:
                    connection.sendall(b"+OK\r\n" * command.count(b"*"))


def _say(connection: socket.socket, pieces: tuple[bytes, ...]) -> None:
    if pieces[-1:] == (FLOOD,):
        connection.sendall(b"".join(pieces))
        while True:
            connection.sendall(pieces[-2])
    connection.sendall(b"".join(pieces))
