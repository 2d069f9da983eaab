"""The whole chain for real: image, compose, Caddy. `make test-deploy` runs it, in file order."""

import base64
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy.conftest import IMAGES, MODEL, measured, ok
from deploy.engine import (
    NETWORK,
    ROOT,
    SERVICE,
    compose,
    container,
    docker,
    inside,
    inspect,
    python_in,
    remove_own,
    wait_until,
)

EXAMPLES = ROOT / "clip_ranker" / "examples"
CAT = base64.b64encode((EXAMPLES / "cat.jpg").read_bytes()).decode()
FROZEN = (
    "import importlib.metadata as m; "
    "print('\\n'.join(sorted(f'{d.name.lower()}=={d.version}' for d in m.distributions())))"
)
FILES = """
import hashlib, pathlib
for path in sorted(pathlib.Path("/home/bentoml/bento/src").rglob("*")):
    if path.is_file():
        print(hashlib.sha256(path.read_bytes()).hexdigest(), path)
"""
GET = "import urllib.request as u; u.urlopen('{url}')"
REFUSED_WITHIN_S = 15
MOST_WITHOUT_MODEL_BYTES = 900_000_000 - 352_000_000
"""With the ViT-B/32 in fp32 the image has 0.9 GB at most."""


def rank(client: httpx.Client, *urls: str) -> httpx.Response:
    candidates = [{"auction_id": url, "image_url": url} for url in urls]
    return client.post("/rank", json={"query_image_base64": CAT, "candidates": candidates})


def picture(name: str) -> str:
    return f"http://{IMAGES}/{name}.jpg"


def test_both_images_hold_the_same_service_and_the_pinned_packages(
    bento_image: str, dockerfile_image: str
) -> None:
    files = python_in(bento_image, FILES)
    assert "clip_ranker/rank/ranking.py" in files
    assert "tests/" not in files
    assert python_in(dockerfile_image, FILES) == files
    pinned = re.findall(r"(?m)^[\w.-]+==[\w.]+", (ROOT / "requirements.txt").read_text().lower())
    for image in (bento_image, dockerfile_image):
        frozen = python_in(image, FROZEN).replace("_", "-").splitlines()
        assert sorted(frozen) == sorted(line.replace("_", "-") for line in pinned)


def test_both_images_run_alike(bento_image: str, dockerfile_image: str) -> None:
    compared = []
    for image in (bento_image, dockerfile_image):
        found = inspect("image", image)
        assert found is not None
        assert found["Size"] < MOST_WITHOUT_MODEL_BYTES
        environment = dict(entry.split("=", 1) for entry in found["Config"]["Env"])
        compared.append(
            (
                found["Config"]["User"],
                {name: environment[name] for name in ("CLIP_MODEL", "BENTOML_HOME")},
                {name: environment[name] for name in environment if name.startswith("MALLOC_")},
                environment["BENTOML_DO_NOT_TRACK"],
                environment["PATH"].split(":")[0],
                python_in(image, "import shutil; print(*map(shutil.which, ('gcc', 'git', 'cc')))"),
                python_in(image, "import os, pwd; print(os.getuid(), pwd.getpwuid(os.getuid()))"),
            )
        )
    assert compared[0][0] == "bentoml"
    assert compared[0][1]["CLIP_MODEL"] == MODEL
    assert compared[0][5] == "None None None"
    assert compared[0][:6] == compared[1][:6]
    assert [user[6].split()[0] for user in compared] == ["1034", "1034"]


@pytest.mark.parametrize(
    ("option", "threads"),
    [("--cpus=0.5", 1), ("--cpus=1", 1), ("--cpus=1.5", 2), ("--cpuset-cpus=0", 1)],
)
def test_threads_follow_the_share_of_a_container(
    bento_image: str, option: str, threads: int
) -> None:
    ask = "from clip_ranker import processors; print(processors.available())"
    source = "--workdir=/home/bentoml/bento/src"
    assert int(python_in(bento_image, ask, source, option)) == threads


def test_compose_takes_a_share_from_the_environment() -> None:
    files = [ROOT / "docker-compose.yml"]
    assert "cpus: 1.5" in compose("config", files=files, CLIP_CPUS="1.5")


