"""The pages of the desk with an invented day."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from chalicelib.desk.day import Row, SearchResult, Totals
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import AlreadyRecorded, NotDue
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.rendering import templates
from chalicelib.web import desk_day_views, desk_rows
from chalicelib.web.desk_access import Agent
from chalicelib.web.visit import Visit
from tests.unit.rendering.samples import FRENCH
from tests.unit.web.pages import AES, Refused

TODAY = date(2026, 12, 3)
NOW = datetime(2026, 12, 3, 8, 40, tzinfo=UTC)
"""9:40 in Paris."""
ME, OTHER = "0123456789abcdef", "fedcba9876543210"
FIRST = ("Awa", "Moussa", "Li Na", "Fatoumata", "Nguyễn Thị", "Şeyma", "José", "Łucja", "Abd El Kader", "Mariam")
LAST = ("Exemple", "D’Exemple", "Bexemple-Cid", "Éxemplé", "Fexemple Ghi", "Jexemple", "Hexemplová", "Kexemple")


def agent(role: Role = Role.AGENT) -> Agent:
    account = Account(ME, "basile@example.org", "Basile Exemple", {"aes": role}, 1, 1, "operator", NOW)
    return Agent(account, "c" * 52, "aes", role)


def letters(number: int) -> str:
    return "".join("bcdfghijkl"[int(digit)] for digit in str(number))


def person(key: SeatKey, number: int) -> Person:
    """Return an invented person."""
    first, last = FIRST[number % len(FIRST)], f"{LAST[number % len(LAST)]}-{letters(number * 7919 % 1000)}"
    details = Details(first, last, "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
    return Person("p", "aes", key, "h", details, f"AES-{number * 104729 % 10**10:010}", NOW)


def rows(count: int = 300, desks: int = 4) -> list[Row]:
    """Return the rows of a day with so many appointments: the first ones have an outcome, the next ones arrived."""
    result = []
    for number in range(count):
        start = datetime.combine(TODAY, time(9)) + timedelta(minutes=5 * (number // desks))
        key = SeatKey(TODAY, start.time(), number % desks + 1, "aes")
        seat = Seat(key, opens_at=NOW, state=State.CONFIRMED, hold="h", until=NOW, person="p")
        arrived = replace(
            seat, state=State.ARRIVED, arrived_at=NOW - timedelta(minutes=9), arrived_by=(ME, OTHER)[number % 2]
        )
        if number < count // 15:
            outcome = (State.SEEN, State.SEEN, State.MISSED, State.SEEN, State.INCOMPLETE)[number % 5]
            seat = replace(
                arrived, state=outcome, outcome_at=NOW - timedelta(minutes=4), outcome_by=(ME, OTHER)[number % 2]
            )
        elif number < count // 9:
            seat = arrived
        result.append(Row(seat, person(key, number)))
    return result


def values(day: date = TODAY, role: Role = Role.AGENT) -> dict[str, Any]:
    """Return what every page about a day needs."""
    visit = Visit(NOW, "GET", dict, FRENCH, wants_json=False, root="", path="", query={}, sets_language=False)
    return desk_day_views.context(agent(role), AES, day, visit)


def day_values(listed: list[Row], show: str = "all", role: Role = Role.AGENT, **changes: Any) -> dict[str, Any]:
    return {
        **values(role=role),
        "hours": desk_rows.by_hour(desk_rows.shown(listed, show, None)),
        "counts": {name: len(desk_rows.shown(listed, name, None)) for name in desk_rows.FILTERS},
        "show": show,
        "changed": None,
        "at_row": False,
        "done": None,
        "refused": [],
        "typed": {},
        "scan": False,
        **changes,
    }


def desks_of(listed: list[Row]) -> list[tuple[int, list[Row]]]:
    units = sorted({row.seat.key.unit for row in listed})
    return [(unit, [row for row in listed if row.seat.key.unit == unit]) for unit in units]


ROWS = rows(40)
FEW = rows(9)
WAITING = next(row for row in ROWS if row.state is State.ARRIVED and row.seat.arrived_by == ME)
EXPECTED = ROWS[-1]
TAKEN = AlreadyRecorded(State.ARRIVED, NOW, by_other=True)
REFUSED = Refused("already-recorded", "Ce rendez-vous a déjà été noté.")
FOUND = SearchResult(ROWS[20:24], TODAY - timedelta(days=30), TODAY + timedelta(days=60))
NEVER = replace(ROWS[0], person=None)
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "day": ("desk/day.html", day_values(ROWS, "open")),
    "day, viewer": ("desk/day.html", day_values(ROWS, role=Role.VIEWER)),
    "day, one noted": ("desk/day.html", day_values(ROWS, changed=WAITING, scan=True)),
    "day, many noted": ("desk/day.html", day_values(ROWS, done=(State.SEEN, 12))),
    "day, taken": (
        "desk/day.html",
        day_values(ROWS, refused=[(WAITING, TAKEN), (None, TAKEN)], done=(State.ARRIVED, 3)),
    ),
    "day, another day": ("desk/day.html", day_values(ROWS, refused=[(EXPECTED, NotDue(NOW + timedelta(days=5)))])),
    "day, no words": ("desk/day.html", day_values(ROWS, errors={"q": "Écrivez un nom."})),
    "day, nothing ticked": ("desk/day.html", day_values(ROWS, errors={"list": desk_rows.NONE_TICKED})),
    "day, empty": ("desk/day.html", day_values([])),
    "found": (
        "desk/found.html",
        {**values(), "words": "exemple", "everywhere": False, "found": FOUND, "days": [(TODAY, FOUND.rows)]},
    ),
    "found, nothing": (
        "desk/found.html",
        {**values(), "words": "<b>=1+1</b>", "everywhere": True, "found": replace(FOUND, rows=[]), "days": []},
    ),
    "person": ("desk/person.html", {**values(), "row": EXPECTED, "refusal": None}),
    "person, arrived": ("desk/person.html", {**values(), "row": WAITING, "refusal": None}),
    "person, taken": ("desk/person.html", {**values(), "row": ROWS[1], "refusal": TAKEN, "problem": REFUSED}),
    "person, another day": (
        "desk/person.html",
        {**values(TODAY + timedelta(days=5)), "row": EXPECTED, "refusal": None},
    ),
    "person, erased": ("desk/person.html", {**values(), "row": NEVER, "refusal": None}),
    "print": ("desk/print.html", {**values(), "desks": desks_of(ROWS), "count": len(ROWS)}),
    "evening": ("desk/evening.html", {**values(), "totals": Totals(312, 300, 13, 14, 4, 2, 280)}),
    "evening, done": ("desk/evening.html", {**values(), "totals": Totals(312, 300, 0, 290, 8, 2, 0)}),
    "print, empty": ("desk/print.html", {**values(), "desks": [], "count": 0}),
}


def page(name: str, **context: object) -> str:
    """Render a page."""
    template, variables = PAGES[name]
    return templates.render(template, FRENCH, "../../", **{"path": "desk/aes/day", **variables, **context})
