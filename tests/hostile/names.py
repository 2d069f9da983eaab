"""A system's resolver of which some look-ups hang."""

import socket
import threading
import time

HANGS_S = 60


class Names:
    """Stands for the system's resolver: names that begin with ``hang`` wait for ``release``.

    Attributes:
        asked: so far, in order.
        release: ends all that hangs.
        end_one: ends one look-up that hangs.
        gives_up_after_s: as the system's does in the end.
        address: of all other names.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = threading.Event()
        self.end_one = threading.Semaphore(0)
        self.gives_up_after_s = float(HANGS_S)
        self.address = "1.1.1.1"

    def __call__(self, host: str, *_: object, **__: object) -> object:
        self.asked.append(host)
        if host.startswith("hang"):
            end = time.monotonic() + self.gives_up_after_s
            while time.monotonic() < end and not self.release.is_set():
                if self.end_one.acquire(timeout=0.02):
                    break
            raise socket.gaierror(socket.EAI_AGAIN, "trouble")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, 80))]
