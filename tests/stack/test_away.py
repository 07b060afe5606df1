"""When the table does not answer, a visitor is told to try again."""

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from infra.local.inbox import any_port
from infra.local.stack import HOST, Stack
from tests.stack.faults import configured
from tests.stack.visitor import PAGE, Visitor, answered, refused

WISH = {"first_free": True, "conditions_accepted": True}


def table_at(stack: Stack, port: int) -> AbstractContextManager[None]:
    """The hold function looks for its table at this port, for as long as the block lasts."""
    return configured(stack, "hold", AWS_ENDPOINT_URL=f"http://{HOST}:{port}")


@pytest.fixture
def visitor(stack: Stack) -> Iterator[Visitor]:
    found = Visitor(stack)
    yield found
    hold = answered(found.post("/services/aes/holds", WISH), 201)["hold"]  # the table is back
    answered(found.post(f"/holds/{hold}/end"), 200)


def test_a_table_that_is_gone_is_told_as_try_again(stack: Stack, visitor: Visitor) -> None:
    with table_at(stack, any_port()):
        told = visitor.post("/services/aes/holds", WISH)
        refused(told, 503, "try-again")
        assert 1 <= int(told.headers["retry-after"]) <= 5


def test_a_table_that_never_answers_is_told_as_try_again(stack: Stack, visitor: Visitor) -> None:
    with socket.create_server((HOST, 0)) as silent, table_at(stack, silent.getsockname()[1]):
        refused(visitor.post("/services/aes/holds", WISH), 503, "try-again")
        page = visitor.post("/services/aes/holds", WISH, **PAGE)
        assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
