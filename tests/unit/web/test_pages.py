"""The pages: each one, in each language, as a browser and a screen reader will meet it."""

import gzip
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from jinja2 import UndefinedError

from chalicelib.booking.holds import Hold
from chalicelib.booking.requests import Request
from chalicelib.domain import calendar, codec, timetable
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import LANGUAGES, SeatAfter
from chalicelib.mail import letters
from chalicelib.rendering import convocation, templates
from tests.unit.rendering.samples import speech

NOW = datetime(2026, 11, 30, 8, 0, 1, tzinfo=UTC)
AES = codec.service_from_document(
    yaml.safe_load(
        (Path(__file__).parents[3] / "infra" / "services" / "aes.yaml").read_text("utf-8"),
    ),
)
WEEK = "2026-W50"
KEY = SeatKey(date(2026, 12, 3), time(10, 15), 1, "aes")
START = AES.start_of(KEY)
TOKEN = f"{KEY.ref}.{'a' * 78}"
SEAT = Seat(KEY, opens_at=NOW, state=State.HELD, hold="h", until=NOW + timedelta(minutes=3))
HOLD = Hold(TOKEN, AES, SEAT, START, can_extend=True, left=179, until=SEAT.until)
LAST = replace(HOLD, can_extend=False)
WAITING = replace(LAST, seat=replace(SEAT, until=None), left=1080, until=NOW + timedelta(minutes=18))
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


class Told(NamedTuple):
    """A refusal as the edge tells it."""

    code: str
    title: str
    status: int = 409
    facts: dict[str, int] = {}  # noqa: RUF012  # never written to


def week(*free: str) -> calendar.Calendar:
    """The week with only these starts free, or with all when none is named `never`."""
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
TAKEN = Told("slot-taken", "Une autre personne vient de prendre cette plage horaire.")
WRONG = Told("captcha-wrong", "Ce ne sont pas les bons caractères.", 422, {"tries_left": 4})
CAPTCHA: dict[str, Any] = {"hold": HOLD, "challenge": "c" * 59, "picture": PICTURE, "sound": None}
OVER = Told("hold-over", "Votre place n’est plus gardée.", 410)

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
            "problem": Told("conditions-not-accepted", "Cochez la case.", 422),
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
        {"request": request(State.CONFIRMED), "told": convocation.convocation_of(AES, PERSON), "qr": PICTURE},
    ),
    "manage": ("manage.html", {"values": {}, "sent": False}),
    "manage, wrong": ("manage.html", {"values": {}, "sent": False, "errors": {"email": "Remplissez ce champ."}}),
    "manage, sent": ("manage.html", {"values": {}, "sent": True}),
    "ended": ("ended.html", {"service": AES}),
    "hold over": ("problem.html", {"problem": OVER, "retry": None, "service": AES}),
    "nothing free": (
        "problem.html",
        {"problem": Told("nothing-free", "Rien."), "retry": None, "service": AES, "next_release": NEXT},
    ),
    "away": ("problem.html", {"problem": Told("try-again", "Attendez.", 503), "retry": "slots", "service": None}),
}
WITH_FORM = {"details", "details, another slot", "details, wrong", "check"}
"""Where a change of language takes along what was typed."""
EVERY = list(product(PAGES, LANGUAGES))


def page(name: str, language: str = "fr", root: str = "../../", **context: object) -> str:
    template, its_own = PAGES[name]
    return templates.render(template, speech(language), root, **{"path": "a/b", **its_own, **context})


VOID = {"meta", "link", "input", "img", "br"}


class Tags(HTMLParser):
    """The tags of a page with their attributes, and what was left open."""

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


