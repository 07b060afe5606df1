"""A withdrawal never takes a seat from anybody and can be interrupted at any step."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.booking import holds, requests, schedule
from chalicelib.desk import closing
from chalicelib.domain.refusals import NotFound, NothingFree
from chalicelib.domain.seat import BY_OPERATOR, Seat, State
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.storage import person_store, seat_keys, seat_maintenance, seat_store, service_store
from chalicelib.storage.service_items import ServiceItem
from infra.ops import withdraw as program
from infra.ops.stored_services import read_withdrawn
from tests.conftest import MONDAY, document, fill
from tests.long import LONG
from tests.unit.booking.steps import FIRST
from tests.unit.infra.ops.bookings import NOW, TUESDAY, book, key, letter_due
from tests.unit.infra.ops.program import audit_items, extra, ops, table_without_audit, whole_table

pytestmark = LONG

WITHDRAW = ("services", "withdraw", "aes")
LATER = NOW + timedelta(days=30)


OPENINGS = [
    {"days": ["tuesday", "thursday"], "from": start, "to": end}
    for start, end in [("09:15", "09:25"), ("10:20", "10:30")]
]
SMALL = document(plannings=[{"desks": [1, 2], "openings": OPENINGS}])
"""A service with 16 seats a week instead of 60: a withdrawal writes each of them twice."""


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    stored = service_store.put(SMALL)
    fill(stored, MONDAY - timedelta(minutes=1))
    return stored


@pytest.mark.usefixtures("service")
def test_an_unused_service_is_withdrawn_with_its_seats_and_a_second_run_changes_nothing() -> None:
    extra(key("2027-06-08"), NOW)  # months after the last week that has seats
    service_store.put(document(id="aes-2"))
    assert seat_store.create(key(), NOW, LATER) is False
    ran = ops(*WITHDRAW, "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "aes is withdrawn.",
        "Remove its file from `services` in infra/stages/test.yaml: `make deploy` puts all of them in place.",
    ]
    assert seat_store.read_all_weeks("aes") == []
    assert [service.id for service in service_store.read_all(NOW)] == ["aes-2"]
    assert audit_items()[0]["what"] == "services withdraw"
    assert audit_items()[0]["counts"] == {"closed": 49, "erased": 49}
    assert ops(*WITHDRAW, "--yes", "--json").json["done"] == {}
    assert ops("services", "withdraw", "none").err == "guichet: there is no service none on test: use one of aes-2\n"


def held() -> None:
    assert seat_store.take(key(), "somebody", NOW + timedelta(minutes=3), NOW)


def displaced() -> None:
    book(key())
    closing.close(TUESDAY, closing.prepare(TUESDAY, NOW), NOW)


LIVE: list[tuple[Any, str]] = [
    (
        lambda: [book(key(), 1), book(key("2026-12-10", "10:25"), 2)],
        "2 appointments (the last until Thursday 10 December 2026 10:30)",
    ),
    (lambda: book(key(), confirmed=False), "1 request (the last until Tuesday 8 December 2026 09:20)"),
    (held, "1 hold (the last until Monday 30 November 2026 09:03)"),
    (displaced, "1 choice of another seat (the last until Monday 7 December 2026 09:00)"),
]


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("somebody", "line"), LIVE)
def test_a_service_with_a_live_seat_is_not_withdrawn(somebody: Any, line: str) -> None:
    somebody()
    before = whole_table()
    ran = ops(*WITHDRAW, "--yes")
    assert (ran.code, ran.out, ran.err) == (1, "", f"guichet: aes has {line}\n")
    assert whole_table() == before


@pytest.mark.usefixtures("service")
def test_a_hold_placed_at_the_same_moment_keeps_its_seat_and_no_other_hold_can_be_placed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close_service = program._close_service  # noqa: SLF001  # the moment between looking and closing

    def book_first(*words: Any) -> Any:
        held()
        return close_service(*words)

    monkeypatch.setattr(program, "_close_service", book_first)
    ran = ops(*WITHDRAW, "--yes")
    assert ran.code == 1
    assert ran.err == (
        "guichet: aes has 1 hold (the last until Monday 30 November 2026 09:03). "
        "It is hidden and closed already: run this again later, or put its file in place again\n"
    )
    assert audit_items()[0]["outcome"] == "refused"
    assert seat_store.read(key()).state is State.HELD
    monkeypatch.undo()
    with pytest.raises(NothingFree):
        holds.place("aes", FIRST, now=NOW)
    schedule.apply_rules(service_store.read("aes", NOW), NOW)  # the release makes no seat for it
    assert {seat.state for seat in seat_store.read_all_weeks("aes")} == {State.HELD, State.CLOSED}
    assert seat_store.give_back(key(), "somebody", NOW)
    assert ops(*WITHDRAW, "--yes").code == 0


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("step", ["_close", "_erase", "_remove"])
def test_an_interrupted_withdrawal_is_completed_by_the_next_run(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, left = getattr(program, step), [1, 1, 1]

    class Cut(Exception):
        pass

    def cut(*words: Any) -> Any:
        if step == "_remove" or not left:
            raise Cut
        left.pop()
        return whole(*words)

    monkeypatch.setattr(program, step, cut)
    with pytest.raises(Cut):
        ops(*WITHDRAW, "--yes")
    assert audit_items()[0]["outcome"] == "failed"
    monkeypatch.setattr(program, step, whole)
    assert ops(*WITHDRAW, "--yes").code == 0
    assert (seat_store.read_all_weeks("aes"), list(ServiceItem.query("SERVICES"))) == ([], [])


@pytest.mark.usefixtures("service")
def test_putting_the_file_again_undoes_a_refused_withdrawal() -> None:
    before = seat_store.read_week("aes", "2026-W50")
    closed = program._close_service(SMALL, "2026-11-30")  # noqa: SLF001  # cut off after this step
    for seat in seat_store.read_all_weeks("aes"):
        program._close(seat, NOW)  # noqa: SLF001  # the same
    assert closed is not None
    schedule.apply_rules(service_store.put(SMALL), NOW)
    assert seat_store.read_week("aes", "2026-W50") == before


@pytest.mark.usefixtures("service")
def test_a_file_that_is_put_meanwhile_stays_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    remove = program._remove  # noqa: SLF001  # the moment before the file goes

    def put_first(*words: Any) -> None:
        service_store.put(SMALL)
        remove(*words)

    monkeypatch.setattr(program, "_remove", put_first)
    ran = ops(*WITHDRAW, "--yes")
    assert (ran.code, ran.err) == (1, "guichet: aes is not withdrawn: its file was put in place meanwhile\n")
    assert service_store.read("aes", NOW).id == "aes"
    assert read_withdrawn("aes") is None


@pytest.mark.usefixtures("service")
def test_no_seat_can_be_added_to_a_service_that_is_withdrawn_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_store, "clear_caches", lambda: None)  # another process still knows the service
    assert service_store.read("aes", NOW)
    assert ops(*WITHDRAW, "--yes").code == 0
    ran = ops("seats", "add", "aes", "2026-12-10", "--from", "09:15", "--to", "09:20", "--desk", "1", "--yes")
    assert ran.code == 1
    assert seat_store.read_all_weeks("aes") == []


@pytest.mark.usefixtures("service")
def test_past_applicants_keep_their_rights_and_no_letter_fails() -> None:
    request = book(key())
    seat = seat_store.read(key())
    over = service_store.read("aes", NOW).start_of(key()) + timedelta(hours=1)
    for other in seat_store.read_week("aes", "2026-W50"):
        assert other.key == key() or seat_maintenance.close(other.key, BY_OPERATOR, over)
    ran = ops(*WITHDRAW, "--dry-run", now=over)
    assert ran.out.splitlines()[1] == (
        "The details of 1 past applicant stay until Friday 29 January 2027 at the latest; "
        "`requests` finds them until then."
    )
    assert ops(*WITHDRAW, "--yes", now=over).code == 0
    service_store.clear_caches()
    with pytest.raises(NotFound):
        requests.view(request.token, over)
    reference = "AES-00001-AAAAA"
    assert ops("requests", "find", "--reference", reference, now=over).code == 0
    assert ops("requests", "show", reference, "--json", now=over).json["state"] == "ended"
    assert ops("requests", "export", reference, now=over).code == 0
    _no_letter(seat)
    outbox._deliver(outbox.LetterDue(LetterKind.LINK, "link:1", "person1", "aes"), NOW, never)  # noqa: SLF001  # one record of the stream
    assert ops("requests", "erase", reference, "--yes", now=over).code == 0
    assert person_store.read("person1", "aes") is None


@pytest.mark.usefixtures("service")
def test_the_mailer_sends_nothing_for_an_erased_seat() -> None:
    book(key())
    seat = seat_store.read(key())
    seat_keys.seat_item(key()).delete()
    _no_letter(seat)


def never(*_: object, **__: object) -> str:
    """Fail where a letter is sent."""
    raise AssertionError


def _no_letter(seat: Seat) -> None:
    """A confirmation that is still in the stream leads to no letter and to no failure."""
    due = letter_due(Seat(seat.key, seat.opens_at, State.PENDING, seat.hold, person=seat.person), seat)
    assert due is not None
    outbox._deliver(due, NOW, never)  # noqa: SLF001  # what the mailer does with one record


@pytest.mark.usefixtures("service")
def test_a_withdrawal_asks_first_and_a_dry_run_changes_nothing() -> None:
    before = table_without_audit()
    assert ops(*WITHDRAW).err.splitlines() == [
        "aes: 48 seats to erase, with the figures of their weeks.",
        "guichet: nothing was changed: confirm with --yes, or run this at a terminal",
    ]
    assert ops(*WITHDRAW, "--dry-run").code == 0
    assert table_without_audit() == before
    assert audit_items() == []


def test_a_withdrawn_service_can_be_put_in_place_again(service: Service) -> None:
    assert ops(*WITHDRAW, "--yes").code == 0
    schedule.apply_rules(service_store.put(SMALL), NOW)
    assert ops("services", "list", "--json").json["services"][0]["id"] == service.id
    assert ops(*WITHDRAW, "--yes").code == 0
    assert seat_store.read_all_weeks("aes") == []
