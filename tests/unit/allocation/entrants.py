"""Steps of an entry that several tests take, in a service with draws."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalicelib.allocation import entries
from chalicelib.allocation.entries import Application
from chalicelib.booking import captcha, filing, holds, requests
from chalicelib.booking.hold import Held, Waiting
from chalicelib.booking.requests import Request
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Details
from chalicelib.domain.service import Service
from chalicelib.storage import entry_store, items, seat_store, service_store
from tests.conftest import draw_document
from tests.unit.booking.steps import AWA

OPENS = datetime(2026, 12, 3, 8, 0, tzinfo=UTC)
"""Thursday 3 December 2026, 09:00 in Paris."""
CLOSES = datetime(2026, 12, 6, 17, 0, tzinfo=UTC)
"""Sunday 6 December 2026, 18:00 in Paris."""
NOW = OPENS + timedelta(hours=1)
WEEK = "2026-W52"
"""The week whose seats are drawn: of Monday 21 December. It has seats on Tuesday and Thursday, am and pm."""
HOURS = [
    {"days": ["tuesday", "thursday"], "from": "09:15", "to": "09:30"},
    {"days": ["tuesday", "thursday"], "from": "14:00", "to": "14:15"},
]
DOCUMENT = draw_document(plannings=[{"desks": [1, 2], "openings": HOURS}])
PREFERENCES = ("thu-pm", "tue-am", "any")


def put_service() -> Service:
    return service_store.put(DOCUMENT)


def place(preferences: Iterable[str] = PREFERENCES, now: datetime = NOW) -> Waiting:
    return entries.place("aes", Application(list(preferences), conditions_accepted=True), now=now)


def solve(hold_id: str, now: datetime = NOW) -> Held:
    challenge = captcha.new_challenge(hold_id, now)
    passed = captcha.answer(hold_id, challenge.id, challenge.sound, now=now)
    assert isinstance(passed, Held)
    return passed


def ready(preferences: Iterable[str] = PREFERENCES, now: datetime = NOW) -> Held:
    return solve(place(preferences, now).id, now)


def filed(details: Details = AWA, now: datetime = NOW, preferences: Iterable[str] = PREFERENCES) -> Request:
    return filing.file(holds.view_ready(ready(preferences, now).id, now), details, now=now)


def entered(details: Details = AWA, now: datetime = NOW, preferences: Iterable[str] = PREFERENCES) -> Request:
    """Enter with a proven e-mail address."""
    return requests.confirm(filed(details, now, preferences).token, now)


def entry_of(request: Request) -> Entry:
    """Return the entry of a request as it is stored now."""
    assert isinstance(request.carrier, Entry)
    return seat_store.read(request.carrier.key)


def all_entries() -> list[Entry]:
    return list(entry_store.read_all("aes"))


def somebody(number: int) -> Details:
    name = "Exemple " + "bcdfghijkl"[number % 10] * (1 + number // 10)
    return replace(AWA, last_name=name, email=f"awa{number}@example.org")


def erasures() -> dict[str, set[datetime]]:
    """Return when the items of people, locks and filed entries are erased, by the kind of their keys."""
    moments = {"ENTRIES": {stored.erase_at for stored in all_entries() if stored.filed_at or stored.past}}
    for row in items.LockItem.scan(items.LockItem.pk.startswith("PERSON#") | items.LockItem.pk.startswith("EMAIL#")):
        moments.setdefault(row.pk.partition("#")[0], set()).add(datetime.fromtimestamp(int(row.erase_at), UTC))
    return {kind: {moment for moment in of_kind if moment} for kind, of_kind in moments.items()}