# Every page


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_a_page_is_whole_and_says_its_language(name: str, language: str) -> None:
    html = page(name, language)
    tags = Tags(html)
    assert tags.open == []
    assert tags.all("html") == [{"lang": language, "dir": "rtl" if language == "ar" else "ltr"}]
    assert len(tags.all("h1")) == 1
    ids = [a["id"] for _, a in tags.tags if "id" in a]
    assert sorted(ids) == sorted(set(ids))
    assert not re.search(r"%\(|None|Undefined", text_of(html))


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_what_points_inside_the_page_finds_its_target(name: str, language: str) -> None:
    tags = Tags(page(name, language))
    ids = {a["id"] for _, a in tags.tags if "id" in a}
    targets = [a["href"][1:] for a in tags.all("a") if a["href"].startswith("#")]
    targets += [a["for"] for a in tags.all("label")]
    for reference in ("aria-describedby", "aria-labelledby", "form"):
        targets += [one for _, a in tags.tags for one in a.get(reference, "").split()]
    assert [target for target in targets if target not in ids] == []


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_every_field_has_a_label_and_every_picture_a_text(name: str, language: str) -> None:
    tags = Tags(page(name, language))
    labelled = {a["for"] for a in tags.all("label")}
    assert [a for a in tags.all("input") if a.get("type") != "hidden" and a["id"] not in labelled] == []
    assert [a for a in tags.all("img") if not a["alt"]] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_module_of_ours_no_inline_script_or_style_and_nobody_else(name: str) -> None:
    html = page(name)
    tags = Tags(html)
    module = {"type": "module", "src": f"../../static/{templates.asset('guichet.js')}"}
    assert tags.all("script", "style", "iframe") == [module]
    assert html.count("></script>") == 1
    assert [a for _, a in tags.tags if "style" in a or any(key.startswith("on") for key in a)] == []
    addresses = [
        a[key] for tag, a in tags.tags for key in ("href", "src", "action", "formaction") if key in a and tag != "base"
    ]
    assert [one for one in addresses if one.startswith("/") or "//" in one.partition("data:")[0]] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_language_is_one_click_away_and_named_in_itself(name: str) -> None:
    choices = [a for a in Tags(page(name)).all("a", "button") if "lang" in a]
    assert [a["lang"] for a in choices] == ["fr", "en", "ar"]
    assert [a["lang"] for a in choices if "aria-current" in a] == ["fr"]
    if name in WITH_FORM:
        assert all((a["form"], a["name"], a["value"]) == ("details", "lang", a["lang"]) for a in choices)
        assert all("formnovalidate" in a for a in choices)
    else:
        assert all(a["href"].startswith(f"../../a/b?lang={a['lang']}") for a in choices)


@pytest.mark.parametrize(
    ("path", "open_at"),
    [
        ("", ""),
        ("manage", "manage"),
        ("services/aes", "services/aes"),
        ("services/aes/holds", "services/aes/slots"),
        ("holds/x/captcha/answer", "holds/x"),
        ("holds/x/extension", "holds/x"),
        ("requests/x/cancellation", "requests/x/cancellation"),
    ],
)
def test_a_language_link_never_leads_to_an_address_that_only_takes_forms(path: str, open_at: str) -> None:
    assert f'href="../../{open_at}?lang=en"' in page("hold over", path=path)


@pytest.mark.parametrize(
    "name",
    [
        "notice, box missing",
        "calendar, slot taken",
        "calendar, nothing chosen",
        "calendar, box missing",
        "captcha, wrong, with sound",
        "details, wrong",
        "manage, wrong",
        "hold over",
    ],
)
def test_the_title_of_a_page_with_an_error_says_so(name: str) -> None:
    assert re.search(r"<title>Erreur\u00a0: ", page(name))


def test_the_title_of_a_page_without_error_is_its_own() -> None:
    assert "<title>Coordonnées personnelles – Guichet</title>" in page("details")


@pytest.mark.parametrize(
    ("name", "step"), [("home", 1), ("notice", 2), ("calendar", 3), ("captcha", 4), ("details", 5), ("check", 6)]
)
def test_the_six_steps_are_named_and_the_current_one_is_marked(name: str, step: int) -> None:
    html = page(name)
    steps = re.findall(r"<li( aria-current=\"step\")?>([^<]+)</li>", html.partition("gu-steps")[2])[:6]
    assert [label for _, label in steps] == [
        "Prise de RDV",
        "Descriptif",
        "Choix d’une plage",
        "Contrôle de sécurité",
        "Coordonnées personnelles",
        "Valider et terminer",
    ]
    assert [bool(current) for current, _ in steps].index(True) + 1 == step


