"""The command `watch` counts a service in the table, again and again."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from chalicelib.storage import person_store, pulse_store, seat_store
from infra.ops import watch
from infra.ops.session import Session
from tests.client import TableFails
from tests.unit.infra.ops.bookings import NOW, aes, book, key
from tests.unit.infra.ops.program import ops, whole_table

pytestmark = pytest.mark.usefixtures("service")


class Stop:
    """A pause between two looks: does something each time, then ends like Ctrl-C."""

    def __init__(self, *between: Callable[[], object]) -> None:
        self.between = iter(between)

    def __call__(self, seconds: float) -> None:
        assert seconds == watch.PAUSE
        do = next(self.between, None)
        if do is None:
            raise KeyboardInterrupt
        do()


def follow(*between: Callable[[], object], terminal: bool = False) -> str:
    """Watch from now on, two seconds at a time, and return what is printed until Ctrl-C."""
    out = StringIO()
    moments = iter(NOW + timedelta(seconds=2 * number) for number in range(1, 9))
    console = Console(file=out, force_terminal=terminal, width=100, markup=False, highlight=False)
    session = Session("test", "eu-west-3", json=False, clock=lambda: next(moments), now=NOW, out=console)
    watcher = watch.Watcher(aes())
    with pytest.raises(KeyboardInterrupt):
        watch.follow(session, watcher, watcher.look(NOW), sleep=Stop(*between))
    return out.getvalue()


def take(*numbers: int) -> None:
    for number in numbers:
        assert seat_store.take(key(start=f"09:{15 + 5 * number}"), f"hold{number}", NOW + timedelta(minutes=3), NOW)


def test_in_a_pipe_each_look_is_a_line_with_seats_holds_a_second_letters_and_the_canary() -> None:
    pulse_store.record_success(NOW - timedelta(seconds=30), timedelta(seconds=2.34))
    text = follow(lambda: take(0, 1, 2), lambda: book(key(start="10:00"), 7, confirmed=False))
    canary = "passed {} s ago, in 2.3 s"
    lines = text.splitlines()
    free = [int(line.split(" free")[0].split()[-1]) for line in lines]
    assert [free[0] - number for number in free] == [0, 3, 4]
    assert lines[0].startswith("09:00:01; ")
    assert lines[0].endswith(f"; … holds a second; 0 first letters waiting; canary: {canary.format(30)}")
    assert "3 held" in lines[1]
    assert lines[1].endswith(f"; 1.5 holds a second; 0 first letters waiting; canary: {canary.format(32)}")
    assert "1 pending" in lines[2]
    assert lines[2].endswith(
        f"; 0.5 holds a second; 1 first letter waiting, the oldest for 4 s; canary: {canary.format(34)}"
    )


def test_a_letter_that_was_sent_or_cannot_be_delivered_does_not_wait() -> None:
    request = book(key(), 1, confirmed=False)
    watcher = watch.Watcher(aes())
    assert watcher.look(NOW).letters_waiting == 1
    assert request.person
    person = person_store.read(request.person.key, "aes")
    assert person
    assert person_store.mark_sent(person, "confirm")
    assert watcher.look(NOW).letters_waiting == 0


def test_a_table_that_is_away_for_a_moment_does_not_end_it(table_fails: TableFails) -> None:
    lines = follow(lambda: table_fails(None)).splitlines()
    assert len(lines) == 2
    assert lines[1] == "the table does not answer: trying again"


def test_at_a_terminal_it_is_one_screen() -> None:
    screen = follow(lambda: take(0), terminal=True)
    assert "aes on test, Monday 30 November 2026 09:00:01" in screen
    assert "no trial has passed yet" in screen
    assert "0.5 holds a second" in screen
    assert "\x1b[2K" in screen  # the next look replaces the one before


def test_with_json_it_is_one_document_and_writes_nothing() -> None:
    book(key(), 1)
    before = whole_table()
    ran = ops("watch", "aes", "--json")
    assert whole_table() == before
    assert ran.code == 0
    assert (ran.json["seats"]["confirmed"], ran.json["holds_had"], ran.json["letters_waiting"]) == (1, 1, 0)
    assert ran.json["canary"] is None


def test_a_service_that_does_not_exist_is_refused() -> None:
    ran = ops("watch", "nope")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no service nope on test: use one of aes" in ran.err