def test_healthz_says_ok_through_caddy(service: httpx.Client) -> None:
    answer = service.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_ranks_real_pictures_through_caddy_one_url_broken(service: httpx.Client) -> None:
    urls = [picture(name) for name in ("coffee", "cat", "missing", "rocket")]
    answer = rank(service, *urls).json()
    assert answer["results"][0]["auction_id"] == picture("cat")
    assert {result["auction_id"] for result in answer["results"]} == {urls[0], urls[1], urls[3]}
    assert [(f["auction_id"], f["reason"]) for f in answer["failed"]] == [
        (picture("missing"), "download_failed")
    ]
    assert answer["meta"]["model"] == MODEL


def test_a_stream_comes_through_caddy_line_by_line(service: httpx.Client, images: str) -> None:
    httpx.get(f"{images}/hold")
    urls = [f"http://{IMAGES}/held/cat.jpg?stream", picture("coffee"), picture("rocket")]
    candidates = [{"auction_id": url, "image_url": url} for url in urls]
    body = {"query_image_base64": CAT, "candidates": candidates}
    try:
        with service.stream("POST", "/rank/stream", json=body) as response:
            events = (json.loads(line) for line in response.iter_lines())
            early = [next(events), next(events)]  # while the first picture is still held back
            httpx.get(f"{images}/release")
            *_, last = events
    finally:
        httpx.get(f"{images}/release")
    assert {event["auction_id"] for event in early} == set(urls[1:])
    assert last["answer"]["meta"]["succeeded"] == 3


def test_neighbours_on_the_network_reach_it_by_name(service: httpx.Client) -> None:
    ask = f"import urllib.request as u; print(u.urlopen('http://{SERVICE}:8000/healthz').read())"
    assert docker("exec", IMAGES, "python", "-c", ask) == "b'ok'"


def test_the_container_can_do_little(service: httpx.Client) -> None:
    assert inside("id", "-un") == "bentoml"
    found = container()
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0
    assert 0 < host["CpuShares"] < 1024  # what its neighbours have
    assert host["NanoCpus"] == 0  # all there are
    assert host["PidsLimit"] > 0
    assert found["Config"]["StopTimeout"] > 60  # the deadline of a request
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert not host["PortBindings"]
    assert not any(found["NetworkSettings"]["Ports"].values())
    assert set(found["NetworkSettings"]["Networks"]) == {NETWORK}
    wrote = inside("sh", "-c", "touch /home/bentoml/bento/src/x 2>/dev/null || echo refused")
    assert wrote == "refused"
    assert inside("sh", "-c", "touch /tmp/x && echo fine") == "fine"


def test_docker_sees_that_it_is_healthy(service: httpx.Client) -> None:
    wait_until(lambda: container()["State"]["Health"]["Status"] == "healthy", "healthy")


def test_memory_is_measured(service: httpx.Client) -> None:
    def memory() -> str:
        return docker("stats", "--no-stream", "--format", "{{.MemUsage}}", SERVICE)

    measured.append(f"memory at rest: {memory()}, with the model {MODEL}")
    names = ("brick", "camera", "coffee", "coins", "rocket")
    for number in range(50):
        urls = [f"{picture(name)}?{number}" for name in names]
        assert rank(service, *urls).json()["meta"]["cached"] == 0
    measured.append(f"memory after 50 requests of new pictures: {memory()}")


def _pid(of: str) -> int:
    """Process id in the container of the one with this in its command line, 0 if none."""
    code = f"""
import os, pathlib
for folder in pathlib.Path('/proc').glob('[0-9]*'):
    line = (folder / 'cmdline').read_bytes().decode().split('\\0')
    if {of!r} in line and int(folder.name) != os.getpid():
        print(folder.name)
        break
else:
    print(0)
"""
    return int(inside("python", "-c", code))


def test_a_killed_process_comes_back_without_the_container_starting_again(
    service: httpx.Client,
) -> None:
    for name in ("ClipEmbedder", "ClipRanker"):
        killed = _pid(name)
        inside("sh", "-c", f"kill -9 {killed}")
        wait_until(lambda: _pid(name) not in (0, killed), f"another {name}")  # noqa: B023
        wait_until(lambda: ok(service), "ok")
    assert container()["RestartCount"] == 0


def test_a_frozen_embedder_is_noticed_and_replaced(service: httpx.Client) -> None:
    restarts = container()["RestartCount"]
    frozen = _pid("ClipEmbedder")
    inside("sh", "-c", f"kill -STOP {frozen}")
    refused = rank(service, "example:gravel")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.elapsed.total_seconds() < REFUSED_WITHIN_S
    wait_until(lambda: _pid("ClipEmbedder") not in (0, frozen), "another embedder")
    wait_until(lambda: ok(service), "ok")
    assert rank(service, "example:gravel").json()["meta"]["succeeded"] == 1
    assert container()["RestartCount"] == restarts