# The notice


def test_the_notice_keeps_every_rule() -> None:
    read = text_of(page("notice"))
    for rule in (
        "Union européenne",
        "moins de 12 mois",
        "l’original et une copie",
        "traducteur agréé",
        "Elle doit venir avec vous",
        "pas complet",
        "le lundi à 9 h 00",
        "Confirmez avec le lien de ce message",
        "2 880 minutes (48 heures)",
        "10 minutes en avance",
        "convocation imprimée",
        "loi du 6 janvier 1978",
        "Bureau de l’immigration",
        "lundi 7 décembre 2026 à 9 h 00",
        "moins de 49 heures avant",
        "un moment tiré au hasard, de 2 heures à 48 heures plus tard",
    ):
        assert rule in read, rule


def test_the_notice_has_a_box_and_two_doors() -> None:
    html = page("notice")
    form = Tags(html).all("form")
    box = next(a for a in Tags(html).all("input") if a["type"] == "checkbox")
    assert form == [{"class": "gu-door", "method": "get", "action": "../../services/aes/slots"}]
    assert (box["name"], box["value"], "required" in box) == ("conditions_accepted", "true", True)
    assert "Effectuer une demande de rendez-vous" in html
    assert "Annuler, consulter et gérer mes demandes de rendez-vous" in html


# The calendar


def test_a_day_is_one_group_of_radios() -> None:
    tags = Tags(page("calendar"))
    radios = [a["value"] for a in tags.all("input") if a["type"] == "radio"]
    assert radios == ["2026-12-08T09:20", "2026-12-08T10:15", "2026-12-10T09:20", "2026-12-10T10:15"]
    assert len(tags.all("fieldset")) == len(tags.all("legend")) == 2


def test_the_calendar_tells_free_from_full_and_counts() -> None:
    read = text_of(page("calendar"))
    assert "Semaine du lundi 7 décembre 2026 au dimanche 13 décembre 2026" in read
    assert "8 demande(s) de rendez-vous disponible(s)" in read
    assert "9 h 15 complet" in read
    assert "9 h 20 libre" in read
    assert read.count("Pas de rendez-vous ce jour") == 5


def test_the_enter_key_on_a_slot_takes_that_slot_and_not_the_first_free_one() -> None:
    first, second = (a for a in Tags(page("calendar")).all("button") if a.get("type") != "button")
    assert "name" not in first
    assert (second["name"], second["value"]) == ("first_free", "true")


def test_the_slot_that_was_chosen_is_still_chosen_after_a_mistake() -> None:
    radios = [
        a for a in Tags(page("calendar, all free", chosen="2026-12-10T10:15")).all("input") if a.get("name") == "slot"
    ]
    assert [a["value"] for a in radios if "checked" in a] == ["2026-12-10T10:15"]


def test_a_slot_that_is_invented_or_full_makes_no_week_to_remember() -> None:
    page("calendar")
    made = templates._filled_week.cache_info().misses  # noqa: SLF001  # what a crowd must not fill shows nowhere else
    for chosen in ("2026-12-08T09:25", "2026-12-08T99:99", "<b>"):
        page("calendar", chosen=chosen)
    assert templates._filled_week.cache_info().misses == made  # noqa: SLF001  # the same


def test_a_full_week_says_when_to_come_back_and_what_else_to_do() -> None:
    read = text_of(page("calendar, full"))
    assert "Il n’existe plus de plage horaire libre" in read
    assert "lundi 7 décembre 2026 à 9 h 00" in read
    assert "Essayer plus tard" in read
    assert "Internet n’est pas le seul moyen" in read
    assert read.count("Tout est complet ce jour") == 2


