"""Send a letter: write its MIME message, hand it to SES, and translate the errors of SES by their code.

Uses `send_raw_email` of the first version of the SES API: the emulator relays its messages unchanged.
"""

import functools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import localtime
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
    """Raised for a letter that can never be sent. The message is a code or a reason, without personal data."""


class MailAway(Exception):
    """Raised when SES is unavailable or throttles. The letter can be sent later; it may have been sent already."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a letter. `content_type` may have parameters."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to one person, in their language.

    `to` is one e-mail address without a display name. `sender_name` is the display name of the sender, if there is one.
    """

    to: str
    subject: str
    text: str
    html: str
    language: str
    attachments: tuple[Attachment, ...] = ()
    sender_name: str = ""


class _Policy(EmailPolicy):
    def fold_binary(self, name: str, value: Any) -> bytes:
        """Fold a header. The parent (Python 3.11.7, 3.13.0) loses spaces where it folds words, this does not."""
        if name == "From" and not value.isascii():
            (sender,) = value.addresses
            words = Header(sender.display_name, "utf-8", header_name=name).encode(linesep=self.linesep)
            return f"{name}: {words}{self.linesep} <{sender.addr_spec}>{self.linesep}".encode("ascii")
        if name == "Subject" and not value.isascii():
            folded = Header(value, "utf-8", header_name=name).encode(linesep=self.linesep)
            return f"{name}: {folded}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_WIRE = _Policy(linesep="\r\n", cte_type="7bit")  # SES promises no more than 7 bits


def mime(letter: Letter, *, sender: str, reply_to: str, message_id: str) -> bytes:
    """Return the MIME message of a letter, in 7 bits.

    Raises MailRefused for a letter that cannot be written, ValueError for a wrong `sender`, `reply_to` or `message_id`.
    """
    message = EmailMessage(_WIRE)
    from_address = _address(sender)
    message["Reply-To"] = _address(reply_to)
    message["Message-ID"] = _one_line(message_id)
    message["Date"] = localtime()
    message["Auto-Submitted"] = "auto-generated"
    try:
        message["From"] = _address(sender, _one_line(letter.sender_name)) if letter.sender_name else from_address
        message["To"] = _address(letter.to)
        message["Subject"] = _one_line(letter.subject)
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        for attachment in letter.attachments:
            content_type = _WIRE.header_factory("Content-Type", _one_line(attachment.content_type))
            message.add_attachment(
                attachment.content,
                maintype=content_type.maintype,
                subtype=content_type.subtype,
                params=dict(content_type.params),
                filename=_one_line(attachment.name),
            )
        message["Content-Language"] = _one_line(letter.language)  # last: an attachment moves the Content- headers
    except ValueError as error:
        raise MailRefused(str(error)) from error
    return message.as_bytes()


@functools.cache
def client() -> Any:
    """Return the SES client of this process. It makes no retries: after a timeout, a retry repeats a letter."""
    from botocore.config import Config  # noqa: PLC0415  only the mailer loads it
    from botocore.session import get_session  # noqa: PLC0415  the same

    config = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1})
    return get_session().create_client("ses", config=config)


class Pace:
    """Limits the letters per second of one mailer, whose threads share it.

    At most `mailers` of them run at a time (their reserved concurrency), and each has its share of the stage's rate.
    The first letter of a batch waits too, because another process may have ended its batch a moment ago.
    """

    def __init__(
        self, rate: int, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._gap, self._clock, self._sleep = 1 / rate, clock, sleep
        self._lock = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Begin a batch: its first letter is sent after one gap."""
        self._next = self._clock() + self._gap

    def wait(self) -> None:
        """Wait until the next letter may be sent."""
        with self._lock:
            early = self._next - self._clock()
            if early > 0:
                self._sleep(early)
            self._next = self._clock() + self._gap


@functools.cache
def pace() -> Pace:
    """Return the pace of this process: its share of the stage's rate."""
    return Pace(settings.current().mailer_rate)


def send(
    letter: Letter,
    key: str,
    *,
    sender: str | None = None,
    reply_to: str | None = None,
    client: Callable[[], Any] = client,
    pace: Callable[[], Pace] = pace,
) -> str:
    """Send a letter at the pace of the process, and return the message id of SES.

    `key` identifies the letter: sent again, it has the same Message-ID. `sender` defaults to the sender of the stage,
    `reply_to` to the sender. Raises MailRefused or MailAway.
    """
    from botocore import exceptions as aws  # noqa: PLC0415  see client

    sender = sender or settings.current().mail_from
    source = emails.deliverable(sender)
    message_id = f"<{key}@{source.rpartition('@')[2]}>"
    raw = mime(letter, sender=sender, reply_to=reply_to or sender, message_id=message_id)
    pace().wait()
    try:
        response = client().send_raw_email(
            Source=source, Destinations=[emails.deliverable(letter.to)], RawMessage={"Data": raw}
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
    return str(response["MessageId"])


def _one_line(value: str) -> str:
    if _NOT_ON_A_LINE.search(value):
        raise ValueError("a header is one line of text")
    return value


def _address(email: str, display_name: str = "") -> Address:
    """Return an e-mail address for a header. Raises ValueError for one that can receive no letter."""
    local, _, domain = emails.deliverable(email).rpartition("@")
    return Address(display_name, username=local, domain=domain)
