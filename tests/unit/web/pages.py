"""Every page with invented values, and readers of its HTML."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from chalicelib.allocation.entries import Choices
from chalicelib.allocation.publication import Place, ReceiptRecord
from chalicelib.booking.attempts import CheckedAttestation
from chalicelib.booking.hold import Held, Waiting
from chalicelib.booking.requests import Request
from chalicelib.domain import calendar, codec, draw_window, timetable, turns
from chalicelib.domain.attestation import Attestation, Outcome
from chalicelib.domain.draw_record import Draw, Figure, Stage
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import BOOKED, EntryKey, Seat, SeatKey, State
from chalicelib.domain.service import Beacon, DrawRules, SeatAfter, WeeklyMoment
from chalicelib.domain.tokens import SignedToken, TokenKind
from chalicelib.rendering import attestation_sheet, convocation, templates
from chalicelib.web import frame_views
from chalicelib.web.reply import Problem
from tests.unit.rendering.samples import locale_from_source

NOW = datetime(2026, 11, 30, 8, 0, 1, tzinfo=UTC)


AES = codec.service_from_document(
    yaml.safe_load(
        (Path(__file__).parents[3] / "infra" / "services" / "aes.yaml").read_text("utf-8"),
    ),
)


PAUSED = replace(AES, paused={"fr": "Revenez <lundi>."})


IN_PAUSE = Problem("paused", 503, "Ce service est en pause.", {"message": "Revenez <lundi>."})


WEEK = "2026-W50"


KEY = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")


START = AES.start_of(KEY)


SECOND = timedelta(seconds=1)


TOKEN = f"{KEY.ref}.{'a' * 78}"


SEAT = Seat(KEY, opens_at=NOW, state=State.HELD, hold="h", until=NOW + timedelta(minutes=3))


HOLD = Held(SignedToken(KEY, "a" * 52, "a" * 26, TokenKind.HOLD), AES, NOW + timedelta(minutes=3), NOW + SECOND, SEAT)


LAST = replace(HOLD, carrier=replace(SEAT, extensions=AES.limits.extensions))


WAITING = Waiting(HOLD.token, AES, NOW + timedelta(minutes=18), NOW)


QUEUED = replace(
    WAITING, token=replace(HOLD.token, kind=TokenKind.TURN), until=NOW + turns.KEPT + timedelta(seconds=74.2)
)


INSTEAD = replace(HOLD, carrier=replace(SEAT, captcha_passed=True, wished=START - timedelta(minutes=10)))


AWA = Details("Awa", "D’Exemple", "Ñandú", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")


PERSON = Person("p", "aes", KEY, "h", AWA, "AES-7K3M9-QXPT2", NOW)


FAMILY = [
    replace(
        PERSON,
        key=f"p{number}",
        seat=replace(KEY, start=time(KEY.start.hour, KEY.start.minute + 5 * number)),
        details=replace(AWA, first_name=name, birth_name=""),
        reference=f"AES-7K3M{number}-QXPT2",
        family=("p0", "p1", "p2"),
        booked_by="a",
    )
    for number, name in enumerate(("Awa", "Moussa", "Nguyễn Thị"))
]


FIELDS = {
    "first_name": "Awa",
    "last_name": "D’Exemple",
    "email": "awa@example.org",
    "email_confirmation": "awa@example.org",
    "birth_name": "",
    "birth_day": "17",
    "birth_month": "5",
    "birth_year": "1990",
    "phone": "06 12 34 56 78",
}


ERRORS = {
    "first_name": "Indiquez votre prénom.",
    "birth_date": "Écrivez une date qui existe, par exemple 31 12 1990.",
}


PICTURE = "data:image/png;base64,AA=="


class Refused(NamedTuple):
    """A problem as the templates read it."""

    code: str
    title: str
    status: int = 409
    facts: dict[str, int] = {}  # noqa: RUF012  # never written to


def week(*free: str) -> calendar.Calendar:
    """Return a week in which only these starts are free; all of them if none is named."""
    seats = [
        Seat(key, opens_at=NOW, state=State.OPEN if not free or f"{key.start:%H:%M}" in free else State.HELD)
        for key in timetable.planned_seats(AES, WEEK)
    ]
    shown = calendar.week_calendar(AES, WEEK, [replace(s, until=NOW + timedelta(hours=1)) for s in seats], NOW)
    return replace(shown, weeks=(calendar.WeekCount("2026-W49", 0), calendar.WeekCount(WEEK, shown.free)))


def request(state: State) -> Request:
    live = state in BOOKED | {State.DISPLACED}
    ended = Request(TOKEN, AES, Seat(KEY, opens_at=NOW, called_to=3), state, "AES-7K3M9-QXPT2")
    return replace(ended, confirm_before=NOW, filed_at=NOW, person=PERSON) if live else ended


NEXT = timetable.next_release(AES, NOW)


WEEKS = (calendar.WeekCount("2026-W49", 0), calendar.WeekCount(WEEK, 59))


FULL_WEEKS = (calendar.WeekCount("2026-W49", 0), calendar.WeekCount(WEEK, 0))


SLOTS: dict[str, Any] = {
    "strip": WEEKS,
    "nothing_free": False,
    "other_week": None,
    "conditions_accepted": True,
    "chosen": "",
    "previous_week": "2026-W49",
    "next_week": "2026-W51",
    "opens_at": None,
    "next_release": NEXT,
    "nearest": [],
}


TAKEN = Refused("slot-taken", "Une autre personne vient de prendre ce créneau.")


WRONG = Refused("captcha-wrong", "Ce ne sont pas les bons caractères.", 422, {"tries_left": 4})


CAPTCHA: dict[str, Any] = {
    "hold": HOLD,
    "challenge": "c" * 59,
    "picture": PICTURE,
    "sound": None,
    "returned": None,
    "kept": False,
}


DETAILS: dict[str, Any] = {"hold": HOLD, "values": {}, "focus": "", "returned": None}


OVER = Refused("hold-over", "Votre créneau n’est plus gardé.", 410)


REQUESTED = Refused("already-requested", "Vous avez déjà une demande.")


DAYS = [(START.date(), [START, START + timedelta(minutes=5)])]


FRAME = frame_views.page("legal", [AES]).context


BARE = frame_views.page(
    "legal", [replace(AES, publisher="", host="", data_officer="", accessibility_contact="")]
).context


NOTICE: dict[str, Any] = {
    "service": AES,
    "weeks": WEEKS,
    "nothing_free": False,
    "next_release": NEXT,
}


GONE = Refused("not-found", "Cette page n’existe pas, ou n’existe plus.", 404)


CHECKED = CheckedAttestation(
    f"aes.{'a' * 52}",
    Attestation("aes", NOW, Outcome.FULL, NEXT, (NOW - timedelta(weeks=1), NOW - timedelta(weeks=2))),
    AES,
)


ATTESTED: dict[str, Any] = {
    "checked": CHECKED,
    "url": f"https://guichet.example.org/attempts/{CHECKED.code}",
    "mail_url": "https%3A%2F%2Fguichet.example.org",
    "sheets": attestation_sheet.sheets(CHECKED, locale_from_source("fr"), url="https://x.example.org", root="../../"),
}


RULES = DrawRules(WeeklyMoment(4, time(9)), WeeklyMoment(7, time(18)), 2, beacon=Beacon.COMMITMENT)


DRAWN = replace(AES, draw=RULES)


EQUAL = replace(DRAWN, draw=replace(RULES, seniority_percent=0))


WINDOW = draw_window.window_of(DRAWN, "2026-W52")


DRAW: dict[str, Any] = {"window": WINDOW, "is_open": True, "seats": 60, "promise": "a" * 64}


ENTRY = Entry(EntryKey("aes", "a" * 16), State.HELD, "h", NOW + timedelta(minutes=3), preferences=("tue-am", "any"))


ENTERING = Held(
    SignedToken(ENTRY.key, "a" * 52, "a" * 26, TokenKind.ENTRY), DRAWN, NOW + timedelta(minutes=3), NOW, ENTRY
)


def entry_request(state: State) -> Request:
    live = state in {State.PENDING, State.CONFIRMED}
    carrier = replace(ENTRY, state=state if live else State.OPEN, receipt="a" * 26)
    ended = Request(TOKEN, DRAWN, carrier, state, "AES-7K3M9-QXPT2")
    return replace(ended, confirm_before=NOW, filed_at=NOW, person=PERSON) if live else ended


ENTERED: dict[str, Any] = {"place": Place(3, 1234, "b" * 64), "window": WINDOW, "ends_soon": True}


NO_DRAWS: dict[str, Any] = {"place": Place(3, 1234, "b" * 64), "window": None, "ends_soon": True}
"""What the page of an entry has in a service that has stopped drawing."""


RANKING: dict[str, Any] = {
    "service": DRAWN,
    "choices": Choices(WINDOW, ["tue-am", "tue-pm"], 5),
    "chosen": ["tue-pm", "any"],
    "conditions_accepted": False,
    "request": None,
    "step": 3,
}


FIRST_COME_WEEK: dict[str, Any] = {
    "week": "2026-W51",
    "allocation": "first_come",
    "opened": 60,
    "held": 180,
    "confirmed": 55,
    "freed": 20,
    "expired": 10,
    "recorded": None,
    "honoured": None,
    "days_waited": {"median": 15, "nine_of_ten": None},
    "draw": None,
    "releases": [
        {"opens_at": "2026-11-30T09:00:00+01:00", "seats": 40, "seconds_until_full": 21},
        {"opens_at": "2026-12-02T09:00:00+01:00", "seats": 20, "seconds_until_full": None},
    ],
}


DRAWN_WEEK: dict[str, Any] = {
    "week": "2026-W52",
    "allocation": "draw",
    "opened": 60,
    "held": 60,
    "confirmed": 45,
    "freed": 15,
    "expired": 0,
    "recorded": 45,
    "honoured": 45,
    "days_waited": {"median": 12, "nine_of_ten": 19},
    "walk_ins": 5,
    "waiting_minutes": {"median": 11, "nine_of_ten": 34},
    "draw": {
        "seats": 60,
        "entries": 1230,
        "chance_percent": 4.9,
        "draws_until_drawn": {"median": 3, "nine_of_ten": 8},
    },
    "releases": [],
}


FIGURES: dict[str, Any] = {"service": AES, "weeks": [DRAWN_WEEK, FIRST_COME_WEEK], "csv": "data:text/csv,x"}


RECORD: dict[str, Any] = {
    "promise": "a" * 64,
    "seniority_percent": 25,
    "beacon": {"kind": "commitment"},
}


FROZEN: dict[str, Any] = {
    **RECORD,
    "beacon": {"kind": "drand", "round": 9367912},
    "entries": 1234,
    "seats": 60,
    "late": True,
    "root": "b" * 64,
    "randomness": "c" * 64,
    "seed": "d" * 64,
}


DRAW_PROMISED = Draw("aes", "2026-W53", Stage.PROMISED, RECORD)


DRAW_DONE = Draw("aes", "2026-W52", Stage.ASSIGNED, FROZEN)


DRAW_PAGE: dict[str, Any] = {
    "service": DRAWN,
    "draw": DRAW_PROMISED,
    "record": RECORD,
    "stage": "promised",
    "at": {"opens": NOW, "closes": NOW, "promised_at": NOW},
    "due": NOW,
    "is_open": True,
    "is_overdue": False,
    "round_url": "https://api.drand.sh/public/9367912",
    "groups": [],
    "url": "https://guichet.example.org/services/aes/draws/2026-W53",
    "can_find": False,
    "monday": date(2026, 12, 21),
    "typed": "",
    "is_answer": False,
    "found": None,
}


DRAWN_PAGE: dict[str, Any] = {
    **DRAW_PAGE,
    "draw": DRAW_DONE,
    "record": FROZEN,
    "stage": "drawn",
    "at": {**DRAW_PAGE["at"], "frozen_at": NOW, "drawn_at": NOW},
    "can_find": True,
    "groups": [Figure(0, 900, 36), Figure(1, 250, 9), Figure(6, 84, 15)],
}


FOUND: dict[str, Any] = {
    "answer": ReceiptRecord(2, ("2026-12-22-am", "any"), 17, "2026-12-22T09:15/001"),
    "preferences": ["tue-am", "any"],
    "seat": NOW,
    "offered": None,
}


PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "legal": ("legal.html", {**FRAME}),
    "legal, facts missing": ("legal.html", {**BARE}),
    "accessibility": ("accessibility.html", {**FRAME}),
    "accessibility, facts missing": ("accessibility.html", {**BARE}),
    "privacy": ("privacy.html", {**FRAME}),
    "privacy, draw": ("privacy.html", {**frame_views.page("legal", [DRAWN]).context}),
    "sitemap, draw": ("sitemap.html", {**frame_views.page("legal", [DRAWN]).context}),
    "privacy, facts missing": ("privacy.html", {**BARE}),
    "contact": ("contact.html", {**FRAME}),
    "contact, nothing offered": ("contact.html", {**frame_views.page("contact", []).context}),
    "sitemap": ("sitemap.html", {**FRAME}),
    "home": ("home.html", {"services": [AES]}),
    "home, paused": ("home.html", {"services": [PAUSED]}),
    "home, nothing offered": ("home.html", {"services": []}),
    "notice": ("service.html", NOTICE),
    "notice, paused": ("service.html", {**NOTICE, "service": PAUSED, "weeks": (), "pause": "Revenez <lundi>."}),
    "notice, full": ("service.html", {**NOTICE, "weeks": FULL_WEEKS, "nothing_free": True}),
    "notice, not open": ("service.html", {**NOTICE, "weeks": (), "nothing_free": True}),
    "notice, captcha first": ("service.html", {**NOTICE, "service": replace(AES, seat_after=SeatAfter.CAPTCHA)}),
    "notice, seats taken at once": ("service.html", {**NOTICE, "service": replace(AES, seat_after=SeatAfter.CHOICE)}),
    "notice, turns": (
        "service.html",
        {**NOTICE, "service": replace(AES, release=replace(AES.release, batch=timedelta(minutes=1)))},
    ),
    "notice, draw": ("service.html", {**NOTICE, "service": DRAWN, "weeks": (), "nothing_free": True, "draw": DRAW}),
    "notice, draw closed": (
        "service.html",
        {**NOTICE, "service": DRAWN, "weeks": (), "nothing_free": True, "draw": {**DRAW, "is_open": False}},
    ),
    "notice, draw without seniority": (
        "service.html",
        {**NOTICE, "service": EQUAL, "weeks": (), "nothing_free": True, "draw": DRAW},
    ),
    "entry": ("entry.html", RANKING),
    "entry, wrong": ("entry.html", {**RANKING, "errors": {"preferences": "Choisissez au moins une demi-journée."}}),
    "entry, box missing": (
        "entry.html",
        {**RANKING, "problem": Refused("conditions-not-accepted", "Cochez la case.", 422)},
    ),
    "entry, changed": ("entry.html", {**RANKING, "request": entry_request(State.CONFIRMED), "step": None}),
    "entry, captcha": ("captcha.html", {**CAPTCHA, "hold": ENTERING}),
    "entry, details": ("details.html", {**DETAILS, "hold": ENTERING}),
    "entry, check": ("check.html", {"hold": ENTERING, "values": FIELDS, "details": AWA, "unknown_birth": False}),
    "entry, done": (
        "done.html",
        {
            "hold": ENTERING,
            "reference": "AES-7K3M9-QXPT2",
            "confirm_before": NOW,
            "confirmed": False,
            "email": "awa@example.org",
            "email_changes_left": 2,
            "values": {},
        },
    ),
    "entry, unproven": ("entered.html", {**ENTERED, "request": entry_request(State.PENDING)}),
    "entry, entered": ("entered.html", {**ENTERED, "request": entry_request(State.CONFIRMED)}),
    "entry, left": ("entered.html", {**ENTERED, "request": entry_request(State.CANCELLED)}),
    "entry, expired": ("entered.html", {**ENTERED, "request": entry_request(State.EXPIRED)}),
    "entry, no draws": ("entered.html", {**NO_DRAWS, "request": replace(entry_request(State.CONFIRMED), service=AES)}),
    "entry, no draws, left": (
        "entered.html",
        {**NO_DRAWS, "request": replace(entry_request(State.CANCELLED), service=AES)},
    ),
    "entry, cancel": ("cancel.html", {"request": entry_request(State.CONFIRMED)}),
    "entry, erase": ("erase.html", {"request": entry_request(State.CONFIRMED)}),
    "entry, erased": ("erased.html", {"request": entry_request(State.CANCELLED)}),
    "entry, over": ("entry_over.html", {"service": DRAWN, "state": "open", "until": None}),
    "entry, drawn": ("entry_over.html", {"service": DRAWN, "state": "pending", "until": NOW}),
    "entry, appointment": ("entry_over.html", {"service": DRAWN, "state": "confirmed", "until": NOW}),
    "entry, ended": ("ended.html", {"service": DRAWN, "is_entry": True}),
    "figures": ("figures.html", FIGURES),
    "figures, none yet": ("figures.html", {**FIGURES, "weeks": []}),
    "draws": ("draws.html", {"service": DRAWN, "draws": [DRAW_DONE, DRAW_PROMISED]}),
    "draws, none": ("draws.html", {"service": DRAWN, "draws": []}),
    "draw, promised": ("draw_page.html", DRAW_PAGE),
    "draw, overdue": ("draw_page.html", {**DRAW_PAGE, "is_open": False, "is_overdue": True}),
    "draw, void": ("draw_page.html", {**DRAW_PAGE, "stage": "void"}),
    "draw, drawn": ("draw_page.html", DRAWN_PAGE),
    "draw, found": ("draw_page.html", {**DRAWN_PAGE, "typed": "a" * 26, "is_answer": True, "found": FOUND}),
    "draw, not found": ("draw_page.html", {**DRAWN_PAGE, "typed": "a" * 26, "is_answer": True}),
    "draw, wrong": ("draw_page.html", {**DRAWN_PAGE, "errors": {"receipt": "Écrivez votre reçu."}}),
    "documents": ("documents.html", {"service": AES, "pdf": "data:application/pdf;base64,AA=="}),
    "calendar": ("slots.html", {**SLOTS, "calendar": week("09:20", "10:15")}),
    "calendar, all free": ("slots.html", {**SLOTS, "calendar": week(), "conditions_accepted": False}),
    "calendar, full": ("slots.html", {**SLOTS, "calendar": week("never"), "strip": FULL_WEEKS, "nothing_free": True}),
    "calendar, week full": ("slots.html", {**SLOTS, "calendar": week("never"), "other_week": WEEKS[1]}),
    "calendar, no week open": (
        "slots.html",
        {**SLOTS, "calendar": replace(week("never"), weeks=()), "strip": (), "nothing_free": True},
    ),
    "attestation": ("attempt.html", ATTESTED),
    "attestation, letter": ("attempt_letter.html", {**ATTESTED, "french": locale_from_source("fr")}),
    "attestation, check": ("attempt_check.html", {"typed": "", "invalid": False}),
    "attestation, invalid": ("attempt_check.html", {"typed": "x", "invalid": True, "problem": GONE}),
    "attestation, again": (
        "attempt_again.html",
        {"service": AES, "typed": "x", "first_free": None, "errors": {"earlier": "Vérifiez-le."}, "problem": WRONG},
    ),
    "attestation, not full": (
        "attempt_again.html",
        {"service": AES, "typed": "", "first_free": START, "week": WEEK, "problem": TAKEN},
    ),
    "calendar, not open": ("slots.html", {**SLOTS, "calendar": week("never"), "opens_at": NEXT}),
    "calendar, slot taken": (
        "slots.html",
        {**SLOTS, "calendar": week("09:20"), "problem": TAKEN, "nearest": [START]},
    ),
    "calendar, nothing chosen": (
        "slots.html",
        {**SLOTS, "calendar": week("09:20"), "errors": {"slot": "Choisissez un créneau."}},
    ),
    "calendar, box missing": (
        "slots.html",
        {
            **SLOTS,
            "calendar": week("09:20"),
            "conditions_accepted": False,
            "problem": Refused("conditions-not-accepted", "Cochez la case.", 422),
        },
    ),
    "captcha": ("captcha.html", CAPTCHA),
    "captcha, wrong, with sound": (
        "captcha.html",
        {**CAPTCHA, "sound": "data:audio/wav;base64,AA==", "problem": WRONG},
    ),
    "captcha, waiting": ("captcha.html", {**CAPTCHA, "hold": WAITING}),
    "turn": ("turn.html", {"hold": QUEUED, "turn": QUEUED.turn}),
    "turn, come": ("turn.html", {"hold": replace(QUEUED, read_at=NOW + timedelta(minutes=2)), "turn": QUEUED.turn}),
    "details": ("details.html", DETAILS),
    "details, another slot": ("details.html", {**DETAILS, "hold": INSTEAD}),
    "details, wrong": ("details.html", {**DETAILS, "hold": LAST, "values": FIELDS, "errors": ERRORS}),
    "check": ("check.html", {"hold": HOLD, "values": FIELDS, "details": AWA, "unknown_birth": False}),
    "done": (
        "done.html",
        {
            "hold": LAST,
            "reference": "AES-7K3M9-QXPT2",
            "confirm_before": NOW,
            "confirmed": False,
            "email": "awa@example.org",
            "email_changes_left": 2,
            "values": {},
        },
    ),
    "pending": ("request.html", {"request": request(State.PENDING), "family": ()}),
    "confirmed": ("request.html", {"request": request(State.CONFIRMED), "family": ()}),
    "arrived": ("request.html", {"request": request(State.ARRIVED), "family": ()}),
    "called": ("request.html", {"request": request(State.CALLED), "family": ()}),
    "seen": ("request.html", {"request": request(State.SEEN), "family": ()}),
    "missed": ("request.html", {"request": request(State.MISSED), "family": ()}),
    "incomplete": ("request.html", {"request": request(State.INCOMPLETE), "family": ()}),
    "cancelled": ("request.html", {"request": request(State.CANCELLED), "family": ()}),
    "expired": ("request.html", {"request": request(State.EXPIRED), "family": ()}),
    "withdrawn": ("request.html", {"request": request(State.WITHDRAWN), "family": ()}),
    "moved": ("request.html", {"request": request(State.MOVED), "family": ()}),
    "displaced": ("request.html", {"request": request(State.DISPLACED), "family": ()}),
    "displaced, too late": ("request.html", {"request": replace(request(State.DISPLACED), person=None), "family": ()}),
    "move": ("move.html", {"request": request(State.CONFIRMED), "days": DAYS}),
    "move, nothing free": ("move.html", {"request": request(State.CONFIRMED), "days": []}),
    "move, displaced": ("move.html", {"request": request(State.DISPLACED), "days": DAYS}),
    "move, slot taken": ("move.html", {"request": request(State.CONFIRMED), "days": DAYS, "problem": TAKEN}),
    "sent again": ("sent.html", {"request": request(State.CONFIRMED), "sent": True}),
    "not sent again": ("sent.html", {"request": request(State.CONFIRMED), "sent": False}),
    "correct": ("correct.html", {"request": request(State.CONFIRMED), "values": FIELDS}),
    "correct, wrong": (
        "correct.html",
        {"request": request(State.CONFIRMED), "values": FIELDS, "errors": {"last_name": "Indiquez votre nom."}},
    ),
    "erase": ("erase.html", {"request": request(State.CONFIRMED)}),
    "erased": ("erased.html", {"request": request(State.CANCELLED)}),
    "cancel": ("cancel.html", {"request": request(State.PENDING)}),
    "convocation": (
        "convocation.html",
        {
            "request": request(State.CONFIRMED),
            "convocation": convocation.convocation_of(AES, PERSON),
            "qr": lambda _reference: PICTURE,
            "pdf": "data:application/pdf;base64,AA==",
        },
    ),
    "confirmed, family": (
        "request.html",
        {"request": replace(request(State.CONFIRMED), person=FAMILY[0]), "family": FAMILY},
    ),
    "convocation, family": (
        "convocation.html",
        {
            "request": replace(request(State.CONFIRMED), person=FAMILY[0]),
            "convocation": convocation.convocation_of(AES, FAMILY[0], FAMILY),
            "qr": lambda _reference: PICTURE,
            "pdf": "data:application/pdf;base64,AA==",
        },
    ),
    "manage": ("manage.html", {"values": {}, "sent": ""}),
    "manage, wrong": ("manage.html", {"values": {}, "sent": "", "errors": {"email": "Indiquez votre adresse e-mail."}}),
    "manage, sent": ("manage.html", {"values": {}, "sent": "now"}),
    "manage, asked twice": ("manage.html", {"values": {}, "sent": "again"}),
    "ended": ("ended.html", {"service": AES}),
    "ended, without a seat": ("ended.html", {"service": AES, "without_seat": True}),
    "hold over": ("problem.html", {"problem": OVER, "retry": None, "service": AES, "nearest": [START], "kept": True}),
    "details, requested before": ("details.html", {**DETAILS, "values": FIELDS, "problem": REQUESTED}),
    "captcha, another slot before": ("captcha.html", {**CAPTCHA, "returned": START}),
    "check, birth unknown": (
        "check.html",
        {"hold": HOLD, "values": FIELDS, "details": AWA, "unknown_birth": True},
    ),
    "nothing free": (
        "problem.html",
        {"problem": Refused("nothing-free", "Rien."), "retry": None, "service": AES, "next_release": NEXT},
    ),
    "paused": ("problem.html", {"problem": IN_PAUSE, "retry": None, "service": PAUSED}),
    "away": ("problem.html", {"problem": Refused("try-again", "Attendez.", 503), "retry": "slots", "service": None}),
}


def page(name: str, language: str = "fr", root: str = "../../", **context: object) -> str:
    template, variables = PAGES[name]
    return templates.render(template, locale_from_source(language), root, **{"path": "a/b", **variables, **context})


VOID = {"meta", "link", "input", "img", "br"}


class Tags(HTMLParser):
    """The tags of a page with their attributes, and those that were not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html.replace("\u00a0", " ")))
