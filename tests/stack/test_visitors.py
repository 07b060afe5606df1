"""The limits of one place and of one ticket, by the deployed functions with their own roles."""

from collections.abc import Iterator

import pytest

from infra.laptop import Stack
from tests.stack.visitor import Visitor, answered, changed, person, refused

HOLD = "guichet-laptop-hold"


@pytest.fixture
def limited(stack: Stack) -> Iterator[None]:
    """The hold function counts: three holds an hour from one place, one of them with the whole time to confirm."""
    known = stack.client("lambda").get_function_configuration(FunctionName=HOLD)["Environment"]["Variables"]
    with changed(stack, "hold", Environment={"Variables": known | {"GUICHET_ORIGIN_HOLDS": "3"}}):
        yield


def ticketed(stack: Stack) -> Visitor:
    """Somebody who has read the notice; their program sends its cookie over the laptop's plain HTTP too."""
    visitor = Visitor(stack)
    cookie = visitor.get("/services/aes").headers["set-cookie"]
    assert cookie.endswith("; Path=/; Max-Age=14400; SameSite=Lax; Secure; HttpOnly")
    visitor.web.headers["Cookie"] = cookie.partition(";")[0]
    return visitor


def test_the_second_hold_of_a_ticket_ends_the_first(stack: Stack) -> None:
    visitor = ticketed(stack)
    first, second = visitor.hold()["hold"], visitor.hold()["hold"]
    refused(visitor.get(f"/holds/{first}"), 410, "hold-over")
    assert answered(visitor.get(f"/holds/{second}"), 200)["state"] == "held"
    answered(visitor.post(f"/holds/{second}/end"), 200)


@pytest.mark.usefixtures("limited")
def test_after_the_holds_of_its_hour_a_place_keeps_a_seat_only_after_the_captcha(stack: Stack) -> None:
    kept = [ticketed(stack).hold() for _ in range(3)]
    assert [one["state"] for one in kept] == ["held"] * 3
    late = ticketed(stack)
    waiting = late.hold()
    assert (waiting["state"], waiting["expires_at"], waiting["captcha"]) == ("waiting", None, "required")
    hold = waiting["hold"]
    assert late.item(hold)["state"] == {"S": "open"}
    refused(late.post(f"/holds/{hold}/details", person()), 409, "captcha-required")
    assert late.pass_captcha(hold)["state"] == "held"
    assert late.item(hold)["state"] == {"S": "held"}
    for one in (*(one["hold"] for one in kept), hold):
        answered(late.post(f"/holds/{one}/end"), 200)
