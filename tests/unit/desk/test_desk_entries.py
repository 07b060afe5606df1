"""An agent or an association enters somebody in the draws, as the office does."""

from collections import Counter
from dataclasses import replace

import pytest

from chalicelib.allocation.office import PaperForm
from chalicelib.booking import requests
from chalicelib.desk import booking
from chalicelib.domain.agent import Account
from chalicelib.domain.entry import EntryState
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import AlreadyRequested, CeilingReached, InvalidFields, NotAllowed
from chalicelib.domain.service import Service
from chalicelib.storage import desk_store
from tests.unit.allocation.entrants import NOW, all_entries, put_service
from tests.unit.booking.steps import AWA, BEN, at_once
from tests.unit.desk.orders import AGENT, HELPER, OTHER, SECRET

pytestmark = pytest.mark.slow

NO_EMAIL = replace(AWA, email="")


@pytest.fixture
def drawing(table: None, one_call_at_a_time: None) -> Service:  # noqa: ARG001  # fixtures for their effect
    return put_service()


def enter(
    service: Service, details: Details = NO_EMAIL, who: Account = AGENT, secret: str = SECRET, wish: str = "any"
) -> requests.Request:
    return booking.enter(service, PaperForm(details, [wish]), who, NOW, secret=secret)


def acts() -> Counter[tuple[str, str]]:
    return Counter((row.agent, row.act) for row in desk_store.read_audit("aes", NOW.date()))


def test_an_entry_says_who_made_it_and_is_made_once(drawing: Service) -> None:
    request = enter(drawing)
    assert (request.shown_state, request.person and request.person.booked_by) == (EntryState.ENTERED, AGENT.id)
    assert enter(drawing).carrier == request.carrier
    assert acts() == {(AGENT.id, "enter"): 1}


def test_entries_of_a_helper_share_an_email_address_and_are_confirmed_one_by_one(drawing: Service) -> None:
    first, second = enter(drawing, AWA, HELPER), enter(drawing, replace(BEN, email=AWA.email), HELPER, OTHER)
    for request in (first, second):
        assert requests.confirm(request.token, NOW).shown_state is EntryState.ENTERED
    assert booking.booked_this_week(drawing, HELPER, NOW) == 2


def test_a_helper_reaches_the_ceiling_at_once_from_two_calls(drawing: Service) -> None:
    tight = replace(drawing, limits=replace(drawing.limits, association_bookings=1))
    answers = at_once(
        lambda: enter(tight, NO_EMAIL, HELPER), lambda: enter(tight, replace(BEN, email=""), HELPER, OTHER)
    )
    assert Counter(type(answer) for answer in answers) == {requests.Request: 1, CeilingReached: 1}
    assert len([stored for stored in all_entries() if stored.person]) == 1
    (made,) = [answer for answer in answers if isinstance(answer, requests.Request)]
    assert made.person
    secret = SECRET if made.person.details == NO_EMAIL else OTHER
    assert enter(tight, made.person.details, HELPER, secret).carrier == made.carrier
    assert sum(acts().values()) == 1


def test_a_refused_entry_leaves_no_audit(drawing: Service) -> None:
    enter(drawing)
    with pytest.raises(AlreadyRequested) as refusal:
        enter(drawing, secret=OTHER)
    assert refusal.value.seat
    with pytest.raises(AlreadyRequested) as refusal:
        enter(drawing, NO_EMAIL, HELPER, OTHER)
    assert refusal.value.seat is None
    with pytest.raises(InvalidFields):
        enter(drawing, BEN, AGENT, OTHER, wish="sun-am")
    with pytest.raises(NotAllowed):
        enter(drawing, BEN, replace(AGENT, roles={}), OTHER)
    assert acts() == {(AGENT.id, "enter"): 1}
