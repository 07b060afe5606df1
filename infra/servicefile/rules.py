"""Rules that a JSON schema cannot express: hours that fit, closures to come, releases that add up."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from difflib import get_close_matches
from itertools import combinations, pairwise
from typing import Any
from zoneinfo import available_timezones

from chalicelib.domain import emails
from chalicelib.domain.codec import WEEKDAYS
from chalicelib.domain.service import LANGUAGES, SeatAfter
from infra.servicefile.findings import Finding, Readable
from infra.servicefile.holidays import DEPARTMENTS
from infra.servicefile.openings import (
    DAY,
    Document,
    internal_seats_a_week,
    minutes,
    minutes_of_week,
    openings_of,
    seats_by_day,
    span,
)
from infra.servicefile.yaml_source import Path

MOST_A_DAY = 2_000
MOST_A_WEEK = 10_000
NARROWEST_RETURN = 2
"""Hours. In a narrower return window one could guess when a freed seat opens again."""


def mistakes(document: Document, readable: Readable, today: date) -> Iterator[Finding]:
    """Check each rule whose parts of the document are readable. Rules about single items skip only invalid items."""
    skipped = readable.skipped
    for parts, item_rule in _ITEM_RULES:
        if readable.lists(parts[0]) and readable(*parts[1:]):
            yield from item_rule(document, skipped)
    for parts, rule in _RULES:
        if readable(*parts):
            yield from rule(document)
    if readable.lists("closures"):
        yield from _past_closures(document, skipped, today)


def warnings(document: Document) -> Iterator[Finding]:
    """Return what is allowed but may not be meant."""
    for path, text in _texts(document):
        if missing := [language for language in LANGUAGES if language not in text]:
            languages = " and ".join(missing)
            yield Finding(path, f"no text in {languages}: the French text is shown", f"Add a text in {languages}")
    if document.get("seat_after") == "choice" and document.get("listing") != "hidden":
        problem = "every seat is taken before the captcha: programs take most of a release before people can"
        yield Finding(("seat_after",), problem, "Set `seat_after` to crowd or captcha")
    for key, page in _LEGAL.items():
        if key not in document:
            problem = f"`{key}` is missing: the page {page} says to ask the office"
            yield Finding((key,), problem, f"Add `{key}`, which docs/service-file.md describes")
    if "release" in document:
        yield from _release_warnings(document)
        yield from _internal_warnings(document)


_LEGAL = {
    "publisher": "/legal",
    "host": "/legal",
    "data_officer": "/privacy",
    "accessibility_contact": "/accessibility",
}
"""The parts that the law requires on a page, and the page. A service works without them."""


def _release_warnings(document: Document) -> Iterator[Finding]:
    release, week = document["release"], _public_seats_a_week(document)
    assigned = sum(moment.get("seats", 0) for moment in release["moments"])
    rest = [n for n, moment in enumerate(release["moments"]) if "seats" not in moment]
    if not rest and assigned < week:
        problem = f"{week - assigned:,} of {week:,} seats a week open at no moment, only by hand"
        yield Finding(("release", "moments"), problem, "Leave out `seats` at one moment, and it opens the rest")
    if rest and assigned == week:
        problem = f"the other moments open all {week:,} seats of a week: nothing is left for this one"
        yield Finding(("release", "moments", rest[0]), problem, "Lower `seats` at the other moments")
    last = max(minutes_of_week(moment["day"], moment["at"]) for moment in release["moments"])
    first = min(WEEKDAYS.index(day) * DAY + opening.start for opening in openings_of(document) for day in opening.days)
    hours = max((first + release["weeks_ahead"] * 7 * DAY - last) // 60, 0)
    if hours < document["times"]["notice_hours"]:
        problem = f"the first slot of a week is {hours} hours after the last moment, inside `notice_hours`"
        yield Finding(("release", "weeks_ahead"), problem, "Raise `weeks_ahead`, so that the seats can be taken")


def _texts(document: Document) -> Iterator[tuple[Path, Mapping[str, str]]]:
    for part in ("name", "intro", "contact"):
        if isinstance(document[part], Mapping):  # a contact may be one line for all languages
            yield (part,), document[part]
    for part in ("not_for", "documents", "documents_note", "otherwise"):
        yield from (((part, number), text) for number, text in enumerate(document[part]))


# Openings


def _opening_order(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    for opening in openings_of(document, skipped):
        hours = span(opening.start, opening.end)
        if opening.start >= opening.end:
            yield Finding(opening.path, f"the opening {hours} ends before it begins", "Set `to` to a time after `from`")
            continue
        for start, end, number in opening.breaks:
            path, problem = (*opening.path, "breaks", number), f"the break {span(start, end)}"
            if start >= end:
                yield Finding(path, f"{problem} ends before it begins", "Set `to` to a time after `from`")
            elif not opening.start <= start < end <= opening.end:
                yield Finding(path, f"{problem} is outside its opening, {hours}", "Put the break inside the opening")
        for first, second in pairwise(opening.breaks):
            if second.start < first.end:
                problem = f"the breaks {span(*first[:2])} and {span(*second[:2])} overlap"
                yield Finding((*opening.path, "breaks", second.number), problem, "Set hours that do not overlap")


def _slots_fill_openings(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    slot = document["slot_minutes"]
    fix = f"Set opening, breaks and closing a multiple of {slot} minutes apart"
    for opening in filter(lambda opening: opening.is_ordered, openings_of(document, skipped)):
        for start, end in opening.spans:
            if (end - start) % slot:
                problem = f"{span(start, end)} is {end - start} minutes, which slots of {slot} minutes do not fill"
                yield Finding(opening.path, problem, fix)


def _overlapping_openings(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    for first, second in combinations(openings_of(document, skipped), 2):
        if first.start < second.end and second.start < first.end:
            days = [day for day in WEEKDAYS if day in first.days and day in second.days]
            desks = first.desks & second.desks
            if days and desks:
                spans = f"{span(first.start, first.end)} and {span(second.start, second.end)}"
                problem = f"the openings {spans} of desk {min(desks)} on {days[0]} overlap"
                yield Finding(second.path, problem, "Set hours that do not overlap")


def _number_of_seats(document: Document) -> Iterator[Finding]:
    seats = seats_by_day(document)
    fix = "Use fewer desks, shorter hours or longer slots"
    for day, number in seats.items():
        if number > MOST_A_DAY:
            yield Finding(("plannings",), f"{number:,} seats on {day}, and at most {MOST_A_DAY:,} are allowed", fix)
    if seats.total() > MOST_A_WEEK:
        problem = f"{seats.total():,} seats a week, and at most {MOST_A_WEEK:,} are allowed"
        yield Finding(("plannings",), problem, fix)
    if not seats.total() and all(opening.is_ordered for opening in openings_of(document)):
        yield Finding(("plannings",), "the openings give no seat", "Open at least one slot a week")


# Closures and public holidays


def _closures_of(document: Document, skipped: AbstractSet[Path]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    closures = enumerate(document.get("closures", ()))
    return ((number, closure) for number, closure in closures if ("closures", number) not in skipped)


def _closures(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    for number, closure in _closures_of(document, skipped):
        path = ("closures", number)
        for key in ("first", "last"):
            if key in closure and not _is_day(closure[key]):
                problem = f"{closure[key]} is not a day of the calendar"
                yield Finding((*path, key), problem, f"Set `{key}` to a day like 2026-12-24")
        if closure["first"] > closure.get("last", closure["first"]):
            problem = f"the closure ends on {closure['last']}, before it begins on {closure['first']}"
            yield Finding(path, problem, "Set `last` to the day of `first` or a later one")
        start, end = closure.get("from", "00:00"), closure.get("to", "24:00")
        if start >= end:
            problem = f"the closure {start}-{end} ends before it begins"
            yield Finding(path, problem, "Set `to` to a time after `from`")


def _past_closures(document: Document, skipped: AbstractSet[Path], today: date) -> Iterator[Finding]:
    for number, closure in _closures_of(document, skipped):
        last = closure.get("last", closure["first"])
        if closure["first"] <= last < today.isoformat() and _is_day(last):
            yield Finding(("closures", number), f"the closure was over on {last}", "Remove it")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _closed_desks(document: Document) -> Iterator[Finding]:
    desks = {desk for planning in document["plannings"] for desk in planning["desks"]}
    names = ", ".join(map(str, sorted(desks)[:20])) + (", …" if len(desks) > 20 else "")  # noqa: PLR2004 - one line
    for number, closure in enumerate(document.get("closures", ())):
        for desk in closure.get("desks", ()):
            if desk not in desks:
                yield Finding(("closures", number), f"no planning has desk {desk}", f"Use desks of {names}")


def _department(document: Document) -> Iterator[Finding]:
    department = document.get("public_holidays", {}).get("department")
    if department is not None and department not in DEPARTMENTS:
        codes = '"01" to "95" ("2A" and "2B" for Corsica), "971" to "978", "986", "987" or "988"'
        problem = f"there is no department {department}"
        yield Finding(("public_holidays", "department"), problem, f"Set `department` to one of {codes}")


def _holidays_to_wait_for(document: Document) -> Iterator[Finding]:
    if document["release"].get("on_holiday") == "next_working_day" and "public_holidays" not in document:
        problem = "next_working_day needs public holidays"
        yield Finding(("release", "on_holiday"), problem, "Add `public_holidays`, or set `on_holiday` to same_day")


# Internal seats


def _internal_seats(document: Document) -> Iterator[Finding]:
    for number, planning in enumerate(document["plannings"]):
        internal, path = planning.get("internal", 0), ("plannings", number, "internal")
        if "internal_until" in planning and not internal:
            problem = "`internal_until` is there, and the planning has no internal seats"
            fix = "Add `internal`, the number of seats a day, or remove `internal_until`"
            yield Finding(("plannings", number, "internal_until"), problem, fix)
        for day, seats in seats_by_day(document, number).items():
            if internal >= seats > 0:
                problem = f"{internal:,} internal seats a day, and the planning has {seats:,} on {day}"
                yield Finding(path, problem, f"Set `internal` to {seats - 1:,} at most: the public needs a seat a day")
                break


def _internal_warnings(document: Document) -> Iterator[Finding]:
    """Warn of internal seats that open to the public when it can no longer take them."""
    notice = document["times"]["notice_hours"]
    openings = openings_of(document)
    for number, planning in enumerate(document["plannings"]):
        if until := planning.get("internal_until"):
            first = min(opening.start for opening in openings if opening.path[1] == number)
            hours = (until["days_before"] * DAY + first - minutes(until["at"])) // 60
            if hours < notice:
                path = ("plannings", number, "internal_until")
                problem = f"the first slot of a day is {max(hours, 0)} hours after this moment, inside `notice_hours`"
                yield Finding(path, problem, "Raise `days_before`, so that the public can take the seats")


# Releases, times and the rest


def _moments(document: Document) -> Iterator[Finding]:
    moments = document["release"]["moments"]
    first_at: dict[tuple[str, str], int] = {}
    for number, moment in enumerate(moments):
        day, clock = moment["day"], moment["at"]
        if (day, clock) in first_at:
            problem = f"moments {first_at[day, clock] + 1} and {number + 1} are both on {day} at {clock}"
            yield Finding(("release", "moments", number), problem, "Set them to different times")
        first_at.setdefault((day, clock), number)
    rest = [number for number, moment in enumerate(moments) if "seats" not in moment]
    for number in rest[1:]:
        problem = f"moments {rest[0] + 1} and {number + 1} have no `seats`, and only one moment can open the rest"
        yield Finding(("release", "moments", number), problem, "Set `seats` to a number")


def _batch(document: Document) -> Iterator[Finding]:
    if document["release"].get("batch_seconds") and document.get("seat_after") == SeatAfter.CHOICE:
        problem = "with `seat_after` choice a seat is taken before the captcha, so nobody waits for a turn"
        yield Finding(
            ("release", "batch_seconds"), problem, "Set `seat_after` to crowd or captcha, or remove `batch_seconds`"
        )


def _released_seats(document: Document) -> Iterator[Finding]:
    week = _public_seats_a_week(document)
    released = sum(moment.get("seats", 0) for moment in document["release"]["moments"])
    if released > week > 0 and all(opening.is_ordered for opening in openings_of(document)):
        internal = " to the public" if internal_seats_a_week(document) else ""
        problem = f"the moments open {released:,} seats, and the openings give {week:,} a week{internal}"
        yield Finding(("release", "moments"), problem, f"Set `seats` to {week:,} at most in all")


def _public_seats_a_week(document: Document) -> int:
    return seats_by_day(document).total() - internal_seats_a_week(document)


def _time_to_confirm(document: Document) -> Iterator[Finding]:
    times = document["times"]
    confirm, notice = times["confirm_minutes"], times["notice_hours"]
    if notice * 60 < confirm:
        problem = f"{confirm:,} minutes to confirm are more than {notice} hours of notice"
        fix = f"Set `confirm_minutes` to {notice * 60:,} at most, or raise `notice_hours`"
        yield Finding(("times", "confirm_minutes"), problem, fix)


def _return_hours(document: Document) -> Iterator[Finding]:
    first, last = document["times"]["return_hours"]
    if last - first < NARROWEST_RETURN:
        problem = f"the window from {first} to {last} hours is too narrow"
        fix = f"Set the second number of `return_hours` at least {NARROWEST_RETURN} above the first"
        yield Finding(("times", "return_hours"), problem, fix)


def _time_zone(document: Document) -> Iterator[Finding]:
    zone = document["timezone"]
    if zone not in available_timezones():
        similar = get_close_matches(zone, available_timezones(), 1)
        hint = f" (did you mean {similar[0]}?)" if similar else ""
        fix = "Set `timezone` to the zone of the desks, like Europe/Paris"
        yield Finding(("timezone",), f"there is no time zone {zone}{hint}", fix)


def _reply_to(document: Document) -> Iterator[Finding]:
    """Apply the mailer's rule: it sends no letter with a `reply_to` that it refuses."""
    yield from undeliverable(document["reply_to"], ("reply_to",), "`reply_to`")


