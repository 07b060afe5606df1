"""What a schema cannot say about a service: hours that fit, closures to come, releases that add up."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from difflib import get_close_matches
from itertools import combinations, pairwise
from typing import Any, NamedTuple
from zoneinfo import available_timezones

from chalicelib.domain import emails
from chalicelib.domain.codec import WEEKDAYS
from chalicelib.domain.service import LANGUAGES
from infra.servicefile.holidays import DEPARTMENTS
from infra.servicefile.yaml_source import Path

MOST_A_DAY = 2_000
MOST_A_WEEK = 10_000
NARROWEST_RETURN = 2
"""Hours between the ends of the return window: in less, a freed seat's moment could be guessed."""
DAY = 24 * 60

Document = Mapping[str, Any]


class Finding(NamedTuple):
    """What is wrong where, and what was expected."""

    path: Path
    wrong: str
    expected: str


class Hours(NamedTuple):
    """One opening rule: when its desks receive on its days, in minutes of the day, cut at its breaks."""

    path: Path
    desks: frozenset[int]
    days: tuple[str, ...]
    start: int
    end: int
    breaks: tuple[tuple[int, int, int], ...]
    """From, to, and its place in the file; in the order of the day."""

    @property
    def stretches(self) -> list[tuple[int, int]]:
        """The hours between the breaks."""
        starts = [self.start, *(end for _, end, _ in self.breaks)]
        return list(zip(starts, [*(start for start, _, _ in self.breaks), self.end], strict=True))

    @property
    def fits(self) -> bool:
        """Are start, breaks and end in order?"""
        ends = self.start < self.end and all(start < end for start, end, _ in self.breaks)
        return ends and all(start <= end for start, end in self.stretches)


def mistakes(document: Document, broken: AbstractSet[str], today: date) -> Iterator[Finding]:
    """What is wrong in the parts whose structure is right; `broken` names the others."""
    for parts, rule in _RULES:
        if not parts & broken:
            yield from rule(document)
    if "closures" not in broken:
        yield from _past(document, today)


def warnings(document: Document) -> Iterator[Finding]:
    """What is allowed, and may not be meant."""
    for path, text in _texts(document):
        if lacking := [language for language in LANGUAGES if language not in text]:
            wrong = f"no text in {' and '.join(lacking)}: the French one is shown"
            yield Finding(path, wrong, ", ".join(LANGUAGES))
    release, week = document["release"], sum(_seats_by_day(document).values())
    given = sum(moment.get("seats", 0) for moment in release["moments"])
    rest = [n for n, moment in enumerate(release["moments"]) if "seats" not in moment]
    if not rest and given < week:
        wrong = f"{week - given:,} of {week:,} seats a week open at no moment: only by hand"
        yield Finding(("release", "moments"), wrong, "a moment without `seats`, which opens the rest")
    if rest and given == week:
        wrong = f"the other moments open all {week:,} seats of a week: nothing is left for this one"
        yield Finding(("release", "moments", rest[0]), wrong, "fewer seats at the others")
    if document.get("seat_after") == "choice" and document.get("listing") != "hidden":
        wrong = "every seat is taken before the captcha: programs take most of a release before people can"
        yield Finding(("seat_after",), wrong, "crowd, or captcha")
    last = max(_of_week(moment["day"], moment["at"]) for moment in release["moments"])
    first = min(WEEKDAYS.index(day) * DAY + hours.start for hours in _hours(document) for day in hours.days)
    left = (first + release["weeks_ahead"] * 7 * DAY - last) // 60
    if left < document["times"]["notice_hours"]:
        wrong = f"the first slot of a week is {max(left, 0)} hours after the last moment, inside `notice_hours`"
        yield Finding(("release", "weeks_ahead"), wrong, "time to take the seats that open")


def _texts(document: Document) -> Iterator[tuple[Path, Mapping[str, str]]]:
    for part in ("name", "intro"):
        yield (part,), document[part]
    for part in ("not_for", "documents", "documents_note", "otherwise"):
        yield from (((part, number), text) for number, text in enumerate(document[part]))


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _of_week(day: str, clock: str) -> int:
    return WEEKDAYS.index(day) * DAY + _minutes(clock)


def _hours(document: Document) -> list[Hours]:
    return [
        Hours(
            ("plannings", number, "openings", place),
            frozenset(planning["desks"]),
            tuple(rule["days"]),
            _minutes(rule["from"]),
            _minutes(rule["to"]),
            tuple(
                sorted((_minutes(one["from"]), _minutes(one["to"]), n) for n, one in enumerate(rule.get("breaks", ())))
            ),
        )
        for number, planning in enumerate(document["plannings"])
        for place, rule in enumerate(planning["openings"])
    ]


