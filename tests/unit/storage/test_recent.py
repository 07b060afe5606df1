from datetime import date, time, timedelta

import pytest

from chalicelib.domain.seat import SeatKey
from chalicelib.storage import recent
from tests.conftest import MONDAY

SECOND = timedelta(seconds=1)
KEYS = [SeatKey(date(2026, 12, 3), time(9 + n // 60, n % 60), 1, "aes") for n in range(100)]


class Process:
    """One that asks for whatever seat it is led to, and is told who has it."""

    def __init__(self, theirs: set[int]) -> None:
        recent.forget()
        self.free = KEYS.copy()
        self.theirs = theirs
        self.now = MONDAY

    def ask(self, number: int) -> int:
        """Ask for this one."""
        self.free.remove(KEYS[number])
        recent.taken(KEYS[number], self.now, by_us=number not in self.theirs)
        return number

    def asks(self, times: int = 1) -> list[int]:
        """Which ones it is led to and asks for."""
        return [self.ask(KEYS.index(key)) for _ in range(times) if (key := self.next())]

    def next(self) -> SeatKey | None:
        return recent.next_in_range("aes", self.free, self.now)

    def meets_others(self) -> None:
        """Which makes the week busy."""
        self.theirs.add(99)
        self.ask(99)


@pytest.fixture
def process() -> Process:
    return Process(theirs={44, 60, 61, 38, 39})


def test_a_process_is_led_nowhere_before_it_took_a_seat_of_a_busy_week(process: Process) -> None:
    process.ask(40)
    assert process.next() is None
    process.meets_others()
    assert process.next() is None
    process.ask(44)
    assert process.next() is None


def test_in_a_busy_week_it_is_led_upwards_from_where_it_took_one_past_a_single_one_of_others(process: Process) -> None:
    process.meets_others()
    process.ask(40)
    assert process.asks(12) == [41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52]


def test_after_two_on_end_that_are_others_it_is_led_downwards_and_after_two_there_nowhere(process: Process) -> None:
    process.meets_others()
    process.ask(58)
    assert process.asks(5) == [59, 60, 61, 57, 56]
    assert process.asks(99) == [*range(55, 37, -1)]
    assert process.next() is None
    process.ask(70)
    assert process.asks(2) == [71, 72]


def test_the_ends_of_the_week_are_neighbours(process: Process) -> None:
    process.meets_others()
    process.ask(97)
    assert process.asks(3) == [98, 0, 1]
    process.theirs |= {2, 3, 96}
    assert process.asks(4) == [2, 3, 96, 95]
    recent.forget()
    process = Process({3, 4})
    process.meets_others()
    process.ask(1)
    assert process.asks(5) == [2, 3, 4, 0, 98]


def test_a_seat_that_it_was_not_led_to_changes_nothing_on_its_way(process: Process) -> None:
    process.meets_others()
    process.ask(10)
    process.ask(20)
    process.ask(44)
    process.ask(60)
    assert process.asks(2) == [11, 12]


def test_a_table_that_throttles_makes_the_week_busy_and_ends_no_way(process: Process) -> None:
    recent.throttled("aes", process.now)
    process.ask(10)
    recent.throttled("aes", process.now)
    assert process.asks(2) == [11, 12]


def test_the_way_ends_a_second_after_it_last_met_others(process: Process) -> None:
    process.meets_others()
    process.ask(10)
    process.now += SECOND
    assert process.next() is None
    process.ask(30)
    process.theirs.add(98)
    process.ask(98)
    assert process.next() is None


def test_each_service_has_its_own(process: Process) -> None:
    process.meets_others()
    process.ask(10)
    assert recent.next_in_range("medical", process.free, process.now) is None
