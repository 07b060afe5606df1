"""Names that are markup, commands or look-alikes: the form refuses them, and no output is unsafe if one were stored."""

import io
import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import urlencode

import pytest
from pypdf import PdfReader

from chalicelib import log
from chalicelib.booking import captcha, filing, holds
from chalicelib.desk import spreadsheet
from chalicelib.domain import codec
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.mail import outbox, ses
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.rendering.i18n import locale_for
from chalicelib.storage import items, seat_store
from chalicelib.web import forms
from infra.ops import output
from tests.client import AWA_TYPED, FORM, Page, captcha_passed, confirmed, send
from tests.conftest import MONDAY
from tests.unit.web.samples import AWA, TODAY

MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title><b>",
    "{{7*7}}{% include 'x' %}",
    "%(name)s {name} %s",
    "&lt;b&gt;",
]
COMMANDS = ["=1+1", "+33", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "A\r\nBcc: x@example.org", "A\x1b[2J", "[bold]A[/bold]"]
DISGUISES = [
    "Awa\u202eelpmexE",  # right to left from here on
    "Awa\u2066x\u2069",
    "A\u200bwa",  # zero width space
    "A\u200dwa",  # zero width joiner
    "A\u2060wa",  # word joiner
    "A\ufeffwa",  # byte order mark
    "A\u00adwa",  # soft hyphen
    "A\U000e0041wa",  # tag
    "\u3164",  # Hangul filler alone
    "Awa\uffa0",  # half-width Hangul filler
    "Aw\ufe0fa",  # variation selector
    "Awa\u2800",  # braille blank
    "Aw\u034fa",  # combining grapheme joiner
    "Aw\u0301\u0302\u0303\u0304\u0305\u0306a",  # six marks on one letter: the first is composed with it
    "A" + "\u0316" * 90,
    "\u0301Awa",
]


# The form


@pytest.mark.parametrize("name", [*MARKUP, *COMMANDS, *DISGUISES])
@pytest.mark.parametrize("field", ["first_name", "last_name", "birth_name"])
def test_a_name_that_is_markup_a_command_or_a_look_alike_is_refused(field: str, name: str) -> None:
    with pytest.raises(InvalidFields) as refusal:
        forms.read_details({**AWA, field: name}, today=TODAY, language="fr")
    assert list(refusal.value.errors) == [field]


@pytest.mark.parametrize("name", ["Nguyễn", "Ḩāfiz̧ah", "Ọ̀ṣun", "Zoé-Lou O’Neil"])
def test_a_name_with_the_marks_of_its_language_is_accepted(name: str) -> None:
    assert forms.read_details({**AWA, "first_name": name}, today=TODAY, language="fr").first_name


def test_an_e_mail_address_with_a_header_or_a_second_address_is_refused() -> None:
    for email in (
        "a@example.org\r\nBcc: x@example.org",
        "a@example.org,b@example.org",
        "A <a@example.org>",
        '"a\r\nb"@example.org',
    ):
        with pytest.raises(InvalidFields):
            forms.read_manage({"reference": "AES-22222-22222", "email": email})


# The output, for a name that got into the table in some other way


def put(token: str, **changes: str) -> None:
    """Write these details to the person item without any check."""
    seat = seat_store.read(keys().read_link_token(token).seat)
    item = items.person_item(seat.person, "aes")
    item.refresh()
    details = {**item.details, **changes}
    item.update([type(item).details.set(details)])


@pytest.mark.usefixtures("service")
def test_a_name_with_markup_is_escaped_on_every_page() -> None:
    token = confirmed()
    for name in MARKUP:
        put(token, first_name=name, last_name=name, phone=name)
        for page in ("", "/convocation", "/correction", "/cancellation", "/erasure", "/move"):
            answer = send("GET", f"/requests/{token}{page}", {"Accept": "text/html"})
            assert answer.status == 200
            assert not re.search(r"<script>alert|<img src=x|<svg/onload|</title><b>", answer.text)
            assert "49" not in Page(answer.text).html["title"]


