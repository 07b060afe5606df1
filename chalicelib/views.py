"""Replies: what a program reads and what a person sees of each result, and the page to go on from after a refusal."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from chalicelib import (
    appointment,
    booking,
    captcha_image,
    convocation,
    edge,
    errors,
    forms,
    outbox,
    pages,
    store,
    timetable,
)
from chalicelib import manage as use
from chalicelib.appointment import Request
from chalicelib.booking import Challenge, Hold
from chalicelib.edge import Reply, Visit
from chalicelib.errors import Refusal
from chalicelib.model import Service, State, monday_of, week_of
from chalicelib.timetable import WEEK, Calendar
from chalicelib.words import words

HOME, DESCRIPTION, SLOTS, CAPTCHA, DETAILS, FINISH = range(1, 7)
"""The six steps of the breadcrumb."""
CLOCK = slice(11, 16)
"""Hours and minutes in an ISO 8601 moment."""


# Looking


def home(services: list[Service]) -> Reply:
    """The services offered."""
    data = {"services": [{"id": service.id, "name": service.name} for service in services]}
    return Reply(data, "home.html", {"services": services, "step": HOME})


def service_page(service: Service, visit: Visit) -> Reply:
    """The notice of a service, its conditions, and the two doors; who reads it gets a visitor's ticket."""
    release = timetable.next_release(service, visit.now)
    data = {
        "id": service.id,
        "name": service.name,
        "intro": service.intro,
        "not_for": service.not_for,
        "documents": service.documents,
        "slot_minutes": service.minutes,
        "timezone": service.zone.key,
        "office": service.office,
        "address": service.address,
        "contact": service.contact,
        "next_release": release and release.isoformat(),
        "seat_after": str(service.seat_after),
    }
    context = {"service": service, "next_release": release, "conditions_missing": False}
    shown = {**context, "office": service.office, "step": DESCRIPTION}
    return Reply(data, "service.html", shown, ticket=booking.ticket(visit.ticket, visit.now))


def calendar(found: Calendar, now: datetime, *, conditions_accepted: bool = False) -> Reply:
    """A week's calendar."""
    service = found.service
    release = timetable.next_release(service, now)
    opens_at = timetable.opens_at(service, found.week).astimezone(service.zone)
    first = found.first_free
    data: dict[str, Any] = {
        "service": service.id,
        "week": found.week,
        "timezone": service.zone.key,
        "slot_minutes": service.minutes,
        "generated_at": now.astimezone(service.zone).isoformat(timespec="seconds"),
        "next_release": release and release.isoformat(),
        "first_free": {"date": f"{first:%Y-%m-%d}", "start": f"{first:%H:%M}"} if first else None,
        "days": [
            {
                "date": day.isoformat(),
                "slots": [
                    {
                        "start": slot.start.isoformat()[CLOCK],  # strftime takes five times as long
                        "end": (slot.start + service.slot).isoformat()[CLOCK],
                        "free": slot.free,
                        "capacity": slot.capacity,
                    }
                    for slot in slots
                ],
            }
            for day, slots in found.days
        ],
    }
    if opens_at > now:
        data["opens_at"] = opens_at.isoformat()
    shown = timetable.weeks_to_create(service, now)
    before, after = (week_of(monday_of(found.week) + step) for step in (-WEEK, WEEK))
    context = {
        "calendar": found,
        "conditions_accepted": conditions_accepted,
        "previous_week": before if before in shown else None,
        "next_week": after if after in shown else None,
        "opens_at": opens_at if opens_at > now else None,
        "next_release": release,
        "nearest": [],
        "chosen": "",
        "office": service.office,
        "step": SLOTS,
    }
    return Reply(data, "slots.html", context, cache=edge.CALENDAR)


def calendar_again(visit: Visit, refusal: Refusal, service: str) -> Reply | None:
    """After a slot that could not be held: its week again, as it was chosen, with the nearest that are free."""
    if isinstance(refusal, errors.NotFound | errors.TooManyRequests | errors.TryAgain):
        return None
    body = visit.body()
    accepted, chosen = forms.yes(body, "conditions_accepted"), str(body.get("slot", ""))
    week = forms.week_wished(chosen) if isinstance(refusal, errors.ConditionsNotAccepted | errors.SlotTaken) else None
    reply = calendar(booking.calendar(service, week, visit.now), visit.now, conditions_accepted=accepted)
    nearest = refusal.nearest if isinstance(refusal, errors.SlotTaken) else []
    return Reply({}, reply.template, {**reply.context, "nearest": nearest, "chosen": chosen})


# A hold


def _hold_data(hold: Hold) -> dict[str, Any]:
    seat = hold.seat
    proven = seat.proven or seat.state is not State.HELD
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
        data["reference"] = booking.keys().reference(hold.service.id, seat.hold)
    return data


