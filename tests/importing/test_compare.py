"""Both precisions in one import, and what is said of them."""

import re
from collections.abc import Sequence
from contextlib import suppress

import bentoml
import pytest
from bentoml.exceptions import NotFound

from clip_ranker.importing import compare, gate
from tests.conftest import run_import

MEASURED = dict.fromkeys(compare.ROWS, 0.995)


def test_the_command_stores_both_and_says_what_each_costs_here() -> None:
    for name in ("both", "both_int8"):
        with suppress(NotFound):
            bentoml.models.delete(name)  # of an earlier run
    tiny = ["--model", "tests/models/tiny.json", "--weights", "random", "--name", "both"]
    ran = run_import(*tiny, "--precision", "auto")
    assert ran.returncode == 0, ran.stderr
    _, table = ran.stdout.split("Here, with ")
    costs = dict(re.findall(r"^(\S.*?) {2,}(.*)$", table, re.M))
    exact_ms, cheap_ms, share = map(float, costs["ms a picture, 16 a call"].split())
    assert share == pytest.approx(cheap_ms / exact_ms, abs=0.1)
    assert all(float(mb) > 10 for mb in costs["MB of its process"].split()[:2])
    measured = bentoml.models.get("both_int8").info.metadata["measured"]
    assert [float(costs[what].split()[1]) for what in compare.ROWS.values()] == [
        round(measured[row], 4) for row in compare.ROWS
    ]
    (taken,) = re.findall(r"^Take (\w+):", table, re.M)
    assert taken == ("both_int8" if share <= compare.WORTH else "both")
    assert f"CLIP_MODEL={taken} make run" in table


def test_every_number_of_the_gate_has_a_row() -> None:
    assert set(compare.ROWS) == set(gate.Agreement.__dataclass_fields__)


@pytest.mark.parametrize(("cheap_ms", "taken"), [(79, "it_int8"), (81, "it")])
def test_a_little_time_is_not_worth_other_scores(cheap_ms: float, taken: str) -> None:
    said = compare.told("it", compare.Cost(100, 400), compare.Cost(cheap_ms, 200), MEASURED)
    assert f"Take {taken}: " in said
    assert f"make image MODEL={taken}\n" in said


def test_where_8_bits_are_refused_fp32_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    def refuse_8_bits(arguments: Sequence[str]) -> int:
        asked.append(list(arguments))
        return int("int8" in arguments)

    asked: list[list[str]] = []
    assert compare.both(refuse_8_bits, ["--starter", "--precision", "auto"], "it") == 0
    assert [one[-1] for one in asked] == ["it", "it_int8"]
    assert "Take it: " in capfd.readouterr().out


def test_where_fp32_is_refused_nothing_is_said() -> None:
    assert compare.both(lambda _: 1, ["--precision", "auto"], "it") == 1


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(1234.5, "1230"), (48.312, "48.3"), (7.0, "7"), (0.04321, "0.0432")]
)
def test_a_tiny_model_on_a_fast_processor_takes_some_time(milliseconds: float, said: str) -> None:
    costs = (compare.Cost(milliseconds, 400), compare.Cost(milliseconds, 200))
    assert f" {said} " in compare.told("it", *costs, MEASURED)