def test_a_week_that_is_not_open_has_nothing_to_choose() -> None:
    html = page("calendar, not open")
    assert "Cette semaine n’est pas encore ouverte" in html
    assert [a for a in Tags(html).all("button") if a.get("type") != "button"] == []
    assert "complet" not in text_of(html)


def test_after_a_lost_slot_the_nearest_are_one_click_away() -> None:
    buttons = [a for a in Tags(page("calendar, slot taken")).all("button") if a.get("name") == "slot"]
    assert [a["value"] for a in buttons] == ["2026-12-03T10:15"]


def test_the_language_links_keep_the_week_and_the_box() -> None:
    assert 'href="../../a/b?lang=en&amp;week=2026-W50&amp;conditions_accepted=true"' in page("calendar")


# Forms


def test_an_error_stands_above_with_a_link_and_beside_its_field() -> None:
    tags = Tags(page("details, wrong"))
    box = next(a for a in tags.all("div") if a.get("id") == "errors")
    assert (box["tabindex"], "autofocus" in box) == ("-1", True)
    assert {"#first_name", "#birth_day"} <= {a["href"] for a in tags.all("a")}
    named = {a["id"]: a for a in tags.all("input") if "id" in a}
    assert named["first_name"]["aria-describedby"] == "first_name-error first_name-hint"
    assert named["birth_year"]["aria-invalid"] == "true"
    assert "aria-invalid" not in named["phone"]
    assert page("details, wrong").count(ERRORS["birth_date"]) == 2


def test_what_was_typed_is_kept_and_cannot_become_markup() -> None:
    html = page("details", values={"last_name": '"><b>Æ'})
    assert 'value="&#34;&gt;&lt;b&gt;Æ"' in html


@pytest.mark.parametrize(
    ("language", "hint"),
    [
        ("fr", "En lettres latines, comme sur le passeport."),
        ("en", "In Latin letters, as in the passport."),
        ("ar", "بالحروف اللاتينية كما في جواز السفر."),
    ],
)
def test_the_form_asks_for_the_name_in_latin_letters_and_writes_it_from_the_left(language: str, hint: str) -> None:
    html = page("details", language)
    fields = {a["id"]: a for a in Tags(html).all("input") if "id" in a}
    assert html.count(hint) == 2
    for field in ("first_name", "last_name"):
        assert (fields[field]["dir"], fields[field]["aria-describedby"]) == ("ltr", f"{field}-hint")


def test_the_fields_tell_the_browser_what_they_are_for() -> None:
    fields = {a["name"]: a.get("autocomplete") for a in Tags(page("details")).all("input")}
    assert fields == {
        "language": None,
        "first_name": "given-name",
        "last_name": "family-name",
        "email": "email",
        "email_confirmation": "email",
        "birth_name": "off",
        "birth_day": "bday-day",
        "birth_month": "bday-month",
        "birth_year": "bday-year",
        "phone": "tel",
    }


def test_more_time_takes_along_what_was_typed_and_is_never_pressed_by_enter() -> None:
    (more,) = (a for a in Tags(page("details")).all("button") if "formaction" in a)
    assert more["form"] == "details"
    assert more["formaction"] == f"../../holds/{TOKEN}/extension"
    assert first_button("details") != more


@pytest.mark.parametrize("name", ["details", "details, wrong", "check"])
def test_the_enter_key_in_a_field_goes_to_the_next_step_and_changes_no_language(name: str) -> None:
    default = first_button(name)
    assert (default["form"], default["tabindex"], default["aria-hidden"]) == ("details", "-1", "true")
    assert not {"name", "formaction"} & default.keys()


def first_button(name: str) -> dict[str, str]:
    """What a browser presses for the Enter key in a field of the details."""
    return next(a for a in Tags(page(name)).all("button") if a.get("form") == "details")


@pytest.mark.parametrize("name", ["captcha", "details", "check"])
def test_a_hold_says_until_when_and_can_be_given_up(name: str) -> None:
    assert "Votre place est gardée jusqu’à 9 h 03. À l’ouverture de cette page, il vous reste 2 minutes." in text_of(
        page(name)
    )
    assert f"../../holds/{TOKEN}/end" in [a.get("action") for a in Tags(page(name)).all("form")]


