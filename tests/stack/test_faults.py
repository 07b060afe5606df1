"""The deployed service when what it stands on fails for a while: no letter is lost, no seat is given twice."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.inbox import any_port
from infra.local.stack import HOST, Stack
from tests.long import LONG
from tests.stack.faults import THROTTLED, Call, configured, kill_caller, logged, table_behind
from tests.stack.visitor import Visitor, answered, person, until

WRITES = {"PutItem", "UpdateItem", "TransactWriteItems"}


class Once:
    """A fault that happens at one write of a function, counted from 0, and never again."""

    def __init__(self, number: int, what: Any) -> None:
        self.left, self.what = number, what

    def __call__(self, call: Call) -> bytes | None:
        if call.name not in WRITES:
            return None
        self.left -= 1
        return self.what(call) if self.left == -1 else None


def filed_once(stack: Stack, fault: Once, *, first: int) -> None:
    """Somebody files while this happens, is answered with this status, tries again: one request, one letter."""
    visitor, awa = Visitor(stack), person()
    hold = visitor.captcha_passed()
    with table_behind(stack, "request", fault):
        told = visitor.post(f"/holds/{hold}/details", awa)
        assert told.status_code == first, told.text
        again = answered(visitor.post(f"/holds/{hold}/details", awa), 202)
    assert visitor.letter(awa["email"])["subject"] == "Confirmez votre rendez-vous"
    assert again["state"] == "pending"
    assert answered(visitor.post(f"/holds/{hold}/details", awa), 202)["reference"] == again["reference"]
    assert len(visitor.letters(awa["email"])) == 1


def test_a_throttled_table_is_told_as_too_many_requests_and_the_next_try_files(stack: Stack) -> None:
    filed_once(stack, Once(0, lambda _call: THROTTLED), first=429)


@LONG
def test_a_table_that_answers_after_five_seconds_is_told_as_try_again_and_the_next_try_files(stack: Stack) -> None:
    filed_once(stack, Once(0, lambda _call: time.sleep(5)), first=503)


def test_a_function_that_is_killed_before_a_write_leaves_nothing_that_the_next_try_cannot_finish(stack: Stack) -> None:
    filed_once(stack, Once(0, kill_caller), first=502)


@LONG
def test_letters_that_come_late_and_twice_are_sent_once_and_void_ones_never(stack: Stack) -> None:
    visitor, client, awa, ben = Visitor(stack), stack.client("lambda"), person(), person()
    visitor.file(awa)
    link = visitor.link(awa["email"])
    mapping = client.list_event_source_mappings()["EventSourceMappings"][0]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        answered(visitor.post(f"{link}/confirmation"), 200)
        answered(visitor.post(f"{link}/cancellation"), 200)
        visitor.file(ben)
        time.sleep(2)
        assert visitor.letters(ben["email"]) == []
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    visitor.letter(ben["email"])
    doubled = client.create_event_source_mapping(
        FunctionName="guichet-laptop-mailer:live",
        EventSourceArn=mapping["EventSourceArn"],
        StartingPosition="TRIM_HORIZON",
    )
    try:
        time.sleep(3)  # everything since the start comes again
    finally:
        client.delete_event_source_mapping(UUID=doubled["UUID"])
    assert [letter["subject"] for letter in visitor.letters(awa["email"])] == [
        "Confirmez votre rendez-vous",
        "Votre rendez-vous est annulé",
    ]
    assert len(visitor.letters(ben["email"])) == 1


@pytest.mark.parametrize("minutes", [0, pytest.param(10, marks=LONG)])
def test_a_letter_waits_while_ses_is_away_and_comes_once_when_it_is_back(stack: Stack, minutes: int) -> None:
    visitor, awa, began = Visitor(stack), person(), datetime.now(UTC)
    with configured(stack, "mailer", AWS_ENDPOINT_URL_SES=f"http://{HOST}:{any_port()}"):
        visitor.file(awa)
        until(lambda: logged(stack, "mailer", "mail-later", began))
        time.sleep(minutes * 60)  # the mailer tries and tries
        assert visitor.letters(awa["email"]) == []
    assert visitor.letter(awa["email"])["subject"] == "Confirmez votre rendez-vous"
    after = person()
    visitor.file(after)
    visitor.letter(after["email"])  # the stream has gone on
    assert len(visitor.letters(awa["email"])) == 1
