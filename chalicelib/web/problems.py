"""Refusals as problems (RFC 9457): one table from each refusal to its status, code and title."""

from dataclasses import replace
from typing import Any

from chalicelib.domain import refusals
from chalicelib.domain.messages import N_
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import week_of
from chalicelib.domain.service import Text
from chalicelib.rendering.i18n import Locale
from chalicelib.web.reply import Problem

STATUS_OF: dict[type[Refusal], tuple[int, str, str]] = {
    refusals.NotFound: (404, "not-found", N_("Cette page n’existe pas, ou n’existe plus.")),
    refusals.WrongMethod: (405, "wrong-method", N_("Cette page ne s’ouvre pas de cette façon.")),
    refusals.InvalidFields: (422, "invalid-fields", N_("Il y a une erreur dans ce que vous avez écrit.")),
    refusals.ConditionsNotAccepted: (
        422,
        "conditions-not-accepted",
        N_("Cochez la case pour dire que vous avez lu et accepté les conditions."),
    ),
    refusals.SlotTaken: (409, "slot-taken", N_("Une autre personne vient de prendre ce créneau.")),
    refusals.NothingFree: (409, "nothing-free", N_("Il n’y a plus de créneau libre pour le moment.")),
    refusals.NotOpenYet: (409, "not-open-yet", N_("Ce créneau n’est pas encore ouvert.")),
    refusals.NotFull: (
        409,
        "not-full",
        N_("Il reste au moins un rendez-vous libre. Une attestation n’est donnée que si tout est complet."),
    ),
    refusals.AttestationTooOld: (
        410,
        "attestation-too-old",
        N_("Cette attestation a plus de trois ans. Elle est trop ancienne pour être vérifiée."),
    ),
    refusals.WrongAllocation: (
        409,
        "wrong-allocation",
        N_("Ce service a changé la façon de donner ses rendez-vous. Revenez à sa page."),
    ),
    refusals.NotInWindow: (409, "not-in-window", N_("On ne peut pas s’inscrire au tirage au sort en ce moment.")),
    refusals.NotYourTurn: (
        409,
        "not-your-turn",
        N_("Ce n’est pas encore votre tour. Votre place dans l’ordre est gardée."),
    ),
    refusals.CaptchaRequired: (409, "captcha-required", N_("Recopiez d’abord les caractères de sécurité.")),
    refusals.CaptchaWrong: (422, "captcha-wrong", N_("Ce ne sont pas les bons caractères.")),
    refusals.CaptchaSpent: (409, "captcha-spent", N_("Cette image n’est plus valable. En voici une autre.")),
    refusals.HoldExpired: (410, "hold-over", N_("Votre créneau n’est plus gardé.")),
    refusals.AlreadyRequested: (
        409,
        "already-requested",
        N_("Vous avez déjà une demande de rendez-vous. Une seule est possible à la fois."),
    ),
    refusals.Paused: (503, "paused", N_("Ce service est en pause.")),
    refusals.NoMovesLeft: (
        409,
        "moves-spent",
        N_("Vous ne pouvez plus changer de date. Vous pouvez garder ce rendez-vous ou l’annuler."),
    ),
    refusals.AppointmentBegun: (
        409,
        "appointment-begun",
        N_("Le guichet a déjà noté ce qu’est devenu ce rendez-vous. Vous ne pouvez plus rien y changer ici."),
    ),
    refusals.LinkExpired: (410, "link-over", N_("Ce lien n’est plus valable.")),
    refusals.CrossSite: (403, "cross-site", N_("Votre envoi vient d’un autre site. Rien n’a été enregistré.")),
    refusals.TooManyRequests: (
        429,
        "too-many-requests",
        N_("Beaucoup de personnes se connectent. Attendez quelques secondes, puis recommencez."),
    ),
    # The desk is in French only.
    refusals.SignInRequired: (401, "sign-in-required", "Connectez-vous pour continuer."),
    refusals.NotAllowed: (403, "not-allowed", "Votre compte ne permet pas d’ouvrir cette page."),
    refusals.FormOutdated: (
        403,
        "form-outdated",
        "Ce formulaire n’est plus valable. Rien n’a été enregistré : recommencez.",
    ),
    refusals.LastAdministrator: (
        409,
        "last-administrator",
        "C’est la dernière personne qui gère les accès de ce service. Donnez d’abord ce rôle à quelqu’un d’autre.",
    ),
    refusals.AccessChanged: (
        409,
        "access-changed",
        "Un accès vient d’être changé par quelqu’un d’autre. Rien n’a été enregistré : vérifiez, puis recommencez.",
    ),
    refusals.AlreadyRecorded: (409, "already-recorded", "Ce rendez-vous a déjà été noté. Rien n’a été changé."),
    refusals.NotDue: (409, "not-due", "Ce rendez-vous n’est pas aujourd’hui, ou n’a pas encore commencé."),
    refusals.EmailInUse: (
        409,
        "email-in-use",
        "Cette adresse e-mail a déjà servi à un autre rendez-vous. Vérifiez-la, ou réservez quand même.",
    ),
    refusals.CeilingReached: (
        409,
        "ceiling-reached",
        "Votre association a atteint le nombre de réservations de la semaine. Rien n’a été enregistré.",
    ),
    refusals.NotArrived: (409, "not-arrived", "L’arrivée de cette personne n’est pas notée. Rien n’a été changé."),
    refusals.NobodyWaits: (409, "nobody-waits", "Personne n’attend en ce moment."),
    refusals.DeskBusy: (409, "desk-busy", "Ce guichet a déjà appelé quelqu’un. Personne d’autre n’a été appelé."),
    refusals.ApplicantsPresent: (409, "applicants-present", "On ne peut pas fermer : des personnes sont là."),
    refusals.PreviewOutdated: (
        409,
        "preview-outdated",
        "Des rendez-vous ont changé depuis. Rien n’a été fermé : vérifiez la nouvelle liste.",
    ),
    refusals.ProviderAway: (503, "provider-away", "Le service de connexion ne répond pas."),
    refusals.SignInRefused: (403, "sign-in-refused", "La connexion n’a pas abouti."),
    refusals.Unavailable: (503, "try-again", N_("Le service ne répond pas. Recommencez dans un instant.")),
}
"""The HTTP status, the code and the title of each refusal."""
FAILED = 500
PAUSED = N_("Nous travaillons sur ce service. Revenez un peu plus tard.")
"""What visitors of a paused service are told if the operator has written nothing else."""
TRANSIENT = {429, FAILED, 503}
"""The statuses of failures that pass by themselves."""


