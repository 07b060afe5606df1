"""The pages of a hold: its captcha, the details, what follows the filing, and what a person reads when it is over.

A page that answers a form is a redirect. `?step=`, `?refused=` and the cookies of `drafts` tell the page what to show,
so that it can be reloaded and Back leads to it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.booking import availability, captcha, filing, requests
from chalicelib.booking.captcha import Challenge
from chalicelib.booking.hold import Held, Hold, Waiting
from chalicelib.domain import refusals
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import APPOINTMENT
from chalicelib.keys import keys
from chalicelib.rendering import captcha_image
from chalicelib.web import drafts, fields, forms, problems
from chalicelib.web.forms import DetailsPage
from chalicelib.web.reply import Page
from chalicelib.web.steps import CAPTCHA, DETAILS, FINISH
from chalicelib.web.visit import Visit

GONE = ("slot-taken", "nothing-free")
"""The refusals of a waiting hold that found no seat after its captcha."""


def next_step(hold: Hold, visit: Visit) -> Page:
    """Return the page of the next step of a hold: the captcha, the details, or what follows the filing.

    Raises SlotTaken or NothingFree for a waiting hold that just found no seat, with what is free now.
    """
    if isinstance(hold, Held) and hold.is_filed:
        return filed_page(hold, visit)
    if hold.captcha_passed:
        return _details_step(hold, visit)
    if isinstance(hold, Waiting) and not hold.is_entry and visit.query.get("refused") in GONE:
        raise availability.refusal(hold.service, hold.start, visit.now, include_wished=False)
    if isinstance(hold, Waiting) and hold.turn:
        turn = hold.turn.replace(microsecond=0) + timedelta(seconds=bool(hold.turn.microsecond))
        return _page("turn.html", hold, visit, CAPTCHA, turn=turn)
    return _captcha_step(hold, visit)


def _page(template: str, hold: Hold, visit: Visit, step: int, **context: Any) -> Page:
    own = {"hold": hold, "office": hold.service.office, "step": step, "returned": _returned(hold, visit)}
    return Page(template, {**own, **context})


def _returned(hold: Hold, visit: Visit) -> datetime | None:
    """Return the start of the slot that the visitor's hold before this one gave back."""
    return forms.start_of_slot(visit.query.get("returned", ""), hold.service)


# The captcha


def _captcha_step(hold: Hold, visit: Visit) -> Page:
    sound = fields.yes(visit.query, "sound")
    refusal, challenge = _captcha_refusal(hold, visit)
    page = captcha_page(hold, challenge or captcha.new_challenge_for(hold, visit.now), visit, sound=sound)
    return Page(page.template, {**page.context, **problems.shown(refusal, visit.locale)})


def _captcha_refusal(hold: Hold, visit: Visit) -> tuple[Refusal | None, Challenge | None]:
    """Return what was wrong with the last answer, and its challenge while that accepts further answers."""
    code, challenge_id = visit.query.get("refused"), visit.query.get("challenge", "")
    if code == "captcha-spent":
        return refusals.CaptchaSpent(), None
    if code not in ("captcha-wrong", "invalid-fields"):
        return None, None
    try:
        keys().challenge_time(challenge_id, hold.digest, visit.now)
    except refusals.CaptchaSpent:
        return None, None
    challenge = captcha.challenge_with_id(challenge_id, hold.digest)
    if code == "invalid-fields":
        return refusals.InvalidFields({"answer": fields.MISSING_IN["answer"]}), challenge
    tries = visit.query.get("tries", "")
    return refusals.CaptchaWrong(int(tries) if tries in set("01234") else 0), challenge


def challenge_data(challenge: Challenge, *, sound: bool) -> dict[str, Any]:
    """Return a challenge with its picture and, if asked for, its sound."""
    return {
        "challenge": challenge.id,
        "picture": captcha_image.picture(challenge.picture),
        "sound": captcha_image.sound(challenge.sound) if sound else None,
    }


