"""Texts on paper about an entry in the draws: the receipt that the office prints, and what it says on the phone."""

from dataclasses import dataclass

from chalicelib.domain.call import Call, Reason
from chalicelib.domain.draw_window import Window
from chalicelib.domain.entry import Entry
from chalicelib.domain.languages import SOURCE
from chalicelib.domain.person import Person
from chalicelib.domain.seat import SeatKey, monday_of
from chalicelib.domain.service import Service
from chalicelib.rendering import half_days
from chalicelib.rendering.i18n import Locale, locale_for


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the receipt of an entry says. `window` is the one of its next draw."""

    service: Service
    person: Person
    entry: Entry
    window: Window | None
    promise: str | None


def receipt_text(receipt: Receipt) -> str:
    """Write the receipt of an entry in French and then, if it is another one, in the language of the person."""
    locales = [locale_for(language) for language in dict.fromkeys((SOURCE, receipt.person.details.language))]
    return "\n\n".join("\n".join(_lines(receipt, locale)) for locale in locales) + "\n"


def _lines(receipt: Receipt, locale: Locale) -> list[str]:
    _, service, details, entry = locale._, receipt.service, receipt.person.details, receipt.entry
    facts = [
        (_("Prénom"), details.first_name),
        (_("Nom"), details.last_name),
        (_("Date de naissance"), locale.long_date(details.birth_date)),
        (_("Vos choix, dans l’ordre"), ", ".join(half_days.name(wish, locale) for wish in entry.preferences)),
        (_("Référence"), receipt.person.reference),
        (_("Votre reçu"), entry.receipt),
    ]
    if receipt.window:
        day = locale.full_date(monday_of(receipt.window.week))
        facts.append((_("Prochain tirage"), _("semaine du {day}").format(day=day)))
    if receipt.promise:
        facts.append((_("Promesse de ce tirage"), receipt.promise))
    lines = [locale.text(service.name), "", _("Vous êtes inscrit au tirage au sort. Vous n’avez plus rien à faire.")]
    lines += [_("Nous vous appelons ou nous vous écrivons si vous êtes tiré au sort."), ""]
    lines += [f"{label} : {value}" for label, value in facts]
    if entry.until:
        local = entry.until.astimezone(service.zone)
        moment = f"{locale.full_date(local.date())}, {locale.time_of_day(local)}"
        lines += ["", _("Votre inscription se termine le {moment}.").format(moment=moment)]
    lines.append(_("Gardez ce papier : le reçu et la promesse permettent de vérifier le tirage."))
    lines.append(_("Ne montrez votre reçu à personne : il révèle la date de votre rendez-vous."))
    return lines


def words_of(call: Call, service: Service) -> str:
    """Return what the office says to somebody, in French: it is for agents, so it has no translation."""
    sentences = _WORDS[call.reason].format(
        appointment=_appointment(call.seat, service) if call.seat else "",
        rank=call.rank,
        waited=call.waited,
        until=locale_for(SOURCE).full_date(call.until.astimezone(service.zone).date()) if call.until else "",
    )
    return f"{sentences} Référence : {call.person.reference}."


_WORDS = {
    Reason.DRAWN: "Vous avez été tiré au sort. Votre rendez-vous est confirmé : {appointment}. "
    "Venez avec les documents demandés. Si vous ne pouvez pas venir, dites-le-nous.",
    Reason.OFFERED: "Un rendez-vous s’est libéré, et il est pour vous. Il est confirmé : {appointment}. "
    "Venez avec les documents demandés. Si vous ne pouvez pas venir, dites-le-nous.",
    Reason.DISPLACED: "Votre rendez-vous du {appointment} ne peut pas avoir lieu. Nous en cherchons un autre.",
    Reason.NOT_DRAWN: "Vous n’avez pas été tiré au sort cette fois. Rang : {rank}. Tirages perdus : {waited}. "
    "Vous participez déjà au prochain tirage : vous n’avez rien à faire.",
    Reason.ENDS_SOON: "Votre inscription se termine le {until}. Voulez-vous rester inscrit ? Vous gardez votre reçu.",
}


def _appointment(seat: SeatKey, service: Service) -> str:
    locale, start = locale_for(SOURCE), service.start_of(seat)
    return f"{locale.full_date(seat.day)}, {locale.time_of_day(start)}, {', '.join(service.postal_address)}"
