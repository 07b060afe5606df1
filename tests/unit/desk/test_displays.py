"""The links of the screens in the waiting room: made once, valid for 90 days, revoked at once."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.desk import displays
from chalicelib.domain import display
from chalicelib.domain.refusals import NotFound
from chalicelib.storage import desk_store
from tests.unit.infra.ops.program import whole_table

NOW = datetime(2026, 12, 3, 9, 0, tzinfo=UTC)
SECRET, OTHER = "a2" * 26, "b3" * 26

pytestmark = pytest.mark.usefixtures("table")


def token(service_id: str = "aes", secret: str = SECRET) -> str:
    return display.token_of(service_id, secret)


def test_a_link_opens_its_service_for_90_days_and_not_a_second_longer() -> None:
    made = displays.add("aes", "Salle A", SECRET, "agent", NOW)
    last = NOW + timedelta(days=90) - timedelta(seconds=1)
    assert displays.find(token(), last) == made
    with pytest.raises(NotFound):
        displays.find(token(), NOW + timedelta(days=90))
    assert (displays.of_service("aes", last), displays.of_service("aes", NOW + timedelta(days=90))) == ([made], [])


@pytest.mark.parametrize("other", [token("naturalisation"), token(secret=OTHER), "x", "", "aes.", f"{token()}.x"])
def test_the_link_of_another_service_or_an_invented_one_opens_nothing(other: str) -> None:
    displays.add("aes", "Salle A", SECRET, "agent", NOW)
    with pytest.raises(NotFound):
        displays.find(other, NOW)


def test_a_revoked_link_opens_nothing_and_the_other_screens_go_on() -> None:
    made, kept = displays.add("aes", "A", SECRET, "agent", NOW), displays.add("aes", "B", OTHER, "agent", NOW)
    assert displays.revoke("aes", made.id, "agent", NOW)
    assert not displays.revoke("aes", made.id, "agent", NOW)  # a second press does nothing
    with pytest.raises(NotFound):
        displays.find(token(), NOW)
    assert displays.find(token(secret=OTHER), NOW) == kept


def test_the_same_form_sent_twice_makes_one_link() -> None:
    assert displays.add("aes", "A", SECRET, "agent", NOW) == displays.add("aes", "B", SECRET, "other", NOW)
    assert len(displays.of_service("aes", NOW)) == 1


def test_the_table_has_the_digest_of_a_link_only_and_who_made_and_revoked_it() -> None:
    made = displays.add("aes", "Salle A", SECRET, "agent", NOW)
    assert SECRET not in str(whole_table())
    displays.revoke("aes", made.id, "planner", NOW + timedelta(minutes=1))
    acts = [(row.agent, row.act, row.facts) for row in desk_store.read_audit("aes", NOW.date())]
    assert acts == [
        ("agent", "display add", {"display": made.id}),
        ("planner", "display revoke", {"display": made.id}),
    ]
