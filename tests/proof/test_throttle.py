"""Send 10,000 holds a second to one partition, which writes 1,000 and reads 3,000 units a second.

These tests play a quarter of the crowd and of the limits; `make test-long` plays all of both.
"""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import botocore.endpoint
import pytest

from chalicelib.domain import calendar, refusals
from chalicelib.storage import items, recent
from chalicelib.web import problems
from tests.long import LONG
from tests.proof import monday

pytestmark = LONG

Break = Callable[[pytest.MonkeyPatch], None]


def test_ten_thousand_holds_a_second_at_one_partition_keep_every_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    result = monday.play(monkeypatch, environments=50 // monday.SCALE)
    assert monday.broken(result) == [], result
    assert result.refused["Query"] > 0
    assert result.refused["UpdateItem"] > 0
    assert min(result.answers[429, "page"], result.answers[429, "program"]) > 0


def test_with_a_partition_for_each_day_the_same_crowd_keeps_every_promise_and_holds_all_seats_sooner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = monday.play(monkeypatch, environments=50 // monday.SCALE, by_day=True)
    assert monday.broken(result) == [], result
    assert result.drained is not None
    assert result.drained < monday.BOUND


@LONG
@pytest.mark.parametrize(("environments", "to_the_end"), [(50, True), (200, False), (1_000, False)])
def test_the_promises_are_kept_until_the_last_answer_and_with_more_environments(
    monkeypatch: pytest.MonkeyPatch,
    environments: int,
    to_the_end: bool,  # noqa: FBT001  # a case
) -> None:
    result = monday.play(monkeypatch, environments, until=60, to_the_end=to_the_end)
    assert monday.broken(result) == [], result


# Each promise can be broken


def retry(patch: pytest.MonkeyPatch) -> None:
    """Let the SDK try again, without waiting."""
    patch.setattr(items.Item.Meta, "max_retry_attempts", 3)
    patch.setattr(items.Item, "_connection", None)
    patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))


def forget_throttles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recent, "PAUSE", timedelta(0))


def wait_alike(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(problems, "RNG", SimpleNamespace(randint=lambda _least, most: most))


def answer_unavailable(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(problems.STATUS_OF, refusals.TooManyRequests, problems.STATUS_OF[refusals.Unavailable])


def draw_among_ten(patch: pytest.MonkeyPatch) -> None:
    earliest = calendar.first_free
    patch.setattr(calendar, "first_free", lambda service, seats, now, _most: earliest(service, seats, now))


@pytest.mark.parametrize(
    ("wrong", "promise", "until"),
    [
        (retry, "a throttle ends a request", 0.05 * monday.SCALE),
        (forget_throttles, "at most 1.05 calls a request", 0.05 * monday.SCALE),
        (wait_alike, "429 names 1 to 5 s, each as often", 0.05 * monday.SCALE),
        (answer_unavailable, "no answer is a 5xx", 0.05 * monday.SCALE),
        pytest.param(draw_among_ten, "all seats are held within 3 times the bound", 3.1, marks=LONG),
    ],
)
def test_a_service_that_is_broken_breaks_its_promise(
    monkeypatch: pytest.MonkeyPatch, wrong: Break, promise: str, until: float
) -> None:
    wrong(monkeypatch)
    assert promise in monday.broken(monday.play(monkeypatch, environments=10, until=until))


def test_the_service_breaks_no_promise_in_the_same_time_but_those_that_need_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = monday.play(monkeypatch, environments=10, until=0.05 * monday.SCALE)
    assert monday.broken(result) == ["all seats are held within 3 times the bound", "each seat has one holder"]
