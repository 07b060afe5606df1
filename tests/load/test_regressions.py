"""`make bench` names what became slower, whatever the load of the machine."""

import pytest

from tests.load.regressions import BARE, PACE, calendar_ratios, report

RECORDED = {BARE: "1.00", PACE: "9.00", "CPU ms, hold page": "5.00", "CPU ms, release": "1,000", "CPU ms, new": "–"}
SAME = {BARE: 1.0, PACE: 9.0, "CPU ms, hold page": 5.0, "CPU ms, release": 1000.0}
QUIET = (["No row is slower than recorded by more than 15%, measured in bare calls of botocore."], 0)
HEAD = "Slower than recorded by more than 15%, measured in bare calls of botocore:"


@pytest.mark.parametrize("load", [0.5, 1.0, 3.0])
def test_a_machine_that_is_slower_as_a_whole_is_no_regression(load: float) -> None:
    assert report({name: value * load for name, value in SAME.items()}, RECORDED) == QUIET


@pytest.mark.parametrize("load", [0.5, 1.0, 3.0])
def test_a_row_that_became_slower_is_named_under_any_load(load: float) -> None:
    measured = {name: value * load for name, value in {**SAME, "CPU ms, hold page": 6.0}.items()}
    assert report(measured, RECORDED) == ([HEAD, "CPU ms, hold page: 6 bare calls, recorded 5 (+20%)"], 1)


@pytest.mark.parametrize(
    "change",
    [
        {"CPU ms, hold page": 5.7},  # 14 %
        {"CPU ms, hold page": 1.0},  # faster
        {PACE: 90.0},  # no figure of the service
        {"bytes of the style sheet, gzip": 9000.0},  # no time
    ],
)
def test_other_rows_are_not_named(change: dict[str, float]) -> None:
    assert report({**SAME, **change}, {**RECORDED, "bytes of the style sheet, gzip": "100"}) == QUIET


def test_a_row_that_was_not_recorded_is_named_as_not_compared() -> None:
    lines, code = report({**SAME, "CPU ms, new": 50.0, "CPU ms, newer": 50.0, "bytes of the page": 1.0}, RECORDED)
    unknown = ["Not recorded, so not compared: CPU ms, new", "Not recorded, so not compared: CPU ms, newer"]
    assert (lines, code) == ([*QUIET[0], *unknown], 0)


@pytest.mark.parametrize(
    ("now", "recorded"), [(SAME, {}), (SAME, {**RECORDED, BARE: "–"}), ({**SAME, BARE: 0.0}, RECORDED)]
)
def test_without_a_bare_call_nothing_is_compared_and_a_check_fails(
    now: dict[str, float], recorded: dict[str, str]
) -> None:
    assert report(now, recorded) == ([f"guichet: `{BARE}` is not recorded: run make bench RECORD=words first"], 1)


def test_a_first_calendar_of_a_large_service_is_compared_with_one_of_a_small_one() -> None:
    measured = {
        "first calendar JSON of 600 seats": 5.0,
        "first calendar page of 600 seats": 6.0,
        "first calendar JSON of 10,000 seats": 26.0,
        "first calendar page of 10,000 seats": 30.0,
    }
    assert calendar_ratios(measured) == {
        "first calendar JSON, CPU for 10,000 seats ÷ CPU for 600": pytest.approx(5.2),
        "first calendar page, CPU for 10,000 seats ÷ CPU for 600": pytest.approx(5.0),
    }