def code_of(refusal: Refusal) -> str:
    """Return the code of a refusal."""
    return STATUS_OF[type(refusal)][1]


def problem_of(refusal: Refusal, locale: Locale) -> Problem:
    """Return a refusal as a problem in the visitor's language, with the facts that help them to go on."""
    status, code, title = STATUS_OF[type(refusal)]
    errors: dict[str, str] = {}
    if isinstance(refusal, refusals.InvalidFields):
        errors = {name: locale._(message) for name, message in refusal.errors.items()}
    return Problem(code, status, locale._(title), _facts(refusal, locale), errors)


def _facts(refusal: Refusal, locale: Locale) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    match refusal:
        case refusals.WrongMethod():
            facts["allowed"] = list(refusal.allowed)
        case refusals.SlotTaken():
            facts["nearest"] = [{"date": f"{start:%Y-%m-%d}", "start": f"{start:%H:%M}"} for start in refusal.nearest]
        case refusals.Paused():
            facts["message"] = pause_message(refusal.message, locale)
        case refusals.NothingFree():
            facts["next_release"] = refusal.next_release and refusal.next_release.isoformat()
        case refusals.NotOpenYet() | refusals.NotInWindow():
            facts["opens_at"] = refusal.opens_at.isoformat()
        case refusals.NotYourTurn():
            facts |= {"turn_at": refusal.turn.isoformat(timespec="milliseconds"), "turn_in": refusal.seconds}
        case refusals.NotFull():
            start = refusal.first_free
            facts["first_free"] = {"date": f"{start:%Y-%m-%d}", "start": f"{start:%H:%M}"}
            facts["slots"] = f"slots?week={week_of(start.date())}"  # relative to the path that refused
        case refusals.CaptchaWrong():
            facts["tries_left"] = refusal.tries_left
        case refusals.AlreadyRecorded() | refusals.NotDue():
            return _register_facts(refusal)
    return facts


def _register_facts(refusal: refusals.AlreadyRecorded | refusals.NotDue) -> dict[str, Any]:
    if isinstance(refusal, refusals.NotDue):
        return {"start": refusal.start.isoformat()}
    return {"state": refusal.state, "at": refusal.at.isoformat(), "by_other": refusal.by_other}


def pause_message(message: Text, locale: Locale) -> str:
    """Return what visitors of a paused service are told, in their language or in French."""
    return locale.text(message) if message else locale._(PAUSED)


def shown(refusal: Refusal | None, locale: Locale) -> dict[str, Any]:
    """Return the variables by which a page shows a refusal; none if there is nothing to show."""
    if refusal is None:
        return {}
    problem = problem_of(refusal, locale)
    return {"problem": problem, "errors": problem.errors}


def retry_after(problem: Problem) -> int | None:
    """Return in how many seconds to try again, which spreads the retries of a crowd; None if that is of no use."""
    if problem.code == "paused":
        return RNG.randint(60, 300)
    if problem.code == "not-your-turn":
        return problem.facts["turn_in"] or None
    return RNG.randint(1, 5) if problem.status in TRANSIENT else None


def failure(locale: Locale) -> Problem:
    """Return an unforeseen failure as a problem: a visitor reads it as an outage, monitoring sees status 500."""
    return replace(problem_of(refusals.Unavailable(), locale), status=FAILED)
