"""Replies about a request: its page, the pages of its steps, the convocation and the applicant's data."""

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
from chalicelib.web.reply import File, Json, Page, Redirect, Result
from chalicelib.web.steps import FINISH
from chalicelib.web.visit import Visit


def request_data(request: Request) -> dict[str, Any]:
    """Return a request as a program reads it."""
    service = request.service
    confirm_before = request.confirm_before if request.state is State.PENDING else None
    data = {
        "reference": request.reference,
        "state": str(request.state),
        "confirm_before": confirm_before.astimezone(service.zone).isoformat() if confirm_before else None,
        "service": service.id,
        "date": f"{request.start:%Y-%m-%d}",
        "start": f"{request.start:%H:%M}",
        "end": f"{request.start + service.slot:%H:%M}",
    }
    if request.state is State.DISPLACED and request.person and request.confirm_before:
        data["choose_before"] = request.confirm_before.astimezone(service.zone).isoformat()
    return data


def _page(template: str, request: Request, status: int = 200, **context: Any) -> Page:
    return Page(template, {"request": request, "office": request.service.office, **context}, status)


def request_page(request: Request, template: str = "request.html") -> Result:
    """Show a request to the applicant."""
    return Result(Json(request_data(request)), _page(template, request, step=FINISH))


def request_step(request: Request) -> Result:
    """Answer a step of a request: a person goes on to its page."""
    return Result(Json(request_data(request)), Redirect(f"requests/{request.token}"))


def move_page(request: Request, starts: Sequence[datetime]) -> Result:
    """Show the slots to which a request can move."""
    choices = [{"date": f"{start:%Y-%m-%d}", "start": f"{start:%H:%M}"} for start in starts]
    data = {"request": request_data(request), "choices": choices}
    return Result(Json(data), _choices_page(request, starts))


def _choices_page(request: Request, starts: Sequence[datetime]) -> Page:
    days = [(day, list(slots)) for day, slots in groupby(starts, key=lambda start: start.date())]
    return _page("move.html", request, days=days, chosen="")


def moved(request: Request) -> Result:
    """Answer a move. The request has a new link token."""
    data = {"request": request_data(request), "token": request.token}
    return Result(Json(data), Redirect(f"requests/{request.token}"))


def convocation_page(request: Request) -> Result:
    """Show the convocation to print. Raise LinkExpired for a request that is not confirmed."""
    if request.person is None or request.state is not State.CONFIRMED:
        raise refusals.LinkExpired
    sheet = convocation.convocation_of(request.service, request.person)
    data = {
        **request_data(request),
        "first_name": sheet.first_name,
        "last_name": sheet.last_name,
        "birth_date": sheet.birth_date.isoformat(),
        "place": sheet.postal_address,
        "documents": [locale_for("fr").text(document) for document in sheet.documents],
    }
    page = _page("convocation.html", request, convocation=sheet, qr=convocation.qr_svg(request.reference))
    return Result(Json(data), page)


def convocation_sent(request: Request, sent: bool) -> Result:  # noqa: FBT001  # as the use case returns it
    """Answer whether the convocation is sent again: it is not after three times in 24 hours."""
    data = {**request_data(request), "sent": sent}
    return Result(Json(data, status=202), _page("sent.html", request, status=202, sent=sent))


def correction(request: Request) -> Result:
    """Show the form that corrects a name or the phone number. Raise LinkExpired if the details are erased."""
    values = _correctable(request)
    return Result(Json(values), _page("correct.html", request, values=values))


def _correctable(request: Request) -> dict[str, str]:
    if request.person is None:
        raise refusals.LinkExpired
    return {name: getattr(request.person.details, name) for name in forms.CORRECTION}


def own_data(document: Mapping[str, Any]) -> File:
    """Return everything that is stored about an applicant, as a file to save."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return File(text, "application/json", download="guichet.json")


def erased(request: Request) -> Result:
    """Answer an erasure."""
    return Result(Json(request_data(request)), _page("erased.html", request))


def manage() -> Result:
    """Show the form that asks for the link of a request."""
    return Result(Json({}), _manage_page({}))


def link_sent() -> Result:
    """Answer who asked for a link. The answer is the same whether there is such a request or not."""
    page = Page("manage.html", {"values": {}, "sent": True}, status=202)
    return Result(Json({"status": "accepted"}, status=202), page)


def _manage_page(values: Mapping[str, str]) -> Page:
    return Page("manage.html", {"values": values, "sent": False})


# Pages on which a person reads a refusal


def move_after_refusal(visit: Visit, refusal: Refusal, token: str) -> Page | None:
    """Return the slots that are free now, after one that was taken or none that was chosen."""
    if isinstance(refusal, refusals.SlotTaken | refusals.InvalidFields):
        return _choices_page(*moves.choices(token, visit.now))
    if isinstance(refusal, refusals.NoMovesLeft):
        return _page("request.html", requests.view(token, visit.now), step=FINISH)
    return service_views.restart_page(visit, refusal, token=token)


def correction_after_refusal(visit: Visit, refusal: Refusal, token: str) -> Page | None:
    """Return the form of the correction with what was typed, after a mistake in it."""
    if not isinstance(refusal, refusals.InvalidFields):
        return service_views.restart_page(visit, refusal, token=token)
    request = personal_data.view_correctable(token, visit.now)
    values = forms.typed(visit.body(), forms.CORRECTION) or _correctable(request)
    return _page("correct.html", request, values=values)


def manage_after_refusal(visit: Visit, refusal: Refusal) -> Page | None:
    """Return the form that asks for a link with what was typed, after a mistake in it."""
    if not isinstance(refusal, refusals.InvalidFields):
        return None
    return _manage_page(forms.typed(visit.body(), ("reference", "email")))
