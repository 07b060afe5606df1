"""Replies about a hold: its captcha, the form of the details, and the pages on which a refusal is read."""

from collections.abc import Mapping
from typing import Any

from chalicelib.booking import captcha, filing, holds
from chalicelib.booking.captcha import Challenge
from chalicelib.booking.hold import Held, Hold
from chalicelib.booking.requests import Request
from chalicelib.domain import refusals
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import captcha_image
from chalicelib.web import forms, request_views, service_views
from chalicelib.web.forms import DetailsPage
from chalicelib.web.reply import Json, Page, Redirect, Reply, Result
from chalicelib.web.steps import CAPTCHA, DETAILS, FINISH
from chalicelib.web.visit import Visit

# The hold


def _hold_data(hold: Hold) -> dict[str, Any]:
    """Return a hold as a program reads it."""
    data: dict[str, Any] = {
        "hold": hold.id,
        "service": hold.service.id,
        "date": f"{hold.start:%Y-%m-%d}",
        "start": f"{hold.start:%H:%M}",
        "end": f"{hold.start + hold.service.slot:%H:%M}",
        "expires_at": hold.until.astimezone(hold.service.zone).isoformat(timespec="seconds"),
        "expires_in": hold.left,
        "can_extend": hold.can_extend,
        "captcha": "passed" if hold.captcha_passed or hold.is_filed else "required",
        "state": hold.state,
    }
    if hold.instead_of:
        data["instead_of"] = {"date": f"{hold.instead_of:%Y-%m-%d}", "start": f"{hold.instead_of:%H:%M}"}
    if hold.is_filed:
        data["reference"] = keys().reference(hold.service.id, hold.digest)
    return data


def held(hold: Hold) -> Result:
    """Answer a new hold: a person goes on to its page."""
    return Result(Json(_hold_data(hold), status=201), Redirect(f"holds/{hold.id}"))


def hold_step(hold: Hold) -> Result:
    """Answer a step of a hold: a person goes on to its page."""
    return Result(Json(_hold_data(hold)), Redirect(f"holds/{hold.id}"))


def hold_page(hold: Hold, visit: Visit) -> Json | Page:
    """Show a hold: a program reads its state, a person sees the next step."""
    return _hold_json(hold, visit) if visit.wants_json else _next_step(hold, visit)


def _hold_json(hold: Hold, visit: Visit) -> Json:
    data = _hold_data(hold)
    if isinstance(hold, Held) and hold.is_filed:
        email, changes_left = filing.view_filed(hold, visit.now)
        if email:
            data |= {"email": email, "email_changes_left": changes_left}
    return Json(data)


def _next_step(hold: Hold, visit: Visit) -> Page:
    """Return the page of the next step of a hold: the captcha, the form of the details, or what follows the filing."""
    if isinstance(hold, Held) and hold.is_filed:
        return _filed_page(hold, visit)
    if hold.captcha_passed:
        return details_page(hold, {"language": visit.locale.language})
    challenge = captcha.challenge_for(hold, visit.now)
    return _captcha_page(hold, challenge, sound=forms.yes(visit.query, "sound"))


def extended(hold: Hold, visit: Visit) -> Reply:
    """Answer an extension. A person who has begun the details sees the same page again, with what they typed."""
    if visit.wants_json or hold.is_filed:
        return hold_step(hold)
    body = visit.body()
    if hold.captcha_passed:
        return details_page(hold, body, forms.details_page_of(body))
    if details := forms.carried_details(body):
        return _captcha_page(hold, captcha.challenge_for(hold, visit.now), details=details)
    return hold_step(hold)


def ended(service: Service, hold_id: str) -> Result:
    """Answer a hold that was given back."""
    data = {"hold": hold_id, "service": service.id, "state": "ended"}
    return Result(Json(data), Page("ended.html", {"service": service, "office": service.office}))


# The captcha


def new_challenge(hold_id: str, challenge: Challenge, visit: Visit) -> Reply:
    """Answer a new challenge. A program gets its picture and its sound; a person sees it on the page of the hold."""
    if visit.wants_json:
        return Json(_challenge_data(challenge, sound=True), status=201)
    body = visit.body()
    sound = forms.yes(body, "sound")
    if details := forms.carried_details(body):
        hold = holds.view(hold_id, visit.now)
        return _captcha_page(hold, captcha.challenge_for(hold, visit.now), sound=sound, details=details)
    return Redirect(f"holds/{hold_id}{'?sound=true' if sound else ''}")


