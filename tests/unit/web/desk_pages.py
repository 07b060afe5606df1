"""The pages of the desk with an invented day."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from chalicelib.allocation.entries import Choices
from chalicelib.desk import calls
from chalicelib.desk.calls import Queue
from chalicelib.desk.closing import Closing, ClosingPlan, SetAside
from chalicelib.desk.day import Row, SearchResult, Totals
from chalicelib.desk.history import Act, Change
from chalicelib.desk.workload import Workload
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.display import LIFETIME, Display
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import (
    AlreadyRecorded,
    AlreadyRequested,
    CeilingReached,
    DeskBusy,
    EmailInUse,
    NobodyWaits,
    NotDue,
    SlotTaken,
)
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.rendering import templates
from chalicelib.rendering.convocation import convocation_of
from chalicelib.web import (
    desk_absence_forms,
    desk_absence_views,
    desk_day_views,
    desk_history_views,
    desk_rows,
    desk_search_views,
)
from chalicelib.web.desk_access import Agent
from chalicelib.web.visit import Visit
from tests.unit.rendering.samples import FRENCH, locale_from_source
from tests.unit.web.pages import AES, DRAWN, FAMILY, PICTURE, WINDOW, Refused
from tests.unit.web.pages import request as request_of_state

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
    pages = {"PERSON_PAGES": desk_search_views.PERSON_PAGES}
    return {**desk_day_views.context(agent(role), AES, day, visit), **pages}


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


def walk_in(keys: Sequence[SeatKey]) -> dict[str, Any]:
    by_desk = groupby(sorted(keys, key=lambda key: (key.unit, key.start)), lambda key: key.unit)
    desks = [(unit, list(of_desk)) for unit, of_desk in by_desk]
    return {**values(role=Role.PLANNER), "desks": desks, "running": {desks[0][1][0]} if desks else set()}


def called(row: Row, desk: int, agent_id: str, times: int = 1) -> Row:
    """Return a row whose applicant is called to a desk."""
    seat = replace(
        row.seat,
        state=State.CALLED,
        arrived_at=NOW - timedelta(minutes=14),
        called_at=NOW - timedelta(minutes=1),
        called_by=agent_id,
        called_to=desk,
        calls=times,
    )
    return replace(row, seat=seat)


def call_values(queue: Queue, here: int | None = 3, **changes: Any) -> dict[str, Any]:
    mine = queue.at(here)
    return {**values(), "queue": queue, "here": here, "mine": mine, **NOTHING_SAID, **changes}


NOTHING_SAID = {"changed": None, "refusal": None, "refused": None}
ROWS = rows(40)
FREE = rows(200)[::3]
FEW = rows(9)
WAITING = next(row for row in ROWS if row.state is State.ARRIVED and row.seat.arrived_by == ME)
EXPECTED = ROWS[-1]
TAKEN = AlreadyRecorded(State.ARRIVED, NOW, by_other=True)
REFUSED = Refused("already-recorded", "Ce rendez-vous a déjà été noté.")
FOUND = SearchResult(ROWS[20:24], TODAY - timedelta(days=30), TODAY + timedelta(days=60))
BOOKED = (
    replace(EXPECTED, person=replace(EXPECTED.person, booked_by=OTHER, family=("p0", "p1")))
    if EXPECTED.person
    else EXPECTED
)
CALLED = called(ROWS[7], 3, ME, 2)
ELSEWHERE = called(ROWS[6], 1, OTHER)
PARKED = replace(
    ROWS[8], seat=replace(ROWS[8].seat, state=State.ARRIVED, parked=True, calls=2, called_at=NOW, arrived_at=NOW)
)
WAIT = [
    replace(row, seat=replace(row.seat, state=State.ARRIVED, arrived_at=NOW - timedelta(minutes=12)))
    for row in ROWS[9:14]
]
QUEUE = Queue([1, 2, 3, 4], WAIT, [PARKED], [ELSEWHERE], 3)
BUSY = replace(QUEUE, called=[ELSEWHERE, CALLED])
NEVER = replace(ROWS[0], person=None)
FORM = {"secret": "s" * 52, "people": "3", "language": "ar", "phone": "06 12 34 56 78", "email": "awa@example.org"}
for _number, _member in enumerate(FAMILY, start=1):
    FORM |= {f"last_name_{_number}": _member.details.last_name, f"first_name_{_number}": _member.details.first_name}
    FORM |= {f"birth_date_{_number}": "17/05/1990", f"birth_name_{_number}": ""}
BOOKING: dict[str, Any] = {**agent().context, "service": AES, "walk_in": False, "used": None, "refusal": None}
HELPER: dict[str, Any] = {**BOOKING, **agent(Role.ASSOCIATION).context, "used": 7}
STARTS = [(row.seat.key, number < 3) for number, row in enumerate(ROWS[::4])]
SEATS: dict[str, Any] = {
    **BOOKING,
    "days": [(TODAY + timedelta(days=number), 20 - number) for number in range(9)],
    "chosen_day": TODAY,
    "starts": STARTS,
    "count": 1,
    "carried": {},
    "errors": {},
}
BOOK: dict[str, Any] = {
    **BOOKING,
    "seats": [member.seat for member in FAMILY[:1]],
    "count": 1,
    "most": 6,
    "values": {"secret": "s" * 52},
}
BOOK_3: dict[str, Any] = {**BOOK, "seats": [member.seat for member in FAMILY], "count": 3, "values": FORM}
ENTER: dict[str, Any] = {
    **BOOK,
    "service": DRAWN,
    "choices": Choices(WINDOW, ["tue-am", "tue-pm"], 2),
    "chosen": ["tue-pm"],
    "seats": [],
}
OF_PERSON: dict[str, Any] = {
    **BOOKING,
    "person": FAMILY[0],
    "request": request_of_state(State.CONFIRMED),
}
PAPER: dict[str, Any] = {
    **OF_PERSON,
    "members": FAMILY,
    "convocation": convocation_of(AES, FAMILY[0], FAMILY),
    "own": FRENCH,
    "done": "C’est réservé",
    "qr": lambda _reference: PICTURE,
}
BY_PHONE = replace(FAMILY[0], details=replace(FAMILY[0].details, email="", language="ar"), family=())
KNOWN = AlreadyRequested(FAMILY[0].seat, index=1)
CALLS = [{"number": f"10{desk:02}A", "desk": desk, "at": "2026-12-03T09:40:00.000+01:00"} for desk in range(1, 9)]


def display(calls: int) -> dict[str, Any]:
    """Return what the screen of the waiting room needs."""
    return {"service": AES, "now": NOW.astimezone(AES.zone), "version": "v", "calls": CALLS[:calls]}


def displays(**changes: Any) -> dict[str, Any]:
    """Return what the page of the links of the screens needs."""
    links = [Display("aes", f"{number}" * 64, f"Salle {number}", ME, NOW, NOW + LIFETIME) for number in (1, 2)]
    return {
        **values(role=Role.PLANNER),
        "displays": links,
        "name_of": lambda _id: "Basile Exemple",
        "values": {},
        "secret": "s" * 52,
        "link": "",
        "place": "",
        "revoked": False,
        **changes,
    }


WHOLE, PART = Workload(312, 300, 7, 280, 8, 2, 10, 290, 11, 34), Workload(60, 0, 0, 0, 0, 0, 0, 0, None, None)


def figures(whole: Workload, desks: int = 0, **changes: Any) -> dict[str, Any]:
    """Return what the pages of the figures of a day and a week need."""
    parts = [(desk, whole if desk % 2 else PART) for desk in range(1, desks + 1)]
    days = [(TODAY + timedelta(days=number), part) for number, part in parts]
    csv = "data:text/csv,x"
    common = {**values(), "workload": whole, "desks": parts, "days": days, "csv": csv, "week": "2026-W49"}
    return {**common, "this_week": "2026-W50", "week_before": "2026-W48", "week_after": "2026-W50", **changes}


HOURS = Closing("aes", TODAY, time(9, 30), time(10, 15), (2, 3))
WEEK = Closing("aes", TODAY, last=TODAY + timedelta(days=4))
PLAN = ClosingPlan(
    booked=[row.seat for row in ROWS[28:34]],
    held=[ROWS[34].seat],
    unused=[ROWS[35].seat],
    reserve=[replace(row.seat, key=replace(row.seat.key, day=TODAY + timedelta(days=7))) for row in ROWS[:5]],
    missing=1,
    until=NOW + timedelta(days=7),
    present=[],
    replaced=[SetAside(ROWS[0].seat, "20261201.0000-2359.all", NOW)],
    closed=[],
    uncreated=4,
    drawn=False,
    choosing=[],
    reopenable=[],
)
CLOSED = replace(PLAN, booked=[], held=[], unused=[], reserve=[], missing=0, replaced=[], uncreated=0)
RULES: list[dict[str, Any]] = [
    {
        "rule": "plannings",
        "before": [{"desks": [1, 2], "openings": [{"days": ["tuesday"], "from": "09:15", "to": "10:30"}]}],
        "after": [],
    },
    {"rule": "times.hold_seconds", "before": 180, "after": 240},
    {"rule": "documents"},
]
OPERATOR = "arn:aws:iam::1:user/x"
ACTS: list[tuple[str, Act, dict[str, Any], dict[str, int] | None]] = [
    (ME, Act.CLOSING, WEEK.facts, None),
    (OTHER, Act.CLOSING, HOURS.facts, {"closed": 18, "written_to": 6, "set_aside": 6}),
    (OPERATOR, Act.REOPENED, HOURS.facts, {"reopened": 1}),
    (OPERATOR, Act.SERVICE, {"rules": RULES}, {"put": 1}),
]
CHANGES = [
    Change(f"2026-12-03T08:00:00.000+00:00#abcdefg{number}", NOW - timedelta(days=number), *act)
    for number, act in enumerate(ACTS)
]


def form(values_typed: dict[str, str] | None = None, **context: Any) -> tuple[str, dict[str, Any]]:
    typed = values_typed or {}
    ticked = typed.get("desks", "").split("-")
    own = {"desks": [1, 2, 3], "values": typed, "ticked": ticked, "today": TODAY}
    return "desk/absence.html", {
        **agent(Role.PLANNER).context,
        "service": AES,
        "path": "desk/aes/absence",
        **own,
        **context,
    }


def closing(asked: Closing, plan: ClosingPlan, **context: Any) -> tuple[str, dict[str, Any]]:
    """Return the page that previews a closing."""
    rows = {row.seat.key: row for row in ROWS}
    booked = [rows[seat.key] for seat in plan.booked]
    if booked and booked[1].person:
        details = replace(booked[1].person.details, email="")
        booked[1] = replace(booked[1], person=replace(booked[1].person, details=details))
    own = {
        "closing": asked,
        "plan": plan,
        "booked": booked,
        "present": [rows[seat.key] for seat in plan.present],
        "unreached": [],
        "offered": desk_absence_views.by_day(plan.reserve),
        "fields": desk_absence_forms.query(asked),
        "done": False,
        "reopened": False,
        "is_written_to": desk_absence_views.is_written_to,
    }
    return "desk/closing.html", {**values(role=Role.PLANNER), "path": "desk/aes/absence", **own, **context}


HISTORY = {
    **agent(Role.PLANNER).context,
    "service": AES,
    "path": "desk/aes/history",
    "changes": CHANGES,
    "older": CHANGES[-1].key,
    "names": dict.fromkeys([ME, OTHER], "Chloé Exemple") | {OPERATOR: "Un opérateur"},
    "acts": desk_history_views.ACTS,
    "hours": desk_history_views.hours,
    "rules": desk_history_views.rules,
    "result": desk_history_views.result,
}
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
    "day, called": ("desk/day.html", day_values([ELSEWHERE, CALLED, PARKED], changed=CALLED)),
    "call, choose a desk": ("desk/call.html", call_values(QUEUE, None)),
    "call, unknown desk": ("desk/call.html", call_values(QUEUE, None, errors={"desk": calls.UNKNOWN_DESK})),
    "call": ("desk/call.html", call_values(QUEUE)),
    "call, nobody": ("desk/call.html", call_values(replace(QUEUE, waiting=[], parked=[], called=[]))),
    "call, somebody": ("desk/call.html", call_values(BUSY)),
    "call, seen": ("desk/call.html", call_values(QUEUE, changed=ROWS[0])),
    "call, put aside": ("desk/call.html", call_values(QUEUE, changed=PARKED)),
    "call, nobody waits": (
        "desk/call.html",
        call_values(
            replace(QUEUE, waiting=[]),
            refusal=NobodyWaits(),
            problem=Refused("nobody-waits", "Personne n’attend en ce moment."),
        ),
    ),
    "call, desk is busy": (
        "desk/call.html",
        call_values(
            BUSY,
            refusal=DeskBusy(CALLED.seat),
            refused=CALLED,
            problem=Refused("desk-busy", "Ce guichet a déjà appelé quelqu’un."),
        ),
    ),
    "person, called": ("desk/person.html", {**values(), "row": CALLED, "refusal": None}),
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
    "walk-in": ("desk/walk_in.html", walk_in([EXPECTED.seat.key, *(row.seat.key for row in FREE)])),
    "walk-in, nothing": ("desk/walk_in.html", walk_in([])),
    "person, booked": ("desk/person.html", {**values(), "row": BOOKED, "refusal": None}),
    "book, seats": ("desk/book_seats.html", SEATS),
    "book, other seats": (
        "desk/book_seats.html",
        {**SEATS, "carried": FORM, "count": 3, "errors": {"seat": "Trop court."}},
    ),
    "book, no seats": (
        "desk/book_seats.html",
        {
            **SEATS,
            "days": [],
            "chosen_day": None,
            "starts": [],
            "errors": {"people": "Trois places se suivent au plus."},
        },
    ),
    "book, association": ("desk/book_seats.html", {**SEATS, **HELPER}),
    "book": ("desk/book.html", BOOK),
    "book, walk-in": ("desk/book.html", {**BOOK, "walk_in": True}),
    "book, family": ("desk/book.html", BOOK_3),
    "book, wrong": ("desk/book.html", {**BOOK_3, "errors": {"last_name_2": "Écrivez le nom.", "phone": "Écrivez-le."}}),
    "book, known": (
        "desk/book.html",
        {**BOOK_3, "refusal": KNOWN, "problem": Refused("already-requested", "Déjà.")},
    ),
    "book, known to others": (
        "desk/book.html",
        {**BOOK, **HELPER, "refusal": AlreadyRequested(), "problem": Refused("already-requested", "Déjà.")},
    ),
    "book, e-mail in use": (
        "desk/book.html",
        {**BOOK_3, "problem": Refused("email-in-use", "Déjà."), "refusal": EmailInUse()},
    ),
    "book, ceiling": (
        "desk/book.html",
        {**BOOK, **HELPER, "problem": Refused("ceiling-reached", "Assez."), "refusal": CeilingReached(20, 2)},
    ),
    "book, taken": ("desk/book.html", {**BOOK, "problem": Refused("slot-taken", "Pris."), "refusal": SlotTaken()}),
    "enter": ("desk/book.html", ENTER),
    "enter, wrong": ("desk/book.html", {**ENTER, "errors": {"preferences": "Choisissez une demi-journée."}}),
    "entered": ("desk/receipt.html", {**OF_PERSON, "text": "Reçu : abc\n\nإيصال"}),
    "entered, by e-mail": ("desk/receipt.html", {**OF_PERSON, "text": ""}),
    "booked": ("desk/convocation.html", PAPER),
    "booked, association": ("desk/convocation.html", {**PAPER, **HELPER}),
    "convocation": (
        "desk/convocation.html",
        {
            **PAPER,
            "done": None,
            "person": BY_PHONE,
            "members": [BY_PHONE],
            "convocation": convocation_of(AES, BY_PHONE),
            "own": locale_from_source("ar"),
        },
    ),
    "label": ("desk/label.html", {**OF_PERSON, "members": FAMILY}),
    "change": ("desk/book_details.html", {**OF_PERSON, "values": {**FORM, "people": "1"}}),
    "change, e-mail in use": (
        "desk/book_details.html",
        {**OF_PERSON, "values": FORM, "problem": Refused("email-in-use", "Déjà."), "refusal": EmailInUse()},
    ),
    "move": (
        "desk/move.html",
        {**OF_PERSON, "days": SEATS["days"], "chosen_day": TODAY, "starts": [key for key, _ in STARTS]},
    ),
    "move, taken": (
        "desk/move.html",
        {**OF_PERSON, "days": [], "chosen_day": None, "starts": [], "problem": Refused("slot-taken", "Pris.")},
    ),
    "cancel": ("desk/cancel.html", OF_PERSON),
    "cancelled": ("desk/cancelled.html", BOOKING),
    "refused, carried": (
        "desk/refused.html",
        {
            **BOOKING,
            "agent": None,
            "service_id": "",
            "csrf": "c" * 52,
            "problem": Refused("sign-in-required", "Connectez-vous.", 401),
            "to": "desk/aes/book",
            "reason": None,
            "kept": False,
            "carried": FORM,
        },
    ),
    "evening": ("desk/evening.html", figures(WHOLE, 4, totals=Totals(312, 300, 13, 3, 14, 4, 2, 280))),
    "evening, done": ("desk/evening.html", figures(PART, totals=Totals(312, 300, 0, 0, 290, 8, 2, 0))),
    "week": ("desk/week.html", figures(WHOLE, 5)),
    "week, nothing": ("desk/week.html", figures(PART)),
    "displays": ("desk/displays.html", displays()),
    "displays, made": ("desk/displays.html", displays(link=f"../../display/aes.{'a2' * 26}", place="Salle <1>")),
    "displays, revoked": ("desk/displays.html", displays(displays=[], revoked=True)),
    "displays, no place": ("desk/displays.html", displays(errors={"place": "Indiquez où est l’écran."})),
    "display": ("display.html", display(4)),
    "display, full": ("display.html", display(8)),
    "display, empty": ("display.html", display(0)),
    "display, over": ("display_refused.html", {"problem": Refused("not-found", "Cette page n’existe pas.")}),
    "display, away": ("display_refused.html", {"problem": Refused("try-again", "Le service ne répond pas.")}),
    "absence": form(),
    "absence, mistakes": form(
        {"first": "2020-01-01", "start": "25:00", "desks": "2"},
        errors={
            "first": desk_absence_forms.PAST,
            "start": desk_absence_forms.BAD_TIME,
            "desks": desk_absence_forms.NO_DESK,
        },
    ),
    "closing": closing(HOURS, PLAN),
    "closing, several days": closing(WEEK, replace(PLAN, missing=0, drawn=True)),
    "closing, not ticked": closing(HOURS, PLAN, errors={"short": desk_absence_views.NOT_TICKED}, problem=REFUSED),
    "closing, out of date": closing(HOURS, PLAN, problem=Refused("preview-outdated", "Des rendez-vous ont changé.")),
    "closing, somebody is there": closing(HOURS, replace(CLOSED, present=[row.seat for row in ROWS[2:4]])),
    "closing, to be continued": closing(
        HOURS, replace(PLAN, missing=0, closed=PLAN.booked, choosing=PLAN.booked), done=True
    ),
    "closing, done": closing(
        HOURS,
        replace(CLOSED, closed=PLAN.booked, choosing=PLAN.booked[1:], reopenable=PLAN.booked[:1]),
        done=True,
        unreached=ROWS[29:31],
    ),
    "closing, reopened": closing(HOURS, replace(PLAN, closed=PLAN.booked), reopened=True),
    "closing, nothing": closing(HOURS, CLOSED),
    "history": ("desk/history.html", HISTORY),
    "history, empty": ("desk/history.html", {**HISTORY, "changes": [], "older": ""}),
    "print, empty": ("desk/print.html", {**values(), "desks": [], "count": 0}),
}


def page(name: str, **context: object) -> str:
    """Render a page."""
    template, variables = PAGES[name]
    return templates.render(template, FRENCH, "../../", **{"path": "desk/aes/day", **variables, **context})
