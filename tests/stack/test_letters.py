"""The outbox on the engine's table and stream: faults, crashes, and every record twice."""

from infra.local.stack import Stack
from tests.stack.program import played

OUTBOX = "tests.load.outbox"


def test_no_letter_is_lost_and_only_those_that_left_unheard_are_repeated_with_the_same_link(stack: Stack) -> None:
    code, seen = played(stack, OUTBOX, "--json", "--bookings", "200")
    assert (code, seen["letters due"], seen["lost"], seen["with another link"]) == (0, 400, 0, 0)
    assert seen["crash after it left"] > 0
    assert 0 < seen["repeated"] <= seen["crash after it left"] + seen["away after it left"]


def test_a_mailer_that_marks_before_it_sends_is_seen_to_lose_letters(stack: Stack) -> None:
    code, seen = played(stack, OUTBOX, "--json", "--bookings", "60", "--mark-first")
    assert code == 1
    assert seen["lost"] > 0
