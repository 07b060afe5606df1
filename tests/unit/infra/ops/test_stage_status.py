"""The command `status` names what needs attention, and only then exits with 1."""

import json
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from chalicelib.domain.seat import BY_OPERATOR, State
from chalicelib.storage import person_store, seat_maintenance, seat_store, service_store
from tests.conftest import MONDAY, document
from tests.long import LONG
from tests.unit.infra.ops.bookings import NOW, book, key
from tests.unit.infra.ops.program import extra, ops, whole_table

pytestmark = LONG

SUNDAY = MONDAY - timedelta(days=1)
ENDED = timedelta(minutes=10)


def problems(now: datetime = NOW) -> list[str]:
    ran = ops("status", "--json", now=now)
    lines: list[str] = ran.json["problems"]
    assert ran.code == bool(lines)
    return lines


def week(name: str) -> dict[str, Any]:
    (service,) = ops("status", "--json").json["services"]
    (counts,) = [week for week in service["weeks"] if week["week"] == name]
    return {what: number for what, number in counts.items() if number and what != "week"}


@pytest.mark.usefixtures("service")
def test_a_healthy_stage_is_one_screen_and_exit_code_0() -> None:
    before = whole_table()
    ran = ops("status", now=SUNDAY)
    assert (ran.code, ran.err) == (0, "")
    lines = [" ".join(line.split()) for line in ran.out.splitlines() if line.strip()]
    assert lines[0:4] == [
        "aes",
        "next release: Monday 30 November 2026 09:00, 60 of 60 seats created",
        "letters: 0 late; 0 applicants whose e-mail address takes no letter",
        "week free coming too short notice",
    ]
    assert lines[5:] == [
        "2026-W49 42 18",
        "2026-W50 60",
        "2026-W51 60",
        "Nothing needs attention.",
        "The queue of unsent letters could not be read.",
    ]
    assert whole_table() == before


@pytest.mark.usefixtures("service")
def test_the_seats_of_each_week_are_counted_by_status() -> None:
    book(key(start="09:15"), 1)
    book(key(start="09:20"), 2, confirmed=False)
    assert seat_store.take(key(start="09:25"), "somebody", NOW + timedelta(minutes=3), NOW)
    assert seat_maintenance.close(key(start="09:30"), BY_OPERATOR, NOW)
    assert week("2026-W50") == {"free": 56, "held": 1, "pending": 1, "confirmed": 1, "closed": 1}


@pytest.mark.usefixtures("table")
def test_a_stage_without_a_service_needs_attention() -> None:
    ran = ops("status")
    assert (ran.code, ran.out.splitlines()[0]) == (
        1,
        "needs attention: there is no service: put one in place with `services put FILE`",
    )


@pytest.mark.usefixtures("service")
def test_missing_seats_of_the_next_release_need_attention_after_the_hourly_run() -> None:
    just_after = NOW + timedelta(minutes=1)
    assert problems(just_after) == []  # the release function runs each hour
    late = NOW + timedelta(hours=3)
    assert problems(late) == ["aes: 60 seats of the next release not created: run `release run aes`"]
    (service,) = ops("status", "--json", now=late).json["services"]
    assert (service["seats_planned"], service["seats_made"]) == (60, 0)
    assert ops("release", "run", now=late).code == 0
    assert problems(late) == []


@pytest.mark.usefixtures("service")
def test_a_service_that_opens_no_seat_needs_attention_unless_it_is_hidden() -> None:
    line = "aes: no seat opens within a year: check `closures` and `release` in its file"
    for listing, lines in (("hidden", []), ("home", [line])):
        closures = [{"first": "2026-01-01", "last": "2099-12-31"}]
        service_store.put(document(closures=closures, listing=listing))
        assert problems() == lines


@pytest.mark.usefixtures("service")
def test_expired_seats_that_are_not_freed_need_attention() -> None:
    assert seat_store.take(key(), "somebody", NOW + timedelta(minutes=3), NOW)
    assert problems(NOW + timedelta(minutes=12)) == []
    assert problems(NOW + timedelta(minutes=14)) == [
        "aes: 1 seat not freed in time: look at the log of the function `expiry`"
    ]


@pytest.mark.usefixtures("service")
def test_overlapping_seats_of_a_desk_need_attention() -> None:
    extra(key(start="09:17"), NOW)
    assert seat_maintenance.close(key(start="09:15"), BY_OPERATOR, NOW)
    assert problems() == [
        "aes: desk 1 has overlapping seats on Tuesday 8 December 2026, 09:17: close one of them",
        "aes: desk 1 has overlapping seats on Tuesday 8 December 2026, 09:20: close one of them",
    ]


@pytest.mark.usefixtures("service")
def test_a_late_first_letter_needs_attention_and_an_undeliverable_address_is_counted() -> None:
    for number, start in enumerate(("09:15", "09:20", "09:25"), start=1):
        book(key(start=start), number, confirmed=number > 1)
    person = person_store.read("person2", "aes")
    assert person is not None
    assert person_store.mark_sent(person, "confirm")
    assert person_store.stop_letters(person_store.EmailRequest("person3", key(), "hold3", 0), "aes", "bounced")
    assert problems(NOW + ENDED - timedelta(seconds=1)) == []
    assert problems(NOW + ENDED) == ["aes: 1 letter late: look at the log of the function `mailer`"]
    ran = ops("status", "--json", now=NOW + ENDED)
    (service,) = ran.json["services"]
    assert (service["letters_late"], service["letters_stopped"]) == (1, 1)
    for private in ("awa", "exemple", "example.org", "person1", "hold1"):
        assert private not in ran.out.lower()


@pytest.mark.usefixtures("service")
def test_unsent_letters_need_attention() -> None:
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="guichet-test-unsent")["QueueUrl"]
    assert problems() == []
    assert ops("status").out.splitlines()[-1] == "Nothing needs attention."
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"DDBStreamBatchInfo": {}}))
    assert problems() == ["1 letter or more not sent: follow docs/letters.md"]


@pytest.mark.usefixtures("table")
def test_public_holidays_that_end_with_the_year_need_attention() -> None:
    held = {"department": "42"}
    service_store.put(document(public_holidays=held, holidays=["2026-12-25"]))
    assert problems() == ["aes: its public holidays end with 2026: put its file in place again"]
    service_store.put(document(public_holidays=held, holidays=["2026-12-25", "2027-01-01"]))
    assert problems(NOW + timedelta(minutes=2)) == []


@pytest.mark.usefixtures("service")
def test_the_stage_is_named_before_or_after_the_command_and_two_names_are_refused() -> None:
    before = ops("--stage", "test", "services", "list", GUICHET_STAGE="none")
    assert (before.code, before.out) == (0, ops("services", "list", "--stage", "test", GUICHET_STAGE="none").out)
    assert ops("--stage", "test", "services", "list", "--stage", "test").code == 0
    assert ops("--stage", "test", "services", "list", "--stage", "none").code == 2
    assert ops("--stage", "Test", "services", "list").code == 2
    assert seat_store.read(key()).state is State.OPEN
