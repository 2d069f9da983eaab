"""Candidates that cannot be had: dead, silent, cut off."""

from bench.image_server import HOSTS
from bench.session import Bench, Figures

LOSS = 0.1


def dead(bench: Bench) -> Figures:
    """One URL in ten is dead, against none."""
    count = bench.fifty // 10

    def with_dead() -> float:
        urls = bench.urls(bench.fifty - count)
        for at in range(count):
            urls.insert(at * 10, bench.url("/dead"))
        return bench.rank(bench.ours(), urls, failing=count)

    return bench.pairs(with_dead, lambda: _healthy(bench), rounds=bench.few)


def lossy(bench: Bench) -> Figures:
    """One connection in ten is dropped, against none; the retry brings most of them back."""
    failed: list[int] = []

    def with_loss() -> float:
        urls = bench.urls(bench.fifty, loss=LOSS)
        seconds, answer = bench.ours().rank(bench.query(), urls)
        ids = {one["auction_id"] for one in answer["results"] + answer["failed"]}
        assert len(ids) == len(urls), answer
        failed.append(len(answer["failed"]))
        return seconds

    figures = bench.pairs(with_loss, lambda: _healthy(bench), rounds=bench.few)
    return figures | {"failed": sum(failed), "candidates": bench.fifty * len(failed)}


def hanging(bench: Bench) -> Figures:
    """One host never answers, against none such: with one candidate there, and with half of all."""
    return {
        "one": _hanging(bench, 1),
        "half": _hanging(bench, bench.fifty // 2),
    }


def _hanging(bench: Bench, count: int) -> Figures:
    def with_hanging() -> float:
        silent = [bench.url("/hang", host=HOSTS[1]) for _ in range(count)]
        urls = [*silent, *bench.urls(bench.fifty - count)]
        return bench.rank(bench.ours(), urls, failing=count)

    figures = bench.pairs(with_hanging, lambda: _healthy(bench), rounds=bench.few)
    return figures | {"count": count, "beyond_s": figures["ours_s"] - figures["other_s"]}


def _healthy(bench: Bench) -> float:
    return bench.rank(bench.ours(), bench.urls(bench.fifty))
