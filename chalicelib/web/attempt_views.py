"""Replies about attestations that nothing was free: giving one, checking one, and the letter to the prefecture."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from chalicelib.booking import availability
from chalicelib.booking.attempts import NOT_OURS, CheckedAttestation
from chalicelib.domain import attestation as attestations
from chalicelib.domain import names, refusals
from chalicelib.domain.attestation import Outcome
from chalicelib.domain.messages import N_
from chalicelib.domain.refusals import InvalidFields, Refusal
from chalicelib.domain.seat import week_of
from chalicelib.rendering import attestation_sheet
from chalicelib.web import fields, service_views
from chalicelib.web.reply import Json, Page, Redirect, RefusalPage, Reply, Result
from chalicelib.web.visit import Visit

NOT_A_CODE = N_("Écrivez le code ou le lien d’une attestation.")
MOST_TYPED = 8_000
"""The most characters of a pasted text that are read."""
OUTCOMES = {Outcome.FULL: "full", Outcome.NOT_OPEN: "not-open"}


def read_earlier(body: Mapping[str, Any]) -> list[str]:
    """Read the codes or links of earlier attestations that a person pasted, if any. Raise InvalidFields."""
    typed = body.get("earlier")
    pasted = names.without_invisible(typed) if isinstance(typed, str) else ""
    line = {"earlier": " ".join(pasted.split())} if isinstance(typed, str) else {}  # a text area has line breaks
    reader = fields.Reader({**body, **line}, ("earlier",))
    text = reader.text("earlier", MOST_TYPED, required=False)
    codes = attestations.find_codes(pasted) if text else []
    if (text and not codes) or len(codes) > attestations.MOST_WEEKS:
        reader.errors["earlier"] = NOT_OURS
    reader.finish()
    return codes


def attested(checked: CheckedAttestation) -> Result:
    """Give a new attestation: a person goes on to its page."""
    return Result(Json(_data(checked), status=201), Redirect(f"attempts/{checked.code}"))


def attestation(checked: CheckedAttestation, visit: Visit) -> Result:
    """Show a valid attestation; with `letter` in the query, the letter to the prefecture once it is offered."""
    url = f"{visit.site}/attempts/{checked.code}"
    context = {
        "checked": checked,
        "office": checked.service.office if checked.service else "",
        "url": url,
        "mail_url": quote(url, safe=""),
    }
    if fields.yes(visit.query, "letter") and checked.service and checked.attestation.offers_letter:
        french = attestation_sheet.french()
        return Result(Json(_data(checked)), Page("attempt_letter.html", {**context, "french": french}))
    sheets = attestation_sheet.sheets(checked, visit.locale, url=url, root=visit.root)
    return Result(Json(_data(checked)), Page("attempt.html", {**context, "sheets": sheets}))


def _data(checked: CheckedAttestation) -> dict[str, Any]:
    release = checked.next_release
    return {
        "attestation": checked.code,
        "service": checked.attestation.service,
        "at": checked.at.isoformat(),
        "outcome": OUTCOMES[checked.attestation.outcome],
        "next_release": release and release.isoformat(),
        "attempts": [{"at": at.isoformat(), "week": week_of(at.date())} for at in checked.moments],
    }


def code_form(visit: Visit) -> Reply:
    """Show the form in which anybody types a code, and go on to the attestation of the code that was typed."""
    typed = str(visit.query.get("code", ""))
    if not typed.strip():
        return Result(Json({}), Page("attempt_check.html", {"typed": "", "invalid": False}))
    codes = attestations.find_codes(typed[:MOST_TYPED])
    if len(codes) != 1:
        raise InvalidFields({"code": NOT_A_CODE})
    return Redirect(f"attempts/{codes[0]}")


# Pages on which a person reads a refusal


def code_after_refusal(visit: Visit, refusal: Refusal) -> Page | None:
    """Return the form with the text in which no code was found."""
    if not isinstance(refusal, InvalidFields):
        return None
    return Page("attempt_check.html", {"typed": _shown(visit.query.get("code", "")), "invalid": False})


def check_after_refusal(_visit: Visit, refusal: Refusal, token: str) -> Page | None:
    """Return the page that says that an attestation is not valid, or too old to be verified."""
    if not isinstance(refusal, refusals.NotFound | refusals.AttestationTooOld):
        return None
    return Page("attempt_check.html", {"typed": _shown(token), "invalid": True})


def _shown(typed: str) -> str:
    """Return what was typed as a page shows it again, without half of a surrogate pair, which has no UTF-8."""
    return typed[:MOST_TYPED].encode(errors="replace").decode()


def attest_after_refusal(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Return the form with the earlier codes that were refused, or the way to the slot that is free."""
    if not isinstance(refusal, refusals.InvalidFields | refusals.NotFull):
        return service_views.paused_page(visit, refusal, service)
    offered = availability.service(service, visit.now)
    try:
        typed = str(visit.body().get("earlier", ""))
    except InvalidFields:
        typed = ""
    first_free = refusal.first_free if isinstance(refusal, refusals.NotFull) else None
    context = {
        "service": offered,
        "typed": typed,
        "first_free": first_free,
        "week": week_of(first_free.date()) if first_free else "",
    }
    return Page("attempt_again.html", context)
