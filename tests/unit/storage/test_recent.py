from datetime import date, time, timedelta

import pytest

from chalicelib.domain.seat import SeatKey
from chalicelib.storage.recent import RecentSeats
from tests.conftest import MONDAY

SECOND = timedelta(seconds=1)
KEYS = [SeatKey(date(2026, 12, 3), time(9 + n // 60, n % 60), 1, "aes") for n in range(100)]


class Process:
    """A process with a cache of its own. Other processes have the seats with the numbers `lost`."""

    def __init__(self, lost: set[int]) -> None:
        self.cache = RecentSeats()
        self.free = KEYS.copy()
        self.lost = lost
        self.now = MONDAY

    def try_seat(self, number: int) -> int:
        self.free.remove(KEYS[number])
        self.cache.record_taken(KEYS[number], self.now, by_us=number not in self.lost)
        return number

    def try_range(self, times: int = 1) -> list[int]:
        """Try the next seats in the range of this process, and return their numbers."""
        numbers = []
        for _ in range(times):
            if key := self.next():
                self.cache.record_try_in_range(key)
                numbers.append(self.try_seat(KEYS.index(key)))
        return numbers

    def next(self) -> SeatKey | None:
        return self.cache.next_in_range("aes", self.free, self.now)

    def make_busy(self) -> None:
        """Lose a seat."""
        self.lost.add(99)
        self.try_seat(99)


@pytest.fixture
def process() -> Process:
    return Process(lost={44, 60, 61, 38, 39})


def test_a_process_has_no_range_before_it_gets_a_seat_of_a_busy_service(process: Process) -> None:
    process.try_seat(40)
    assert process.next() is None
    process.make_busy()
    assert process.next() is None
    process.try_seat(44)
    assert process.next() is None


def test_a_range_goes_upwards_from_its_first_seat_past_a_single_lost_one(process: Process) -> None:
    process.make_busy()
    process.try_seat(40)
    assert process.try_range(12) == [41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52]


def test_a_range_turns_downwards_after_two_lost_seats_and_ends_after_two_more(process: Process) -> None:
    process.make_busy()
    process.try_seat(58)
    assert process.try_range(5) == [59, 60, 61, 57, 56]
    assert process.try_range(99) == [*range(55, 37, -1)]
    assert process.next() is None
    process.try_seat(70)
    assert process.try_range(2) == [71, 72]


def test_the_ends_of_the_week_are_neighbours(process: Process) -> None:
    process.make_busy()
    process.try_seat(97)
    assert process.try_range(3) == [98, 0, 1]
    process.lost |= {2, 3, 96}
    assert process.try_range(4) == [2, 3, 96, 95]
    process = Process({3, 4})
    process.make_busy()
    process.try_seat(1)
    assert process.try_range(5) == [2, 3, 4, 0, 98]


def test_a_seat_outside_the_range_does_not_change_it(process: Process) -> None:
    process.make_busy()
    process.try_seat(10)
    process.try_seat(20)
    process.try_seat(44)
    process.try_seat(60)
    assert process.try_range(2) == [11, 12]


def test_a_throttle_makes_the_service_busy_and_does_not_end_the_range(process: Process) -> None:
    process.cache.record_throttle("aes", process.now)
    process.try_seat(10)
    process.cache.record_throttle("aes", process.now)
    assert process.try_range(2) == [11, 12]


def test_a_range_ends_a_second_after_the_last_lost_seat(process: Process) -> None:
    process.make_busy()
    process.try_seat(10)
    process.now += SECOND
    assert process.next() is None
    process.try_seat(30)
    process.lost.add(98)
    process.try_seat(98)
    assert process.next() is None


def test_each_service_has_its_own_range(process: Process) -> None:
    process.make_busy()
    process.try_seat(10)
    assert process.cache.next_in_range("medical", process.free, process.now) is None
