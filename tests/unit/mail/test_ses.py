import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.mail import ses
from chalicelib.mail.ses import Attachment, Letter, MailAway, MailRefused
from tests.unit.domain.samples import UNDELIVERABLE
from tests.unit.mail.postman import Clock

LETTER = Letter(
    to="awa@example.org",
    subject="Votre rendez-vous est confirmé : votre convocation",
    text="Bonjour Awa,\nhttps://guichet.example.org/requests/abc\n",
    html='<html lang="fr"><p>Bonjour Awa,</p></html>',
    language="fr",
    attachments=(
        Attachment("convocation.pdf", "application/pdf", b"%PDF-1.4"),
        Attachment("rendez-vous.ics", "text/calendar; method=PUBLISH; charset=utf-8", b"BEGIN:VCALENDAR\r\n"),
    ),
)


def written(letter: Letter, sender: str = "rendez-vous@example.org") -> bytes:
    return ses.mime(
        letter,
        sender=sender,
        reply_to="guichet@example.org",
        message_id="<K7FM3R8HW2.convocation@example.org>",
    )


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.fixture
def mailbox() -> Iterator[object]:
    """The SES of moto, with our sender as its only verified identity."""
    with mock_aws():
        ses.client.cache_clear()
        ses.client().verify_email_identity(EmailAddress="rendez-vous@example.org")
        yield ses_backends[DEFAULT_ACCOUNT_ID]["eu-west-3"]
    ses.client.cache_clear()


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers every request so, or not at all for status 0. Yield its URL and the paths it got."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            paths.append(self.path)
            if status:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Give the test a new client, for the endpoint that it sets."""
    ses.client.cache_clear()
    yield monkeypatch
    ses.client.cache_clear()


def fault(code: str) -> bytes:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        "<Message>awa@example.org is not liked</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    ).encode()


def test_a_letter_has_its_text_then_its_html_then_its_attachments() -> None:
    message = parsed(written(LETTER))
    assert message.get_content_type() == "multipart/mixed"
    body, pdf, calendar = message.iter_parts()
    assert [part.get_content_type() for part in body.iter_parts()] == ["text/plain", "text/html"]
    text, html = (part.get_content() for part in body.iter_parts())
    assert text == LETTER.text.replace("\n", "\r\n") or text == LETTER.text
    assert html.strip() == LETTER.html
    assert (pdf.get_content_type(), pdf.get_filename(), pdf.get_content()) == (
        "application/pdf",
        "convocation.pdf",
        b"%PDF-1.4",
    )
    assert calendar["Content-Type"].params == {"method": "PUBLISH", "charset": "utf-8"}
    assert calendar.get_payload(decode=True) == b"BEGIN:VCALENDAR\r\n"


def test_a_letter_has_the_headers_of_an_automatic_message() -> None:
    message = parsed(written(LETTER))
    assert message["From"] == "rendez-vous@example.org"
    assert message["To"] == "awa@example.org"
    assert message["Reply-To"] == "guichet@example.org"
    assert message["Message-ID"] == "<K7FM3R8HW2.convocation@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "fr"
    assert parsedate_to_datetime(message["Date"]).tzinfo is not None


def test_a_letter_travels_in_7_bits_and_short_lines() -> None:
    arabic = replace(LETTER, subject="تم تأكيد موعدك", text="مرحبا " * 400, html="<p>é</p>" * 400, language="ar")
    content = written(arabic)
    assert content.isascii()
    assert written(replace(LETTER, text="Bonjour Şükrü,\n")).isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    message = parsed(content)
    assert message["Subject"] == "تم تأكيد موعدك"


@pytest.mark.parametrize(
    "subject",
    [
        "confirmé français très est date naïve été",
        "rendez-vous déplacé préfecture préfecture où préfecture",
        "Votre rendez-vous est confirmé\u00a0: " + "très " * 20 + "bien",
        "A plain subject that is far longer than what one line of a header can carry, so it folds",
    ],
)
def test_a_long_subject_keeps_its_spaces(subject: str) -> None:
    content = written(replace(LETTER, subject=subject))
    assert parsed(content)["Subject"] == subject
    assert max(len(line) for line in content.split(b"\r\n\r\n")[0].split(b"\r\n")) <= 78


BREAKS = ["\r\nBcc: x@example.org", "\nBcc: x@example.org", "\rBcc: x", "\n", "\r\n", "\x00", "\x0b", "\x85", "\u2028"]


@pytest.mark.parametrize("tail", BREAKS)
@pytest.mark.parametrize("field", ["to", "subject", "language"])
def test_no_value_of_a_letter_can_add_a_header(field: str, tail: str) -> None:
    values: dict[str, Any] = {"to": LETTER.to, "subject": LETTER.subject, "language": LETTER.language}
    values[field] += tail
    letter = Letter(text="t", html="h", **values)
    with pytest.raises(MailRefused):
        written(letter)


@pytest.mark.parametrize("tail", BREAKS)
def test_no_attachment_can_add_a_header(tail: str) -> None:
    for attachment in (
        Attachment(f"a.pdf{tail}", "application/pdf", b""),
        Attachment("a.pdf", f"application/pdf{tail}", b""),
    ):
        with pytest.raises(MailRefused):
            written(replace(LETTER, attachments=(attachment,)))


@pytest.mark.parametrize("tail", BREAKS)
@pytest.mark.parametrize("field", ["sender", "reply_to", "message_id"])
def test_a_broken_setting_raises_a_value_error(field: str, tail: str) -> None:
    settings = {"sender": "a@example.org", "reply_to": "a@example.org", "message_id": "<a@example.org>"}
    with pytest.raises(ValueError, match=r"one line|invalid characters|unsafe characters"):
        ses.mime(LETTER, **{**settings, field: f"{settings[field]}{tail}"})


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("awa@exemple-é.fr", "awa@xn--exemple--i1a.fr"),
        ("awa@straße.example", "awa@xn--strae-oqa.example"),
        ("awa@EXEMPLE.FR", "awa@exemple.fr"),
        ("awa+rdv.o'exemple@example.org", "awa+rdv.o'exemple@example.org"),
        ("a" * 64 + "@" + ("b" * 60 + ".") * 3 + "org", "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "org"),
    ],
)
def test_an_e_mail_address_is_written_in_ascii(typed: str, sent: str) -> None:
    assert parsed(written(replace(LETTER, to=typed)))["To"].addresses[0].addr_spec == sent


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "awa",
        "awa@",
        "@example.org",
        "awa@exemple",
        "awa@example.org, b@example.org",
        "awa@example.org;b@example.org",
        "Awa <awa@example.org>",
        "awa(x)@example.org",
        "awa exemple@example.org",
        "awa..x@example.org",
        "awa@exa mple.org",
        "awa@-a.org",
        "awa@[192.0.2.1]",
        "åwa@example.org",
        "awa@\u200b.org",
        "awa@" + "é" * 70 + ".org",
        *UNDELIVERABLE,
    ],
)
def test_what_is_not_one_e_mail_address_or_can_receive_no_letter_is_refused(typed: str) -> None:
    with pytest.raises(MailRefused):
        written(replace(LETTER, to=typed))


def test_ses_takes_the_whole_letter_for_one_person(mailbox: object) -> None:
    answer = ses.send(replace(LETTER, to="awa@exemple-é.fr"), "K7FM3R8HW2.convocation")
    (sent,) = mailbox.sent_messages  # type: ignore[attr-defined]  # moto ships no types
    assert answer == sent.id
    assert sent.source == "rendez-vous@example.org"
    assert set(sent.destinations) == {"awa@xn--exemple--i1a.fr"}  # moto lists it twice
    message = parsed(sent.raw_data.encode())
    assert message["Message-ID"] == "<K7FM3R8HW2.convocation@example.org>"
    assert message["Reply-To"] == "rendez-vous@example.org"
    assert len(list(message.iter_attachments())) == 2


def test_a_letter_has_the_reply_address_of_its_service(mailbox: object) -> None:
    ses.send(LETTER, "K7FM3R8HW2.link", reply_to="guichet@example.org")
    (sent,) = mailbox.sent_messages  # type: ignore[attr-defined]  # moto ships no types
    assert parsed(sent.raw_data.encode())["Reply-To"] == "guichet@example.org"


def test_a_sender_that_ses_does_not_know_is_refused_without_naming_anybody(mailbox: object) -> None:  # noqa: ARG001
    with pytest.raises(MailRefused) as refused:
        ses.send(LETTER, "K7FM3R8HW2.link", sender="other@example.org")
    assert str(refused.value) == "MessageRejected"


def test_a_process_has_one_client() -> None:
    ses.client.cache_clear()
    assert ses.client() is ses.client()
    ses.client.cache_clear()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "MessageRejected", MailRefused),
        (400, "MailFromDomainNotVerifiedException", MailRefused),
        (400, "InvalidParameterValue", MailRefused),
        (400, "Throttling", MailAway),
        (400, "AccountSendingPausedException", MailAway),
        (503, "ServiceUnavailable", MailAway),
        (500, "InternalFailure", MailAway),
        (502, "SomethingNew", MailAway),
        (403, "AccessDenied", ClientError),
        (400, "ConfigurationSetDoesNotExist", ClientError),
    ],
)
@pytest.mark.slow
def test_an_error_of_ses_is_translated_by_its_code_and_not_retried(
    endpoint: pytest.MonkeyPatch, status: int, code: str, kind: type[Exception]
) -> None:
    with answering(status, fault(code)) as (url, paths):
        endpoint.setenv("AWS_ENDPOINT_URL_SES", url)
        with pytest.raises(kind) as raised:
            ses.send(LETTER, "K7FM3R8HW2.link")
    assert len(paths) == 1
    if kind is not ClientError:
        assert str(raised.value) == code


def test_a_server_fault_without_a_code_is_temporary(endpoint: pytest.MonkeyPatch) -> None:
    with answering(504, b"<html>Gateway Timeout</html>") as (url, _):
        endpoint.setenv("AWS_ENDPOINT_URL_SES", url)
        with pytest.raises(MailAway):
            ses.send(LETTER, "K7FM3R8HW2.link")


def test_a_broken_connection_is_temporary(endpoint: pytest.MonkeyPatch) -> None:
    with answering(0, b"") as (url, _):
        endpoint.setenv("AWS_ENDPOINT_URL_SES", url)
        with pytest.raises(MailAway, match="ConnectionClosedError"):
            ses.send(LETTER, "K7FM3R8HW2.link")


def test_an_unreachable_server_is_temporary(endpoint: pytest.MonkeyPatch) -> None:
    with answering(0, b"") as (url, _):
        endpoint.setenv("AWS_ENDPOINT_URL_SES", url)
    with pytest.raises(MailAway, match="EndpointConnectionError"):
        ses.send(LETTER, "K7FM3R8HW2.link")


@pytest.mark.parametrize("durations", [(0.0,), (0.03125,), (0.0, 0.5, 0.0, 3.0), (0.25, 0.0)])
@pytest.mark.parametrize("rate", [1, 8, 16])
def test_no_second_has_more_letters_than_the_rate_even_when_the_process_changes(
    rate: int, durations: tuple[float, ...]
) -> None:
    clock = Clock()
    sent: list[float] = []
    for _process in range(3):
        pace = ses.Pace(rate, clock=clock, sleep=clock.sleep)
        for number in range(40):
            pace.wait()
            sent.append(clock.now)
            clock.sleep(durations[number % len(durations)])
    assert max(sum(start <= at < start + 1 for at in sent) for start in sent) <= rate


def test_a_letter_after_a_pause_is_sent_at_once() -> None:
    clock = Clock()
    pace = ses.Pace(4, clock=clock, sleep=clock.sleep)
    clock.sleep(60)
    pace.wait()
    assert clock.now == 1060
    pace.wait()
    assert clock.now == 1060.25


def test_every_letter_waits_for_the_pace_before_it_is_sent() -> None:
    clock = Clock()
    pace = ses.Pace(2, clock=clock, sleep=clock.sleep)
    sent_at: list[float] = []

    class Recorder:
        def send_raw_email(self, **_: object) -> dict[str, str]:
            sent_at.append(clock.now)
            return {"MessageId": "1"}

    for _ in range(3):
        ses.send(LETTER, "K7FM3R8HW2.link", client=Recorder, pace=lambda: pace)
    assert sent_at == [1000.5, 1001.0, 1001.5]


def test_importing_the_module_loads_no_client() -> None:
    program = "import sys, chalicelib.mail.ses; sys.exit(bool({'botocore', 'idna'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603  this Python


@pytest.mark.parametrize(
    "name",
    [
        "Préfecture de la Loire – rendez-vous",
        'Prefecture, of "somewhere" (desk)',
        "Préfecture, « guichet » " + "très " * 20 + "long",
        "محافظة – المواعيد",
    ],
)
def test_the_sender_has_a_display_name_that_every_reader_decodes(name: str) -> None:
    content = written(replace(LETTER, sender_name=name))
    display_name, address = parseaddr(message_from_bytes(content)["From"])
    decoded = str(make_header(decode_header(display_name)))  # the parser of `default` adds spaces between long words
    assert (decoded, address) == (name, "rendez-vous@example.org")
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n\r\n")[0].split(b"\r\n")) <= 78


def test_the_display_name_of_the_sender_is_encoded_as_rfc_2047_says() -> None:
    head = written(replace(LETTER, sender_name="Préfecture de la Loire – rendez-vous")).split(b"\r\n\r\n")[0]
    assert b"From: =?utf-8?" in head
    assert b"<rendez-vous@example.org>" in head


@pytest.mark.parametrize("tail", BREAKS)
def test_no_display_name_can_add_a_header(tail: str) -> None:
    with pytest.raises(MailRefused):
        written(replace(LETTER, sender_name=f"Préfecture{tail}"))
