"""Rules that a JSON schema cannot express: hours that fit, closures to come, releases that add up."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from difflib import get_close_matches
from gettext import gettext as _
from itertools import combinations, pairwise
from typing import Any
from zoneinfo import available_timezones

from chalicelib.domain import emails
from chalicelib.domain.codec import WEEKDAYS
from chalicelib.domain.service import LANGUAGES, SeatAfter
from chalicelib.domain.turns import SPREAD
from infra.servicefile.findings import Finding, Readable
from infra.servicefile.holidays import DEPARTMENTS
from infra.servicefile.openings import (
    DAY,
    Document,
    internal_seats_a_week,
    is_day,
    minutes,
    minutes_of_week,
    openings_of,
    seats_by_day,
    span,
)
from infra.servicefile.yaml_source import Path
from infra.tools.numbers import number as written

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
            text_in, fix = _("no text in {}: the French text is shown"), _("Add a text in {}")
            languages = _(" and ").join(missing)
            yield Finding(path, text_in.format(languages), fix.format(languages))
    if document.get("seat_after") == "choice" and document.get("listing") != "hidden":
        problem = _("every seat is taken before the captcha: programs take most of a release before people can")
        yield Finding(("seat_after",), problem, _("Set `seat_after` to crowd or captcha"))
    for key, page in _LEGAL.items():
        if key not in document:
            problem = _("`{}` is missing: the page {} says to ask the office").format(key, page)
            yield Finding((key,), problem, _("Add `{}`, which docs/service-file.md describes").format(key))
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
        numbers = written(week - assigned), written(week)
        problem = _("{} of {} seats a week open at no moment, only by hand").format(*numbers)
        yield Finding(("release", "moments"), problem, _("Leave out `seats` at one moment, and it opens the rest"))
    if rest and assigned == week:
        problem = _("the other moments open all {} seats of a week: nothing is left for this one").format(written(week))
        yield Finding(("release", "moments", rest[0]), problem, _("Lower `seats` at the other moments"))
    last = max(minutes_of_week(moment["day"], moment["at"]) for moment in release["moments"])
    first = min(WEEKDAYS.index(day) * DAY + opening.start for opening in openings_of(document) for day in opening.days)
    hours = max((first + release["weeks_ahead"] * 7 * DAY - last) // 60, 0)
    if hours < document["times"]["notice_hours"]:
        problem = _("the first slot of a week is {} hours after the last moment, inside `notice_hours`").format(hours)
        yield Finding(("release", "weeks_ahead"), problem, _("Raise `weeks_ahead`, so that the seats can be taken"))


def _texts(document: Document) -> Iterator[tuple[Path, Mapping[str, str]]]:
    for part in ("name", "intro", "contact"):
        if isinstance(document[part], Mapping):  # a contact may be one line for all languages
            yield (part,), document[part]
    for part in ("not_for", "documents", "documents_note", "otherwise"):
        yield from (((part, number), text) for number, text in enumerate(document[part]))


# Openings


def _opening_order(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    for opening in openings_of(document, skipped):
        hours, later = span(opening.start, opening.end), _("Set `to` to a time after `from`")
        if opening.start >= opening.end:
            yield Finding(opening.path, _("the opening {} ends before it begins").format(hours), later)
            continue
        for start, end, number in opening.breaks:
            path, pause = (*opening.path, "breaks", number), span(start, end)
            if start >= end:
                yield Finding(path, _("the break {} ends before it begins").format(pause), later)
            elif not opening.start <= start < end <= opening.end:
                problem = _("the break {} is outside its opening, {}").format(pause, hours)
                yield Finding(path, problem, _("Put the break inside the opening"))
        for first, second in pairwise(opening.breaks):
            if second.start < first.end:
                problem = _("the breaks {} and {} overlap").format(span(*first[:2]), span(*second[:2]))
                yield Finding((*opening.path, "breaks", second.number), problem, _("Set hours that do not overlap"))


def _slots_fill_openings(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    slot = document["slot_minutes"]
    fix = _("Set opening, breaks and closing a multiple of {} minutes apart").format(slot)
    for opening in filter(lambda opening: opening.is_ordered, openings_of(document, skipped)):
        for start, end in opening.spans:
            if (end - start) % slot:
                problem = _("{} is {} minutes, which slots of {} minutes do not fill")
                yield Finding(opening.path, problem.format(span(start, end), end - start, slot), fix)


def _overlapping_openings(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    for first, second in combinations(openings_of(document, skipped), 2):
        if first.start < second.end and second.start < first.end:
            days = [day for day in WEEKDAYS if day in first.days and day in second.days]
            desks = first.desks & second.desks
            if days and desks:
                spans = span(first.start, first.end), span(second.start, second.end)
                problem = _("the openings {} and {} of desk {} on {} overlap")
                fix = _("Set hours that do not overlap")
                yield Finding(second.path, problem.format(*spans, min(desks), _(days[0])), fix)


def _number_of_seats(document: Document) -> Iterator[Finding]:
    seats = seats_by_day(document)
    fix = _("Use fewer desks, shorter hours or longer slots")
    for day, number in seats.items():
        if number > MOST_A_DAY:
            problem = _("{} seats on {}, and at most {} are allowed")
            yield Finding(("plannings",), problem.format(written(number), _(day), written(MOST_A_DAY)), fix)
    if seats.total() > MOST_A_WEEK:
        problem = _("{} seats a week, and at most {} are allowed")
        yield Finding(("plannings",), problem.format(written(seats.total()), written(MOST_A_WEEK)), fix)
    if not seats.total() and all(opening.is_ordered for opening in openings_of(document)):
        yield Finding(("plannings",), _("the openings give no seat"), _("Open at least one slot a week"))


# Closures and public holidays


def _closures_of(document: Document, skipped: AbstractSet[Path]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    closures = enumerate(document.get("closures", ()))
    return ((number, closure) for number, closure in closures if ("closures", number) not in skipped)


def _closures(document: Document, skipped: AbstractSet[Path]) -> Iterator[Finding]:
    for number, closure in _closures_of(document, skipped):
        path = ("closures", number)
        for key in ("first", "last"):
            if key in closure and not is_day(closure[key]):
                problem = _("{} is not a day of the calendar").format(closure[key])
                yield Finding((*path, key), problem, _("Set `{}` to a day like 2026-12-24").format(key))
        if closure["first"] > closure.get("last", closure["first"]):
            problem = _("the closure ends on {}, before it begins on {}").format(closure["last"], closure["first"])
            yield Finding(path, problem, _("Set `last` to the day of `first` or a later one"))
        start, end = closure.get("from", "00:00"), closure.get("to", "24:00")
        if start >= end:
            problem = _("the closure {}-{} ends before it begins").format(start, end)
            yield Finding(path, problem, _("Set `to` to a time after `from`"))


def _past_closures(document: Document, skipped: AbstractSet[Path], today: date) -> Iterator[Finding]:
    for number, closure in _closures_of(document, skipped):
        last = closure.get("last", closure["first"])
        if closure["first"] <= last < today.isoformat() and is_day(last):
            yield Finding(("closures", number), _("the closure was over on {}").format(last), _("Remove it"))


def _closed_desks(document: Document) -> Iterator[Finding]:
    desks = {desk for planning in document["plannings"] for desk in planning["desks"]}
    names = ", ".join(map(str, sorted(desks)[:20])) + (", …" if len(desks) > 20 else "")  # noqa: PLR2004 - one line
    for number, closure in enumerate(document.get("closures", ())):
        for desk in closure.get("desks", ()):
            if desk not in desks:
                fix = _("Use desks of {}").format(names)
                yield Finding(("closures", number), _("no planning has desk {}").format(desk), fix)


def _department(document: Document) -> Iterator[Finding]:
    department = document.get("public_holidays", {}).get("department")
    if department is not None and department not in DEPARTMENTS:
        fix = _(
            'Set `department` to one of "01" to "95" ("2A" and "2B" for Corsica), "971" to "978", "986", "987" or "988"'
        )
        yield Finding(("public_holidays", "department"), _("there is no department {}").format(department), fix)


def _holidays_to_wait_for(document: Document) -> Iterator[Finding]:
    if document["release"].get("on_holiday") == "next_working_day" and "public_holidays" not in document:
        fix = _("Add `public_holidays`, or set `on_holiday` to same_day")
        yield Finding(("release", "on_holiday"), _("next_working_day needs public holidays"), fix)


# Internal seats


def _internal_seats(document: Document) -> Iterator[Finding]:
    for number, planning in enumerate(document["plannings"]):
        internal, path = planning.get("internal", 0), ("plannings", number, "internal")
        if "internal_until" in planning and not internal:
            problem = _("`internal_until` is there, and the planning has no internal seats")
            fix = _("Add `internal`, the number of seats a day, or remove `internal_until`")
            yield Finding(("plannings", number, "internal_until"), problem, fix)
        for day, seats in seats_by_day(document, number).items():
            if internal >= seats > 0:
                numbers = written(internal), written(seats), _(day)
                problem = _("{} internal seats a day, and the planning has {} on {}").format(*numbers)
                fix = _("Set `internal` to {} at most: the public needs a seat a day").format(written(seats - 1))
                yield Finding(path, problem, fix)
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
                problem = _("the first slot of a day is {} hours after this moment, inside `notice_hours`")
                fix = _("Raise `days_before`, so that the public can take the seats")
                yield Finding(path, problem.format(max(hours, 0)), fix)


# Releases, times and the rest


def _moments(document: Document) -> Iterator[Finding]:
    moments = document["release"]["moments"]
    first_at: dict[tuple[str, str], int] = {}
    for number, moment in enumerate(moments):
        day, clock = moment["day"], moment["at"]
        if (day, clock) in first_at:
            both = first_at[day, clock] + 1, number + 1, _(day), clock
            problem = _("moments {} and {} are both on {} at {}").format(*both)
            yield Finding(("release", "moments", number), problem, _("Set them to different times"))
        first_at.setdefault((day, clock), number)
    rest = [number for number, moment in enumerate(moments) if "seats" not in moment]
    for number in rest[1:]:
        text = _("moments {} and {} have no `seats`, and only one moment can open the rest")
        problem = text.format(rest[0] + 1, number + 1)
        yield Finding(("release", "moments", number), problem, _("Set `seats` to a number"))


def _batch(document: Document) -> Iterator[Finding]:
    if document["release"].get("batch_seconds") and document.get("seat_after") == SeatAfter.CHOICE:
        problem = _("with `seat_after` choice a seat is taken before the captcha, so nobody waits for a turn")
        yield Finding(
            ("release", "batch_seconds"), problem, _("Set `seat_after` to crowd or captcha, or remove `batch_seconds`")
        )


def _turns_end(document: Document) -> Iterator[Finding]:
    """Find moments of which the first one's turns are not over at the next: who came for one would get both seats.

    Moments of different days can fall on one day where they wait for a working day.
    """
    batch, release = document["release"].get("batch_seconds", 0), document["release"]
    moments = sorted({minutes_of_week(moment["day"], moment["at"]) for moment in release["moments"]})
    gaps = [later - earlier for earlier, later in pairwise([*moments, moments[0] + 7 * DAY])]
    if release.get("on_holiday") == "next_working_day":
        gaps += [later - earlier for earlier, later in pairwise(sorted({moment % DAY for moment in moments}))]
    spread = int(SPREAD.total_seconds())
    if batch and (closest := min(gaps)) * 60 < batch + spread:
        problem = _("two moments can be {} min apart, and the turns of the first one last {} seconds")
        fix = _("Set `batch_seconds` to {} at most, or the moments further apart").format(max(closest * 60 - spread, 0))
        yield Finding(("release", "batch_seconds"), problem.format(closest, batch + spread), fix)


def _released_seats(document: Document) -> Iterator[Finding]:
    week = _public_seats_a_week(document)
    released = sum(moment.get("seats", 0) for moment in document["release"]["moments"])
    if released > week > 0 and all(opening.is_ordered for opening in openings_of(document)):
        problem = _("the moments open {} seats, and the openings give {} a week{}")
        internal = _(" to the public") if internal_seats_a_week(document) else ""
        fix = _("Set `seats` to {} at most in all").format(written(week))
        yield Finding(("release", "moments"), problem.format(written(released), written(week), internal), fix)


def _public_seats_a_week(document: Document) -> int:
    return seats_by_day(document).total() - internal_seats_a_week(document)


def _time_to_confirm(document: Document) -> Iterator[Finding]:
    times = document["times"]
    confirm, notice = times["confirm_minutes"], times["notice_hours"]
    if notice * 60 < confirm:
        problem = _("{} minutes to confirm are more than {} hours of notice").format(written(confirm), notice)
        fix = _("Set `confirm_minutes` to {} at most, or raise `notice_hours`").format(written(notice * 60))
        yield Finding(("times", "confirm_minutes"), problem, fix)


def _return_hours(document: Document) -> Iterator[Finding]:
    first, last = document["times"]["return_hours"]
    if last - first < NARROWEST_RETURN:
        problem = _("the window from {} to {} hours is too narrow").format(first, last)
        fix = _("Set the second number of `return_hours` at least {} above the first").format(NARROWEST_RETURN)
        yield Finding(("times", "return_hours"), problem, fix)


def _time_zone(document: Document) -> Iterator[Finding]:
    zone = document["timezone"]
    if zone not in available_timezones():
        similar = get_close_matches(zone, available_timezones(), 1)
        hint = _(" (did you mean {}?)").format(similar[0]) if similar else ""
        fix = _("Set `timezone` to the zone of the desks, like Europe/Paris")
        yield Finding(("timezone",), _("there is no time zone {}{}").format(zone, hint), fix)


def _reply_to(document: Document) -> Iterator[Finding]:
    """Apply the mailer's rule: it sends no letter with a `reply_to` that it refuses."""
    yield from undeliverable(document["reply_to"], ("reply_to",), "`reply_to`")


def undeliverable(email: str, path: Path, part: str) -> Iterator[Finding]:
    """Yield a finding if no e-mail can reach this address."""
    try:
        emails.deliverable(email)
    except ValueError:
        fix = _("Set {} to one e-mail address, like accueil@example.org").format(part)
        yield Finding(path, _("no mail reaches {}").format(email), fix)


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
    (("release.batch_seconds", "release.moments"), _turns_end),
    (("release.on_holiday", "public_holidays"), _holidays_to_wait_for),
    (("release.moments", "plannings", "slot_minutes"), _released_seats),
    (("times.confirm_minutes", "times.notice_hours"), _time_to_confirm),
    (("times.return_hours",), _return_hours),
    (("reply_to",), _reply_to),
)
"""Each rule about the whole, with the parts of the document that it reads."""
