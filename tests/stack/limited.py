"""A stack whose limit for one client network is low."""

from collections.abc import Iterator

import pytest

from infra.local.stack import Stack
from tests.stack.visitor import Visitor, changed

HOLD = "guichet-laptop-hold"


@pytest.fixture
def limited(stack: Stack) -> Iterator[None]:
    """Three holds an hour for one client network. The next ones take their seat after the captcha."""
    configuration = stack.client("lambda").get_function_configuration(FunctionName=HOLD)
    variables = configuration["Environment"]["Variables"] | {"GUICHET_ORIGIN_HOLDS": "3"}
    with changed(stack, "hold", Environment={"Variables": variables}):
        yield


def with_visitor_token(stack: Stack) -> Visitor:
    """Return a visitor who has read the notice. Unlike a browser, it sends the secure cookie over plain HTTP too."""
    visitor = Visitor(stack)
    cookie = visitor.get("/services/aes").headers["set-cookie"]
    assert cookie.endswith("; Path=/; Max-Age=14400; SameSite=Lax; Secure; HttpOnly")
    visitor.web.headers["Cookie"] = cookie.partition(";")[0]
    return visitor
