"""The outbox on the emulator's table and stream: faults, crashes, and every record twice."""

from infra.local.stack import Stack
from tests.stack.program import run_module

OUTBOX = "tests.load.outbox"


def test_no_letter_is_lost_and_only_letters_without_a_recorded_result_are_repeated(stack: Stack) -> None:
    code, counts = run_module(stack, OUTBOX, "--json", "--bookings", "200")
    assert (code, counts["letters due"], counts["lost"], counts["with another link"]) == (0, 400, 0, 0)
    assert counts["crash after it left"] > 0
    assert 0 < counts["repeated"] <= counts["crash after it left"] + counts["away after it left"]


def test_a_mailer_that_marks_before_it_sends_is_reported_to_lose_letters(stack: Stack) -> None:
    code, counts = run_module(stack, OUTBOX, "--json", "--bookings", "60", "--mark-first")
    assert code == 1
    assert counts["lost"] > 0
