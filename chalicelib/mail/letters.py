"""The words of each letter. The templates `mail.*` do the layout."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain import names
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Person
from chalicelib.domain.seat import week_of
from chalicelib.domain.service import Service
from chalicelib.mail import draw_letters, family_letters, letter_parts
from chalicelib.mail.draw_letters import EntryFacts, Notice
from chalicelib.mail.family_letters import ALONE, Family
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.mail.letter_parts import Action, Body, Content
from chalicelib.rendering.i18n import Locale

# A lock screen shows the subject, so it does not say what the appointment is about.
SUBJECTS = {
    LetterKind.CONFIRM: N_("Confirmez votre demande de rendez-vous"),
    LetterKind.CONVOCATION: N_("Votre rendez-vous est confirmé : votre convocation"),
    LetterKind.REMINDER: N_("Votre rendez-vous approche"),
    LetterKind.LINK: N_("Votre lien pour gérer votre demande de rendez-vous"),
    LetterKind.CANCELLED: N_("Votre rendez-vous est annulé"),
    LetterKind.DELETED: N_("Votre demande de rendez-vous est supprimée"),
    LetterKind.EXPIRED: N_("Votre demande de rendez-vous a pris fin"),
    LetterKind.WITHDRAWN: N_("Votre rendez-vous ne pourra pas avoir lieu"),
    LetterKind.DISPLACED: N_("Votre rendez-vous doit changer de date"),
    LetterKind.MOVED: N_("Votre rendez-vous a changé de date : votre convocation"),
    LetterKind.ATTEMPT: N_("Votre demande de rendez-vous n’a pas changé"),
    LetterKind.DRAWN: N_("Vous avez été tiré au sort : confirmez votre rendez-vous"),
    LetterKind.OFFERED: N_("Un rendez-vous est libre pour vous : confirmez-le"),
    LetterKind.ENTRY: N_("Confirmez votre inscription au tirage au sort"),
    LetterKind.ENTERED: N_("Vous êtes inscrit au tirage au sort"),
    LetterKind.NOT_DRAWN: N_("Le résultat du tirage au sort"),
    LetterKind.ENDS_SOON: N_("Votre inscription se termine bientôt"),
    LetterKind.LEFT: N_("Vous n’êtes plus inscrit au tirage au sort"),
    LetterKind.ENDED: N_("Votre inscription a pris fin"),
}

_APPOINTMENT = {LetterKind.CONVOCATION, LetterKind.MOVED, LetterKind.REMINDER}
"""Letters about a confirmed appointment. They list the documents to bring."""
_ENDED = {
    LetterKind.CANCELLED,
    LetterKind.DELETED,
    LetterKind.EXPIRED,
    LetterKind.WITHDRAWN,
    LetterKind.DISPLACED,
}
"""Letters about a slot that the person no longer has."""


@dataclass(frozen=True, slots=True)
class Topic:
    """The request that a letter is about. `until` is when the time to confirm, or to choose again, ends."""

    service: Service
    person: Person
    link: str
    locale: Locale
    until: datetime | None

    def delete(self) -> Action:
        """Return the action that leads to the cancellation of a request."""
        return self.locale._("Supprimer ma demande"), f"{self.link}/cancellation"

    def cancel(self) -> Action:
        """Return the action that leads to the cancellation of an appointment."""
        return self.locale._("Annuler mon rendez-vous"), f"{self.link}/cancellation"

    def show_convocation(self) -> Action:
        """Return the action that leads to the convocation."""
        return self.locale._("Voir ma convocation"), f"{self.link}/convocation"

    def show_appointment(self) -> Action:
        """Return the action that leads to the request."""
        return self.locale._("Voir et gérer ma demande de rendez-vous"), self.link


def compose(
    kind: LetterKind,
    service: Service,
    person: Person,
    link: str,
    locale: Locale,
    *,
    until: datetime | None = None,
    entry: EntryFacts | None = None,
    family: Family = ALONE,
) -> Content:
    """Compose a letter about one request, in the person's language. `link` is the absolute URL of the request.

    `until` is when the time to confirm, or to choose again, ends. `entry` is there if the request is an entry. `family`
    has all who were booked together.
    """
    _, details = locale._, person.details
    notice = Notice(service, link, locale, entry) if entry else None
    if notice and kind in draw_letters.BODIES:
        lines, actions = draw_letters.BODIES[kind](notice)
    else:
        lines, actions = _BODIES[kind](Topic(service, person, link, locale, until))
        lines = [*lines, *_lines_of_office(kind, person, family, locale)]
    others = family_letters.facts(service, family, locale) if family.is_several and kind in _APPOINTMENT else ()
    managed = family_letters.links(person, family, locale) if others else ()
    facts_title = _("Votre inscription") if notice else _facts_title(kind, locale)
    steps_title, steps = _steps(kind, locale)
    lists_documents = kind in _APPOINTMENT
    is_drawn = kind in {LetterKind.DRAWN, LetterKind.OFFERED}
    week = entry.published if entry else week_of(service.start_of(person.seat).date()) if is_drawn else None
    of_draw = letter_parts.links_of_draw(service, week, link, locale)
    return Content(
        sender_name=letter_parts.sender_name(service, locale),
        subject=_(SUBJECTS[kind]),
        office=service.office,
        greeting=_("Bonjour {name},").format(name=names.full_name(details.first_name, details.last_name)),
        lines=tuple(lines),
        facts_title=facts_title,
        facts=draw_letters.facts_of(notice, person) if notice else letter_parts.facts(service, person, locale, others),
        actions=tuple(actions),
        steps_title=steps_title,
        steps=steps,
        documents=tuple(locale.text(text) for text in service.documents) if lists_documents else (),
        notes=tuple(locale.text(text) for text in service.documents_note) if lists_documents else (),
        links=of_draw if notice or kind in _ENDED else (*managed, *letter_parts.links(service, link, locale), *of_draw),
        signature=(service.office, *service.postal_address),
        closing=(
            _("Une question ? {contact}").format(contact=locale.text(service.contact)),
            _("Cet e-mail est automatique."),
        ),
        codes=(person.reference, *(draw_letters.codes_of(entry) if entry else ())),
    )


def _lines_of_office(kind: LetterKind, person: Person, family: Family, locale: Locale) -> list[str]:
    """Return what a letter about an appointment adds if an agent booked it, for one person or for several."""
    _, lines = locale._, []
    if kind not in _APPOINTMENT:
        return []
    if family.renewed:
        lines.append(
            _("Le rendez-vous d’une personne de votre groupe a changé. Cette convocation remplace la précédente.")
        )
    if family.is_several:
        lines.append(
            _("Ce rendez-vous est pour {number} personnes. Chacune a son heure et sa référence.").format(
                number=locale.number(len(family.members))
            )
        )
    if person.booked_by and kind is LetterKind.CONVOCATION:
        lines.append(
            _("Ce rendez-vous a été pris pour vous, à votre demande. Vous n’avez rien demandé ? Écrivez-nous.")
        )
    return lines


def _facts_title(kind: LetterKind, locale: Locale) -> str:
    _ = locale._
    if kind in _ENDED:
        return _("Le créneau qui n’est plus à votre nom")
    return _("Votre rendez-vous") if kind in _APPOINTMENT else _("Votre demande")


def _steps(kind: LetterKind, locale: Locale) -> tuple[str, tuple[str, ...]]:
    """Return what happens next, with a title; nothing for a letter that ends something or answers a question."""
    _ = locale._
    day = _(
        "Le jour du rendez-vous, venez 10 minutes en avance, avec la convocation imprimée, vos documents et une pièce "
        "d’identité."
    )
    if kind in {LetterKind.CONFIRM, LetterKind.DRAWN, LetterKind.OFFERED}:
        return _("Après la confirmation"), (
            _("Votre convocation arrive par e-mail. Imprimez-la."),
            _("Préparez les documents à apporter."),
            day,
        )
    if kind in _APPOINTMENT:
        steps = (_("Imprimez votre convocation."), _("Préparez les documents à apporter."), day)
        return _("Ce qui se passe maintenant"), steps
    return "", ()


def _confirm(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Nous avons bien reçu votre demande de rendez-vous. Elle n’est pas encore confirmée."),
        *_time_to_confirm(topic),
    ]
    return lines, [(_("Confirmer ma demande"), topic.link), topic.delete()]


def _time_to_confirm(topic: Topic) -> list[str]:
    """Say how much time there was to confirm, and until when. A draw gives the whole time of the service."""
    service, person, locale, _ = topic.service, topic.person, topic.locale, topic.locale._
    before = (topic.until or service.confirm_before(person.seat, person.filed_at)).astimezone(service.zone)
    return [
        _("Vous avez {time} pour la confirmer ou la supprimer : jusqu’au {day}, {clock}.").format(
            time=locale.duration(min(before - person.filed_at, service.limits.confirm)),
            day=locale.full_date(before.date()),
            clock=locale.time_of_day(before),
        ),
        _("Sans confirmation, le créneau sera proposé à d’autres personnes."),
    ]


def _drawn(topic: Topic) -> Body:
    return _awarded(topic, topic.locale._("Vous avez été tiré au sort. Votre demande de rendez-vous est prête."))


def _offered(topic: Topic) -> Body:
    return _awarded(topic, topic.locale._("Un rendez-vous s’est libéré, et c’est votre tour. Votre demande est prête."))


def _awarded(topic: Topic, first_line: str) -> Body:
    return [first_line, *_time_to_confirm(topic)], [
        (topic.locale._("Confirmer ma demande"), topic.link),
        topic.delete(),
    ]


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
        _("Votre convocation est jointe à cet e-mail, en PDF. La même convocation existe en page web accessible."),
        _("Si vous ne pouvez pas venir, annulez votre rendez-vous : il servira à une autre personne."),
    ]
    return lines, [topic.show_convocation(), topic.cancel()]


def _reminder(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Votre rendez-vous approche."),
        _("Si vous ne pouvez pas venir, annulez votre rendez-vous : il servira à une autre personne."),
    ]
    return lines, [topic.show_convocation(), topic.cancel()]


def _link(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Vous avez demandé le lien de votre demande de rendez-vous. Le voici."),
        _("Si vous n’avez rien demandé, vous n’avez rien à faire."),
    ]
    return lines, [topic.show_appointment()]


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


def _deleted(topic: Topic) -> Body:
    _ = topic.locale._
    return [_("Votre demande de rendez-vous est supprimée. Vous n’avez rien d’autre à faire.")], []


def _expired(topic: Topic) -> Body:
    _ = topic.locale._
    lines = [
        _("Votre demande n’a pas été confirmée à temps : le créneau sera proposé à d’autres personnes."),
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
        _("Un autre créneau est gardé pour vous. Choisissez votre nouvelle date avant le {day}, {clock}.").format(
            day=locale.full_date(last.date()), clock=locale.time_of_day(last)
        ),
        _("Ensuite, ce créneau sera proposé à d’autres personnes."),
    ]
    return lines, [(_("Choisir une autre date"), f"{topic.link}/move")]


_BODIES: dict[LetterKind, Callable[[Topic], Body]] = {
    LetterKind.CONFIRM: _confirm,
    LetterKind.DRAWN: _drawn,
    LetterKind.OFFERED: _offered,
    LetterKind.CONVOCATION: _convocation,
    LetterKind.REMINDER: _reminder,
    LetterKind.LINK: _link,
    LetterKind.CANCELLED: _cancelled,
    LetterKind.DELETED: _deleted,
    LetterKind.EXPIRED: _expired,
    LetterKind.WITHDRAWN: _withdrawn,
    LetterKind.DISPLACED: _displaced,
    LetterKind.MOVED: _moved,
    LetterKind.ATTEMPT: _attempt,
}
