"""Refusals as HTTP problems (RFC 9457): one table from refusal to status, code and title."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalice.app import Response

from chalicelib.domain import refusals
from chalicelib.domain.messages import N_
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.rng import RNG
from chalicelib.rendering.i18n import Locale
from chalicelib.web import reply
from chalicelib.web.reply import Reply
from chalicelib.web.visit import Visit

STATUS_OF: dict[type[Refusal], tuple[int, str, str]] = {
    refusals.NotFound: (404, "not-found", N_("Cette page n’existe pas, ou n’existe plus.")),
    refusals.InvalidFields: (422, "invalid-fields", N_("Il y a une erreur dans ce que vous avez écrit.")),
    refusals.ConditionsNotAccepted: (
        422,
        "conditions-not-accepted",
        N_("Cochez la case pour dire que vous avez lu et accepté les conditions."),
    ),
    refusals.SlotTaken: (409, "slot-taken", N_("Une autre personne vient de prendre cette plage horaire.")),
    refusals.NothingFree: (409, "nothing-free", N_("Il n’y a plus de plage horaire libre pour le moment.")),
    refusals.NotOpenYet: (409, "not-open-yet", N_("Cette plage horaire n’est pas encore ouverte.")),
    refusals.CaptchaRequired: (409, "captcha-required", N_("Recopiez d’abord les caractères de sécurité.")),
    refusals.CaptchaWrong: (422, "captcha-wrong", N_("Ce ne sont pas les bons caractères.")),
    refusals.CaptchaSpent: (409, "captcha-spent", N_("Cette image n’est plus valable. En voici une autre.")),
    refusals.HoldExpired: (410, "hold-over", N_("Votre place n’est plus gardée.")),
    refusals.AlreadyRequested: (
        409,
        "already-requested",
        N_("Vous avez déjà une demande de rendez-vous. Une seule est possible à la fois."),
    ),
    refusals.NoMovesLeft: (
        409,
        "moves-spent",
        N_("Vous ne pouvez plus changer de date. Vous pouvez garder ce rendez-vous ou le supprimer."),
    ),
    refusals.LinkExpired: (410, "link-over", N_("Ce lien n’est plus valable.")),
    refusals.CrossSite: (403, "cross-site", N_("Votre envoi vient d’un autre site. Rien n’a été enregistré.")),
    refusals.TooManyRequests: (
        429,
        "too-many-requests",
        N_("Beaucoup de personnes se connectent. Attendez quelques secondes, puis recommencez."),
    ),
    refusals.Unavailable: (503, "try-again", N_("Le service ne répond pas. Recommencez dans un instant.")),
}
FAILED = 500
TRANSIENT = {429, FAILED, 503}
"""What passes by itself: try again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal as a visitor reads it (RFC 9457)."""

    code: str
    status: int
    title: str
    facts: Mapping[str, Any]
    errors: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """The problem+json."""
        listed = [{"field": name, "message": message} for name, message in self.errors.items()]
        return {
            "type": f"urn:guichet:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            **self.facts,
            **({"errors": listed} if listed else {}),
        }


def problem_of(refusal: Refusal, speech: Locale) -> Problem:
    """A refusal in the visitor's language, with what they can do about it."""
    status, code, title = STATUS_OF[type(refusal)]
    facts: dict[str, Any] = {}
    listed: dict[str, str] = {}
    match refusal:
        case refusals.InvalidFields():
            listed = {name: speech._(message) for name, message in refusal.errors.items()}
        case refusals.SlotTaken():
            facts["nearest"] = [{"date": f"{s:%Y-%m-%d}", "start": f"{s:%H:%M}"} for s in refusal.nearest]
        case refusals.NothingFree():
            facts["next_release"] = refusal.next_release and refusal.next_release.isoformat()
        case refusals.NotOpenYet():
            facts["opens_at"] = refusal.opens_at.isoformat()
        case refusals.CaptchaWrong():
            facts["tries_left"] = refusal.tries_left
    return Problem(code, status, speech._(title), facts, listed)


def refusal_response(told: Problem, who: Visit, again: Reply | None = None) -> Response:
    """Tell a refusal: to a program as a problem, to a person on the page they came from or on one of its own."""
    retry = (who.root + who.path or "./") if told.status in TRANSIENT else None
    page = again or Reply({}, "problem.html", {"retry": retry, "service": None})
    context = {**page.context, "problem": told, "errors": told.errors}
    response = reply.to_response(Reply(told.document(), page.template, context, told.status), who)
    if told.status in TRANSIENT:
        response.headers["Retry-After"] = str(RNG.randint(1, 5))
    return response
