"""Replies: what a program reads and what a person sees of each result, and the page to go on from after a refusal."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from chalicelib.booking import moves, personal_data, requests
from chalicelib.booking.requests import Request
from chalicelib.domain import refusals
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import State
from chalicelib.rendering import convocation
from chalicelib.rendering.i18n import locale_for
from chalicelib.web import forms, service_views
from chalicelib.web.reply import Reply
from chalicelib.web.steps import FINISH
from chalicelib.web.visit import Visit


def request_data(request: Request) -> dict[str, Any]:
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
    return Reply(request_data(request), template, context)


def request_step(request: Request) -> Reply:
    """A request after a button was pressed."""
    return Reply(request_data(request), location=f"requests/{request.token}")


def move_page(request: Request, starts: Sequence[datetime]) -> Reply:
    """The slots that a request can move to, and until when it may."""
    choices = [{"date": f"{start:%Y-%m-%d}", "start": f"{start:%H:%M}"} for start in starts]
    days = [(day, list(slots)) for day, slots in groupby(starts, key=lambda start: start.date())]
    context = {"request": request, "days": days, "chosen": "", "office": request.service.office}
    return Reply({"request": request_data(request), "choices": choices}, "move.html", context)


def move_again(visit: Visit, refusal: Refusal, token: str) -> Reply | None:
    """After a slot that is gone, or none chosen: those that there are now."""
    if isinstance(refusal, refusals.SlotTaken | refusals.InvalidFields):
        return move_page(*moves.choices(token, visit.now))
    if isinstance(refusal, refusals.NoMovesLeft):
        return request_page(requests.view(token, visit.now))
    return service_views.start_again(visit, refusal, token=token)


def moved(request: Request) -> Reply:
    """A request after its move: its link is a new one."""
    return Reply({"request": request_data(request), "token": request.token}, location=f"requests/{request.token}")


def convocation_page(request: Request) -> Reply:
    """The convocation to print; only a confirmed request has one."""
    if request.person is None or request.state is not State.CONFIRMED:
        raise refusals.LinkExpired
    told = convocation.convocation_of(request.service, request.person)
    data = {
        **request_data(request),
        "first_name": told.first_name,
        "last_name": told.last_name,
        "birth_date": told.birth_date.isoformat(),
        "place": told.place,
        "documents": [locale_for("fr").of(document) for document in told.documents],
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
    return Reply({**request_data(request), "sent": sent}, "sent.html", context, status=202)


def correction(request: Request, values: Mapping[str, Any] | None = None) -> Reply:
    """The form that corrects a name or the phone, with what is there or what was typed."""
    if request.person is None:
        raise refusals.LinkExpired
    details = request.person.details
    there = {name: getattr(details, name) for name in forms.CORRECTION}
    context = {"request": request, "values": values or there, "office": request.service.office}
    return Reply(there, "correct.html", context)


def correction_again(visit: Visit, refusal: Refusal, token: str) -> Reply | None:
    """After a mistake: the form again, with what was typed."""
    if not isinstance(refusal, refusals.InvalidFields):
        return service_views.start_again(visit, refusal, token=token)
    body = visit.body()
    typed = {name: body[name] for name in forms.CORRECTION if isinstance(body.get(name), str)}
    return correction(personal_data.view_correctable(token, visit.now), typed)


def own_data(document: Mapping[str, Any]) -> Reply:
    """All that is kept about a person, as a file."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return Reply({}, text=text, kind="application/json", download="guichet.json")


def erased(request: Request) -> Reply:
    """Nothing is kept any more."""
    return Reply(request_data(request), "erased.html", {"request": request, "office": request.service.office})


def manage(*, sent: bool = False) -> Reply:
    """Ask for one's link by reference and address; the answer never tells whether there is one."""
    data = {"status": "accepted"} if sent else {}
    return Reply(data, "manage.html", {"values": {}, "sent": sent}, status=202 if sent else 200)


def manage_again(visit: Visit, refusal: Refusal) -> Reply | None:
    """After a mistake: the form again, with what was typed."""
    if not isinstance(refusal, refusals.InvalidFields):
        return None
    body = visit.body()
    values = {name: body[name] for name in ("reference", "email") if isinstance(body.get(name), str)}
    return Reply({}, "manage.html", {"values": values, "sent": False})
