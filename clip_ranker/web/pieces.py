"""Reads HTTP as uvicorn does, and refuses a body that comes in crumbs."""

from typing import Any

import h11

FREE_PIECES = 5000
"""An encoder that sends each token of its JSON as a chunk makes 2,000 of a large request."""
LEAST_BYTES = 64
"""Of the pieces beyond, on average."""


class Connection(h11.Connection):
    """One side of HTTP/1.1, the server's.

    Each chunk of a body costs h11 some 10 microseconds on the event loop, however small it is: the
    30 MB that a body may have would be five minutes of nothing else.

    Attributes:
        between_requests: whether the last event was looked for where a head begins.
    """

    def __init__(self) -> None:
        super().__init__(h11.SERVER)
        self.between_requests = True
        self._pieces = 0
        self._bytes = 0

    def next_event(self) -> Any:
        """As h11's.

        Raises:
            h11.RemoteProtocolError: this is not HTTP, or a body of very many very small chunks.
        """
        self.between_requests = self.their_state is h11.IDLE
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._pieces = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._pieces += 1
            self._bytes += len(event.data)
            if self._pieces > FREE_PIECES + self._bytes // LEAST_BYTES:
                raise h11.RemoteProtocolError("a body in crumbs")
        return event
