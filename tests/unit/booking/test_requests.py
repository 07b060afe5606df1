"""A filed request: confirm, cancel and find it again by its link."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.booking import availability, requests
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import items, person_store, seat_store, service_store
from tests.conftest import document
from tests.unit.booking.steps import AWA, BEN, NOW, captcha_passed, confirmed, filed, hold, send_details

SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("service")


def test_details_before_the_captcha_are_refused() -> None:
    with pytest.raises(refusals.CaptchaRequired):
        send_details(hold().id, AWA, now=NOW)


def test_a_request_has_2880_minutes_and_the_same_details_twice_are_one() -> None:
    held = captcha_passed()
    first = send_details(held.id, AWA, now=NOW)
    again = send_details(held.id, AWA, now=NOW + SECOND)
    assert (first.state, first.reference) == (again.state, again.reference) == (State.PENDING, first.reference)
    assert first.confirm_before == again.confirm_before == min(NOW + timedelta(minutes=2880), first.start)


def test_a_person_has_one_live_request_whatever_the_spelling() -> None:
    filed()
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(AWA, first_name="EXEMPLE", last_name="àwa", email="other@example.org"))


def test_an_address_has_one_live_request_whatever_the_spelling() -> None:
    filed(replace(AWA, email="a.wa+rdv@gmail.com"), None)
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(BEN, email="AWA@googlemail.com"), None)
    filed(BEN, None)


def test_details_after_the_hold_ran_out_change_nothing() -> None:
    held = captcha_passed()
    with pytest.raises(refusals.HoldExpired):
        send_details(held.id, AWA, now=NOW + timedelta(minutes=15))
    assert person_store.read(keys().person_key("Awa", "Exemple", AWA.birth_date), "aes") is None


def test_a_request_is_confirmed_once_however_often_the_button_is_pressed() -> None:
    token = filed().token
    assert requests.view(token, NOW).state is State.PENDING
    first = requests.confirm(token, NOW)
    again = requests.confirm(token, NOW + timedelta(days=1))
    assert first.state is again.state is State.CONFIRMED
    assert again.person is not None
    assert again.person.details == AWA


def test_a_request_cannot_be_confirmed_after_its_time() -> None:
    request = filed()
    assert request.confirm_before is not None
    with pytest.raises(refusals.LinkExpired):
        requests.confirm(request.token, request.confirm_before)
    assert requests.view(request.token, request.confirm_before).state is State.EXPIRED


def test_a_cancelled_request_is_cancelled_once_and_its_seat_comes_back_later() -> None:
    request = confirmed()
    for _ in range(2):
        assert requests.cancel(request.token, NOW, random_fraction=lambda: 0.0).state is State.CANCELLED
    with pytest.raises(refusals.LinkExpired):
        requests.confirm(request.token, NOW)
    key = request.seat.key
    seat = seat_store.read(key)
    assert seat.opens_at == NOW + timedelta(hours=2)
    assert not seat.is_free(NOW)
    assert seat.is_free(seat.opens_at)


def test_an_old_link_is_over_once_another_person_has_the_seat() -> None:
    request = filed()
    requests.cancel(request.token, NOW)
    key = request.seat.key
    later = seat_store.read(key).opens_at
    assert seat_store.take(key, "another", later + timedelta(minutes=3), later)
    with pytest.raises(refusals.LinkExpired):
        requests.view(request.token, later)
    with pytest.raises(refusals.LinkExpired):
        requests.cancel(request.token, later)
    assert seat_store.read(key).hold == "another"


def test_after_a_cancellation_the_same_person_may_ask_again() -> None:
    requests.cancel(filed().token, NOW)
    assert filed().state is State.PENDING


def test_a_hold_token_and_an_invented_token_open_no_request() -> None:
    held = captcha_passed()
    for wrong in (held.id, "x", f"{held.seat.key.ref}.{'b' * 78}"):
        with pytest.raises(refusals.NotFound):
            requests.view(wrong, NOW)


def test_a_seat_that_waits_to_return_looks_like_any_taken_one(service: Service) -> None:
    request = filed()
    requests.cancel(request.token, NOW, random_fraction=lambda: 0.0)
    service_store.clear_caches()
    key = request.seat.key
    twin = replace(key, unit=3 - key.unit)
    seat_store.take(twin, "other", NOW + timedelta(days=3), NOW)
    wish = Wish(service.start_of(key), conditions_accepted=True)
    with pytest.raises(refusals.SlotTaken):
        hold(wish=wish)
    slot = next(s for s in availability.week_calendar("aes", key.week, NOW).slots if s.start == service.start_of(key))
    assert (slot.free, slot.capacity) == (0, 2)


def test_asking_for_a_link_twice_within_two_minutes_is_noted_once(service: Service) -> None:
    request = filed()
    address = keys().email_key("AWA@example.org")
    requests.ask_link(request.reference.lower(), "AWA@example.org", NOW)
    assert not person_store.ask_link(address, service.id, request.reference, NOW + SECOND, pause=requests.LINK_PAUSE)
    requests.ask_link("AES-22222-22222", "nobody@example.org", NOW)
    assert items.LockItem.count(f"EMAIL#{keys().email_key('nobody@example.org')}") == 0


def test_the_service_in_a_reference_may_be_written_without_its_hyphens() -> None:
    service_store.put(document(id="titre-de-sejour"))
    lock = items.email_lock(keys().email_key("awa@example.org"), "titre-de-sejour")
    lock.update([items.LockItem.reference.set("TITRE-DE-SEJOUR-22222-33333")])
    requests.ask_link("TITREDESEJOUR-22222-33333", "awa@example.org", NOW)
    lock.refresh()
    assert lock.asked_at


@pytest.mark.parametrize("over", [False, True])
def test_a_link_is_sent_three_times_in_any_24_hours_also_for_an_ended_request(
    service: Service,
    over: bool,  # noqa: FBT001  # both states of a request
) -> None:
    request = filed()
    if over:
        requests.cancel(request.token, NOW)
    address = keys().email_key("awa@example.org")

    def is_sent(**after: float) -> bool:
        now = NOW + timedelta(**after)
        return person_store.ask_link(address, service.id, request.reference, now, pause=requests.LINK_PAUSE)

    assert [is_sent(hours=hours) for hours in (0, 5, 10)] == [True, True, True]
    assert [is_sent(hours=hours) for hours in (10.1, 15, 23.9, 24)] == [False, False, False, False]
    assert is_sent(hours=24, milliseconds=1)
    assert not is_sent(hours=28)
    assert is_sent(hours=29, seconds=1)
    assert not is_sent(hours=29, seconds=100)
    assert not is_sent(hours=33)
    assert is_sent(hours=34, seconds=1)


def test_nothing_stored_of_a_seat_is_personal_or_usable_as_a_link() -> None:
    held = captcha_passed()
    request = send_details(held.id, AWA, now=NOW)
    requests.confirm(request.token, NOW)
    secret = held.id.rpartition(".")[2][:52]
    link = request.token.rpartition(".")[2][:52]
    dumped = str([row.to_simple_dict() for row in items.SeatItem.scan()])
    for forbidden in (secret, link, "Awa", "Exemple", "awa@", "1990"):
        assert forbidden not in dumped
