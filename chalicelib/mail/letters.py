"""The words of each letter, as a good clerk would write them. No layout: `templates/mail.*` does that."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.messages import N_
from chalicelib.domain.person import Person
from chalicelib.domain.service import Service
from chalicelib.rendering.i18n import Locale

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

# On a lock screen a subject tells nothing of the matter.
SUBJECTS = {
    CONFIRM: N_("Confirmez votre rendez-vous"),
    CONVOCATION: N_("Votre rendez-vous est confirmé : votre convocation"),
    REMINDER: N_("Votre rendez-vous approche"),
    LINK: N_("Votre lien pour gérer votre rendez-vous"),
    CANCELLED: N_("Votre rendez-vous est annulé"),
    EXPIRED: N_("Votre demande de rendez-vous a pris fin"),
    WITHDRAWN: N_("Votre rendez-vous ne pourra pas avoir lieu"),
    DISPLACED: N_("Votre rendez-vous doit changer de date"),
    MOVED: N_("Votre rendez-vous a changé de date : votre convocation"),
    ATTEMPT: N_("Votre rendez-vous n’a pas changé"),
}


@dataclass(frozen=True, slots=True)
class Content:
    """A letter before it is laid out. An action is a label and a URL; a fact is a label and a value."""

    subject: str
    greeting: str
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    actions: tuple[tuple[str, str], ...]
    closing: tuple[str, ...]


def compose(
    kind: str, service: Service, person: Person, link: str, words: Locale, *, until: datetime | None = None
) -> Content:
    """One letter about one request, in the person's language; `link` is the absolute URL of the request.

    `until` is when the time to confirm, or to choose again, ends.
    """
    _ = words._
    start = service.start_of(person.seat)
    filed = person.filed_at.astimezone(service.zone)
    facts = [
        (_("Nature"), words.of(service.name)),
        (_("Déposée le"), f"{words.day(filed.date())}, {words.clock(filed)}"),
        (_("Date"), words.day(start.date())),
        (_("Heure"), words.clock(start)),
        (_("Durée"), _("{minutes} minutes").format(minutes=service.minutes)),
        (_("Référence"), person.reference),
    ]
    delete = (_("Supprimer ma demande"), f"{link}/cancellation")
    lines: list[str] = []
    actions: list[tuple[str, str]] = []
    if kind == CONFIRM:
        before = (until or service.confirm_before(person.seat, person.filed_at)).astimezone(service.zone)
        minutes = int((before - filed).total_seconds() // 60)
        lines = [
            _("Nous avons bien reçu votre demande de rendez-vous. Elle n’est pas encore confirmée."),
            _("Vous avez {minutes} minutes pour la confirmer ou la supprimer : jusqu’au {day}, {clock}.").format(
                minutes=words.number(minutes),
                day=words.day(before.date()),
                clock=words.clock(before),
            ),
            _("Sans confirmation, votre place sera rendue à d’autres personnes."),
        ]
        actions = [(_("Confirmer ma demande"), link), delete]
    elif kind in {CONVOCATION, MOVED}:
        lines = [
            _("Votre rendez-vous a changé de date. L’ancienne date et l’ancienne convocation ne valent plus.")
            if kind == MOVED
            else _("Nous vous confirmons que votre rendez-vous est enregistré."),
            _("Votre convocation est jointe à ce message. Imprimez-la et apportez-la le jour du rendez-vous."),
            _("Venez 10 minutes en avance, avec une pièce d’identité."),
            _("Si vous ne pouvez pas venir, supprimez votre rendez-vous : une autre personne aura la place."),
        ]
        actions = [(_("Voir ma convocation"), f"{link}/convocation"), delete]
    elif kind == REMINDER:
        lines = [
            _("Votre rendez-vous approche."),
            _("Venez 10 minutes en avance, avec votre convocation imprimée, vos documents et une pièce d’identité."),
            _("Si vous ne pouvez pas venir, supprimez votre rendez-vous : une autre personne aura la place."),
        ]
        actions = [(_("Voir ma convocation"), f"{link}/convocation"), delete]
    elif kind == LINK:
        lines = [
            _("Vous avez demandé le lien de votre rendez-vous. Le voici."),
            _("Si vous n’avez rien demandé, vous n’avez rien à faire."),
        ]
        actions = [(_("Voir mon rendez-vous"), link), delete]
    elif kind == ATTEMPT:
        lines = [
            _("Quelqu’un a essayé de faire une autre demande à votre nom, ou avec votre adresse e-mail."),
            _("Cette demande a été refusée : une seule est possible à la fois. La vôtre n’a pas changé."),
            _("C’était vous ? Ouvrez votre demande pour la voir ou la changer. Sinon, vous n’avez rien à faire."),
        ]
        actions = [(_("Voir mon rendez-vous"), link)]
    elif kind == CANCELLED:
        lines = [_("Votre rendez-vous est annulé. Vous n’avez rien d’autre à faire.")]
    elif kind == EXPIRED:
        lines = [
            _("Votre demande n’a pas été confirmée à temps. Votre place a été rendue."),
            _("Vous pouvez faire une nouvelle demande."),
        ]
    elif kind == WITHDRAWN:
        lines = [
            _("Nous avons dû annuler votre rendez-vous. Nous vous prions de nous excuser."),
            _("Vous pouvez faire une nouvelle demande, ou nous écrire."),
        ]
    elif kind == DISPLACED and until:
        last = until.astimezone(service.zone)
        lines = [
            _("Nous ne pourrons pas vous recevoir à la date prévue. Nous vous prions de nous excuser."),
            _("Une autre place est gardée pour vous. Choisissez votre nouvelle date avant le {day}, {clock}.").format(
                day=words.day(last.date()), clock=words.clock(last)
            ),
            _("Ensuite, cette place sera proposée à d’autres personnes."),
        ]
        actions = [(_("Choisir une autre date"), f"{link}/move")]
    closing = (
        service.office,
        _("Une question ? Écrivez-nous : {contact}").format(contact=service.contact),
        _("Ce message est automatique."),
    )
    greeting = _("Bonjour {name},").format(name=f"{person.details.first_name} {person.details.last_name}")
    return Content(_(SUBJECTS[kind]), greeting, tuple(lines), tuple(facts), tuple(actions), closing)
