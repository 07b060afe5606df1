"""Replies about a hold: its captcha, the form of the details, and the page to go on from after a refusal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.booking import captcha, filing, holds
from chalicelib.booking.captcha import Challenge
from chalicelib.booking.holds import Hold
from chalicelib.booking.requests import Request
from chalicelib.domain import refusals
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import captcha_image
from chalicelib.web import forms, request_views, service_views
from chalicelib.web.reply import Reply
from chalicelib.web.steps import CAPTCHA, DETAILS, FINISH
from chalicelib.web.visit import Visit

# A hold


def _hold_data(hold: Hold) -> dict[str, Any]:
    seat = hold.seat
    proven = seat.captcha_passed or seat.state is not State.HELD
    data: dict[str, Any] = {
        "hold": hold.id,
        "service": hold.service.id,
        "date": f"{hold.start:%Y-%m-%d}",
        "start": f"{hold.start:%H:%M}",
        "end": f"{hold.start + hold.service.slot:%H:%M}",
        "expires_at": hold.until.astimezone(hold.service.zone).isoformat(timespec="seconds") if hold.until else None,
        "expires_in": hold.left,
        "can_extend": hold.can_extend,
        "captcha": "passed" if proven else "required",
        "state": str(seat.state) if hold.kept else "waiting",
    }
    if hold.instead_of:
        data["instead_of"] = {"date": f"{hold.instead_of:%Y-%m-%d}", "start": f"{hold.instead_of:%H:%M}"}
    if seat.state is not State.HELD:
        data["reference"] = keys().reference(hold.service.id, seat.hold)
    return data


def held(hold: Hold) -> Reply:
    """A seat was taken: where it is kept."""
    return Reply(_hold_data(hold), location=f"holds/{hold.id}", status=201)


def hold_step(hold: Hold) -> Reply:
    """A hold after a step: a person goes on to the next one."""
    return Reply(_hold_data(hold), location=f"holds/{hold.id}")


def captcha_passed(hold: Hold, body: Mapping[str, Any], visit: Visit) -> Reply:
    """A captcha was passed: a person goes on to the next step, or to the details that they had sent before."""
    if carried(body) and not visit.wants_json and hold.seat.captcha_passed:
        return check(hold, body)
    return hold_step(hold)


def carried(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the details that a page carries through a further captcha, so that nothing is typed twice."""
    return {name: body[name] for name in (*forms.DETAILS, "step") if isinstance(body.get(name), str)}


def extended(hold: Hold, visit: Visit) -> Reply:
    """A hold has one more period; what was typed into the form of the details is kept."""
    if hold.seat.captcha_passed and not visit.wants_json:
        return step_again(hold, visit.body())
    if hold.seat.state is State.HELD and not visit.wants_json and (values := carried(visit.body())):
        return _captcha_page(hold, visit, values=values)
    return hold_step(hold)


def hold_page(hold: Hold, visit: Visit) -> Reply:
    """Where a hold stands, and for a person the step that comes next."""
    data = _hold_data(hold)
    office = {"hold": hold, "office": hold.service.office}
    if hold.seat.state is not State.HELD:
        return _filed_page(hold, data, visit.now)
    if hold.seat.captcha_passed:
        return Reply(data, "details.html", {**office, "values": {"language": visit.locale.language}, "step": DETAILS})
    if visit.wants_json:
        return Reply(data)
    return _captcha_page(hold, visit, sound=forms.yes(visit.query, "sound"))


def _captcha_page(hold: Hold, visit: Visit, *, sound: bool = False, values: Mapping[str, str] | None = None) -> Reply:
    """The captcha; `values` are the details that came before a further one."""
    drawn = _drawn(captcha.challenge_for(hold, visit.now), sound=sound)
    context = {"hold": hold, "office": hold.service.office, **drawn, "carried": values or {}, "step": CAPTCHA}
    return Reply({}, "captcha.html", context)


def _filed_page(hold: Hold, data: dict[str, Any], now: datetime, values: Mapping[str, Any] | None = None) -> Reply:
    """The page after the details: what happens next, and the e-mail address while it can be corrected."""
    email, changes_left = filing.view_filed(hold, now)
    if email:
        data |= {"email": email, "email_changes_left": changes_left}
    context = {
        "hold": hold,
        "office": hold.service.office,
        "reference": data["reference"],
        "confirm_before": hold.seat.until,
        "confirmed": hold.seat.state is State.CONFIRMED,
        "email": email,
        "email_changes_left": changes_left,
        "values": values or {},
        "step": FINISH,
    }
    return Reply(data, "done.html", context)