def captcha_page(
    hold: Hold, challenge: Challenge, visit: Visit, *, sound: bool = False, details: Mapping[str, str] | None = None
) -> Page:
    """Return the page of the captcha.

    `details` are those that were sent before a further captcha was required, by a browser that cannot keep them.
    """
    kept = bool(details) or (isinstance(hold, Held) and hold.carrier.checked_for != "" and bool(drafts.details(visit)))
    context = {"carried": details or {}, "kept": kept, **challenge_data(challenge, sound=sound)}
    return _page("captcha.html", hold, visit, CAPTCHA, **context)


# The details


def _details_step(hold: Hold, visit: Visit) -> Page:
    """Return the form of the details, or the page to check them on, with what the browser kept."""
    values = drafts.details(visit)
    if values and visit.query.get("step") == DetailsPage.CHECK.value:
        return details_page(hold, visit, values, DetailsPage.CHECK)
    refusal: Refusal | None = None
    if visit.query.get("refused") == "already-requested":
        refusal = refusals.AlreadyRequested()
    elif visit.query.get("refused") == "invalid-fields":
        refusal = _mistakes(values, visit)
    return details_page(hold, visit, values, refusal=refusal)


def _mistakes(values: Mapping[str, str], visit: Visit) -> Refusal | None:
    """Return what is wrong with details that the browser kept; None once they are right, or if it kept none."""
    try:
        _read(values, visit)
    except refusals.InvalidFields as invalid:
        return invalid if values else None
    return None


def details_page(
    hold: Hold,
    visit: Visit,
    body: Mapping[str, Any],
    page: DetailsPage = DetailsPage.FORM,
    *,
    refusal: Refusal | None = None,
) -> Page:
    """Return the form of the details, or the page to check them on. Details with a mistake are shown in the form."""
    values = forms.typed(body, forms.TYPED_DETAILS)
    if page is DetailsPage.CHECK:
        try:
            details = _read(values, visit)
        except refusals.InvalidFields as invalid:
            refusal = invalid
        else:
            return _page(
                "check.html",
                hold,
                visit,
                FINISH,
                values=values,
                details=details,
                unknown_birth=forms.is_birth_unknown(values),
            )
    focus = body.get("change", "")
    return _page(
        "details.html", hold, visit, DETAILS, values=values, focus=focus, **problems.shown(refusal, visit.locale)
    )


def _read(values: Mapping[str, str], visit: Visit) -> Details:
    return forms.read_details(values, today=visit.now.date(), language=visit.locale.language)


# After the filing


def filed_page(hold: Held, visit: Visit, values: Mapping[str, str] | None = None) -> Page:
    """Return the page that follows the filing, with the e-mail address for as long as it can be corrected.

    `values` are a corrected e-mail address that was refused; by default those that the browser kept.
    """
    email, changes_left = filing.view_filed(hold, visit.now)
    context: dict[str, Any] = {
        "reference": requests.reference_of(hold.service, hold.carrier, hold.digest),
        "confirm_before": hold.until,
        "confirmed": hold.carrier.state in APPOINTMENT,
        "email": email,
        "email_changes_left": changes_left,
        "values": values or {},
    }
    if code := visit.query.get("refused"):
        context["values"] = drafts.typed_at(visit, f"holds/{hold.id}", forms.EMAIL_FORM)
        context |= problems.shown(_email_refusal(code, context["values"], changes_left), visit.locale)
    return _page("done.html", hold, visit, FINISH, **context)


def _email_refusal(code: str, values: Mapping[str, str], changes_left: int) -> Refusal | None:
    """Return why a corrected e-mail address was refused."""
    if code == "already-requested":
        return refusals.AlreadyRequested()
    if code != "invalid-fields":
        return None
    if not changes_left:
        return refusals.InvalidFields({"email": filing.EMAIL_FIXED})
    try:
        forms.read_email(values)
    except refusals.InvalidFields as invalid:
        return invalid
    return None
