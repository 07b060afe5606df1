"""The simulated day ends with an outcome for everybody, and is the same for the same seed."""

from chalicelib.domain.seat import State
from tests.load.day import play


def test_everybody_of_a_day_is_called_once_they_arrived_and_gets_an_outcome() -> None:
    result, seats = play(appointments=30, desks=2, walk_ins=3, seed=1)
    assert {seat.state for seat in seats} <= {State.SEEN, State.INCOMPLETE, State.MISSED}
    assert all((seat.called_at is None) == (seat.state is State.MISSED) for seat in seats)
    assert all(seat.called_at >= seat.arrived_at for seat in seats if seat.called_at and seat.arrived_at)
    assert (result.seen + result.incomplete + result.missed, result.walk_ins) == (33, 3)
    assert result == play(appointments=30, desks=2, walk_ins=3, seed=1)[0]
