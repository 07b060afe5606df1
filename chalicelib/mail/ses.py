"""Letters on their way: one MIME message for SES, and what SES says of it translated by code.

SES is spoken to in its first version, by `send_raw_email`: the laptop's emulator relays those mails whole.
"""

import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import localtime, parseaddr
from typing import Any

from chalicelib import settings
from chalicelib.domain import emails

_NOT_ON_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_REFUSED = {
    "MessageRejected",
    "MailFromDomainNotVerified",
    "MailFromDomainNotVerifiedException",
    "InvalidParameterValue",
}
_AWAY = {
    "Throttling",
    "ThrottlingException",
    "ServiceUnavailable",
    "InternalFailure",
    "AccountSendingPausedException",
    "ConfigurationSetSendingPausedException",
}
_SERVER_FAULT = 500


class MailRefused(Exception):
    """Raised for a letter that cannot be sent, now or later; the message is a code or a reason, no personal data."""


class MailAway(Exception):
    """Raised when SES is not there or asks to slow down: the letter may pass later, or may have left already."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter; `content_type` may carry parameters."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What one person is written, in their language; `to` is one bare address."""

    to: str
    subject: str
    text: str
    html: str
    language: str
    attachments: tuple[Attachment, ...] = ()


class _Policy(EmailPolicy):
    def fold_binary(self, name: str, value: str) -> bytes:
        """As the parent, but a subject keeps its spaces: where the parent folds (3.11.7, 3.13.0) some are lost."""
        if name == "Subject" and not value.isascii():
            folded = Header(value, "utf-8", header_name=name).encode(linesep=self.linesep)
            return f"{name}: {folded}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_WIRE = _Policy(linesep="\r\n", cte_type="7bit")  # SES promises no more than 7 bits


def mime(letter: Letter, *, sender: str, reply_to: str, message_id: str) -> bytes:
    """The message as SMTP carries it, in 7 bits.

    MailRefused where the letter cannot be written; ValueError where `sender`, `reply_to` or `message_id` cannot.
    """
    message = EmailMessage(_WIRE)
    message["From"] = _mailbox(sender)
    message["Reply-To"] = _mailbox(reply_to)
    message["Message-ID"] = _one_line(message_id)
    message["Date"] = localtime()
    message["Auto-Submitted"] = "auto-generated"
    try:
        message["To"] = _address(letter.to)
        message["Subject"] = _one_line(letter.subject)
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        for attachment in letter.attachments:
            kind = _WIRE.header_factory("Content-Type", _one_line(attachment.content_type))
            message.add_attachment(
                attachment.content,
                maintype=kind.maintype,
                subtype=kind.subtype,
                params=dict(kind.params),
                filename=_one_line(attachment.name),
            )
        message["Content-Language"] = _one_line(letter.language)  # last: attaching moves what begins with Content-
    except ValueError as error:
        raise MailRefused(str(error)) from error
    return message.as_bytes()


@functools.cache
def client() -> Any:
    """The SES client of this process, made at its first letter. No retries: after a timeout they repeat a mail."""
    from botocore.config import Config  # noqa: PLC0415  the functions that send nothing do not pay for it
    from botocore.session import get_session  # noqa: PLC0415  nor for this

    once = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1})
    return get_session().create_client("ses", config=once)


class Pace:
    """So many letters a second and no more.

    One mailer runs at a time (`reserved_concurrency`), so what holds in one process holds over all. The first letter
    waits too: the process before may have sent one a moment ago.
    """

    def __init__(
        self, rate: int, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._gap, self._clock, self._sleep = 1 / rate, clock, sleep
        self._next = clock() + self._gap

    def wait(self) -> None:
        """Return when the next letter may leave."""
        early = self._next - self._clock()
        if early > 0:
            self._sleep(early)
        self._next = self._clock() + self._gap


@functools.cache
def pace() -> Pace:
    """The pace of this process: the stage's sending rate."""
    return Pace(settings.current().mail_rate)


def send(
    letter: Letter,
    key: str,
    *,
    sender: str | None = None,
    reply_to: str | None = None,
    client: Callable[[], Any] = client,
    pace: Callable[[], Pace] = pace,
) -> str:
    """Give one letter to SES when its turn comes and return its message id; MailRefused or MailAway if that fails.

    `key` names the letter: sent again, it has the same Message-ID. `sender` is the stage's unless given, and answers
    come back to it unless `reply_to` is given.
    """
    from botocore import exceptions as aws  # noqa: PLC0415  see client

    sender = sender or settings.current().mail_from
    source = _mailbox(sender)
    raw = mime(letter, sender=sender, reply_to=reply_to or sender, message_id=f"<{_one_line(key)}@{source.domain}>")
    pace().wait()
    try:
        answer = client().send_raw_email(
            Source=source.addr_spec,
            Destinations=[_address(letter.to).addr_spec],
            RawMessage={"Data": raw},
        )
    except aws.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _REFUSED:
            raise MailRefused(code) from error
        if code in _AWAY or error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_FAULT:
            raise MailAway(code) from error
        raise
    except (aws.ConnectionError, aws.HTTPClientError) as error:
        raise MailAway(type(error).__name__) from error
    return str(answer["MessageId"])


def _one_line(value: str) -> str:
    if _NOT_ON_A_LINE.search(value):
        raise ValueError("a header is one line of text")
    return value


def _mailbox(written: str) -> Address:
    name, bare = parseaddr(_one_line(written))
    address = _address(bare)
    return Address(name, address.username, address.domain)


def _address(written: str) -> Address:
    """Return one address as SES takes it; ValueError for one that can receive no letter."""
    local, _, domain = emails.deliverable(_one_line(written)).rpartition("@")
    return Address(username=local, domain=domain)
