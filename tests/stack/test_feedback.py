"""Notifications of SES about letters reach the table. The emulator has SES's mailbox simulator."""

import json
from typing import Any

import pytest

from infra.local.settings import ACCOUNT, REGION
from infra.local.stack import Stack
from tests.stack.visitor import Visitor, answered, key_of, person, until

SIMULATOR = "simulator.amazonses.com"
SECOND_LETTER = "Votre rendez-vous est confirmé : votre convocation"


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


def at(mailbox: str) -> dict[str, str]:
    """Return the details of an applicant with this mailbox at the simulator."""
    email = f"{mailbox}@{SIMULATOR}"
    return person(email=email, email_confirmation=email)


def test_after_a_bounce_the_e_mail_address_can_be_corrected_for_the_time_of_the_form(
    stack: Stack, visitor: Visitor
) -> None:
    awa, hold = at("bounce+stack"), visitor.captcha_passed()
    answered(visitor.post(f"/holds/{hold}/details", awa), 202)
    link = visitor.link(awa["email"])
    until(lambda: stopped(stack, link))
    seat = until(lambda: item if ends_with_the_form(item := visitor.item(link)) else None)
    assert seat["state"]["S"] == "pending"
    right = person()
    correction = {name: right[name] for name in ("email", "email_confirmation")}
    answered(visitor.post(f"/holds/{hold}/email", correction), 202)
    assert visitor.letter(right["email"])["subject"] == "Confirmez votre demande de rendez-vous"
    answered(visitor.get(link), 410)
    assert answered(visitor.post(f"{visitor.link(right['email'])}/confirmation"), 200)["state"] == "confirmed"
    assert [letter["subject"] for letter in visitor.letters(awa["email"])] == ["Confirmez votre demande de rendez-vous"]


def ends_with_the_form(seat: dict[str, Any]) -> bool:
    """Return whether the time to confirm is now the time of the form, fifteen minutes."""
    return int(seat["until"]["N"]) - int(seat["filed_at"]["N"]) == 15 * 60 * 1000


def test_an_applicant_who_complains_keeps_the_seat_and_gets_no_other_letter(stack: Stack, visitor: Visitor) -> None:
    awa = at("complaint+stack")
    visitor.file(awa)
    link = visitor.link(awa["email"])
    until(lambda: stopped(stack, link))
    assert answered(visitor.post(f"{link}/confirmation"), 200)["state"] == "confirmed"
    ben = person()
    visitor.file(ben)
    visitor.letter(ben["email"])  # later in the stream than the convocation that was not sent
    assert len(visitor.letters(awa["email"])) == 1


def test_an_event_of_the_configuration_set_shortens_the_time_to_confirm_as_well(stack: Stack, visitor: Visitor) -> None:
    awa = person()
    visitor.file(awa)
    link = visitor.link(awa["email"])
    event = {
        "eventType": "Bounce",
        "mail": {"messageId": "0100", "destination": [awa["email"]], "tags": {}},
        "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": awa["email"]}]},
    }
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:guichet-laptop-feedback"
    stack.client("sns").publish(TopicArn=topic, Message=json.dumps(event))
    until(lambda: ends_with_the_form(visitor.item(link)) or None)
    assert stopped(stack, link) == "bounced"


def stopped(stack: Stack, link: str) -> str | None:
    """Return why the applicant of a request gets no more letters."""
    table = stack.client("dynamodb")
    seat = table.get_item(TableName=stack.table, Key=key_of(link))["Item"]
    hold = seat["hold"]["S"] if "hold" in seat else seat["past"]["S"]
    for page in table.get_paginator("scan").paginate(TableName=stack.table):
        for item in page["Items"]:
            if item["pk"]["S"].startswith("PERSON#") and item["hold"]["S"] == hold and "stopped" in item:
                return str(item["stopped"]["S"])
    return None
