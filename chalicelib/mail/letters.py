"""The words of each letter. The templates `mail.*` do the layout."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.messages import N_
from chalicelib.domain.person import Person
from chalicelib.domain.service import Service
from chalicelib.rendering.i18n import Locale


class LetterKind(StrEnum):
    """What a letter is about. The values are stored in the marks of person items, and logged."""

    CONFIRM = "confirm"
    CONVOCATION = "convocation"
    REMINDER = "reminder"
    LINK = "link"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    DISPLACED = "displaced"
    MOVED = "moved"
    ATTEMPT = "attempt"


# A lock screen shows the subject, so it does not say what the appointment is about.
SUBJECTS = {
    LetterKind.CONFIRM: N_("Confirmez votre rendez-vous"),
    LetterKind.CONVOCATION: N_("Votre rendez-vous est confirmé : votre convocation"),
    LetterKind.REMINDER: N_("Votre rendez-vous approche"),
    LetterKind.LINK: N_("Votre lien pour gérer votre rendez-vous"),
    LetterKind.CANCELLED: N_("Votre rendez-vous est annulé"),
    LetterKind.EXPIRED: N_("Votre demande de rendez-vous a pris fin"),
    LetterKind.WITHDRAWN: N_("Votre rendez-vous ne pourra pas avoir lieu"),
    LetterKind.DISPLACED: N_("Votre rendez-vous doit changer de date"),
    LetterKind.MOVED: N_("Votre rendez-vous a changé de date : votre convocation"),
    LetterKind.ATTEMPT: N_("Votre rendez-vous n’a pas changé"),
}

Action = tuple[str, str]
"""The label of a button, and its URL."""
Body = tuple[list[str], list[Action]]
"""The sentences of a letter, and its actions."""


@dataclass(frozen=True, slots=True)
class Content:
    """A letter before its layout. A fact is a label and a value."""

    subject: str
    greeting: str
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    actions: tuple[Action, ...]
    closing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """The request that a letter is about. `until` is when the time to confirm, or to choose again, ends."""

    service: Service
    person: Person
    link: str
    locale: Locale
    until: datetime | None

    def delete(self) -> Action:
        """Return the action that leads to the cancellation."""
        return self.locale._("Supprimer ma demande"), f"{self.link}/cancellation"

    def show_convocation(self) -> Action:
        """Return the action that leads to the convocation."""
        return self.locale._("Voir ma convocation"), f"{self.link}/convocation"

    def show_appointment(self) -> Action:
        """Return the action that leads to the request."""
        return self.locale._("Voir mon rendez-vous"), self.link


def compose(
    kind: LetterKind, service: Service, person: Person, link: str, locale: Locale, *, until: datetime | None = None
) -> Content:
    """Compose a letter about one request, in the person's language. `link` is the absolute URL of the request.

    `until` is when the time to confirm, or to choose again, ends.
    """
    _ = locale._
    lines, actions = _BODIES[kind](Topic(service, person, link, locale, until))
    closing = (
        service.office,
        _("Une question ? Écrivez-nous : {contact}").format(contact=service.contact),
        _("Ce message est automatique."),
    )
    greeting = _("Bonjour {name},").format(name=f"{person.details.first_name} {person.details.last_name}")
    facts = _facts(service, person, locale)
    return Content(_(SUBJECTS[kind]), greeting, tuple(lines), facts, tuple(actions), closing)


def _facts(service: Service, person: Person, locale: Locale) -> tuple[tuple[str, str], ...]:
    _ = locale._
    start, filed = service.start_of(person.seat), person.filed_at.astimezone(service.zone)
    return (
        (_("Nature"), locale.text(service.name)),
        (_("Déposée le"), f"{locale.full_date(filed.date())}, {locale.time_of_day(filed)}"),
        (_("Date"), locale.full_date(start.date())),
        (_("Heure"), locale.time_of_day(start)),
        (_("Durée"), _("{minutes} minutes").format(minutes=service.minutes)),
        (_("Référence"), person.reference),
    )


def _confirm(topic: Topic) -> Body:
    service, person, locale, _ = topic.service, topic.person, topic.locale, topic.locale._
    before = (topic.until or service.confirm_before(person.seat, person.filed_at)).astimezone(service.zone)
    minutes = int((before - person.filed_at).total_seconds() // 60)
    lines = [
        _("Nous avons bien reçu votre demande de rendez-vous. Elle n’est pas encore confirmée."),
        _("Vous avez {minutes} minutes pour la confirmer ou la supprimer : jusqu’au {day}, {clock}.").format(
            minutes=locale.number(minutes),
            day=locale.full_date(before.date()),
            clock=locale.time_of_day(before),
        ),
        _("Sans confirmation, votre place sera rendue à d’autres personnes."),
    ]
    return lines, [(_("Confirmer ma demande"), topic.link), topic.delete()]


def _convocation(topic: Topic) -> Body:
    _ = topic.locale._
    return _with_convocation(topic, _("Nous vous confirmons que votre rendez-vous est enregistré."))


def _moved(topic: Topic) -> Body:
    _ = topic.locale._
    return _with_convocation(
        topic, _("Votre rendez-vous a changé de date. L’ancienne date et l’ancienne convocation ne valent plus.")
    )


def _with_convocation(topic: Topic, first_line: str) -> Body:
    _ = topic.locale._
    lines = [
        first_line,
        _("Votre convocation est jointe à ce message. Imprimez-la et apportez-la le jour du rendez-vous."),
        _("Venez 10 minutes en avance, avec une pièce d’identité."),
        _("Si vous ne pouvez pas venir, supprimez votre rendez-vous : une autre personne aura la place."),
    ]
    return lines, [topic.show_convocation(), topic.delete()]


def _reminder(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Votre rendez-vous approche."),
        _("Venez 10 minutes en avance, avec votre convocation imprimée, vos documents et une pièce d’identité."),
        _("Si vous ne pouvez pas venir, supprimez votre rendez-vous : une autre personne aura la place."),
    ]
    return lines, [topic.show_convocation(), topic.delete()]


def _link(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Vous avez demandé le lien de votre rendez-vous. Le voici."),
        _("Si vous n’avez rien demandé, vous n’avez rien à faire."),
    ]
    return lines, [topic.show_appointment(), topic.delete()]


def _attempt(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Quelqu’un a essayé de faire une autre demande à votre nom, ou avec votre adresse e-mail."),
        _("Cette demande a été refusée : une seule est possible à la fois. La vôtre n’a pas changé."),
        _("C’était vous ? Ouvrez votre demande pour la voir ou la changer. Sinon, vous n’avez rien à faire."),
    ]
    return lines, [topic.show_appointment()]


def _cancelled(topic: Topic) -> Body:
    _ = topic.locale._
    return [_("Votre rendez-vous est annulé. Vous n’avez rien d’autre à faire.")], []


def _expired(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Votre demande n’a pas été confirmée à temps. Votre place a été rendue."),
        _("Vous pouvez faire une nouvelle demande."),
    ]
    return lines, []


def _withdrawn(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Nous avons dû annuler votre rendez-vous. Nous vous prions de nous excuser."),
        _("Vous pouvez faire une nouvelle demande, ou nous écrire."),
    ]
    return lines, []


def _displaced(topic: Topic) -> Body:
    locale, _ = topic.locale, topic.locale._
    if topic.until is None:
        return [], []
    last = topic.until.astimezone(topic.service.zone)
    lines = [
        _("Nous ne pourrons pas vous recevoir à la date prévue. Nous vous prions de nous excuser."),
        _("Une autre place est gardée pour vous. Choisissez votre nouvelle date avant le {day}, {clock}.").format(
            day=locale.full_date(last.date()), clock=locale.time_of_day(last)
        ),
        _("Ensuite, cette place sera proposée à d’autres personnes."),
    ]
    return lines, [(_("Choisir une autre date"), f"{topic.link}/move")]


_BODIES: dict[LetterKind, Callable[[Topic], Body]] = {
    LetterKind.CONFIRM: _confirm,
    LetterKind.CONVOCATION: _convocation,
    LetterKind.REMINDER: _reminder,
    LetterKind.LINK: _link,
    LetterKind.CANCELLED: _cancelled,
    LetterKind.EXPIRED: _expired,
    LetterKind.WITHDRAWN: _withdrawn,
    LetterKind.DISPLACED: _displaced,
    LetterKind.MOVED: _moved,
    LetterKind.ATTEMPT: _attempt,
}
