"""Faults of the table, of SES and of a function: no letter is lost, and no request is filed twice."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.settings import HOST, any_port
from infra.local.stack import Stack
from tests.long import LONG
from tests.stack.faults import THROTTLED, Call, configured, kill_caller, logged, table_behind
from tests.stack.visitor import Visitor, answered, person, until

WRITES = {"PutItem", "UpdateItem", "TransactWriteItems"}


class Once:
    """A fault at one write of a function only. Writes are counted from 0."""

    def __init__(self, number: int, fault: Any) -> None:
        self.left, self.fault = number, fault

    def __call__(self, call: Call) -> bytes | None:
        if call.name not in WRITES:
            return None
        self.left -= 1
        return self.fault(call) if self.left == -1 else None


def filed_once(stack: Stack, fault: Once, *, first: int) -> None:
    """File during a fault, get the status `first`, and file again: there is one request and one letter."""
    visitor, awa = Visitor(stack), person()
    hold = visitor.captcha_passed()
    with table_behind(stack, "request", fault):
        answer = visitor.post(f"/holds/{hold}/details", awa)
        assert answer.status_code == first, answer.text
        again = answered(visitor.post(f"/holds/{hold}/details", awa), 202)
    assert visitor.letter(awa["email"])["subject"] == "Confirmez votre demande de rendez-vous"
    assert again["state"] == "pending"
    assert answered(visitor.post(f"/holds/{hold}/details", awa), 202)["reference"] == again["reference"]
    assert len(visitor.letters(awa["email"])) == 1


def test_a_throttled_table_answers_too_many_requests_and_the_next_try_files(stack: Stack) -> None:
    filed_once(stack, Once(0, lambda _call: THROTTLED), first=429)


@LONG
def test_a_table_that_answers_after_five_seconds_answers_try_again_and_the_next_try_files(stack: Stack) -> None:
    filed_once(stack, Once(0, lambda _call: time.sleep(5)), first=503)


def test_a_request_whose_function_was_killed_before_a_write_is_filed_by_the_next_try(stack: Stack) -> None:
    filed_once(stack, Once(0, kill_caller), first=502)


@LONG
def test_late_and_repeated_changes_send_each_letter_once_and_outdated_letters_never(stack: Stack) -> None:
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
        time.sleep(3)  # the new mapping reads the stream from its beginning
    finally:
        client.delete_event_source_mapping(UUID=doubled["UUID"])
    assert [letter["subject"] for letter in visitor.letters(awa["email"])] == [
        "Confirmez votre demande de rendez-vous",
        "Votre demande de rendez-vous est supprimée",
    ]
    assert len(visitor.letters(ben["email"])) == 1


@pytest.mark.parametrize("minutes", [0, pytest.param(10, marks=LONG)])
def test_a_letter_waits_while_ses_is_unavailable_and_is_sent_once_afterwards(stack: Stack, minutes: int) -> None:
    visitor, awa, start = Visitor(stack), person(), datetime.now(UTC)
    with configured(stack, "mailer", AWS_ENDPOINT_URL_SES=f"http://{HOST}:{any_port()}"):
        visitor.file(awa)
        until(lambda: logged(stack, "mailer", "mail-later", start))
        time.sleep(minutes * 60)  # the mailer retries
        assert visitor.letters(awa["email"]) == []
    assert visitor.letter(awa["email"])["subject"] == "Confirmez votre demande de rendez-vous"
    after = person()
    visitor.file(after)
    visitor.letter(after["email"])  # the stream has gone on
    assert len(visitor.letters(awa["email"])) == 1
