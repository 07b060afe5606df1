"""Change, renew, correct, leave and erase an entry, and the end of its time."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.allocation import entries
from chalicelib.booking import moves, personal_data, requests, schedule
from chalicelib.domain import entry, refusals
from chalicelib.domain.entry import Entry, EntryState
from chalicelib.domain.seat import State
from chalicelib.mail import bounces
from chalicelib.storage import dynamodb, entry_keys, seat_keys
from infra.ops import restore
from tests.conftest import fill
from tests.unit.allocation.entrants import (
    CLOSES,
    NOW,
    OPENS,
    PREFERENCES,
    all_entries,
    entered,
    entry_of,
    erasures,
    filed,
    put_service,
)
from tests.unit.booking.steps import AWA, person

pytestmark = pytest.mark.slow

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LIFE = entry.LIFE


@pytest.fixture(autouse=True)
def _service(table: None) -> None:  # noqa: ARG001  # a fixture for its effect
    fill(put_service(), NOW)


# Preferences and renewal


def test_preferences_can_be_changed_until_the_close_and_the_receipt_stays() -> None:
    request = entered()
    receipt = entry_of(request).receipt
    last = CLOSES - timedelta(milliseconds=1)
    assert entries.change_preferences(request.token, ["tue-pm"], last).carrier == entry_of(request)
    assert (entry_of(request).preferences, entry_of(request).receipt) == (("tue-pm",), receipt)
    with pytest.raises(refusals.NotInWindow):
        entries.change_preferences(request.token, ["tue-am"], CLOSES)
    with pytest.raises(refusals.InvalidFields):
        entries.change_preferences(request.token, ["wed-am"], NOW)
    assert entry_of(request).preferences == ("tue-pm",)


def test_only_a_live_entry_has_preferences_to_change() -> None:
    request = filed()
    assert entries.change_preferences(request.token, ["any"], NOW)
    entries.leave(request.token, NOW)
    with pytest.raises(refusals.LinkExpired):
        entries.change_preferences(request.token, ["tue-am"], NOW)


def test_a_renewal_gives_26_weeks_from_now_and_keeps_receipt_proof_and_data() -> None:
    request = entered()
    before = entry_of(request)
    later = NOW + LIFE - DAY
    entries.end_by_time(request.service, shard_of(before), later)
    assert entry_of(request).reminded
    renewed = entries.renew(request.token, later)
    stored = entry_of(request)
    assert stored == replace(before, until=later + LIFE, erase_at=later + LIFE + timedelta(days=30))
    assert renewed.carrier == replace(stored, erase_at=before.erase_at)
    assert set[datetime]().union(*erasures().values()) == {later + LIFE + timedelta(days=30)}


def test_only_a_proven_entry_that_is_not_over_can_be_renewed() -> None:
    request = filed()
    with pytest.raises(refusals.LinkExpired):
        entries.renew(request.token, NOW)
    requests.confirm(request.token, NOW)
    with pytest.raises(refusals.LinkExpired):
        entries.renew(request.token, NOW + LIFE)


# The end of an entry


def shard_of(stored: Entry) -> int:
    pk = seat_keys.seat_primary_key(stored.key)[0]
    return next(shard for shard in range(entry_keys.SHARDS) if entry_keys.partition("aes", shard) == pk)


def test_who_leaves_is_out_at_once_and_the_data_is_erased_30_days_later() -> None:
    request = entered()
    left = entries.leave(request.token, NOW + DAY)
    assert left.shown_state is EntryState.LEFT
    assert entries.leave(request.token, NOW + 2 * DAY).shown_state is EntryState.LEFT
    assert erasures() == {kind: {NOW + 31 * DAY} for kind in ("ENTRIES", "PERSON", "EMAIL")}
    assert all_entries()[0].state is State.OPEN


def test_an_entry_whose_address_is_not_proven_in_time_is_ended_by_the_sweep_of_its_shard() -> None:
    request = filed()
    over = NOW + request.service.limits.confirm
    shard = shard_of(entry_of(request))
    assert entries.end_by_time(request.service, shard, over)["expired"] == 0
    assert entries.end_by_time(request.service, shard, over + SECOND)["expired"] == 1
    assert entries.end_by_time(request.service, shard, over + SECOND)["expired"] == 0
    assert requests.view(request.token, over + SECOND).shown_state is EntryState.EXPIRED
    assert set[datetime]().union(*erasures().values()) == {over + 30 * DAY}


def test_an_entry_ends_after_26_weeks_and_is_marked_three_weeks_before() -> None:
    request = entered()
    shard, ends = shard_of(entry_of(request)), NOW + LIFE
    soon = ends - entry.ENDS_SOON
    assert entries.end_by_time(request.service, shard, soon - SECOND) == {"expired": 0, "ends_soon": 0}
    assert entries.end_by_time(request.service, shard, soon) == {"expired": 0, "ends_soon": 1}
    assert entries.end_by_time(request.service, shard, soon) == {"expired": 0, "ends_soon": 0}
    assert requests.view(request.token, ends).shown_state is EntryState.EXPIRED
    assert entries.end_by_time(request.service, shard, ends + SECOND) == {"expired": 1, "ends_soon": 0}
    assert set[datetime]().union(*erasures().values()) == {ends + 30 * DAY}


def test_the_sweep_ends_an_entry_whose_person_has_entered_again_and_leaves_the_new_one_alone() -> None:
    first = filed()
    again = filed(now=OPENS + timedelta(weeks=1))
    before = erasures()["PERSON"]
    now = OPENS + timedelta(weeks=1)
    for shard in range(entry_keys.SHARDS):
        entries.end_by_time(first.service, shard, now)
    assert entry_of(first).past_state is State.EXPIRED
    assert (entry_of(again).state, erasures()["PERSON"], person().seat) == (
        State.PENDING,
        before,
        entry_of(again).key,
    )


def test_every_shard_has_its_minute_of_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_keys, "SHARDS", 60)  # as deployed
    minutes = [entries.shard_due(OPENS + timedelta(minutes=minute)) for minute in range(60)]
    assert sorted(minutes) == [*range(entry_keys.SHARDS)]


def test_the_service_of_appointments_does_not_touch_entries() -> None:
    request = filed()
    schedule.end_expired(NOW + LIFE)
    assert entry_of(request).state is State.PENDING


# Personal data


def test_an_entry_can_be_corrected_without_a_convocation() -> None:
    request = entered()
    corrected = personal_data.correct(
        personal_data.view_correctable(request.token, NOW), "Awa", "Exempel", "06", now=NOW
    )
    assert corrected.person
    assert (corrected.person.details.last_name, corrected.person.as_filed) == ("Exempel", AWA)
    assert corrected.person.wanted_3 is None
    with pytest.raises(refusals.LinkExpired):
        personal_data.send_convocation(request.token, NOW)
    with pytest.raises(refusals.AlreadyRequested):
        filed(replace(AWA, last_name="Exempel", email="ben@example.org"))
    entries.leave(request.token, NOW)
    assert set[datetime]().union(*erasures().values()) == {NOW + 30 * DAY}  # the lock of the corrected name included


def test_the_copy_of_all_data_has_what_an_entry_has() -> None:
    request = entered()
    data = personal_data.data(request.token, NOW)
    stored = entry_of(request)
    assert (data["state"], data["appointment"], data["receipt"]) == ("entered", None, stored.receipt)
    assert data["preferences"] == list(PREFERENCES)
    assert stored.erase_at
    assert data["erased_after"] == stored.erase_at.date().isoformat()


@pytest.mark.parametrize("enter", [filed, entered])
@pytest.mark.parametrize("before", ["live", "over", "left"])
def test_an_erased_entry_leaves_no_person_and_no_lock(enter: object, before: str) -> None:
    request: requests.Request = enter()  # type: ignore[operator]
    now = NOW + 2 * LIFE if before == "over" else NOW
    if before == "left":
        entries.leave(request.token, NOW)
    personal_data.erase(request.token, now)
    personal_data.erase(request.token, now)
    assert set(erasures()) == {"ENTRIES"}
    assert entry_of(request).person == ""
    assert entry_of(request).state is State.OPEN


def test_an_entry_cannot_move_to_a_slot() -> None:
    with pytest.raises(refusals.LinkExpired):
        moves.choices(entered().token, NOW)


# The rest of the service


def test_an_address_that_bounces_ends_an_entry_that_nobody_can_prove() -> None:
    request = filed()
    event = {"eventType": "Bounce", "mail": {"destination": [AWA.email]}, "bounce": {"bounceType": "Permanent"}}
    bounces.handle(json.dumps(event), NOW + timedelta(minutes=1))
    correctable = NOW + request.service.limits.form
    assert entry_of(request).until == correctable
    bounces.handle(json.dumps(event), correctable)
    assert requests.view(request.token, correctable).shown_state is EntryState.EXPIRED


def test_a_restore_of_the_table_keeps_the_locks_of_a_live_entry_only() -> None:
    request = entered()
    rows = dynamodb.connection().connection.client.scan(TableName="guichet-test")["Items"]
    table = {(row["pk"]["S"], row["sk"]["S"]): row for row in rows}
    lock = next(row for key, row in table.items() if key[0].startswith("EMAIL#"))
    assert restore.has_request(table, lock)
    table[seat_keys.seat_primary_key(entry_of(request).key)]["state"] = {"S": "open"}
    assert not restore.has_request(table, lock)
