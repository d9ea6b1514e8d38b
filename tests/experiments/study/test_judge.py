"""Contrasts and verdicts."""

import pytest

from experiments.study.judge import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Contrast, judge, minus, slope, spread


def test_spread_is_that_of_a_sample() -> None:
    assert spread([1.0, 2.0, 3.0, 6.0]) == pytest.approx(
        {"mean": 3.0, "deviation": (14 / 3) ** 0.5, "error": (14 / 12) ** 0.5}
    )


@pytest.mark.parametrize(
    ("left", "limit", "above", "expected"),
    [
        ([0.80, 0.81, 0.82], 0.0, True, SUPPORTED),
        ([0.60, 0.61, 0.62], 0.0, True, NOT_SUPPORTED),
        ([0.60, 0.70, 0.85], 0.0, True, UNDECIDED),
        ([0.71, 0.70, 0.711], 0.05, False, SUPPORTED),
        ([0.83, 0.831, 0.832], 0.05, False, NOT_SUPPORTED),
        ([0.70, 0.70, 0.70], 0.0, True, UNDECIDED),
        ([0.75, 0.75, 0.75], 0.0, True, SUPPORTED),
    ],
)
def test_a_claim_follows_its_contrast(left: list[float], limit: float, above: bool, expected: str) -> None:
    contrast = Contrast("c", "left - right", {"left": 1, "right": -1}, limit=limit, above=above)
    found = judge({"c": "claim"}, [contrast], {"left": left, "right": [0.7] * 3})
    assert found["claims"] == [{"claim": "c", "text": "claim", "verdict": expected}]
    assert found["contrasts"][0]["mean"] == pytest.approx(sum(left) / 3 - 0.7)


def test_rows_are_paired_by_seed() -> None:
    # The rows differ by a tenth at every seed, and between seeds by far more.
    values = {"a": [0.1, 0.5, 0.9], "b": [0.0001, 0.4, 0.8]}
    (contrast,) = judge({"c": "claim"}, [Contrast("c", "a - b", {"a": 1, "b": -1})], values)["contrasts"]
    assert contrast["error"] < 1e-4
    assert contrast["verdict"] == SUPPORTED


def test_one_contrast_against_a_claim_outweighs_those_for_it() -> None:
    values = {"up": [1.0, 1.1, 1.2], "down": [-1.0, -1.1, -1.2], "open": [-1.0, 0.0, 1.0]}

    def verdict(*rows: str) -> str:
        return judge({"c": "claim"}, [Contrast("c", row, {row: 1}) for row in rows], values)["claims"][0]["verdict"]

    assert verdict("up", "up") == SUPPORTED
    assert verdict("up", "open") == UNDECIDED
    assert verdict("up", "open", "down") == NOT_SUPPORTED


def test_contrasts_are_listed_in_the_order_of_their_claims() -> None:
    values = {"a": [1.0, 1.1, 1.2]}
    made = [Contrast(claim, f"{claim} {i}", {"a": 1}) for i in (1, 2) for claim in ("second", "first")]
    found = judge({"first": "", "second": ""}, made, values)["contrasts"]
    assert [one["label"] for one in found] == ["first 1", "first 2", "second 1", "second 2"]


def test_differences_and_slopes_are_weighted_sums() -> None:
    assert minus("a", "b") == {"a": 1, "b": -1}
    assert minus(minus("a", "b"), minus("c", "d")) == {"a": 1, "b": -1, "c": -1, "d": 1}
    places = [3, 5, 7, 11]
    weights = slope(places)
    assert sum(weights) == pytest.approx(0)
    # That of a line is its slope; a bump in the middle of even places leaves it.
    assert sum(w * (2 + 0.5 * x) for w, x in zip(weights, places, strict=True)) == pytest.approx(0.5)
    assert slope([1, 2, 3]) == pytest.approx([-0.5, 0, 0.5])


def test_p_values_are_adjusted_for_all_contrasts() -> None:
    values = {"a": [1.0, 1.3, 1.1, 0.5], "b": [-1.0, 0.0, 1.1, 0.2]}
    alone = judge({"c": "claim"}, [Contrast("c", "a", {"a": 1})], values)["contrasts"][0]["p"]
    among = judge({"c": "claim"}, [Contrast("c", "a", {"a": 1}), *[Contrast("c", "b", {"b": 1})] * 3], values)
    assert among["contrasts"][0]["p"] == pytest.approx(4 * alone)
