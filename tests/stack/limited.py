"""A stack whose limits for one client network are low."""

from collections.abc import Iterator

import pytest

from infra.local.stack import Stack
from tests.stack.visitor import Visitor, changed

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