def test_a_waiting_hold_says_that_nothing_is_kept_yet_until_when_it_can_pass_and_why() -> None:
    text = text_of(page("captcha, waiting"))
    assert "Cette plage horaire n’est pas encore gardée pour vous." in text
    assert "tout le monde passe d’abord ce contrôle" in text
    assert (
        "Vous pouvez passer ce contrôle jusqu’à 9 h 18. À l’ouverture de cette page, il vous reste 18 minutes." in text
    )
    until = next(a for a in Tags(page("captcha, waiting")).all("p") if a.get("id") == "until")
    told = " ".join([text, *until.values()])
    assert "Votre place est gardée" not in told
    assert "n’est plus gardée" not in told
    assert until["data-left"] == "1080"


def test_who_got_another_slot_reads_which_one_it_replaces_and_how_to_give_it_back() -> None:
    text = text_of(page("details, another slot"))
    assert (
        "La plage du jeudi 3 décembre 2026 à 10 h 05 a été prise par une autre personne pendant le contrôle de "
        "sécurité. À la place, nous vous gardons celle du jeudi 3 décembre 2026 à 10 h 15." in text
    )
    assert f"../../holds/{TOKEN}/end" in [a.get("action") for a in Tags(page("details, another slot")).all("form")]
    assert "Vous avez une autre plage horaire" not in text_of(page("details"))
    assert "Vous avez une autre plage horaire" in text_of(page("check", hold=INSTEAD))


@pytest.mark.parametrize(
    ("name", "crowd", "instead", "always"),
    [
        ("notice", True, True, False),
        ("notice, captcha first", False, True, True),
        ("notice, seats taken at once", False, False, False),
    ],
)
def test_the_notice_says_when_a_seat_is_taken(name: str, *, crowd: bool, instead: bool, always: bool) -> None:
    text = text_of(page(name))
    assert ("D’une minute avant une ouverture à 15 minutes après" in text) is crowd
    assert ("nous vous donnons la plage libre la plus proche" in text) is instead
    assert ("Nous la prenons pour vous après un contrôle de sécurité" in text) is always


def test_when_nothing_is_free_after_the_captcha_the_page_says_when_seats_open() -> None:
    assert "Prochaine ouverture : lundi 7 décembre 2026 à 9 h" in text_of(page("nothing free"))


def test_a_hold_that_had_all_its_time_offers_no_more() -> None:
    assert "/extension" not in page("details", hold=LAST)


def test_the_check_page_sends_every_value_again() -> None:
    tags = Tags(page("check"))
    sent = {a["name"]: a["value"] for a in tags.all("input")}
    assert sent == {**FIELDS, "language": "fr", "step": "check"}
    assert [a["value"] for a in tags.all("button") if a.get("name") == "change"] == [
        "first_name",
        "last_name",
        "email",
        "birth_name",
        "birth_date",
        "phone",
    ]
    assert "17 mai 1990" in text_of(page("check"))


def test_the_captcha_has_a_sound_another_picture_and_a_person_to_ask() -> None:
    html = page("captcha, wrong, with sound")
    assert len([a for a in Tags(html).all("form") if a["action"] == f"../../holds/{TOKEN}/captcha"]) == 2
    assert Tags(html).all("audio")
    assert "Il vous reste 4 essais." in html
    assert AES.contact in html


# Requests


def test_a_pending_request_offers_to_confirm_and_to_delete() -> None:
    html = page("pending")
    assert f'action="../../requests/{TOKEN}/confirmation"' in html
    assert f'href="../../requests/{TOKEN}/cancellation"' in html
    assert "Ñandú" in html


@pytest.mark.parametrize("name", ["cancelled", "expired"])
def test_an_ended_request_shows_no_person_and_how_to_start_again(name: str) -> None:
    assert "Awa" not in page(name)
    assert 'href="../../services/aes"' in page(name)


