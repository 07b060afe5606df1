"""Several mailers, and several letters of one at once: they never pass the cap, and the order of an item stays."""

import heapq
import random
from bisect import bisect_left
from contextvars import ContextVar
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from chalicelib.domain.refusals import Unavailable
from chalicelib.mail import lanes, ses
from infra.deploy.stage import mailers_for
from tests.unit.mail.postman import Clock, Overlap

BATCH, SPARE = 100, 3


def play(rate: int, letters: int, chance: random.Random) -> list[float]:
    """Return the moments at which the mailers of a stage send letters.

    As many batches run at once as there are mailers, each in any environment that is idle: Lambda may keep spare ones.
    """
    mailers = mailers_for(rate)
    clocks = [Clock(0) for _ in range(mailers + SPARE)]
    idle = [(clock, ses.Pace(rate // mailers, clock=clock, sleep=clock.sleep)) for clock in clocks]
    free_at: list[tuple[float, int, Any]] = [(0.0, slot, None) for slot in range(mailers)]
    sent: list[float] = []
    while len(sent) < letters:
        now, slot, environment = heapq.heappop(free_at)
        if environment:
            idle.append(environment)
        clock, pace = idle.pop(chance.randrange(len(idle)))
        clock.now = now
        pace.begin()
        for _ in range(min(BATCH, letters - len(sent))):
            pace.wait()
            sent.append(clock.now)
            clock.sleep(chance.uniform(0, 0.9 / rate))
        heapq.heappush(free_at, (clock.now, slot, (clock, pace)))
    return sorted(sent)


@pytest.mark.parametrize(("rate", "letters", "seconds"), [(200, 20_000, 102), (30, 600, 22), (14, 280, 22)])
def test_the_mailers_together_send_at_the_accounts_rate_and_never_pass_it(
    rate: int, letters: int, seconds: float
) -> None:
    sent = play(rate, letters, random.Random(7))  # noqa: S311  not for secrets
    assert sent[-1] <= seconds
    assert max(bisect_left(sent, start + 1 - 1e-6) - number for number, start in enumerate(sent)) <= rate


def record(number: int, item: str) -> lanes.Record:
    return str(number), None, {"pk": {"S": "seats"}, "sk": {"S": item}, "number": {"N": str(number)}}


RECORDS = [record(number, "abcde"[number % 5]) for number in range(40)]


def test_the_changes_of_an_item_are_delivered_in_their_order_and_those_of_others_at_the_same_time() -> None:
    delivered: list[tuple[str, int]] = []
    both = Barrier(2, timeout=10)

    def deliver(_old: Any, new: Any) -> bool:
        if new["number"]["N"] in {"0", "1"}:
            both.wait()  # only two at the same time pass it
        delivered.append((new["sk"]["S"], int(new["number"]["N"])))
        return True

    assert lanes.walk(RECORDS, deliver, 4) == []
    for item in "abcde":
        numbers = [number for name, number in delivered if name == item]
        assert numbers == sorted(numbers)
    assert len(delivered) == len(RECORDS)


@pytest.mark.parametrize("at_once", [1, 4])
def test_what_is_not_delivered_is_at_or_after_the_first_number_that_is_returned(at_once: int) -> None:
    delivered = set()

    def deliver(_old: Any, new: Any) -> bool:
        number = int(new["number"]["N"])
        if number != 17:
            delivered.add(number)
        return number != 17

    first = min(int(number) for number in lanes.walk(RECORDS, deliver, at_once))
    assert first <= 17
    assert set(range(first)) <= delivered
    assert not {22, 27, 32, 37} & delivered  # later changes of the same item


def test_after_a_record_that_must_wait_no_other_lane_begins() -> None:
    tried = list[str]()

    def deliver(_old: Any, new: Any) -> bool:
        tried.append(new["sk"]["S"])
        return False

    assert sorted(lanes.walk(RECORDS, deliver, 2)) == ["0", "1", "2", "3", "4"]
    assert len(tried) <= 2


def test_the_threads_of_a_mailer_share_its_pace() -> None:
    overlap = Overlap()
    pace = ses.Pace(1, clock=lambda: 0.0, sleep=overlap.sleep)
    lanes.run([pace.wait, pace.wait], 2)
    assert not overlap.seen


def test_a_task_logs_under_the_run_of_its_mailer() -> None:
    run = ContextVar("run", default="")
    run.set("of-the-mailer")
    assert lanes.run([run.get, run.get], 2) == ["of-the-mailer", "of-the-mailer"]


def test_after_an_error_no_further_task_begins() -> None:
    begun = list[int]()

    def task(number: int) -> None:
        begun.append(number)
        raise Unavailable

    with pytest.raises(Unavailable):
        lanes.run([partial(task, number) for number in range(1000)], 2)
    assert len(begun) < 1000
