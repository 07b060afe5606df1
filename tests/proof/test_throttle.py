"""10,000 holds a second at one partition, which writes 1,000 units and reads 3,000: who does not get a seat waits."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import botocore.endpoint
import pytest

from chalicelib.domain import calendar, refusals
from chalicelib.storage import items, recent
from chalicelib.web import handler, problems
from tests.long import LONG
from tests.proof import monday

Break = Callable[[pytest.MonkeyPatch], None]


def test_ten_thousand_holds_a_second_at_one_partition_keep_every_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    of = monday.play(monkeypatch, environments=50)
    assert monday.broken(of) == [], of
    assert of.refused["Query"] > 0
    assert of.refused["UpdateItem"] > 0
    assert min(of.told[429, "page"], of.told[429, "program"]) > 0


@LONG
@pytest.mark.parametrize(("environments", "to_the_end"), [(50, True), (200, False), (1_000, False)])
def test_they_are_kept_until_everybody_knows_and_by_more_environments_that_all_read_the_weeks(
    monkeypatch: pytest.MonkeyPatch,
    environments: int,
    to_the_end: bool,  # noqa: FBT001  # a case
) -> None:
    of = monday.play(monkeypatch, environments, until=60, to_the_end=to_the_end)
    assert monday.broken(of) == [], of


# The promises can be broken


def retry(patch: pytest.MonkeyPatch) -> None:
    """The SDK tries again, without the waiting."""
    patch.setattr(items.Item.Meta, "max_retry_attempts", 3)
    patch.setattr(items.Item, "_connection", None)
    patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _seconds: None))


def forget_throttles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recent, "PAUSE", timedelta(0))


def wait_alike(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handler, "CHANCE", SimpleNamespace(randint=lambda _least, most: most))


def call_it_away(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(problems.STATUS_OF, refusals.TooManyRequests, problems.STATUS_OF[refusals.Unavailable])


def draw_among_ten(patch: pytest.MonkeyPatch) -> None:
    earliest = calendar.first_free
    patch.setattr(calendar, "first_free", lambda service, seats, now, _most: earliest(service, seats, now))


@pytest.mark.parametrize(
    ("wrong", "promise", "until"),
    [
        (retry, "a throttle ends a request", 0.05),
        (forget_throttles, "at most 1.05 calls a request", 0.05),
        (wait_alike, "429 names 1 to 5 s, each as often", 0.05),
        (call_it_away, "no answer is a 5xx", 0.05),
        pytest.param(draw_among_ten, "all seats are held within 3 times the bound", 3.1, marks=LONG),
    ],
)
def test_a_service_that_is_broken_breaks_its_promise(
    monkeypatch: pytest.MonkeyPatch, wrong: Break, promise: str, until: float
) -> None:
    wrong(monkeypatch)
    assert promise in monday.broken(monday.play(monkeypatch, environments=10, until=until))


def test_a_service_as_it_is_breaks_none_of_them_in_so_short_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    of = monday.play(monkeypatch, environments=10, until=0.05)
    assert monday.broken(of) == ["all seats are held within 3 times the bound", "each seat has one holder"]
