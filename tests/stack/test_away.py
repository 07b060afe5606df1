"""A table that does not answer: visitors are asked to try again."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from infra.local.settings import HOST, any_port
from infra.local.stack import Stack
from tests.stack.faults import configured
from tests.stack.visitor import PAGE, Visitor, answered, refused

WISH = {"first_free": True, "conditions_accepted": True}


def table_at(stack: Stack, port: int) -> AbstractContextManager[None]:
    """Let the hold function look for its table at this port, for as long as the block lasts."""
    return configured(stack, "hold", AWS_ENDPOINT_URL=f"http://{HOST}:{port}")


@pytest.fixture
def visitor(stack: Stack) -> Iterator[Visitor]:
    visitor = Visitor(stack)
    yield visitor
    hold = answered(visitor.post("/services/aes/holds", WISH), 201)["hold"]  # the table answers again
    answered(visitor.post(f"/holds/{hold}/end"), 200)


def test_a_table_that_cannot_be_reached_answers_try_again(stack: Stack, visitor: Visitor) -> None:
    with table_at(stack, any_port()):
        answer = visitor.post("/services/aes/holds", WISH)
        refused(answer, 503, "try-again")
        assert 1 <= int(answer.headers["retry-after"]) <= 5


def test_a_table_that_never_answers_gives_a_page_that_asks_to_try_again(stack: Stack, visitor: Visitor) -> None:
    with socket.create_server((HOST, 0)) as silent, table_at(stack, silent.getsockname()[1]):
        page = visitor.post("/services/aes/holds", WISH, **PAGE)
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
