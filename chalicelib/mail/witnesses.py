"""Tell the witnesses of a draw its promise and its root hash as soon as its lists are fixed."""

from collections.abc import Callable, Sequence
from datetime import datetime

from chalicelib import log, settings
from chalicelib.domain.languages import SOURCE
from chalicelib.domain.refusals import NotFound
from chalicelib.mail import ses
from chalicelib.rendering import templates
from chalicelib.rendering.i18n import locale_for
from chalicelib.storage import draw_store, service_store


def tell(service_id: str, week: str, addresses: Sequence[str], *, now: datetime, send: Callable[..., str]) -> None:
    """Send the promise and the root hash of a frozen draw to each witness, in French.

    A crash may repeat the letters. One address that cannot be written to does not keep the others from theirs.
    """
    try:
        service = service_store.read(service_id, now)
    except NotFound:  # it was withdrawn
        return
    draw = draw_store.read(service_id, week)
    if draw is None:
        return
    locale = locale_for(SOURCE)
    text = templates.render(
        "witness.txt",
        locale,
        "",
        service=service,
        record=draw.record,
        url=f"{settings.current().public_url}/services/{service_id}/draws/{week}",
    )
    html = templates.render("witness.html", locale, "", text=text)
    for number, witness in enumerate(addresses, start=1):
        letter = ses.Letter(witness, SUBJECT, text, html, locale.language)
        try:
            send(letter, f"witness.{service_id}.{week}.{number}", reply_to=service.reply_to)
        except ses.MailRefused as reason:
            log.event("mail-refused", {"MailsRefused": 1}, letter="witness", reason=str(reason))


SUBJECT = "Tirage au sort : promesse et empreinte des listes"
"""Witnesses are written to in French."""
