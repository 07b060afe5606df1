"""What a service file changes for applicants and for the seats, if it is put in place."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from gettext import gettext as _
from itertools import islice
from typing import Any

from chalicelib.booking import schedule
from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.domain import codec, timetable
from chalicelib.domain.seat import BOOKED, Seat, SeatKey
from chalicelib.domain.seat_changes import ChangeKind, SeatChange
from chalicelib.domain.service import Service
from chalicelib.storage import person_store
from infra.ops import output
from infra.tools.numbers import number as written

KEPT, INTERNAL = "kept", "internal"
SHORT = 30
"""Characters. A changed rule with longer values is printed without them."""
LONG = 200
"""Characters. A longer text is cut where it is printed."""
LISTED = 50
"""How many appointments outside the new hours are listed one by one."""
FOR_APPLICANTS = {
    "times.hold_seconds": "seconds for the captcha",
    "times.form_seconds": "seconds for the form",
    "times.confirm_minutes": "minutes to confirm by e-mail",
    "times.notice_hours": "hours before a slot, until which it is offered",
    "times.return_hours": "hours until a freed seat opens again",
    "times.erase_days": "days until the details are erased",
    "times.choice_days": "days to choose again when the office closes a seat",
    "limits.extensions": "how often one may ask for more time",
    "limits.moves": "how often one may change the date",
    "slot_minutes": "minutes of an appointment",
    "seat_after": "when a seat is taken",
    "allocation": "who gets a seat",
    "listing": "on the home page or hidden",
    "release": "when seats open",
    "release.batch_seconds": "seconds after an opening in which the captcha gives a turn",
    "draw": "how seats are drawn",
}
"""The rules, and the parts with only such rules, that applicants notice, in words."""
TEXTS = {
    *("name", "intro", "not_for", "documents", "documents_note", "otherwise", "office", "address", "contact"),
    *("reply_to", "rights_address", "publisher", "host", "data_officer", "accessibility_contact"),
}
"""The parts of a file that applicants read."""
_EFFECTS = {
    ChangeKind.CREATE: "to create",
    ChangeKind.MOVE: "to open at another moment",
    ChangeKind.CLOSE: "to close",
    ChangeKind.REOPEN: "to open again",
}
_WEEKLY = {
    ChangeKind.CREATE: "come",
    ChangeKind.REOPEN: "come",
    ChangeKind.CLOSE: "go",
    ChangeKind.MOVE: "open at another moment",
}
BECOME_INTERNAL, OUTSIDE = "become internal", "booked outside the new hours"


@dataclass(frozen=True)
class Effect:
    """What a file changes: the rules now, and the seats at the next run of the release function."""

    service: Service
    file: dict[str, Any]
    new: bool
    rules: tuple[dict[str, Any], ...]
    seats: Counter[str]
    opens: Counter[tuple[str, datetime]]
    """New seats by their week and the moment when they open."""
    internal: Counter[str]
    """New seats that only the desk gives, by their week."""
    weeks: Mapping[str, Counter[str]]
    """How many seats of each week change, and how."""
    outside: Mapping[SeatKey, str]
    """The booked seats outside the new hours, each with the reference of its request."""
    now: datetime

    @property
    def is_none(self) -> bool:
        """Tell whether the file is in place already."""
        return not self.new and not self.rules

    def document(self) -> dict[str, Any]:
        """Return the effect as it is printed in JSON."""
        return {
            "id": self.service.id,
            "new": self.new,
            "hidden": self.service.hidden,
            "rules": self.rules,
            "applicants": [rule for rule in self.rules if _is_for_applicants(rule["rule"])],
            "seats": self.seats,
            "opens": [
                {"week": week, "opens_at": moment, "seats": number}
                for (week, moment), number in sorted(self.opens.items())
            ],
            "internal": self.internal,
            "weeks": self.weeks,
            "outside": [
                {"reference": reference, "start": self.service.start_of(key), "desk": key.unit}
                for key, reference in self.outside.items()
            ],
        }

    def lines(self) -> Iterator[str]:
        """Return the effect as it is printed."""
        if self.is_none:
            yield _("{}: nothing changes").format(self.service.id)
            return
        yield f"{self.service.id}: {_('a new service') if self.new else _('an existing service')}"
        for rule in (rule for rule in self.rules if not _is_for_applicants(rule["rule"])):
            yield f"  {_change(rule)}"
        if applicants := [rule for rule in self.rules if _is_for_applicants(rule["rule"])]:
            yield _("  for applicants:")
            for rule in applicants:
                yield from _applicant_lines(rule)
        yield from self._seat_lines()
        if self.service.hidden:
            yield _("  hidden: not on the home page; only visitors who know its URL can book")
        elif self.new or any(rule["rule"] == "listing" for rule in self.rules):
            yield _("  public: on the home page from now on")

    def _seat_lines(self) -> Iterator[str]:
        counts = ", ".join(
            f"{output.count(self.seats[kind], 'seat')} {_(_EFFECTS[kind])}" for kind in ChangeKind if self.seats[kind]
        )
        yield f"  {counts or _('no seat changes')}"
        if not self.new:
            for week, numbers in sorted(self.weeks.items()):
                yield _("  week {}: ").format(week) + ", ".join(
                    f"{written(number)} {_(how)}" for how, number in numbers.items()
                )
        if self.seats[KEPT]:
            yield _("  {} kept: {}").format(output.count(self.seats[KEPT], "seat"), _(OUTSIDE))
            for key, reference in islice(self.outside.items(), LISTED):
                start = output.moment(self.service.start_of(key), self.service.zone)
                yield _("    {}: {}, desk {}").format(reference, start, key.unit)
            if len(self.outside) > LISTED:
                yield _("    and {} more; --json lists all").format(written(len(self.outside) - LISTED))
        for (week, moment), number in sorted(self.opens.items()):
            when = _("as soon as they are created") if moment == self.now else output.moment(moment, self.service.zone)
            yield _("  week {}: {}, open {}").format(week, output.count(number, "seat"), when)
        for week, number in sorted(self.internal.items()):
            yield _("  week {}: {}, for the desk").format(week, output.count(number, "internal seat"))


def effect_of(document: dict[str, Any], old: dict[str, Any] | None, now: datetime) -> Effect:
    """Return what a document changes, if it replaces the stored one. Reads the weeks of the service twice."""
    service = codec.service_from_document(document)
    before = codec.service_from_document(old) if old else None
    rules = () if old is None else tuple(_differences(old, document))
    changes = schedule.changes(service, now)
    seats = Counter(str(change.kind) for change in changes)
    created = [change.seat for change in changes if change.kind is ChangeKind.CREATE]
    of_desk = [seat for seat in created if timetable.is_internal(service, seat, now)]
    of_public = [seat for seat in created if seat not in of_desk and not service.draw]
    opens = Counter((seat.key.week, max(seat.opens_at, now)) for seat in of_public)
    internal = Counter(seat.key.week for seat in of_desk)
    stored = dict(weeks_with_seats(service, now))
    outside = [seat for week, of_week in stored.items() for seat in _outside(service, week, of_week, now)]
    seats[KEPT] = len(outside)
    weeks = _by_week(service, before, changes, stored, now)
    for seat in outside:
        weeks.setdefault(seat.key.week, Counter())[OUTSIDE] += 1
    people = person_store.read_many(service.id, [(seat.person, seat.hold) for seat in outside if seat.person])
    booked = {seat.key: people[seat.hold].reference if seat.hold in people else _("no reference") for seat in outside}
    return Effect(service, document, old is None, rules, seats, opens, internal, weeks, booked, now)


def _outside(service: Service, week: str, seats: list[Seat], now: datetime) -> Iterator[Seat]:
    planned = set(timetable.planned_seats(service, week))
    for seat in seats:
        if seat.state in BOOKED and not seat.extra and seat.key not in planned and service.start_of(seat.key) > now:
            yield seat


def _by_week(
    service: Service,
    before: Service | None,
    changes: list[SeatChange],
    stored: Mapping[str, list[Seat]],
    now: datetime,
) -> dict[str, Counter[str]]:
    """Count the changes of each week. A seat that becomes internal counts as that, and not as one that moves."""
    after = {change.seat.key: change.seat for change in changes}
    closed = {change.seat.key for change in changes if change.kind is ChangeKind.CLOSE}
    become = {
        seat.key
        for seats in stored.values()
        for seat in seats
        if before and seat.key not in closed
        if timetable.is_internal(service, after.get(seat.key, seat), now)
        if not timetable.is_internal(before, seat, now)
    }
    weeks: dict[str, Counter[str]] = {}
    for change in changes:
        if change.seat.key not in become:
            weeks.setdefault(change.seat.key.week, Counter())[_WEEKLY[change.kind]] += 1
    for key in become:
        weeks.setdefault(key.week, Counter())[BECOME_INTERNAL] += 1
    return weeks


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            yield {"rule": f"{prefix}{key}", "before": before, "after": after}


def _is_for_applicants(rule: str) -> bool:
    return bool(_words(rule)) or rule.partition(".")[0] in TEXTS


def _words(rule: str) -> str | None:
    return FOR_APPLICANTS.get(rule) or FOR_APPLICANTS.get(rule.partition(".")[0])


def _change(rule: Mapping[str, Any]) -> str:
    before, after = (_("none") if rule[side] is None else str(rule[side]) for side in ("before", "after"))
    return f"{rule['rule']}" + (f": {before} -> {after}" if max(len(before), len(after)) <= SHORT else "")


def _applicant_lines(rule: Mapping[str, Any]) -> Iterator[str]:
    """Return a rule with its words, or a text with what it loses and what it gains."""
    if words := _words(rule["rule"]):
        yield f"    {_change(rule)} ({_(words)})"
        return
    yield f"    {rule['rule']}"
    before, after = list(_texts(rule["before"])), list(_texts(rule["after"]))
    yield from (f"      - {text}" for text in before if text not in after)
    yield from (f"      + {text}" for text in after if text not in before)


def _texts(value: Any, language: str = "") -> Iterator[str]:  # noqa: ANN401 - any part of a service file
    if isinstance(value, str):
        text = " ".join(value.split())
        yield f"{language}: " * bool(language) + (f"{text[:LONG]}…" if text[LONG:] else text)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    else:
        for inner in value or ():
            yield from _texts(inner)
