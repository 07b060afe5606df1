"""A letter before its layout, and the parts that all letters share: sender, facts of the appointment, links."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.person import Person
from chalicelib.domain.service import Service
from chalicelib.rendering.convocation import map_url
from chalicelib.rendering.i18n import Locale

Action = tuple[str, str]
"""The label of a button, and its URL."""
Body = tuple[list[str], list[Action]]
"""The sentences of a letter, and its actions."""


@dataclass(frozen=True, slots=True)
class Content:
    """A letter before its layout. A fact is a label and a value; the first two are the date and the time."""

    sender_name: str
    subject: str
    office: str
    greeting: str
    lines: tuple[str, ...]
    facts_title: str
    facts: tuple[tuple[str, str], ...]
    actions: tuple[Action, ...]
    steps_title: str
    steps: tuple[str, ...]
    documents: tuple[str, ...]
    notes: tuple[str, ...]
    """What else to know about the documents."""
    links: tuple[Action, ...]
    """Pages that help to prepare the appointment."""
    signature: tuple[str, ...]
    """The office and its postal address, in French."""
    closing: tuple[str, ...]
    codes: tuple[str, ...] = ()
    """The facts that a letter sets in a monospaced font, to be copied."""


def links(service: Service, link: str, locale: Locale) -> tuple[Action, ...]:
    """Return the page of the documents and the map. `link` is the URL of the request, which has the same root."""
    _, root = locale._, link.partition("/requests/")[0]
    return (
        (_("Liste des documents à apporter"), f"{root}/services/{service.id}/documents"),
        (_("Voir l’adresse sur une carte (OpenStreetMap)"), map_url(service)),
    )


def links_of_draw(service: Service, week: str | None, link: str, locale: Locale) -> tuple[Action, ...]:
    """Return the link to the public page of the draw of a week; none without a week."""
    root = link.partition("/requests/")[0]
    return ((locale._("La page publique de ce tirage"), f"{root}/services/{service.id}/draws/{week}"),) if week else ()


def sender_name(service: Service, locale: Locale) -> str:
    """Return the name of the office without what follows a comma, which may say what the appointment is about."""
    return locale._("{office} – rendez-vous").format(office=service.office.partition(",")[0])


def facts(
    service: Service, person: Person, locale: Locale, others: Sequence[tuple[str, str]] = ()
) -> tuple[tuple[str, str], ...]:
    """Return the facts of an appointment: a label and a value each; the first two are the date and the time.

    With `others`, it is that of several people: each of them with time and reference.
    """
    _ = locale._
    start, filed = service.start_of(person.seat), person.filed_at.astimezone(service.zone)
    return (
        (_("Date"), locale.full_date(start.date())),
        (_("Heure"), locale.time_of_day(start)),
        *others,
        (_("Durée"), locale.duration(service.slot)),
        (_("Nature"), locale.text(service.name)),
        (_("Lieu"), ", ".join((service.office, *service.postal_address))),
        *([] if others else [(_("Référence"), person.reference)]),
        (_("Déposée le"), f"{locale.full_date(filed.date())}, {locale.time_of_day(filed)}"),
    )
