"""The checker accepts every day at the desk that a correct service can have, whatever overlaps, and rejects others."""

from copy import deepcopy
from dataclasses import replace

import pytest

from tests.load.call_history import ACTS, AuditEntry, Operation, check
from tests.load.history import REFUSED, UNKNOWN
from tests.proof.call_rules import Appointment

SEATS = {name: f"aes.20261203.{start}.1" for name, start in (("A", "0900"), ("B", "0910"), ("C", "0920"))}
A, B, C = SEATS.values()
DESKS = (1, 2)


class Day:
    """A day with three appointments and two desks, written by hand. Desk 1 has the agent a1, desk 2 the agent a2."""

    def __init__(self) -> None:
        self.history: list[Operation] = []
        self.audit: list[AuditEntry] = []

    def did(self, kind: str, seat: str, desk: int, at: float, **answer: object) -> "Day":
        """Record a step at `at`, what its answer showed, and its audit item."""
        self.note(kind, seat, desk, at, **answer)
        self.audit.append(AuditEntry(self.history[-1].moment, f"a{desk}", ACTS.get(kind, kind), seat))
        return self

    def note(self, kind: str, seat: str, desk: int, at: float, **answer: object) -> "Day":
        """Record a step that changed nothing, or the answer to one that the audit does not have."""
        operation = Operation(kind, seat, desk, f"a{desk}", at, at, f"m{len(self.history)}")
        self.history.append(replace(operation, **answer))  # type: ignore[arg-type]
        return self

    def refused(self, kind: str, seat: str, desk: int, at: float, code: str) -> "Day":
        """Record a step that was refused."""
        return self.note(kind, seat, desk, at, outcome=REFUSED, code=code)

    def until(self, end: float) -> "Day":
        """Let the last step take until `end`."""
        self.history[-1] = replace(self.history[-1], end=end)
        return self

    def ends(self, desks: dict[int, str] | None = None, **seen: dict[str, object]) -> str:
        """Read the table at 100: whom the desks have, and each seat. Return what is wrong with the day."""
        looks = [replace(Operation("table", SEATS[name], 0, "", 100, 100), **look) for name, look in seen.items()]  # type: ignore[arg-type]
        called = {look.called_to: look.seat for look in looks if look.state == "called"}
        has = dict.fromkeys(DESKS, "") | called if desks is None else desks
        looks += [Operation("desk", seat, desk, "", 100, 100) for desk, seat in has.items()]
        rejections = check([*self.history, *looks], self.audit, dict.fromkeys((A, B, C), Appointment()), DESKS)
        return "; ".join(rejection.why for rejection in rejections)


ARRIVED: dict[str, object] = {"state": "arrived"}


def called(desk: int, calls: int = 1, state: str = "called", *, parked: bool = False) -> dict[str, object]:
    """Return what is shown of somebody whom a desk called last."""
    return {"state": state, "called_to": desk, "calls": calls, "parked": parked}


def both_arrived() -> Day:
    return Day().did("arrive", A, 1, 1, **ARRIVED).did("arrive", B, 1, 2, **ARRIVED)


def test_a_day_step_by_step_is_accepted() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).did("next", B, 2, 4, **called(2))
    day.did("call", A, 1, 5, **called(1, 2)).did("park", A, 1, 6, **called(1, 2, "arrived", parked=True))
    day.did("seen", B, 2, 7, **called(2, 1, "seen")).refused("next", "", 1, 8, "nobody-waits")
    day.did("call", A, 2, 9, **called(2, 3, parked=True)).refused("next", A, 2, 10, "desk-busy")
    day.did("undo called", A, 2, 11, **called(2, 3, "arrived", parked=True))
    day.did("missed", A, 1, 12, **called(2, 3, "missed", parked=True))
    day.note("missed", A, 1, 13, **called(2, 3, "missed", parked=True))
    day.did("undo missed", A, 1, 14, **called(2, 3, "arrived", parked=True))
    assert day.ends(A=called(2, 3, "arrived", parked=True), B=called(2, 1, "seen"), C={"state": "confirmed"}) == ""


def test_nobody_is_called_to_two_desks() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).did("call", A, 2, 4, **called(2, 2))
    assert "call aes.20261203.0900.1 by a2 at desk 2: ok" in day.ends(A=called(2, 2))


def test_a_desk_does_not_have_two_people() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).did("next", B, 1, 4, **called(1))
    assert "next aes.20261203.0910.1 by a1 at desk 1: ok" in day.ends(A=called(1))
    assert "desk 1 has called 2 people" in day.ends(A=called(1), B=called(1))


def test_of_two_calls_at_once_by_one_desk_the_second_may_be_refused() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).until(5).refused("next", A, 1, 3, "desk-busy").until(5)
    assert day.ends(A=called(1)) == ""
    early = both_arrived().refused("next", A, 1, 3, "desk-busy").until(4).did("next", A, 1, 5, **called(1))
    assert "desk-busy" in early.ends(A=called(1))