def test_the_convocation_has_all_that_the_desk_needs() -> None:
    read = text_of(page("convocation"))
    for fact in (
        "Demande d’admission exceptionnelle au séjour",
        "Awa",
        "D’Exemple",
        "Ñandú",
        "17 mai 1990",
        "jeudi 3 décembre 2026",
        "10 h 15",
        "5 minutes",
        "2 rue Charles de Gaulle",
        "AES-7K3M9-QXPT2",
        "10 minutes en avance, à 10 h 05",
        "uniquement pour Awa D’Exemple, né(e) le 17 mai 1990",
        "nulle pour toute autre personne",
        "l’original et une copie",
    ):
        assert fact in read, fact


# Letters


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_is_one_column_in_the_language_of_the_person(language: str) -> None:
    words = speech(language)
    letter = letters.compose(letters.CONFIRM, AES, PERSON, f"https://example.org/requests/{TOKEN}", words)
    html = templates.render("mail.html", words, "", letter=letter)
    tags = Tags(html)
    assert tags.all("html") == [{"lang": language, "dir": words.direction}]
    assert tags.all("img", "link", "script") == []
    assert [a["href"] for a in tags.all("a")] == [url for _, url in letter.actions]
    text = templates.render("mail.txt", words, "", letter=letter)
    for part in (*letter.lines, *(url for _, url in letter.actions), *letter.closing):
        assert part in text
    assert "&" not in text


# Files, words, budget


def test_an_asset_is_found_by_its_hashed_name_only() -> None:
    name = templates.asset("guichet.css")
    assert re.fullmatch(r"guichet\.[0-9a-f]{12}\.css", name)
    found = templates.static(name)
    assert found is not None
    assert found[1] == "text/css; charset=utf-8"
    assert templates.static("guichet.css") is None
    assert templates.static("../pages.py") is None


def test_a_template_that_lacks_a_value_fails_instead_of_showing_nothing() -> None:
    with pytest.raises(UndefinedError):
        templates.render("home.html", speech("fr"), "")


@pytest.mark.parametrize(
    ("length", "read"),
    [
        (timedelta(seconds=1), "1 seconde"),
        (timedelta(seconds=40), "40 secondes"),
        (timedelta(minutes=5), "5 minutes"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(hours=48), "48 heures"),
    ],
)
def test_a_duration_reads_in_its_own_unit(length: timedelta, read: str) -> None:
    service = replace(AES, slot=length)
    assert f"Elle dure {read}." in text_of(page("notice", service=service))


def packed(text: str) -> int:
    return len(gzip.compress(text.encode(), 6))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_is_at_most_20_kb_with_everything(language: str) -> None:
    sheet = templates.static(templates.asset("guichet.css"))
    assert sheet is not None
    assert packed(page("notice", language)) + packed(sheet[0]) <= 20_000


@pytest.mark.parametrize(
    ("name", "language"), list(product(("calendar", "calendar, all free", "calendar, full"), LANGUAGES))
)
def test_a_calendar_is_at_most_4_kb(name: str, language: str) -> None:
    assert packed(page(name, language)) <= 4_000


# Colours


def colours(scheme: str) -> dict[str, str]:
    sheet = (templates.HERE / "static" / "guichet.css").read_text("utf-8")
    light, dark = re.findall(r":root \{\n(.*?)\}", sheet, re.DOTALL)[:2]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "raised"])
@pytest.mark.parametrize("ink", ["text", "mute", "accent", "error", "good", "warn"])
def test_every_text_colour_can_be_read(scheme: str, ground: str, ink: str) -> None:
    theme = colours(scheme)
    assert contrast(theme[ink], theme[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_buttons_borders_and_the_focus_can_be_seen(scheme: str) -> None:
    theme = colours(scheme)
    assert contrast(theme["on-accent"], theme["accent"]) >= 4.5
    for mark, ground in product(("edge", "focus"), ("ground", "raised")):
        assert contrast(theme[mark], theme[ground]) >= 3