def test_a_killed_service_comes_back_as_a_new_container_process(service: httpx.Client) -> None:
    inside("sh", "-c", f"kill -9 {_pid('bentoml')}")
    wait_until(lambda: container()["RestartCount"] == 1, "the restart")
    wait_until(lambda: ok(service), "ok")
    assert rank(service, picture("cat")).json()["meta"]["succeeded"] == 1


def test_docker_stop_lets_a_rank_finish_and_refuses_new_ones(
    service: httpx.Client, images: str
) -> None:
    with ThreadPoolExecutor(2) as pool:
        try:
            httpx.get(f"{images}/hold")
            answer = pool.submit(rank, service, f"http://{IMAGES}/held/cat.jpg")
            wait_until(lambda: httpx.get(f"{images}/waiting").text == "1", "the download")
            stop = pool.submit(docker, "stop", SERVICE)
            wait_until(lambda: service.get("/healthz").status_code == 503, "draining")
            refused = rank(service, picture("cat"))
            assert refused.status_code == 503
            assert int(refused.headers["Retry-After"]) > 0
            assert not answer.done()
        finally:
            httpx.get(f"{images}/release")
        assert answer.result().json()["meta"]["succeeded"] == 1
        stop.result()
    assert container()["State"]["ExitCode"] == 0


def test_a_stop_while_it_starts_is_not_lost(service: httpx.Client) -> None:
    docker("start", SERVICE)
    docker("stop", "--time", "20", SERVICE)
    assert container()["State"]["ExitCode"] != 137


def test_an_idle_container_stops_within_ten_seconds(service: httpx.Client) -> None:
    docker("start", SERVICE)
    wait_until(lambda: ok(service), "ok")
    docker("stop", "--time", "10", SERVICE)
    assert container()["State"]["ExitCode"] == 0  # 137 when the ten seconds did not do


def test_logs_rotate(service: httpx.Client) -> None:
    docker("start", SERVICE)
    wait_until(lambda: ok(service), "ok")
    write = "import sys; [sys.stdout.write('x' * 99 + '\\n') for _ in range(110_000)]"
    inside("sh", "-c", f'python -c "{write}" > /proc/1/fd/1')
    found = container()
    logs, _, name = found["LogPath"].rpartition("/")
    reader = ("run", "--rm", "--user", "root", "--volume", f"{logs}:/logs:ro")
    kept = docker(*reader, "--entrypoint", "ls", found["Config"]["Image"], "/logs").split()
    assert f"{name}.1" in kept
    assert found["HostConfig"]["LogConfig"]["Config"]["max-file"] == "3"


def test_the_site_hides_what_is_for_operators_and_the_network_sees_it(
    service: httpx.Client,
) -> None:
    for path in ("/metrics", "/schema.json", "/livez", "/readyz"):
        assert service.get(path).status_code == 404, path
        docker("exec", IMAGES, "python", "-c", GET.format(url=f"http://{SERVICE}:8000{path}"))


def test_the_stricter_site_closes_the_pages_too(
    service: httpx.Client, start_caddy: Callable[[str, str], httpx.Client]
) -> None:
    text = (ROOT / "Caddyfile.snippet").read_text()
    commented = text[text.rindex("# clip.revathis-dev.com {") :]
    variant = "".join(line.removeprefix("# ") for line in commented.splitlines(keepends=True))
    with start_caddy("clip-ranker-test-strict", variant) as client:
        wait_until(lambda: ok(client), "the strict Caddy")
        for path in ("/docs", "/docs.json", "/demo", "/"):
            assert service.get(path).status_code < 400, path
            assert client.get(path).status_code == 404, path
        assert rank(client, picture("cat")).status_code == 200
        json = {"Content-Type": "application/json"}
        assert client.post("/rank", content=b" " * 31_000_000, headers=json).status_code == 413


def test_what_belongs_to_others_is_not_removed(service: httpx.Client) -> None:
    found = container()["Config"]["Image"]
    docker("rm", "--force", SERVICE)
    docker("create", "--name", SERVICE, found)
    try:
        with pytest.raises(AssertionError, match="did not make"):
            remove_own()
        assert inspect("container", SERVICE) is not None
    finally:
        docker("rm", SERVICE)
