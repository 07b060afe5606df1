"""The checker accepts every history that a correct service can have, whatever overlaps, and rejects all others."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.load.history import OVER, REFUSED, UNKNOWN, Operation, Rules, check
from tests.proof.seat_rules import CONFIRMED, HELD, OPEN

RULES = Rules(back=100)
SEAT = "aes.20261203.0915.1"
HOUR = 3600.0


def op(kind: str, hold: str, start: float, end: float | None = None, **more: object) -> Operation:
    """Return an operation on the seat. Without an end it took no time."""
    return replace(Operation(kind, SEAT, hold, start, start if end is None else end), **more)  # type: ignore[arg-type]


def why(*history: Operation, rules: Rules = RULES) -> str:
    """Return why the history of the seat, which opens at 10, is rejected; empty for an accepted one."""
    return "; ".join(rejection.why for rejection in check(history, {SEAT: 10.0}, rules))


BOOKED = (
    op("hold", "a", 10, until=190.0),
    op("answer", "a", 20, until=920.0),
    op("details", "a", 30, until=9000.0),
    op("confirm", "a", 40),
)


def test_a_booking_step_by_step_is_accepted() -> None:
    assert why(*BOOKED, op("table", "a", 50, state=CONFIRMED)) == ""


def test_each_step_may_come_twice() -> None:
    assert (
        why(
            *(
                again
                for step in BOOKED
                for again in (step, replace(step, start=step.start + 1, end=step.end + 1))
                if step.kind != "hold" or again is step
            )
        )
        == ""
    )


def test_a_seat_cannot_be_held_before_it_opens() -> None:
    assert why(op("hold", "a", 9, until=189.0)).startswith("hold a ok until 00:03:09.000")
    assert why(op("hold", "a", 9, 10, until=189.0)) == ""


def test_a_held_seat_is_not_given_to_another_hold() -> None:
    assert why(BOOKED[0], op("hold", "b", 100, until=280.0)).endswith("while it was held by a until 00:03:10.000")


@pytest.mark.parametrize(("moment", "fair"), [(189.9, False), (190, False), (195, False), (195.1, True)])
def test_a_hold_that_ran_out_keeps_its_seat_for_the_gap_and_no_longer(moment: float, fair: bool) -> None:  # noqa: FBT001
    assert (why(BOOKED[0], op("hold", "b", moment, until=moment + 180)) == "") is fair


@pytest.mark.parametrize("kind", ["extend", "answer", "view"])
@pytest.mark.parametrize(("moment", "fair"), [(189.9, True), (190, False), (300, False)])
def test_a_holder_can_take_steps_until_the_end_of_the_hold(kind: str, moment: float, fair: bool) -> None:  # noqa: FBT001
    until = 190.0 if kind == "view" else moment + 180
    assert (why(BOOKED[0], op(kind, "a", moment, until=until)) == "") is fair


def test_details_need_the_captcha() -> None:
    assert why(BOOKED[0], BOOKED[2]).startswith("details a ok")
    assert why(*BOOKED[:3]) == ""


def test_a_request_is_confirmed_only_before_its_end() -> None:
    assert why(*BOOKED[:3], op("confirm", "a", 9000)).startswith("confirm a ok")
    assert why(*BOOKED[:3], op("confirm", "a", 8999)) == ""


def test_a_request_is_not_confirmed_by_another_hold() -> None:
    assert why(*BOOKED[:3], op("confirm", "b", 40)).startswith("confirm b ok")


def test_a_seat_that_was_given_back_is_free_at_once_and_a_cancelled_one_later() -> None:
    assert why(BOOKED[0], op("end", "a", 20), op("hold", "b", 20, until=200.0)) == ""
    cancelled = (*BOOKED, op("cancel", "a", 50))
    assert why(*cancelled, op("hold", "b", 149, until=329.0)).startswith("hold b ok")
    assert why(*cancelled, op("hold", "b", 150, until=330.0)) == ""
    assert why(*cancelled, op("table", "", 60, until=140.0, state=OPEN)).startswith("table seen open")
    assert why(*cancelled, op("table", "", 60, until=150.0, state=OPEN)) == ""


def test_the_wait_of_a_freed_seat_counts_from_when_the_service_may_have_read_its_clock() -> None:
    slow = (*BOOKED, op("cancel", "a", 50, 90), op("table", "a", 80, state=CONFIRMED))
    assert why(*slow, op("hold", "b", 149, until=329.0)).startswith("hold b ok")
    assert why(*slow, op("hold", "b", 150, until=330.0)) == ""


def test_the_seat_of_an_unconfirmed_request_opens_again_later() -> None:
    assert why(*BOOKED[:3], op("hold", "b", 9099, until=9279.0)).startswith("hold b ok")
    assert why(*BOOKED[:3], op("hold", "b", 9100, until=9280.0)) == ""


def test_a_confirmed_seat_never_expires() -> None:
    assert why(*BOOKED, op("hold", "b", HOUR * 1000, until=HOUR * 1001)).startswith("hold b ok")


def test_a_holder_is_not_refused_before_the_end_of_the_hold() -> None:
    over = op("view", "a", 100, outcome=REFUSED, code="hold-over")
    assert why(BOOKED[0], over).startswith("view a refused hold-over")
    assert why(BOOKED[0], replace(over, start=190, end=190)) == ""
    assert why(BOOKED[0], replace(over, code="captcha-wrong")) == ""


def test_a_move_takes_one_seat_and_leaves_the_other() -> None:
    assert why(*BOOKED, op("leave", "a", 50), op("table", "a", 60, state=CONFIRMED)).startswith(
        "table a seen confirmed"
    )
    assert why(*BOOKED[:1], op("arrive", "b", 50)).startswith("arrive b ok")
    assert why(*BOOKED, op("leave", "a", 50), op("arrive", "b", 150), op("confirm", "b", 160)) == ""


def test_an_operation_without_an_answer_may_have_happened_or_not() -> None:
    ended = op("end", "a", 20, math.inf, outcome=UNKNOWN)
    assert why(BOOKED[0], ended, op("hold", "b", 30, until=210.0)) == ""
    assert why(BOOKED[0], ended, op("view", "a", 30, until=190.0)) == ""
    assert why(BOOKED[0], op("hold", "b", 15, until=195.0), ended).startswith("hold b ok")


def test_a_holder_that_no_answer_named_needs_a_hold_without_an_answer() -> None:
    seen = op("table", "x", 30, until=195.0, state=HELD)
    assert why(seen).startswith("the table has a holder x that no answer named")
    assert why(seen, replace(op("hold", "", 15, math.inf, outcome=UNKNOWN), seat="")) == ""


def test_one_hold_has_one_seat() -> None:
    other = SEAT[:-1] + "2"
    seen = [op("table", "a", 50, state=CONFIRMED), replace(op("table", "a", 50, state=CONFIRMED), seat=other)]
    rejections = check(
        [*BOOKED, op("arrive", "a", 45), replace(op("arrive", "a", 45), seat=other), *seen],
        {SEAT: 10.0, other: 10.0},
        RULES,
    )
    assert [rejection.why for rejection in rejections] == ["a has 2 seats in the table", "a has 2 seats in the table"]


def test_one_hold_is_given_one_seat_even_when_the_first_is_free_again() -> None:
    other = SEAT[:-1] + "2"
    history = [
        op("hold", "a", 20, until=920.0),
        op("end", "a", 30),
        replace(op("hold", "a", 40, until=940.0), seat=other),
    ]
    rejections = check(history, {SEAT: 10.0, other: 10.0}, RULES)
    assert [rejection.why for rejection in rejections] == [f"the hold a was given 2 seats: {SEAT}, {other}"]
    assert check([*history[:2], replace(history[2], hold="b")], {SEAT: 10.0, other: 10.0}, RULES) == []


def test_clocks_that_differ_and_rounded_seconds_are_allowed_for() -> None:
    early = op("hold", "a", 9, until=189.0)
    assert why(early, rules=replace(RULES, slack=0.5)).startswith("hold a ok")
    assert why(early, rules=replace(RULES, slack=1)) == ""
    seen = op("table", "a", 30, until=190.9, state=HELD)
    assert why(BOOKED[0], seen).startswith("table a seen held")
    assert why(BOOKED[0], seen, rules=replace(RULES, grain=1)) == ""


# Histories of a correct seat


def fair(chance: random.Random) -> list[Operation]:
    """Return a random history of a correct seat. The operations follow each other, each between wider moments."""
    history: list[Operation] = []
    now, number = 10.0, 0
    while len(history) < 12:
        number += 1
        hold, until = f"{number}", now + 20
        history.append(op("hold", hold, now, until=until))
        for step in chance.choices(("view", "extend", "answer", "end", "lapse", "file"), k=4):
            is_repeated = step == "answer" and any(
                (operation.kind, operation.hold) == ("answer", hold) for operation in history
            )
            kind = "view" if is_repeated else step  # a repeated answer changes nothing
            now += chance.choice((0, 1, 3))
            if kind == "lapse" or now >= until:
                now = until + 5.5
                break
            if kind == "end":
                history.append(op("end", hold, now))
                break
            if kind == "file":
                history += [op("answer", hold, now, until=now + 20), op("details", hold, now, until=now + 50)]
                history.append(op("confirm", hold, now + 1))
                history.append(op("cancel", hold, now + 2))
                now += 102 + chance.choice((0, 1))
                break
            until = until if kind == "view" else until + 10
            history.append(op(kind, hold, now, until=until))
        else:
            now = max(now, until) + 6
    return [
        replace(
            operation,
            start=operation.start - chance.choice((0, 0, 2, 9)),
            end=operation.end + chance.choice((0, 0, 2, 9)),
        )
        for operation in history
    ]


@settings(deadline=None, max_examples=150)
@given(some.randoms(use_true_random=False), some.integers(0, 3))
def test_every_history_of_a_correct_seat_is_accepted_however_it_overlaps(chance: random.Random, lost: int) -> None:
    history = fair(chance)
    for _ in range(lost):  # its answer gets lost
        number = chance.randrange(len(history))
        history[number] = replace(history[number], outcome=UNKNOWN, end=math.inf)
    chance.shuffle(history)
    assert why(*history) == ""


@settings(deadline=None, max_examples=150)
@given(some.randoms(use_true_random=False))
def test_a_hold_during_another_hold_is_rejected(chance: random.Random) -> None:
    history = fair(chance)
    first = next(operation for operation in history if operation.kind == "hold")
    ends = [
        operation.start for operation in history if operation.hold == first.hold and operation.kind in {"end", "cancel"}
    ]
    last = min([first.until or 0.0, *ends])
    second = op("hold", "thief", first.end, first.end, until=first.end + 20)
    inside = first.end < last
    assert not inside or why(*history, second) != ""


@settings(deadline=None, max_examples=150)
@given(some.randoms(use_true_random=False), some.sampled_from(sorted(OVER)))
def test_a_refusal_to_a_holder_is_rejected(chance: random.Random, code: str) -> None:
    history = fair(chance)
    first = next(operation for operation in history if operation.kind == "hold")
    steps = [operation for operation in history if operation.hold == first.hold and operation.kind != "hold"]
    is_alone = all(operation.start > first.end + 0.5 for operation in steps) and first.end + 0.5 < (first.until or 0.0)
    over = op("view", first.hold, first.end + 0.1, first.end + 0.2, outcome=REFUSED, code=code)
    assert not is_alone or why(*history, over) != ""