def _challenge_data(challenge: Challenge, *, sound: bool) -> dict[str, Any]:
    return {
        "challenge": challenge.id,
        "picture": captcha_image.picture(challenge.picture),
        "sound": captcha_image.sound(challenge.sound) if sound else None,
    }


def captcha_passed(hold: Hold, visit: Visit) -> Reply:
    """Answer a passed captcha. A person who has filled in the details before sees them to check."""
    body = visit.body()
    if not visit.wants_json and hold.captcha_passed and forms.carried_details(body):
        return details_page(hold, body, DetailsPage.CHECK)
    return hold_step(hold)


def _captcha_page(
    hold: Hold, challenge: Challenge, *, sound: bool = False, details: Mapping[str, str] | None = None
) -> Page:
    """Return the page of the captcha. `details` are those that were sent before a further captcha was required."""
    context = {"hold": hold, "office": hold.service.office, "carried": details or {}, "step": CAPTCHA}
    return Page("captcha.html", {**context, **_challenge_data(challenge, sound=sound)})


# The details


def details_page(hold: Hold, body: Mapping[str, Any], page: DetailsPage = DetailsPage.FORM) -> Page:
    """Return the form of the details, or the page to check them on, with what was typed."""
    template, step = ("details.html", DETAILS) if page is DetailsPage.FORM else ("check.html", FINISH)
    values = forms.typed(body, forms.DETAILS)
    return Page(template, {"hold": hold, "values": values, "office": hold.service.office, "step": step})


def details_step(hold_id: str, hold: Held, step: DetailsPage | Details, visit: Visit) -> Reply:
    """Show the page that the details lead to, or file them."""
    if isinstance(step, DetailsPage):
        return details_page(hold, visit.body(), step)
    return filed(hold_id, filing.file(hold, step, now=visit.now, ip_address=visit.ip_address))


def filed(hold_id: str, request: Request) -> Result:
    """Answer a filed request: a person goes on to the page of the hold."""
    return Result(Json(request_views.request_data(request), status=202), Redirect(f"holds/{hold_id}"))


def _filed_page(hold: Held, visit: Visit, values: Mapping[str, str] | None = None) -> Page:
    """Return the page that follows the filing, with the e-mail address for as long as it can be corrected."""
    email, changes_left = filing.view_filed(hold, visit.now)
    context = {
        "hold": hold,
        "office": hold.service.office,
        "reference": keys().reference(hold.service.id, hold.digest),
        "confirm_before": hold.until,
        "confirmed": hold.seat.state is State.CONFIRMED,
        "email": email,
        "email_changes_left": changes_left,
        "values": values or {},
        "step": FINISH,
    }
    return Page("done.html", context)


# Pages on which a person reads a refusal


def captcha_after_refusal(visit: Visit, refusal: Refusal, hold: str) -> Page | None:
    """Return the captcha after a wrong answer, with the same challenge, or with a new one if that is spent."""
    if not isinstance(refusal, refusals.CaptchaWrong | refusals.CaptchaSpent | refusals.InvalidFields):
        return service_views.restart_page(visit, refusal, hold=hold)
    body = visit.body()
    current = holds.view(hold, visit.now)
    if current.captcha_passed or current.is_filed:
        return _next_step(current, visit)
    if isinstance(refusal, refusals.CaptchaWrong):
        challenge = captcha.challenge_of(str(body["challenge"]))
    else:
        challenge = captcha.challenge_for(current, visit.now)
    return _captcha_page(current, challenge, details=forms.carried_details(body))


def details_after_refusal(visit: Visit, refusal: Refusal, hold: str) -> Page | None:
    """Return the form of the details with what was typed; the captcha first, if another one is required."""
    body = visit.body()
    if isinstance(refusal, refusals.CaptchaRequired):
        current = holds.view(hold, visit.now)
        challenge = captcha.challenge_for(current, visit.now)
        return _captcha_page(current, challenge, details=forms.carried_details(body))
    if isinstance(refusal, refusals.InvalidFields | refusals.AlreadyRequested):
        return details_page(holds.view(hold, visit.now), body)
    return service_views.restart_page(visit, refusal, hold=hold)


def email_after_refusal(visit: Visit, refusal: Refusal, hold: str) -> Page | None:
    """Return the page that follows the filing with what was typed, after a mistake in a corrected e-mail address."""
    if not isinstance(refusal, refusals.InvalidFields | refusals.AlreadyRequested):
        return service_views.restart_page(visit, refusal, hold=hold)
    filed_hold = holds.view_ready(hold, visit.now)
    if not filed_hold.is_filed:
        raise refusals.HoldExpired
    return _filed_page(filed_hold, visit, forms.typed(visit.body(), forms.EMAIL_FORM))