def held(hold: Hold) -> Reply:
    """A seat was taken: where it is kept."""
    return Reply(_hold_data(hold), location=f"holds/{hold.id}", status=201)


def hold_step(hold: Hold) -> Reply:
    """A hold after a step: a person goes on to the next one."""
    return Reply(_hold_data(hold), location=f"holds/{hold.id}")


def captcha_passed(hold: Hold, body: Mapping[str, Any], visit: Visit) -> Reply:
    """A captcha was passed: a person goes on to the next step, or to the details that they had sent before."""
    if carried(body) and not visit.wants_json and hold.seat.proven:
        return check(hold, body)
    return hold_step(hold)


def carried(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the details that a page carries through a further captcha, so that nothing is typed twice."""
    return {name: body[name] for name in (*forms.DETAILS, "step") if isinstance(body.get(name), str)}


def extended(hold: Hold, visit: Visit) -> Reply:
    """A hold has one more period; what was typed into the form of the details is kept."""
    if hold.seat.proven and not visit.wants_json:
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
    if hold.seat.proven:
        return Reply(data, "details.html", {**office, "values": {"language": visit.words.language}, "step": DETAILS})
    if visit.wants_json:
        return Reply(data)
    return _captcha_page(hold, visit, sound=forms.yes(visit.query, "sound"))


def _captcha_page(hold: Hold, visit: Visit, *, sound: bool = False, values: Mapping[str, str] | None = None) -> Reply:
    """The captcha; `values` are the details that came before a further one."""
    drawn = _drawn(booking.challenge_for(hold, visit.now), sound=sound)
    context = {"hold": hold, "office": hold.service.office, **drawn, "carried": values or {}, "step": CAPTCHA}
    return Reply({}, "captcha.html", context)


def _filed_page(hold: Hold, data: dict[str, Any], now: datetime, values: Mapping[str, Any] | None = None) -> Reply:
    """The page after the details: what happens next, and the e-mail address while it can be corrected."""
    email, changes_left = appointment.view_filed(hold, now)
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
    if not isinstance(refusal, errors.InvalidFields | errors.AlreadyRequested):
        return start_again(visit, refusal, hold=hold)
    body = visit.body()
    typed = {name: body[name] for name in forms.EMAIL_FORM if isinstance(body.get(name), str)}
    filed_hold = booking.check_hold(hold, visit.now)
    if filed_hold.seat.state is State.HELD:
        raise errors.HoldOver
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
        hold = booking.view_hold(hold_id, visit.now)
        return _captcha_page(hold, visit, sound=forms.yes(visit.body(), "sound"), values=values)
    return Reply({}, location=f"holds/{hold_id}{'?sound=true' if forms.yes(visit.body(), 'sound') else ''}")


def start_again(visit: Visit, refusal: Refusal, **ids: str) -> Reply | None:
    """After a hold or a link that is over: its service, to begin anew."""
    if not isinstance(refusal, errors.HoldOver | errors.LinkOver | errors.SlotTaken | errors.NothingFree):
        return None
    service = store.service(next(iter(ids.values())).partition(".")[0].lower(), visit.now)
    release = refusal.next_release if isinstance(refusal, errors.NothingFree) else None
    return Reply({}, "problem.html", {"retry": None, "service": service, "next_release": release})


def captcha_again(visit: Visit, refusal: Refusal, hold: str) -> Reply | None:
    """After a wrong answer: the same challenge, or a new one when it is spent."""
    if not isinstance(refusal, errors.CaptchaWrong | errors.CaptchaSpent | errors.InvalidFields):
        return start_again(visit, refusal, hold=hold)
    page = hold_page(booking.view_hold(hold, visit.now), visit)
    page = Reply({}, page.template, {**page.context, "carried": carried(visit.body())})
    if isinstance(refusal, errors.CaptchaWrong):
        tried = booking.challenge_of(str(visit.body()["challenge"]))
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
    if isinstance(refusal, errors.CaptchaRequired):
        return _captcha_page(booking.view_hold(hold, visit.now), visit, values=carried(body))
    if not isinstance(refusal, errors.InvalidFields | errors.AlreadyRequested):
        return start_again(visit, refusal, hold=hold)
    return details_form(booking.view_hold(hold, visit.now), body)


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
    return Reply(_request_data(request), location=f"holds/{hold_id}", status=202)


def _request_data(request: Request) -> dict[str, Any]:
    service = request.service
    before = request.confirm_before if request.state is State.PENDING else None
    data = {
        "reference": request.reference,
        "state": str(request.state),
        "confirm_before": before.astimezone(service.zone).isoformat() if before else None,
        "service": service.id,
        "date": f"{request.start:%Y-%m-%d}",
        "start": f"{request.start:%H:%M}",
        "end": f"{request.start + service.slot:%H:%M}",
    }
    if request.state is State.DISPLACED and request.person and request.confirm_before:
        data["choose_before"] = request.confirm_before.astimezone(service.zone).isoformat()
    return data


def request_page(request: Request, template: str = "request.html") -> Reply:
    """One request, for the person who has the mail."""
    context = {"request": request, "office": request.service.office, "step": FINISH}
    return Reply(_request_data(request), template, context)


def request_step(request: Request) -> Reply:
    """A request after a button was pressed."""
    return Reply(_request_data(request), location=f"requests/{request.token}")


def move_page(request: Request, starts: Sequence[datetime]) -> Reply:
    """The slots that a request can move to, and until when it may."""
    choices = [{"date": f"{start:%Y-%m-%d}", "start": f"{start:%H:%M}"} for start in starts]
    days = [(day, list(slots)) for day, slots in groupby(starts, key=lambda start: start.date())]
    context = {"request": request, "days": days, "chosen": "", "office": request.service.office}
    return Reply({"request": _request_data(request), "choices": choices}, "move.html", context)


def move_again(visit: Visit, refusal: Refusal, token: str) -> Reply | None:
    """After a slot that is gone, or none chosen: those that there are now."""
    if isinstance(refusal, errors.SlotTaken | errors.InvalidFields):
        return move_page(*appointment.choices(token, visit.now))
    if isinstance(refusal, errors.NoMovesLeft):
        return request_page(appointment.view_request(token, visit.now))
    return start_again(visit, refusal, token=token)


def moved(request: Request) -> Reply:
    """A request after its move: its link is a new one."""
    return Reply({"request": _request_data(request), "token": request.token}, location=f"requests/{request.token}")


def convocation_page(request: Request) -> Reply:
    """The convocation to print; only a confirmed request has one."""
    if request.person is None or request.state is not State.CONFIRMED:
        raise errors.LinkOver
    told = outbox.convocation_of(request.service, request.person)
    data = {
        **_request_data(request),
        "first_name": told.first_name,
        "last_name": told.last_name,
        "birth_date": told.birth_date.isoformat(),
        "place": told.place,
        "documents": [words("fr").of(document) for document in told.documents],
    }
    context = {
        "request": request,
        "told": told,
        "qr": convocation.qr_svg(request.reference),
        "office": request.service.office,
    }
    return Reply(data, "convocation.html", context)


def convocation_sent(request: Request, sent: bool) -> Reply:  # noqa: FBT001  # as `manage` answers
    """Say that the convocation is on its way again, or that it left three times in a day and does not now."""
    context = {"request": request, "office": request.service.office, "sent": sent}
    return Reply({**_request_data(request), "sent": sent}, "sent.html", context, status=202)


def correction(request: Request, values: Mapping[str, Any] | None = None) -> Reply:
    """The form that corrects a name or the phone, with what is there or what was typed."""
    if request.person is None:
        raise errors.LinkOver
    details = request.person.details
    there = {name: getattr(details, name) for name in forms.CORRECTION}
    context = {"request": request, "values": values or there, "office": request.service.office}
    return Reply(there, "correct.html", context)


def correction_again(visit: Visit, refusal: Refusal, token: str) -> Reply | None:
    """After a mistake: the form again, with what was typed."""
    if not isinstance(refusal, errors.InvalidFields):
        return start_again(visit, refusal, token=token)
    body = visit.body()
    typed = {name: body[name] for name in forms.CORRECTION if isinstance(body.get(name), str)}
    return correction(use.view_correctable(token, visit.now), typed)


def own_data(document: Mapping[str, Any]) -> Reply:
    """All that is kept about a person, as a file."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return Reply({}, text=text, kind="application/json", download="guichet.json")


def erased(request: Request) -> Reply:
    """Nothing is kept any more."""
    return Reply(_request_data(request), "erased.html", {"request": request, "office": request.service.office})


def manage(*, sent: bool = False) -> Reply:
    """Ask for one's link by reference and address; the answer never tells whether there is one."""
    data = {"status": "accepted"} if sent else {}
    return Reply(data, "manage.html", {"values": {}, "sent": sent}, status=202 if sent else 200)


def manage_again(visit: Visit, refusal: Refusal) -> Reply | None:
    """After a mistake: the form again, with what was typed."""
    if not isinstance(refusal, errors.InvalidFields):
        return None
    body = visit.body()
    values = {name: body[name] for name in ("reference", "email") if isinstance(body.get(name), str)}
    return Reply({}, "manage.html", {"values": values, "sent": False})


# Files


def static(file: str) -> Reply:
    """A style sheet or script, kept by browsers for a year: its name changes with its content."""
    found = pages.static(file)
    if found is None:
        raise errors.NotFound
    text, kind = found
    return Reply({}, text=text, kind=kind, cache=edge.YEAR)


def openapi() -> Reply:
    """The contract."""
    return Reply({}, text=pages.openapi(), kind="application/json", cache="public, max-age=300")
