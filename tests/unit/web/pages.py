"""Every page with invented values, and readers of its HTML."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from chalicelib.booking.hold import Held, Waiting
from chalicelib.booking.requests import Request
from chalicelib.domain import calendar, codec, timetable
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import SeatAfter
from chalicelib.domain.tokens import SignedToken, TokenKind
from chalicelib.rendering import convocation, templates
from tests.unit.rendering.samples import locale_from_source

NOW = datetime(2026, 11, 30, 8, 0, 1, tzinfo=UTC)


AES = codec.service_from_document(
    yaml.safe_load(
        (Path(__file__).parents[3] / "infra" / "services" / "aes.yaml").read_text("utf-8"),
    ),
)


WEEK = "2026-W50"


KEY = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")


START = AES.start_of(KEY)


SECOND = timedelta(seconds=1)


TOKEN = f"{KEY.ref}.{'a' * 78}"


SEAT = Seat(KEY, opens_at=NOW, state=State.HELD, hold="h", until=NOW + timedelta(minutes=3))


HOLD = Held(SignedToken(KEY, "a" * 52, "a" * 26, TokenKind.HOLD), AES, NOW + timedelta(minutes=3), NOW + SECOND, SEAT)


LAST = replace(HOLD, seat=replace(SEAT, extensions=AES.limits.extensions))


WAITING = Waiting(HOLD.token, AES, NOW + timedelta(minutes=18), NOW)


INSTEAD = replace(HOLD, seat=replace(SEAT, captcha_passed=True, wished=START - timedelta(minutes=10)))


AWA = Details("Awa", "D’Exemple", "Ñandú", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")


PERSON = Person("p", "aes", KEY, "h", AWA, "AES-7K3M9-QXPT2", NOW)


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
    "first_name": "Remplissez ce champ.",
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
    return calendar.week_calendar(AES, WEEK, [replace(s, until=NOW + timedelta(hours=1)) for s in seats], NOW)


def request(state: State) -> Request:
    live = state in {State.PENDING, State.CONFIRMED, State.DISPLACED}
    ended = Request(TOKEN, AES, Seat(KEY, opens_at=NOW), START, state, "AES-7K3M9-QXPT2")
    return replace(ended, confirm_before=NOW, filed_at=NOW, person=PERSON) if live else ended


NEXT = timetable.next_release(AES, NOW)


SLOTS: dict[str, Any] = {
    "conditions_accepted": True,
    "chosen": "",
    "previous_week": "2026-W49",
    "next_week": "2026-W51",
    "opens_at": None,
    "next_release": NEXT,
    "nearest": [],
}


TAKEN = Refused("slot-taken", "Une autre personne vient de prendre cette plage horaire.")


WRONG = Refused("captcha-wrong", "Ce ne sont pas les bons caractères.", 422, {"tries_left": 4})


CAPTCHA: dict[str, Any] = {"hold": HOLD, "challenge": "c" * 59, "picture": PICTURE, "sound": None}


OVER = Refused("hold-over", "Votre place n’est plus gardée.", 410)


DAYS = [(START.date(), [START, START + timedelta(minutes=5)])]


PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "home": ("home.html", {"services": [AES]}),
    "home, nothing offered": ("home.html", {"services": []}),
    "notice": ("service.html", {"service": AES, "next_release": NEXT, "conditions_missing": False}),
    "notice, box missing": ("service.html", {"service": AES, "next_release": NEXT, "conditions_missing": True}),
    "notice, captcha first": (
        "service.html",
        {"service": replace(AES, seat_after=SeatAfter.CAPTCHA), "next_release": NEXT, "conditions_missing": False},
    ),
    "notice, seats taken at once": (
        "service.html",
        {"service": replace(AES, seat_after=SeatAfter.CHOICE), "next_release": NEXT, "conditions_missing": False},
    ),
    "calendar": ("slots.html", {**SLOTS, "calendar": week("09:20", "10:15")}),
    "calendar, all free": ("slots.html", {**SLOTS, "calendar": week(), "conditions_accepted": False}),
    "calendar, full": ("slots.html", {**SLOTS, "calendar": week("never")}),
    "calendar, not open": ("slots.html", {**SLOTS, "calendar": week("never"), "opens_at": NEXT}),
    "calendar, slot taken": (
        "slots.html",
        {**SLOTS, "calendar": week("09:20"), "problem": TAKEN, "nearest": [START]},
    ),
    "calendar, nothing chosen": (
        "slots.html",
        {**SLOTS, "calendar": week("09:20"), "errors": {"slot": "Choisissez une plage horaire."}},
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
    "details": ("details.html", {"hold": HOLD, "values": {}}),
    "details, another slot": ("details.html", {"hold": INSTEAD, "values": {}}),
    "details, wrong": ("details.html", {"hold": LAST, "values": FIELDS, "errors": ERRORS}),
    "check": ("check.html", {"hold": HOLD, "values": FIELDS}),
    "done": (
        "done.html",
        {
            "hold": LAST,
            "reference": "AES-7K3M9-QXPT2",
            "confirm_before": NOW,
            "email": "awa@example.org",
            "email_changes_left": 2,
            "values": {},
        },
    ),
    "pending": ("request.html", {"request": request(State.PENDING)}),
    "confirmed": ("request.html", {"request": request(State.CONFIRMED)}),
    "cancelled": ("request.html", {"request": request(State.CANCELLED)}),
    "expired": ("request.html", {"request": request(State.EXPIRED)}),
    "withdrawn": ("request.html", {"request": request(State.WITHDRAWN)}),
    "moved": ("request.html", {"request": request(State.MOVED)}),
    "displaced": ("request.html", {"request": request(State.DISPLACED)}),
    "displaced, too late": ("request.html", {"request": replace(request(State.DISPLACED), person=None)}),
    "move": ("move.html", {"request": request(State.CONFIRMED), "days": DAYS}),
    "move, nothing free": ("move.html", {"request": request(State.CONFIRMED), "days": []}),
    "move, displaced": ("move.html", {"request": request(State.DISPLACED), "days": DAYS}),
    "move, slot taken": ("move.html", {"request": request(State.CONFIRMED), "days": DAYS, "problem": TAKEN}),
    "sent again": ("sent.html", {"request": request(State.CONFIRMED), "sent": True}),
    "not sent again": ("sent.html", {"request": request(State.CONFIRMED), "sent": False}),
    "correct": ("correct.html", {"request": request(State.CONFIRMED), "values": FIELDS}),
    "correct, wrong": (
        "correct.html",
        {"request": request(State.CONFIRMED), "values": FIELDS, "errors": {"last_name": "Remplissez ce champ."}},
    ),
    "erase": ("erase.html", {"request": request(State.CONFIRMED)}),
    "erased": ("erased.html", {"request": request(State.CANCELLED)}),
    "cancel": ("cancel.html", {"request": request(State.PENDING)}),
    "convocation": (
        "convocation.html",
        {"request": request(State.CONFIRMED), "convocation": convocation.convocation_of(AES, PERSON), "qr": PICTURE},
    ),
    "manage": ("manage.html", {"values": {}, "sent": False}),
    "manage, wrong": ("manage.html", {"values": {}, "sent": False, "errors": {"email": "Remplissez ce champ."}}),
    "manage, sent": ("manage.html", {"values": {}, "sent": True}),
    "ended": ("ended.html", {"service": AES}),
    "hold over": ("problem.html", {"problem": OVER, "retry": None, "service": AES}),
    "nothing free": (
        "problem.html",
        {"problem": Refused("nothing-free", "Rien."), "retry": None, "service": AES, "next_release": NEXT},
    ),
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
