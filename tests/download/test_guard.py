"""No download reaches a forbidden address, however its URL, its name or a redirect puts it."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.download import url_policy
from clip_ranker.download.addresses import is_public
from clip_ranker.download.fetch import Fetcher
from clip_ranker.download.url_policy import Exceptions, UrlPolicy
from clip_ranker.errors import CandidateError, DownloadFailedError, TimedOutError, UrlBlockedError
from clip_ranker.settings import Settings
from tests.hostile.addresses import PRIVATE, REFUSED_URLS
from tests.hostile.certificates import Authority
from tests.hostile.raw_server import RawServer, until_closed

BLOCKED_ADDRESS = "this host has no address on the public internet"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npicture"
Names = dict[str, list[str]]


@pytest.fixture
def forbidden() -> Iterator[RawServer]:
    """What must stay unreachable."""
    with RawServer() as server:
        server.says("/", OK)
        yield server


@pytest.fixture
def public() -> Iterator[RawServer]:
    """Stands for a server out there, by an exception for its name and port."""
    with RawServer() as server:
        server.says("/", OK)
        yield server


@pytest.fixture
def web_ports(
    monkeypatch: pytest.MonkeyPatch, forbidden: RawServer, public: RawServer
) -> Callable[..., None]:
    """Makes the servers' ports count as 80 and 443, or the port alone would stop a download."""

    def use(http: int, https: int) -> None:
        monkeypatch.setattr(url_policy, "WEB_PORTS", {"http": http, "https": https})

    use(forbidden.port, public.port)
    return use


def resolver(names: Names, asked: list[str] | None = None) -> Callable[..., object]:
    """A fake name look-up; unknown names have no address."""

    async def resolve(host: str, _: int) -> Sequence[str]:
        if asked is not None:
            asked.append(host)
        return names.get(host, [])

    return resolve


def fetch(
    url: str,
    names: Names | None = None,
    *,
    asked: list[str] | None = None,
    tls: ssl.SSLContext | None = None,
    **settings: object,
) -> bytes:
    """Downloads with a fresh Fetcher that knows these names."""

    async def scenario() -> bytes:
        fetcher = Fetcher(
            Settings(**settings),
            resolve=resolver(names or {}, asked),
            tls=tls,
        )
        try:
            return await fetcher.fetch(fetcher.check(url))
        finally:
            await fetcher.close()

    return asyncio.run(scenario())


def admit(server: RawServer, name: str = "pictures.test") -> dict[str, object]:
    """Settings that admit this server under that name."""
    return {"allow_private_hosts": (f"{name}:{server.port}",)}