@pytest.mark.parametrize("outcome", ["seen", "missed", "incomplete"])
def test_nobody_is_called_after_an_outcome(outcome: str) -> None:
    day = both_arrived().did(outcome, A, 1, 3, state=outcome)
    assert day.ends(A={"state": outcome}, B=ARRIVED) == ""
    assert "call aes.20261203.0900.1" in day.did("call", A, 1, 4, **called(1)).ends(A=called(1))


def test_somebody_who_is_called_by_hand_after_the_outcome_was_taken_back_is_not_the_next() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).did("missed", A, 1, 4, **called(1, 1, "missed"))
    day.did("undo missed", A, 1, 5, **called(1, 1, "arrived", parked=True))
    again = called(1, 2, parked=True)
    assert deepcopy(day).did("call", A, 1, 6, **again).ends(A=again) == ""
    assert "next aes.20261203.0900.1" in day.did("next", A, 1, 6, **again).ends(A=again)


def test_the_next_is_who_has_waited_with_the_earliest_appointment() -> None:
    day = both_arrived().did("next", B, 1, 3, **called(1))
    assert day.ends(A=ARRIVED).startswith("waited and was passed over: next aes.20261203.0910.1")
    late = Day().did("arrive", B, 1, 1, **ARRIVED).did("arrive", A, 1, 2, **ARRIVED).until(4)
    assert late.did("next", B, 2, 3, **called(2)).until(6).ends(A=ARRIVED, B=called(2)) == ""


def test_that_nobody_waits_is_wrong_while_somebody_waits() -> None:
    wrong = both_arrived().refused("next", "", 1, 3, "nobody-waits")
    assert wrong.ends().startswith("waited and was passed over: next  by a1 at desk 1: nobody-waits")
    overlapping = Day().did("arrive", A, 1, 1, **ARRIVED).until(3).refused("next", "", 2, 2, "nobody-waits").until(4)
    assert overlapping.ends(A=ARRIVED) == ""


def test_of_who_was_killed_the_audit_decides() -> None:
    day = both_arrived().did("next", A, 1, 3, outcome=UNKNOWN).until(9)
    day.history[-1] = replace(day.history[-1], seat="")
    assert day.ends(A=called(1)) == ""
    assert "the table has aes.20261203.0900.1: arrived" in day.ends(A=ARRIVED)
    del day.audit[-1]
    assert day.ends(A=ARRIVED) == ""
    assert "lost: called to desk 1" in day.ends({1: "", 2: ""}, A=called(1))


def test_a_desk_that_keeps_somebody_after_the_outcome_is_rejected() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).did("seen", A, 1, 4, **called(1, 1, "seen"))
    assert day.ends(A=called(1, 1, "seen")) == ""
    assert "desk 1 has somebody who is not called" in day.ends({1: A, 2: ""}, A=called(1, 1, "seen"))


def test_each_audit_item_has_its_change_and_each_change_its_audit_item() -> None:
    day = both_arrived()
    day.audit.append(AuditEntry("m9", "a1", "seen", A))
    assert day.ends(A=ARRIVED).startswith("nobody did what the audit has: seen by a1")
    assert "arrive aes.20261203.0900.1" in both_arrived().did("arrive", A, 1, 3, **ARRIVED).ends()
    assert both_arrived().note("arrive", A, 1, 3, **ARRIVED).ends(A=ARRIVED) == ""
    assert "arrive aes.20261203.0900.1" in Day().note("arrive", A, 1, 3, **ARRIVED).ends(A=ARRIVED)
    refused = both_arrived().refused("park", A, 1, 3, "already-recorded")
    refused.audit.append(AuditEntry("m2", "a1", "park", A))
    assert refused.ends().startswith("the audit says that this was done")


def test_a_call_that_is_taken_back_frees_its_desk() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).did("undo called", A, 1, 4, **ARRIVED)
    assert day.did("call", B, 1, 5, **called(1)).did("next", A, 2, 6, **called(2)).ends(A=called(2), B=called(1)) == ""


def test_a_call_that_was_made_again_meanwhile_says_how_often() -> None:
    day = both_arrived().did("next", A, 1, 3, **called(1)).did("call", A, 1, 4, **called(1, 2))
    day.note("call", A, 1, 5, **called(1, 2))
    assert day.ends(A=called(1, 2)) == ""
    assert "call aes.20261203.0900.1" in day.note("call", A, 1, 6, **called(1, 3)).ends(A=called(1, 2))


def test_only_who_recorded_takes_it_back() -> None:
    assert "undo arrived aes.20261203.0900.1" in both_arrived().did("undo arrived", A, 2, 3, state="confirmed").ends()
    assert both_arrived().did("undo arrived", A, 1, 3, state="confirmed").ends(A={"state": "confirmed"}) == ""