@pytest.mark.usefixtures("service")
def test_markup_in_a_form_is_escaped_on_the_form_and_on_the_check_page() -> None:
    hold = captcha_passed()
    for name in MARKUP:
        for more in ({}, {"change": "true"}, {"lang": "ar", "step": "check"}):
            body = urlencode({**AWA_TYPED, "first_name": name, "birth_month": name, **more}).encode()
            answer = send("POST", f"/holds/{hold}/details", FORM, body)
            assert "<script>alert" not in answer.text
            assert "<img src=x" not in answer.text
            assert "<svg/onload" not in answer.text


def _person(service: Service, **changes: Any) -> Person:
    now = MONDAY + timedelta(seconds=1)
    placed = holds.place(service.id, holds.Wish(None, conditions_accepted=True), now=now)
    challenge = captcha.new_challenge(placed.id, now)
    captcha.answer(placed.id, challenge.id, challenge.picture, now=now)
    details = forms.read_details(AWA, today=TODAY, language="fr")
    request = filing.file(holds.view_ready(placed.id, now), details, now=now)
    assert request.person
    return replace(request.person, details=replace(details, **changes))


@pytest.fixture
def awa(small: Service) -> Person:
    """Return an applicant who reads Arabic. The convocation has a French sheet and an Arabic one."""
    return _person(small, language="ar")


def test_a_name_is_escaped_in_a_letter_and_its_files_and_adds_no_header_or_line(small: Service, awa: Person) -> None:
    for name in [*MARKUP, *COMMANDS, *DISGUISES]:
        person = replace(awa, details=replace(awa.details, first_name=name))
        letter = outbox.write_letter(LetterKind.CONVOCATION, small, person, MONDAY + timedelta(minutes=1))
        assert not re.search(r"<script>alert|<img src=x|<svg/onload|</title><b>", letter.html)
        raw = ses.mime(letter, sender="a@example.org", reply_to="b@example.org", message_id="<c@example.org>")
        message = message_from_bytes(raw, policy=policy.default)
        assert (message["To"], message["Bcc"]) == ("awa@example.org", None)
        assert name not in str(message["Subject"])
        convocation, event = letter.attachments
        assert b"BCC" not in event.content.upper()
        assert b"ATTENDEE" not in event.content
        assert len(PdfReader(io.BytesIO(convocation.content), strict=True).pages) == 2


@pytest.mark.parametrize("name", [*MARKUP, *COMMANDS, *DISGUISES])
def test_a_name_in_the_output_of_the_operator_program_contains_no_formula_or_control_character(name: str) -> None:
    line = spreadsheet.as_csv([[name]])
    assert not line.removeprefix(spreadsheet.BOM).lstrip('"').startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not set(spreadsheet.clean(name)) & set("\x1b\u202e\u2066\u200b\u200d\u2060\ufeff\u00ad\U000e0041\r\n")
    assert not set(output.as_json(name)) & set("\x1b\u202e\u2066\u200b\ufeff\r\n")
    (column,) = output.table(["name"], [[name]]).columns
    assert [getattr(cell, "spans", None) for cell in column.cells] == [[]]


@pytest.mark.parametrize("name", ["\u0410wa", "Aw\u0430", "\u0391wa", "Αωα", "\u13aawa", "\u1d00wa"])
def test_a_name_that_only_looks_latin_is_refused(name: str) -> None:
    with pytest.raises(InvalidFields) as refusal:
        forms.read_details({**AWA, "first_name": name}, today=TODAY, language="fr")
    assert list(refusal.value.errors) == ["first_name"]


def test_a_log_event_is_one_line_whatever_it_contains(capsys: pytest.CaptureFixture[str]) -> None:
    log.event("x", fact='a\r\n{"event": "forged"}\u2028\x1b[2J')
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_stored_details_with_an_unknown_field_are_not_read() -> None:
    details = Details("A", "B", "", TODAY, "a@example.org", "0612345678", "fr")
    with pytest.raises(TypeError):
        codec.details_from_document({**codec.details_to_document(details), "is_admin": "true"})
    assert locale_for("ar").language == "ar"