def undeliverable(email: str, path: Path, part: str) -> Iterator[Finding]:
    """Yield a finding if no e-mail can reach this address."""
    try:
        emails.deliverable(email)
    except ValueError:
        fix = f"Set {part} to one e-mail address, like accueil@example.org"
        yield Finding(path, f"no mail reaches {email}", fix)


_ITEM_RULES: tuple[tuple[tuple[str, ...], Callable[[Document, AbstractSet[Path]], Iterator[Finding]]], ...] = (
    (("plannings",), _opening_order),
    (("plannings",), _overlapping_openings),
    (("plannings", "slot_minutes"), _slots_fill_openings),
    (("closures",), _closures),
)
"""Each rule about the items of a list, with this list first and the other parts of the document that it reads."""
_RULES: tuple[tuple[tuple[str, ...], Callable[[Document], Iterator[Finding]]], ...] = (
    (("timezone",), _time_zone),
    (("plannings", "slot_minutes"), _number_of_seats),
    (("plannings", "slot_minutes"), _internal_seats),
    (("closures", "plannings"), _closed_desks),
    (("public_holidays",), _department),
    (("release.moments",), _moments),
    (("release.batch_seconds", "seat_after"), _batch),
    (("release.on_holiday", "public_holidays"), _holidays_to_wait_for),
    (("release.moments", "plannings", "slot_minutes"), _released_seats),
    (("times.confirm_minutes", "times.notice_hours"), _time_to_confirm),
    (("times.return_hours",), _return_hours),
    (("reply_to",), _reply_to),
)
"""Each rule about the whole, with the parts of the document that it reads."""
