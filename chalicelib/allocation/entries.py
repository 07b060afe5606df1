"""Entries in the draws of a service: enter, change preferences, renew, get a seat, leave, and end by time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import log
from chalicelib.booking import availability, ending, requests
from chalicelib.booking.hold import Waiting
from chalicelib.booking.requests import Request
from chalicelib.domain import draw_window, entry, timetable, tokens
from chalicelib.domain.entry import Entry
from chalicelib.domain.refusals import ConditionsNotAccepted, LinkExpired, NotInWindow, WrongAllocation
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import DrawRules, Service
from chalicelib.keys import keys
from chalicelib.storage import entry_keys, entry_store, move_store, person_store, seat_store, service_store
from chalicelib.storage.items import Item
from chalicelib.storage.move_store import MoveResult


@dataclass(frozen=True, slots=True)
class Application:
    """What a visitor asks for: half-days such as `tue-am`, or `any`, most wanted first."""

    preferences: Sequence[str]
    conditions_accepted: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """What an applicant can choose now."""

    window: draw_window.Window
    half_days: Sequence[str]
    most: int
    """How many half-days may be ranked."""


def choices(service: Service, now: datetime) -> Choices:
    """Return what an applicant can choose now. Raises WrongAllocation, or NotInWindow outside of the window."""
    rules = _rules(service)
    window = _open_window(service, now)
    return Choices(window, timetable.half_days(service, window.week), rules.preferences)


def view(link: str, now: datetime) -> Request:
    """Read a request that is a live entry. Raises LinkExpired for any other."""
    return _live_entry(link, now)[0]


def place(
    service_id: str,
    application: Application,
    *,
    now: datetime,
    new_secret: Callable[[], str] = tokens.new_secret,
) -> Waiting:
    """Begin an entry. Nothing is stored until the captcha is passed, so being quick or often here changes nothing.

    Raises WrongAllocation for a service without draws, NotInWindow outside of the window, InvalidFields for the
    preferences, Paused.
    """
    service = service_store.read(service_id, now)
    availability.refuse_if_paused(service)
    choices(service, now)
    if not application.conditions_accepted:
        raise ConditionsNotAccepted
    preferences = check_preferences(service, application.preferences, now)
    until = now + service.limits.waiting
    token = keys().entry_token(service.id, preferences, until, secret=new_secret)
    return Waiting(token, service, until, now)


def _rules(service: Service) -> DrawRules:
    if not service.draw:
        raise WrongAllocation
    return service.draw


def _open_window(service: Service, now: datetime) -> draw_window.Window:
    window = draw_window.open_window(service, now)
    if window is None:
        raise NotInWindow(draw_window.next_window(service, now).opens.astimezone(service.zone))
    return window


def check_preferences(service: Service, preferences: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Return the preferences of a form, if they can be chosen now.

    Raises InvalidFields, WrongAllocation, or NotInWindow outside of the window.
    """
    offered = choices(service, now)
    return entry.check_preferences(preferences, offered.half_days, offered.most)


def change_preferences(link: str, preferences: Sequence[str], now: datetime) -> Request:
    """Replace the preferences of an entry, until the window closes. The entry keeps its receipt.

    Raises NotInWindow, InvalidFields, or LinkExpired for what is not a live entry.
    """
    request, live = _live_entry(link, now)
    return replace(request, carrier=replace_preferences(request.service, live, preferences, now))


def replace_preferences(service: Service, live: Entry, preferences: Sequence[str], now: datetime) -> Entry:
    """Replace the preferences of a live entry as `change_preferences` does."""
    checked = check_preferences(service, preferences, now)
    if not entry_store.change_preferences(live, checked, now):
        raise LinkExpired
    return replace(live, preferences=checked)


def renew(link: str, now: datetime) -> Request:
    """Let an entry take part in draws for another `entry.LIFE` from now. It keeps its receipt.

    Raises LinkExpired for what is not an entry whose e-mail address is proven.
    """
    request, live = _live_entry(link, now)
    if request.person is None:
        raise LinkExpired
    owned = entry_store.Owned(live, request.person, ending.email_keys_of(request.person))
    renewed = extend(request.service, owned, now)
    return replace(request, confirm_before=renewed.until, carrier=renewed)


def extend(service: Service, owned: entry_store.Owned, now: datetime) -> Entry:
    """Let an entry take part in draws for another `entry.LIFE`, as `renew` does."""
    until = now + entry.LIFE
    if not entry_store.renew(owned, until, until + service.limits.erase_after, now):  # it must be proven
        raise LinkExpired
    return replace(owned.entry, until=until, reminded=False)


def _live_entry(link: str, now: datetime) -> tuple[Request, Entry]:
    """Read a request that is a live entry. Raises LinkExpired for any other."""
    request = requests.view(link, now)
    if not isinstance(request.carrier, Entry) or request.state not in requests.LIVE:
        raise LinkExpired
    return request, request.carrier


def give_seat(
    service: Service, live: Entry, to: SeatKey, by_draw: str, *, now: datetime, also: Sequence[Item] = ()
) -> MoveResult:
    """Move the request of an entry to the seat that it is drawn for or offered. Idempotent.

    That of somebody without an e-mail address is confirmed at once: the office tells them.
    SEAT_TAKEN: the seat is not free any more. REQUEST_CHANGED: the entry has left or ended, or has another seat, or one
    of the items `also` exists.
    """
    person = person_store.read(live.person, service.id) if live.state is State.CONFIRMED else None
    result = MoveResult.REQUEST_CHANGED
    if person and (person.hold, person.seat) == (live.hold, live.key):
        award = move_store.Award(
            entry=live,
            to=to,
            by_draw=by_draw,
            until=service.confirm_before(to, now) if person.details.email else None,
            person=person,
            email_keys=ending.email_keys_of(person),
            erase_at=service.erase_at(to),
            also=also,
        )
        result = move_store.award(award, now)
    if result is MoveResult.DONE:
        return result
    current = seat_store.read(live.key)  # an earlier run may have moved it, and its answer got lost
    return MoveResult.DONE if current.moved_to == to else result


def leave(link: str, now: datetime) -> Request:
    """Leave the draws. Idempotent."""
    return requests.cancel(link, now)


def shard_due(now: datetime) -> int:
    """Return the shard of each service that the scheduled run of this minute ends by time.

    Each shard has its minute of the hour. A run that was missed is made up for in the next hour: until then an entry
    that is over has no effect, because whatever reads it looks at its end as well.
    """
    return now.minute % entry_keys.SHARDS


def end_by_time(service: Service, shard: int, now: datetime) -> Counter[str]:
    """End the entries of a shard whose time has run out, and mark those that end soon if there are draws.

    Count each kind. Idempotent; a run that was cut short can be repeated. Costs an eighth of a read unit for each
    entry, and writes only for those that change.
    """
    counts = Counter({"expired": 0, "ends_soon": 0})
    for stored in entry_store.read_shard(service.id, shard, consistent=False):
        if stored.until is None or stored.state not in requests.LIVE:
            continue
        if stored.until < now:
            counts["expired"] += ending.end_request(service, stored, State.EXPIRED, now=now)
        elif service.draw and _ends_soon(stored, stored.until, now):
            counts["ends_soon"] += entry_store.mark_ends_soon(stored)
    log.event("entries", service=service.id, shard=shard, **counts)
    return counts


def _ends_soon(stored: Entry, until: datetime, now: datetime) -> bool:
    return stored.state is State.CONFIRMED and not stored.reminded and until - now <= entry.ENDS_SOON
