"""A handler reads its seat once."""

import pytest

from chalicelib.booking import captcha
from chalicelib.storage import service_store
from chalicelib.web import clock
from tests.client import AWA, captcha_passed, confirmed, hold, post, wish
from tests.conftest import calls

pytestmark = pytest.mark.usefixtures("service")


def gets(path: str, body: object = None) -> int:
    """Count the GetItem calls of one request that succeeds."""
    service_store.read_all(clock.now())
    with calls(operation="GetItem") as names:
        assert post(path, body).status < 400
    return len(names)


def test_an_answer_reads_the_seat_once() -> None:
    held = hold()
    challenge = captcha.new_challenge(held, clock.now())
    assert gets(f"/holds/{held}/captcha/answer", {"challenge": challenge.id, "answer": challenge.picture}) == 1


def test_details_read_the_seat_once() -> None:
    assert gets(f"/holds/{captcha_passed()}/details", AWA) == 1


def test_a_move_reads_the_old_seat_and_its_person_once_and_then_the_new_ones() -> None:
    to = {name: value for name, value in wish(5).items() if name in {"date", "start"}}
    assert gets(f"/requests/{confirmed(wish(0))}/move", to) == 4
