"""The inbox of the local stack: a mail server that keeps its e-mails in memory, and a web page that shows them."""

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from infra.local.settings import HOST, any_port

LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}}pre{{white-space:pre-wrap}}
td,th{{padding:.2rem 1rem .2rem 0;text-align:left;vertical-align:top}}iframe{{width:100%;height:40rem;border:1px solid}}
</style>
<h1>{title}</h1>{body}"""


@dataclass(frozen=True)
class Letter:
    """An e-mail as it arrived."""

    id: int
    to: list[str]
    at: datetime
    mime: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.mime["subject"] or "")

    def body(self, kind: str) -> str:
        """Return the part of this kind, "plain" or "html"; empty if there is none."""
        part = self.mime.get_body((kind,))
        return str(part.get_content()) if part else ""

    def attachments(self) -> list[tuple[str, str, bytes]]:
        """Return the name, the type and the content of each attachment."""
        parts = [part for part in self.mime.iter_attachments() if isinstance(part, EmailMessage)]
        contents = [part.get_payload(decode=True) for part in parts]
        return [
            (part.get_filename() or "unnamed", part.get_content_type(), content if isinstance(content, bytes) else b"")
            for part, content in zip(parts, contents, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        files = enumerate(self.attachments())
        return {
            "id": self.id,
            "to": self.to,
            "subject": self.subject,
            "date": self.at.isoformat(),
            "text": self.body("plain"),
            "html": self.body("html"),
            "headers": {name: str(value) for name, value in self.mime.items()},
            "attachments": [
                {"name": name, "type": kind, "size": len(content), "url": f"/messages/{self.id}/{number}"}
                for number, (name, kind, content) in files
            ],
        }


@dataclass
class Inbox:
    """The URLs of the mail server and of the page, and the e-mails received, oldest first."""

    smtp: str = ""
    url: str = ""
    letters: list[Letter] = field(default_factory=list)
    count: int = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        mime = message_from_bytes(envelope.original_content or b"", policy=default)
        self.count += 1
        self.letters.append(Letter(self.count, list(envelope.rcpt_tos), datetime.now(UTC), mime))
        return "250 OK"

    def find(self, number: str) -> Letter | None:
        return next((letter for letter in self.letters if str(letter.id) == number), None)


class InboxPage(BaseHTTPRequestHandler):
    """GET / · /messages.json · /messages/{id} · /messages/{id}/{attachment}; DELETE /messages."""

    inbox: Inbox

    def do_GET(self) -> None:
        match self.path.strip("/").split("/"):
            case [""]:
                self.page("Inbox", self.listing())
            case ["messages.json"]:
                letters = [letter.to_json() for letter in reversed(self.inbox.letters)]
                self.reply(json.dumps(letters).encode(), "application/json")
            case ["messages", number] if letter := self.inbox.find(number):
                self.page(letter.subject, letter_page(letter))
            case ["messages", number, file] if (letter := self.inbox.find(number)) and re.fullmatch("[0-9]+", file):
                self.file(letter, int(file))
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def do_DELETE(self) -> None:
        self.inbox.letters.clear()
        self.reply(b"", "text/plain", HTTPStatus.NO_CONTENT)

    def listing(self) -> str:
        rows = "".join(
            f"<tr><td>{letter.at.astimezone():%H:%M:%S}<td>{esc(', '.join(letter.to))}"
            f'<td><a href="/messages/{letter.id}">{esc(letter.subject) or "(no subject)"}</a>'
            for letter in reversed(self.inbox.letters)
        )
        return (
            f"<table><tr><th>Time<th>To<th>Subject{rows}</table>"
            if rows
            else "<p>No mail yet. Reload to look again.</p>"
        )

    def file(self, letter: Letter, number: int) -> None:
        files = letter.attachments()
        if number >= len(files):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        name, kind, content = files[number]
        safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
        self.reply(content, kind, headers={"Content-Disposition": f'attachment; filename="{safe}"'})

    def page(self, title: str, body: str) -> None:
        self.reply(PAGE.format(title=esc(title), body=body).encode(), "text/html; charset=utf-8")

    def reply(
        self, content: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        common = {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Content-Type": kind,
            "Content-Length": str(len(content)),
        }
        for name, value in (common | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write no log: the paths and e-mail addresses are personal data."""


def esc(text: str) -> str:
    return html.escape(text)


def letter_page(letter: Letter) -> str:
    """Return the HTML that shows an e-mail. The e-mail's own HTML is in a sandboxed frame, so no script of it runs."""
    text = LINK.sub(lambda link: f'<a href="{link[0]}">{link[0]}</a>', esc(letter.body("plain")))
    frame = '<base target="_blank">' + letter.body("html")
    files = "".join(
        f'<li><a href="/messages/{letter.id}/{number}">{esc(name)}</a> ({esc(kind)}, {len(content)} bytes)'
        for number, (name, kind, content) in enumerate(letter.attachments())
    )
    headers = "".join(f"<tr><th>{esc(name)}<td>{esc(str(value))}" for name, value in letter.mime.items())
    return (
        f'<p><a href="/">All mails</a></p><table>{headers}</table><h2>Text</h2><pre>{text}</pre><h2>HTML</h2>'
        f'<iframe title="HTML" sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="{esc(frame)}"></iframe>'
        f"<h2>Attachments</h2><ul>{files}</ul>"
    )


@contextmanager
def serving(port: int = 0) -> Iterator[Inbox]:
    """Run an inbox for as long as the block lasts. It listens on this machine only; port 0 is any free one."""
    inbox = Inbox()
    mail = Controller(inbox, hostname=HOST, port=any_port(), ready_timeout=10)
    page = ThreadingHTTPServer((HOST, port), type("BoundInboxPage", (InboxPage,), {"inbox": inbox}))
    mail.start()
    Thread(target=page.serve_forever, daemon=True).start()
    inbox.smtp = f"{HOST}:{mail.port}"
    inbox.url = f"http://{HOST}:{page.server_port}/"
    try:
        yield inbox
    finally:
        page.shutdown()
        page.server_close()
        mail.stop()
