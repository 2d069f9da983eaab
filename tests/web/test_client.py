"""Who counts as one client."""

import pytest
from starlette.types import Scope

from clip_ranker.web.client import KEY_NAME, Client, client_of

CADDY = "172.18.0.3"


def scope(peer: str | None, *forwarded: str, **more: str) -> Scope:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    return {"type": "http", "client": (peer, 1) if peer else None, "headers": headers, **more}


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("8.8.8.8", ["1.1.1.1"], "8.8.8.8"),  # no proxy of ours: it says what it likes
        (CADDY, ["8.8.8.8"], "8.8.8.8"),
        (CADDY, ["1.1.1.1, 8.8.8.8"], "8.8.8.8"),  # the last is what the proxy has seen
        (CADDY, ["1.1.1.1", "8.8.8.8"], "8.8.8.8"),
        (CADDY, ["10.0.0.7"], "10.0.0.7"),
        (CADDY, [], CADDY),
        (CADDY, ["unknown"], CADDY),
        (CADDY, [""], CADDY),
        ("127.0.0.1", ["[2606:4700::1]"], "2606:4700::/64"),
        ("2606:4700::1", [], "2606:4700::/64"),
        ("2606:4700::ffff:2", [], "2606:4700::/64"),
        ("::ffff:8.8.8.8", [], "8.8.8.8"),
        (None, ["8.8.8.8"], "8.8.8.8"),  # a unix socket
        (None, [], ""),
    ],
)
def test_the_address_is_the_peer_s_or_what_a_proxy_of_ours_has_seen(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert client_of(scope(peer, *forwarded)) == Client("", address)


def test_keys_tell_clients_apart() -> None:
    app, laptop = (client_of(scope("8.8.8.8", **{KEY_NAME: name})) for name in ("app", "laptop"))
    assert app != laptop
    assert app.address == laptop.address
