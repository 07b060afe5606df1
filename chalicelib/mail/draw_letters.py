"""The words of the letters about an entry in the draws. `letters` composes them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.draw_window import Window
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Person
from chalicelib.domain.seat import monday_of
from chalicelib.domain.service import Service
from chalicelib.mail.letter_parts import Action, Body
from chalicelib.rendering import half_days
from chalicelib.rendering.i18n import Locale


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What a letter says about an entry: `window` is the next one in which it can take part."""

    entry: Entry
    window: Window | None
    waited: int
    rank: int | None
    promise: str | None
    published: str | None = None
    """The week of the draw whose public page the letter links to."""


@dataclass(frozen=True, slots=True)
class Notice:
    """The entry that a letter is about."""

    service: Service
    link: str
    locale: Locale
    facts: EntryFacts

    def moment(self, at: datetime) -> str:
        """Write a moment in the time zone of the service."""
        local = at.astimezone(self.service.zone)
        return f"{self.locale.full_date(local.date())}, {self.locale.time_of_day(local)}"

    def show(self) -> Action:
        """Return the action that leads to the page of the entry."""
        return self.locale._("Voir et changer mon inscription"), self.link

    def leave(self) -> Action:
        """Return the action that leads to the way out."""
        return self.locale._("Quitter le tirage au sort"), f"{self.link}/cancellation"


def facts_of(notice: Notice, person: Person) -> tuple[tuple[str, str], ...]:
    """Return the facts of an entry: a label and a value each."""
    locale, _, facts, service = notice.locale, notice.locale._, notice.facts, notice.service
    wishes = ", ".join(half_days.name(wish, locale) for wish in facts.entry.preferences if wish)
    lines = [(_("Prochain tirage"), _week(notice, facts.window))] if facts.window else []
    lines += [(_("Vos choix, dans l’ordre"), wishes), (_("Nature"), locale.text(service.name))]
    if facts.entry.receipt:
        lines.append((_("Votre reçu"), facts.entry.receipt))
    if facts.promise:
        lines.append((_("Promesse de ce tirage"), facts.promise))
    return (*lines, (_("Référence"), person.reference))


def codes_of(facts: EntryFacts) -> tuple[str, ...]:
    """Return the facts that people compare letter by letter."""
    return tuple(filter(None, (facts.entry.receipt, facts.promise)))


def _week(notice: Notice, window: Window) -> str:
    day = notice.locale.full_date(monday_of(window.week))
    return notice.locale._("semaine du {day}").format(day=day)


def _confirm(notice: Notice) -> Body:
    _, window, until = notice.locale._, notice.facts.window, notice.facts.entry.until
    lines = [_("Vous n’êtes pas encore inscrit au tirage au sort. Confirmez votre inscription.")]
    if window:
        before = _("Confirmez avant le {moment} pour participer au prochain tirage.")
        lines.append(before.format(moment=notice.moment(window.closes)))
    if until:
        lines.append(_("Le lien est valable jusqu’au {moment}.").format(moment=notice.moment(until)))
    lines.append(_("Confirmer vite ne change rien à vos chances."))
    return lines, [(_("Confirmer mon inscription"), notice.link), notice.leave()]


def _entered(notice: Notice) -> Body:
    _ = notice.locale._
    if not notice.facts.window:
        return [_no_draws(notice)], [notice.show()]
    lines = [
        _("Vous êtes inscrit au tirage au sort. Vous n’avez plus rien à faire."),
        _("Nous vous écrivons après le tirage, que vous soyez tiré au sort ou non."),
        _("Gardez cet e-mail : le reçu et la promesse permettent de vérifier le tirage."),
        _("Gardez votre reçu pour vous : avec lui, tout le monde peut lire la date et l’heure de votre rendez-vous."),
    ]
    return lines, [notice.show(), notice.leave()]


def _not_drawn(notice: Notice) -> Body:
    locale, _, facts = notice.locale, notice.locale._, notice.facts
    lines = [
        _("Vous n’avez pas été tiré au sort cette fois."),
        _("Votre rang : {rank}. Tirages perdus : {waited}.").format(
            rank=locale.number(facts.rank or 0), waited=locale.number(facts.waited)
        ),
        _("Si un rendez-vous se libère, nous le proposons dans l’ordre des rangs."),
        _("Vous participez déjà au prochain tirage : vous n’avez rien à faire.") if facts.window else _no_draws(notice),
    ]
    return lines, [notice.show(), notice.leave()]


def _ends_soon(notice: Notice) -> Body:
    _, until = notice.locale._, notice.facts.entry.until
    lines = [
        _("Votre inscription se termine le {moment}.").format(moment=notice.moment(until) if until else ""),
        _("Pour rester inscrit, ouvrez la page et appuyez sur « Rester inscrit 26 semaines de plus »."),
        _("Vous gardez votre reçu et votre ancienneté."),
    ]
    return lines, [notice.show()]


def _left(notice: Notice) -> Body:
    _ = notice.locale._
    lines = [_("Vous n’êtes plus inscrit au tirage au sort. Vous pouvez vous inscrire de nouveau.")]
    return lines if notice.facts.window else [_no_draws(notice)], []


def _ended(notice: Notice) -> Body:
    _ = notice.locale._
    lines = [_("Votre inscription au tirage au sort a pris fin. Vous pouvez vous inscrire de nouveau.")]
    return lines if notice.facts.window else [_no_draws(notice)], []


def _no_draws(notice: Notice) -> str:
    """Say what to do where seats are no longer drawn."""
    _ = notice.locale._
    return _("Ce service ne fait plus de tirage au sort. Vous pouvez prendre un rendez-vous sur la page du service.")


BODIES: dict[str, Callable[[Notice], Body]] = {
    "entry": _confirm,
    "entered": _entered,
    "not-drawn": _not_drawn,
    "ends-soon": _ends_soon,
    "left": _left,
    "ended": _ended,
}
"""The body of each letter about an entry, by its kind."""
