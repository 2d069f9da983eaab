"""Words against titles by their spelling."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_ranker.rank.lexical import folded, spelt_alike

CARDS = [
    "ポケモンカード リザードン PSA10 NTR-003",
    "ポケモンカード リザードン PSA10 NTR-001 美品 送料無料",
    "ポケモンカード リザードン PSA10 NTR-010",
    "ポケモンカード ピカチュウ 旧裏",
]


def best(words: str, titles: Sequence[str]) -> int:
    found = spelt_alike(words, dict(enumerate(titles)))
    return max(found, key=lambda n: found[n])


@pytest.mark.parametrize(
    ("words", "titles", "wanted"),
    [
        ("NTR-001", CARDS, 1),
        ("ｎｔｒ００１", CARDS, 1),
        ("ntr 003", CARDS, 0),
        ("リザードン NTR-010", CARDS, 2),
        ("ぴかちゅう", CARDS, 3),
        ("ﾋﾟｶﾁｭｳ", CARDS, 3),
        ("75192", ["LEGO 75193 Falcon", "レゴ 75192 ミレニアムファルコン", "LEGO 10179"], 1),
        ("赤 マグ", ["マグカップ 青", "マグカップ 赤", "マグカップ 緑"], 1),
        ("red mug", ["Blue mug", "RED MUG with handle", "Red plate"], 1),
        ("ガンダム ＲＸ－７８", ["ザク MS-06", "ガンダムRX-78-2 HG", "ガンダム ウイング"], 1),
    ],
)
def test_the_title_that_is_meant_is_the_most_alike(
    words: str, titles: list[str], wanted: int
) -> None:
    assert best(words, titles) == wanted


def test_one_text_in_several_spellings_is_one_text() -> None:
    for same in ("NTR-001", "ｎｔｒ－００１", "ntr 001", "Ntr001", "NTRー001"):
        assert folded(same) == "ntr001"
    assert folded("ファミコン") == folded("ﾌｧﾐｺﾝ") == folded("ふぁみこん")
    assert folded("がき") == folded("か\u3099き")


def test_nothing_in_common_is_nothing() -> None:
    found = spelt_alike("赤いマグ", {4: "赤いマグ", 7: "Plate", 9: "!!"})
    assert found[4] > 0
    assert (found[7], found[9]) == (0, 0)


@given(st.text(max_size=40), st.lists(st.text(max_size=40), max_size=10))
def test_it_is_a_number_from_0_of_every_title(words: str, titles: list[str]) -> None:
    found = spelt_alike(words, dict(enumerate(titles)))
    assert list(found) == list(range(len(titles)))
    assert all(one >= 0 for one in found.values())
    again = spelt_alike(words, {n: titles[n] for n in reversed(range(len(titles)))})
    assert again == found


def test_equal_titles_are_equally_alike_and_what_is_far_behind_does_not_count() -> None:
    long = "マグ NTR-001 " + "長" * 10_000
    found = spelt_alike("NTR-001", {0: long, 1: long + " NTR-001", 2: "別"})
    assert found[0] == found[1] > found[2]