def email_again(visit: Visit, refusal: Refusal, hold: str) -> Reply | None:
    """After a mistake in a corrected e-mail address: the same page, with what was typed."""
    if not isinstance(refusal, refusals.InvalidFields | refusals.AlreadyRequested):
        return service_views.start_again(visit, refusal, hold=hold)
    body = visit.body()
    typed = {name: body[name] for name in forms.EMAIL_FORM if isinstance(body.get(name), str)}
    filed_hold = holds.view_ready(hold, visit.now)
    if filed_hold.seat.state is State.HELD:
        raise refusals.HoldExpired
    return _filed_page(filed_hold, _hold_data(filed_hold), visit.now, typed)


def _drawn(challenge: Challenge, *, sound: bool) -> dict[str, Any]:
    return {
        "challenge": challenge.id,
        "picture": captcha_image.picture(challenge.picture),
        "sound": captcha_image.sound(challenge.sound) if sound else None,
    }


def challenge(hold_id: str, asked: Challenge, visit: Visit) -> Reply:
    """A new challenge: all of it for a program; a person is shown one by the hold's own page."""
    if visit.wants_json:
        return Reply(_drawn(asked, sound=True), status=201)
    if values := carried(visit.body()):
        hold = holds.view(hold_id, visit.now)
        return _captcha_page(hold, visit, sound=forms.yes(visit.body(), "sound"), values=values)
    return Reply({}, location=f"holds/{hold_id}{'?sound=true' if forms.yes(visit.body(), 'sound') else ''}")


def captcha_again(visit: Visit, refusal: Refusal, hold: str) -> Reply | None:
    """After a wrong answer: the same challenge, or a new one when it is spent."""
    if not isinstance(refusal, refusals.CaptchaWrong | refusals.CaptchaSpent | refusals.InvalidFields):
        return service_views.start_again(visit, refusal, hold=hold)
    page = hold_page(holds.view(hold, visit.now), visit)
    page = Reply({}, page.template, {**page.context, "carried": carried(visit.body())})
    if isinstance(refusal, refusals.CaptchaWrong):
        tried = captcha.challenge_of(str(visit.body()["challenge"]))
        page = Reply({}, page.template, {**page.context, **_drawn(tried, sound=False)})
    return page


def ended(service: Service, hold_id: str) -> Reply:
    """A hold was given back."""
    data = {"hold": hold_id, "service": service.id, "state": "ended"}
    return Reply(data, "ended.html", {"service": service, "office": service.office})


# The request


def details_again(visit: Visit, refusal: Refusal, hold: str) -> Reply | None:
    """After a mistake in the details: the form again, with what was typed."""
    body = visit.body()
    if isinstance(refusal, refusals.CaptchaRequired):
        return _captcha_page(holds.view(hold, visit.now), visit, values=carried(body))
    if not isinstance(refusal, refusals.InvalidFields | refusals.AlreadyRequested):
        return service_views.start_again(visit, refusal, hold=hold)
    return details_form(holds.view(hold, visit.now), body)


def details_form(hold: Hold, body: Mapping[str, Any]) -> Reply:
    """The form, with what was typed."""
    values = {name: body[name] for name in forms.DETAILS if isinstance(body.get(name), str)}
    return Reply({}, "details.html", {"hold": hold, "values": values, "office": hold.service.office, "step": DETAILS})


def step_again(hold: Hold, body: Mapping[str, Any]) -> Reply:
    """The step that the form was on, with what was typed, right or wrong."""
    return check(hold, body) if body.get("step") == "check" else details_form(hold, body)


def check(hold: Hold, body: Mapping[str, Any]) -> Reply:
    """Everything once more before it is sent."""
    form = details_form(hold, body)
    return Reply({}, "check.html", {**form.context, "step": FINISH})


def filed(hold_id: str, request: Request) -> Reply:
    """The request is in; the mail is on its way."""
    return Reply(request_views.request_data(request), location=f"holds/{hold_id}", status=202)