def _span(start: int, end: int) -> str:
    return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (start, end))


def _zone(document: Document) -> Iterator[Finding]:
    zone = document["timezone"]
    if zone not in available_timezones():
        near = get_close_matches(zone, available_timezones(), 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        yield Finding(("timezone",), f"there is no zone {zone}{hint}", "the zone of the place, like Europe/Paris")


def _order(document: Document) -> Iterator[Finding]:
    for hours in _hours(document):
        if hours.start >= hours.end:
            wrong = f"{_span(hours.start, hours.end)} does not end after it begins"
            yield Finding(hours.path, wrong, "`from` before `to`")
            continue
        for start, end, number in hours.breaks:
            path = (*hours.path, "breaks", number)
            if start >= end:
                yield Finding(path, f"the break {_span(start, end)} does not end after it begins", "`from` before `to`")
            elif not hours.start <= start < end <= hours.end:
                wrong = f"the break {_span(start, end)} is outside its opening, {_span(hours.start, hours.end)}"
                yield Finding(path, wrong, "a break inside it")
        for (*one, _), (*other, number) in pairwise(hours.breaks):
            if other[0] < one[1]:
                wrong = f"breaks overlap: {_span(*one)} and {_span(*other)}"
                yield Finding((*hours.path, "breaks", number), wrong, "breaks that do not overlap")


def _division(document: Document) -> Iterator[Finding]:
    slot = document["slot_minutes"]
    for hours in filter(lambda hours: hours.fits, _hours(document)):
        for start, end in hours.stretches:
            if (end - start) % slot:
                wrong = f"{_span(start, end)} is {end - start} minutes, which slots of {slot} minutes do not fill"
                yield Finding(hours.path, wrong, f"a multiple of {slot} minutes between opening, breaks and closing")


def _overlaps(document: Document) -> Iterator[Finding]:
    for one, other in combinations(_hours(document), 2):
        if one.start < other.end and other.start < one.end:
            days = [day for day in WEEKDAYS if day in one.days and day in other.days]
            desks = one.desks & other.desks
            if days and desks:
                spans = f"{_span(one.start, one.end)} and {_span(other.start, other.end)}"
                wrong = f"openings overlap: desk {min(desks)} on {days[0]}, {spans}"
                yield Finding(other.path, wrong, "hours that do not overlap")


def _seats_by_day(document: Document) -> Counter[str]:
    seats: Counter[str] = Counter()
    for hours in filter(lambda hours: hours.fits, _hours(document)):
        slots = sum((end - start) // document["slot_minutes"] for start, end in hours.stretches)
        seats.update(dict.fromkeys(hours.days, slots * len(hours.desks)))
    return seats


def _amounts(document: Document) -> Iterator[Finding]:
    seats = _seats_by_day(document)
    for day, number in seats.items():
        if number > MOST_A_DAY:
            yield Finding(("plannings",), f"{number:,} seats on {day}", f"at most {MOST_A_DAY:,} seats a day")
    if seats.total() > MOST_A_WEEK:
        yield Finding(("plannings",), f"{seats.total():,} seats a week", f"at most {MOST_A_WEEK:,} seats a week")
    if not seats.total() and all(hours.fits for hours in _hours(document)):
        yield Finding(("plannings",), "the openings give no seat", "at least one slot a week")


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _reply_to(document: Document) -> Iterator[Finding]:
    """Apply the mailer's rule: with a `reply_to` that it refuses, no letter of the service leaves."""
    try:
        emails.deliverable(document["reply_to"])
    except ValueError:
        wrong = f"no mail reaches {document['reply_to']}"
        yield Finding(("reply_to",), wrong, "one e-mail address, like accueil@example.org")


def _closures(document: Document) -> Iterator[Finding]:
    for number, closure in enumerate(document.get("closures", ())):
        path = ("closures", number)
        for key in ("first", "last"):
            if key in closure and not _date(closure[key]):
                yield Finding((*path, key), f"{closure[key]} is no day", "a day of the calendar, like 2026-12-24")
        if closure["first"] > closure.get("last", closure["first"]):
            wrong = f"the closure ends on {closure['last']}, before it begins on {closure['first']}"
            yield Finding(path, wrong, "`first` before `last`, or the same day")
        start, end = closure.get("from", "00:00"), closure.get("to", "24:00")
        if start >= end:
            wrong = f"the closure {start}-{end} does not end after it begins"
            yield Finding(path, wrong, "`from` before `to`")


def _past(document: Document, today: date) -> Iterator[Finding]:
    for number, closure in enumerate(document.get("closures", ())):
        last = closure.get("last", closure["first"])
        if closure["first"] <= last < today.isoformat() and _date(last):
            wrong = f"the closure was over on {last}"
            yield Finding(("closures", number), wrong, f"a day from {today} on; take it out")


def _closed_desks(document: Document) -> Iterator[Finding]:
    known = {desk for planning in document["plannings"] for desk in planning["desks"]}
    for number, closure in enumerate(document.get("closures", ())):
        for desk in closure.get("desks", ()):
            if desk not in known:
                yield Finding(("closures", number), f"no planning has desk {desk}", f"desks of {_listed(known)}")


def _listed(numbers: AbstractSet[int]) -> str:
    shown = sorted(numbers)[:20]
    return ", ".join(map(str, shown)) + (", …" if len(numbers) > len(shown) else "")


def _department(document: Document) -> Iterator[Finding]:
    number = document.get("public_holidays", {}).get("department")
    if number is not None and number not in DEPARTMENTS:
        expected = '"01" to "95" ("2A" and "2B" for Corsica), "971" to "978", "986", "987" or "988"'
        yield Finding(("public_holidays", "department"), f"there is no department {number}", expected)


def _moments(document: Document) -> Iterator[Finding]:
    moments = document["release"]["moments"]
    seen: dict[tuple[str, str], int] = {}
    for number, moment in enumerate(moments):
        when = (moment["day"], moment["at"])
        if when in seen:
            wrong = f"moments {seen[when] + 1} and {number + 1} are both on {when[0]} at {when[1]}"
            yield Finding(("release", "moments", number), wrong, "moments at different times")
        seen.setdefault(when, number)
    rest = [number for number, moment in enumerate(moments) if "seats" not in moment]
    for number in rest[1:]:
        wrong = f"moments {rest[0] + 1} and {number + 1} have no `seats`"
        yield Finding(("release", "moments", number), wrong, "one moment at most that opens the rest")


def _waiting(document: Document) -> Iterator[Finding]:
    if document["release"].get("on_holiday") == "next_working_day" and "public_holidays" not in document:
        wrong = "next_working_day has no public holidays to go by"
        yield Finding(("release", "on_holiday"), wrong, "`public_holidays` with a department, or same_day")


def _shares(document: Document) -> Iterator[Finding]:
    week = sum(_seats_by_day(document).values())
    given = sum(moment.get("seats", 0) for moment in document["release"]["moments"])
    if given > week > 0 and all(hours.fits for hours in _hours(document)):
        wrong = f"the moments open {given:,} seats, and the openings give {week:,} a week"
        yield Finding(("release", "moments"), wrong, f"at most {week:,} in all")


def _times(document: Document) -> Iterator[Finding]:
    times = document["times"]
    if times["notice_hours"] * 60 < times["confirm_minutes"]:
        wrong = f"{times['confirm_minutes']:,} minutes to confirm are more than {times['notice_hours']} hours of notice"
        expected = "`notice_hours` times 60 at least as long as `confirm_minutes`, which the first letter promises"
        yield Finding(("times", "confirm_minutes"), wrong, expected)
    first, last = times["return_hours"]
    if last - first < NARROWEST_RETURN:
        wrong = f"from {first} to {last} hours is no window"
        yield Finding(("times", "return_hours"), wrong, f"the second at least {NARROWEST_RETURN} more than the first")


_RULES: tuple[tuple[AbstractSet[str], Callable[[Document], Iterator[Finding]]], ...] = (
    ({"timezone"}, _zone),
    ({"plannings"}, _order),
    ({"plannings"}, _overlaps),
    ({"plannings", "slot_minutes"}, _division),
    ({"plannings", "slot_minutes"}, _amounts),
    ({"closures"}, _closures),
    ({"closures", "plannings"}, _closed_desks),
    ({"public_holidays"}, _department),
    ({"release"}, _moments),
    ({"release", "public_holidays"}, _waiting),
    ({"release", "plannings", "slot_minutes"}, _shares),
    ({"times"}, _times),
    ({"reply_to"}, _reply_to),
)
"""Each rule, and the parts that it reads."""
