"""An e-mail address that several people have: everything that reads its items finds each request."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from chalicelib import settings
from chalicelib.booking import personal_data, requests
from chalicelib.desk import booking, changes
from chalicelib.desk.booking import Order
from chalicelib.domain.refusals import AlreadyRequested, EmailInUse
from chalicelib.domain.service import Service
from chalicelib.domain.stage_secret import StageSecret
from chalicelib.mail import bounces
from chalicelib.storage import items, person_store
from tests.unit.booking.steps import AWA, NOW
from tests.unit.desk.orders import AGENT, FAMILY, OTHER, book, free, put
from tests.unit.infra.ops.program import ops
from tests.unit.mail.postman import bounce

pytestmark = pytest.mark.slow

BEFORE = StageSecret("0123456789012345678901234567890123456789012345")
KNOWN = BEFORE.rotated("n" * 52, NOW.date(), leaked=False)
ROTATED, LEAKED = KNOWN.promoted(NOW.date()), BEFORE.rotated("n" * 52, NOW.date(), leaked=True)


@pytest.fixture
def office(table: None) -> Iterator[Service]:  # noqa: ARG001  # a fixture for its effect
    yield put()
    settings.current.cache_clear()


def addresses() -> dict[str, items.LockItem]:
    """Return the items of e-mail addresses by reference."""
    return {row.reference: row for row in items.LockItem.scan(items.LockItem.pk.startswith("EMAIL#"))}


def test_a_bounce_stops_the_letters_to_all_who_have_the_address(office: Service) -> None:
    family = book(office, FAMILY)
    bounces.handle(bounce(), NOW)
    for request in family:
        assert request.person
        stored = person_store.read(request.person.key, "aes")
        assert stored
        assert stored.stopped == bounces.BOUNCED


@pytest.mark.parametrize("new", [ROTATED, LEAKED], ids=["rotated", "leaked"])
def test_after_a_rotation_each_request_is_found_moved_and_erased_under_the_old_secret(
    office: Service, monkeypatch: pytest.MonkeyPatch, new: StageSecret
) -> None:
    first, second = book(office, FAMILY[:2])
    monkeypatch.setenv("GUICHET_SECRET", str(new))
    settings.current.cache_clear()
    with pytest.raises(AlreadyRequested):
        book(office, share_email=True)
    with pytest.raises(EmailInUse):
        book(office, [FAMILY[2]])
    requests.ask_link(second.reference, AWA.email, NOW)
    assert [reference for reference, row in addresses().items() if row.asked_at] == [second.reference]
    moved = changes.move(office, second.seat.key, free(office)[-1], AGENT, NOW, hold=second.seat.hold)
    assert addresses()[second.reference].seat == moved.seat.key.ref
    personal_data.erase(moved.token, NOW)
    assert addresses().keys() == {first.reference}


def test_an_operator_erases_one_of_a_family_and_only_their_items(office: Service) -> None:
    first, second = book(office, [FAMILY[0], FAMILY[1]])
    assert first.person
    with mock_aws():  # the program looks up who runs it
        assert ops("requests", "erase", first.reference, "--yes", now=NOW).code == 0
    assert addresses().keys() == {second.reference}
    assert second.person
    stored = person_store.read(second.person.key, "aes")
    assert stored
    assert first.person.key not in stored.family


def test_somebody_who_is_booked_again_leaves_an_address_item_that_is_erased_with_the_copy(office: Service) -> None:
    (first,) = book(office)
    requests.cancel(first.token, NOW)
    (second,) = booking.book(office, Order(free(office)[1:2], [AWA], OTHER), AGENT, NOW)
    assert addresses().keys() == {first.reference, second.reference}
    personal_data.erase(first.token, NOW)
    assert addresses().keys() == {second.reference}