def blocked(url: str, names: Names | None = None, **settings: object) -> str:
    """The detail of a download that must be blocked."""
    with pytest.raises(UrlBlockedError) as error:
        fetch(url, names, **settings)
    return str(error.value)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a connection was tried to; none is made."""
    tried: list[str] = []

    async def connect(_: object, host: str, *__: object) -> None:
        tried.append(host)
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    return tried


@pytest.mark.parametrize("literal", PRIVATE)
def test_private_addresses_are_not_connected_to(literal: str, attempts: list[str]) -> None:
    in_url = f"[{literal.replace('%', '%25')}]" if ":" in literal else literal
    assert blocked(f"http://{in_url}/") == BLOCKED_ADDRESS
    assert blocked(f"https://{in_url}/") == BLOCKED_ADDRESS
    assert blocked("http://a.test/", {"a.test": [literal]}) == BLOCKED_ADDRESS
    assert blocked("http://a.test/", {"a.test": ["1.1.1.1", literal]}) == BLOCKED_ADDRESS
    assert blocked("http://a.test/", {"a.test": [literal, "1.1.1.1"]}) == BLOCKED_ADDRESS
    assert attempts == []


def test_public_addresses_are_tried_in_order(attempts: list[str]) -> None:
    with pytest.raises(DownloadFailedError, match="could not connect"):
        fetch("http://a.test/", {"a.test": ["1.1.1.1", "2606:4700::1111"]})
    assert attempts == ["1.1.1.1", "2606:4700::1111"] * 2  # it is retried


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://0x7f000001:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://127。0。0。1:{port}/",
        "http://①②⑦.0.0.1:{port}/",
        "http://%31%32%37.0.0.1:{port}/",
        "http://0:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://[::127.0.0.1]:{port}/",
        "http://[::1]:{port}/",
        "http://1.1.1.1@127.0.0.1:{port}/",
        "http://1.1.1.1:80@127.0.0.1:{port}/",
        "http://evil.com\\@127.0.0.1:{port}/",
        "http://evil.com\t@127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://localhost.:{port}/",
        "http://LOCALHOST:{port}/",
        "http://a.localhost:{port}/",
        "http://127.0.0.1.sslip.test:{port}/",
        "http://a.test:{port}/",
        "http://xn--a.test:{port}/",
    ],
)
def test_no_spelling_of_loopback_reaches_it(
    url: str, forbidden: RawServer, web_ports: None
) -> None:
    spellings = (
        *("127.1", "0x7f.1", "0x7f000001", "2130706433", "0", "localhost", "a.localhost"),
        *("127.0.0.1.sslip.test", "a.test", "%31%32%37.0.0.1", "0177.0.0.1", "xn--a.test"),
    )
    names = {spelling: ["127.0.0.1"] for spelling in spellings}
    blocked(url.format(port=forbidden.port), names)
    assert forbidden.accepted == 0


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_urls_that_need_no_look_up_to_be_refused(url: str, attempts: list[str]) -> None:
    asked: list[str] = []
    blocked(url, asked=asked)
    assert asked == attempts == []


def test_every_host_that_is_not_out_there_gives_the_same_detail() -> None:
    names = {"a.test": ["10.0.0.1"], "b.test": ["::1"], "c.test": ["1.1.1.1", "127.0.0.1"]}
    hosts = ["10.0.0.1", "[::1]", "127.1", "redis", "localhost", *names, "unknown.test"]
    assert {blocked(f"http://{host}/", names) for host in hosts} == {BLOCKED_ADDRESS}


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(
    public: RawServer, web_ports: Callable[..., None]
) -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    async def rebinding(_: str, __: int) -> Sequence[str]:
        return answers.pop(0)

    async def scenario() -> bytes:
        settings = Settings(allow_private_hosts=("127.0.0.1",))
        fetcher = Fetcher(settings, resolve=rebinding)
        body = await fetcher.fetch(fetcher.check(f"http://a.test:{public.port}/"))
        await fetcher.close()
        return body

    assert asyncio.run(scenario()) == b"picture"
    assert answers == [["10.0.0.1"]]
    assert b"Host: a.test" in public.requests[0]


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.1:{port}/", "//127.0.0.1:{port}/", "http://a.test:{port}/"),
        *("http://[::ffff:127.0.0.1]:{port}/", "http://x@127.0.0.1:{port}/", "//redis/"),
        *("http://pictures.test\\@127.0.0.1:{port}/", "http://169.254.169.254/", "http://127.1/"),
        *("http://pictures.test:22/", "file:///etc/passwd", "data:,x", "gopher://1.1.1.1/"),
        *("http://xn--/", "http://[", "http://\xff.test/", "http://xn--a.test/"),
    ],
)
def test_redirects_go_through_the_guard(
    location: str, forbidden: RawServer, public: RawServer, web_ports: None
) -> None:
    target = location.format(port=forbidden.port).encode("latin-1")
    public.says("/go", b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\n\r\n")
    names = {"pictures.test": ["127.0.0.1"], "a.test": ["127.0.0.1"]}
    with pytest.raises(CandidateError) as error:
        fetch(f"http://pictures.test:{public.port}/go", names, **admit(public))
    assert error.value.reason == "url_blocked"
    assert (forbidden.accepted, public.accepted) == (0, 1)


@pytest.mark.parametrize(
    "location", ["/", "//pictures.test:{port}/", "?", "http://pictures.test:{port}"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_that_stay_outside_are_followed(
    status: int, location: str, public: RawServer
) -> None:
    if location == "?":
        location = "../x/../?"
        public.acts["/?"] = public.acts["/"]
    target = location.format(port=public.port).encode()
    public.says("/go", b"HTTP/1.1 %d X\r\nLocation: %s\r\n\r\n" % (status, target))
    url = f"http://pictures.test:{public.port}/go"
    assert fetch(url, {"pictures.test": ["127.0.0.1"]}, **admit(public)) == b"picture"


def test_proxies_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, forbidden: RawServer, public: RawServer
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{forbidden.port}")
    url = f"http://pictures.test:{public.port}/"
    assert fetch(url, {"pictures.test": ["127.0.0.1"]}, **admit(public)) == b"picture"
    assert forbidden.accepted == 0


def test_a_resolver_that_hangs_costs_the_deadline_and_no_more() -> None:
    async def hanging(_: str, __: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        fetcher = Fetcher(Settings(download_timeout_s=0.1), resolve=hanging)
        with pytest.raises(TimedOutError):
            await fetcher.fetch(fetcher.check("http://a.test/"))
        await fetcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("code", "blocks"),
    [
        (socket.EAI_NONAME, True),
        (socket.EAI_NODATA, True),
        (socket.EAI_AGAIN, False),
        (socket.EAI_FAIL, False),
        (socket.EAI_MEMORY, False),
        (socket.EAI_SYSTEM, False),
    ],
)
def test_only_a_name_that_does_not_exist_is_blocked(
    code: int, blocks: bool, public: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, faults = socket.getaddrinfo, [code]

    def troubled(_: str, *rest: object, **options: object) -> object:
        if faults:
            raise socket.gaierror(faults.pop(), "trouble")
        return look_up("127.0.0.1", *rest, **options)

    async def scenario() -> bytes:
        fetcher = Fetcher(Settings(**admit(public)))
        try:
            return await fetcher.fetch(fetcher.check(f"http://pictures.test:{public.port}/"))
        finally:
            await fetcher.close()

    monkeypatch.setattr(socket, "getaddrinfo", troubled)
    if blocks:
        with pytest.raises(UrlBlockedError, match=BLOCKED_ADDRESS):
            asyncio.run(scenario())
    else:
        assert asyncio.run(scenario()) == b"picture"  # at the second attempt


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure(authority: Authority) -> Iterator[RawServer]:
    """Two names, one certificate for both; ``other.test`` is not in it."""
    with RawServer(authority.server("one.test", "two.test")) as server:
        server.says("/", OK)
        yield server


TLS_NAMES = {name: ["127.0.0.1"] for name in ("one.test", "two.test", "other.test")}


def https(secure: RawServer, authority: Authority, name: str, path: str = "/") -> bytes:
    """Downloads over TLS by that name."""
    return fetch(
        f"https://{name}:{secure.port}{path}",
        TLS_NAMES,
        tls=authority.trusted(),
        allow_private_hosts=tuple(f"{name}:{secure.port}" for name in TLS_NAMES),
        download_timeout_s=1,
    )


@pytest.mark.parametrize("name", ["one.test", "two.test"])
def test_tls_names_and_host_are_those_of_the_url(
    name: str, secure: RawServer, authority: Authority
) -> None:
    assert https(secure, authority, name) == b"picture"
    assert secure.server_names == [name]
    assert f"Host: {name}:{secure.port}\r\n".encode() in secure.requests[0]


def test_a_certificate_for_another_name_is_refused(secure: RawServer, authority: Authority) -> None:
    with pytest.raises(DownloadFailedError, match="could not connect"):
        https(secure, authority, "other.test")
    assert secure.requests == []


def test_an_authority_nobody_trusts_is_refused(secure: RawServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailedError, match="could not connect"):
        https(secure, Authority(tmp_path), "one.test")
    assert secure.requests == []


def test_https_does_not_lead_to_http(secure: RawServer, authority: Authority) -> None:
    secure.says("/go", b"HTTP/1.1 302 Found\r\nLocation: http://1.1.1.1/\r\n\r\n")
    with pytest.raises(UrlBlockedError, match="https to http"):
        https(secure, authority, "one.test", "/go")


def test_a_handshake_that_never_ends_leaves_no_connection_behind(
    public: RawServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Semaphore(0)

    def silent(connection: socket.socket) -> None:
        with connection:
            until_closed(connection)
        closed.release()

    monkeypatch.setattr(public, "_serve", silent)

    async def scenario() -> None:
        settings = Settings(
            allow_private_hosts=(f"one.test:{public.port}",),
            download_timeout_s=0.2,
        )
        fetcher = Fetcher(settings, resolve=resolver(TLS_NAMES), tls=authority.trusted())
        with pytest.raises(TimedOutError):
            await fetcher.fetch(fetcher.check(f"https://one.test:{public.port}/"))
        for _ in range(2):  # the attempt and the retry, before the Fetcher is closed
            assert await asyncio.to_thread(closed.acquire, timeout=10)
        await fetcher.close()

    asyncio.run(scenario())


def test_only_allowed_hosts_are_asked() -> None:
    policy = UrlPolicy(Exceptions(), ("img.example.com", "*.cdn.test"))
    for url in ("http://img.example.com/", "https://IMG.example.com./x", "http://a.b.cdn.test/"):
        policy.check(url)
    for url in (
        *("http://example.com/", "http://cdn.test/", "http://evilcdn.test/", "http://8.8.8.8/"),
        "http://img.example.com.evil.test/",
    ):
        with pytest.raises(UrlBlockedError, match="restricted"):
            policy.check(url)


def test_exceptions_admit_what_they_name_and_nothing_else() -> None:
    exceptions = Exceptions.parse(
        ["intra.test", "nas:8080", "10.1.0.0/16", "[::1]:81", "127.0.0.2"]
    )
    assert exceptions.admit_name("intra.test", 80)
    assert not exceptions.admit_port("intra.test", 8080)
    assert exceptions.admit_port("nas", 8080)
    assert not exceptions.admit_name("nas", 80)
    assert exceptions.admit_port("::1", 81)
    assert exceptions.admit_address(ip_address("10.1.2.3"))
    assert exceptions.admit_address(ip_address("127.0.0.2"))
    assert not exceptions.admit_address(ip_address("10.2.0.1"))
    assert not exceptions.admit_address(ip_address("127.0.0.1"))
    for wrong in ("a:0", "a:99999", ":80", "a:b", "http://a", "a/b", "10.0.0.0/99"):
        with pytest.raises(ValueError, match="CLIP_ALLOW_PRIVATE_HOSTS"):
            Exceptions.parse([wrong])


hosts = st.one_of(
    st.text(max_size=20),
    st.ip_addresses().map(lambda a: f"[{a}]" if a.version == 6 else str(a)),
    st.ip_addresses(v=4).map(lambda a: str(int(a))),
    st.ip_addresses(v=4).map(lambda a: f"[::ffff:{a}]"),
    st.sampled_from(["localhost", "127.0.0.1", "127.1", "a.test", "[::1]", "0x7f.1", "1.1.1.1"]),
)
parts = st.text(alphabet="@\\/?#:%[]。 \t\r\n\x00.a1-_", max_size=6)


@given(
    st.tuples(
        st.sampled_from(["http:", "https:", "HTTP:", "", "http:/", "ftp:"]),
        st.sampled_from(["//", "/", "\\\\", "///"]),
        *(parts, hosts, parts, hosts, parts),
    ).map("".join)
)
def test_no_url_that_is_admitted_connects_to_a_private_address(url: str) -> None:
    tried: list[str] = []

    class Recording(httpcore.AsyncMockBackend):
        async def connect_tcp(
            self, host: str, *_: object, **__: object
        ) -> httpcore.AsyncNetworkStream:
            tried.append(host)
            raise httpcore.ConnectError

    async def everything_is_loopback(_: str, __: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async def scenario() -> None:
        fetcher = Fetcher(
            Settings(), resolve=everything_is_loopback, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        fetcher._transport._pool._network_backend._backend = Recording([])
        with pytest.raises(CandidateError) as error:
            await fetcher.fetch(fetcher.check(url))
        assert str(error.value)
        await fetcher.close()

    asyncio.run(scenario())
    assert all(is_public(ip_address(host)) for host in tried)


def test_httpx_is_one_whose_pool_can_be_guarded() -> None:
    """Fetcher replaces a private attribute of this version of httpx."""
    assert isinstance(httpx.AsyncHTTPTransport()._pool, httpcore.AsyncConnectionPool)
