"""Replies about a request: its page, the pages of its steps, the convocation and the applicant's data."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from chalicelib.allocation import publication
from chalicelib.booking import families, personal_data, requests
from chalicelib.booking.requests import Request
from chalicelib.domain import draw_window, refusals
from chalicelib.domain.entry import ENDS_SOON, Entry
from chalicelib.domain.languages import SOURCE
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import APPOINTMENT, RECORDED, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import convocation
from chalicelib.rendering.convocation import Convocation
from chalicelib.rendering.i18n import locale_for
from chalicelib.web import drafts, fields, forms, problems, service_views
from chalicelib.web.reply import File, Json, Page, Redirect, RefusalPage, Result
from chalicelib.web.steps import FINISH
from chalicelib.web.visit import Visit

ASKED = "asked"
"""The cookie that says which link a browser asked for a moment ago."""
LINK_PAUSE_SECONDS = int(requests.LINK_PAUSE.total_seconds())


def request_data(request: Request) -> dict[str, Any]:
    """Return a request as a program reads it."""
    if isinstance(request.carrier, Entry):
        return _entry_data(request, request.carrier)
    service = request.service
    confirm_before = request.confirm_before if request.state is State.PENDING else None
    data = {
        "reference": request.reference,
        "state": str(request.shown_state),
        "confirm_before": confirm_before.astimezone(service.zone).isoformat() if confirm_before else None,
        "service": service.id,
        "date": f"{request.start:%Y-%m-%d}",
        "start": f"{request.start:%H:%M}",
        "end": f"{request.start + service.slot:%H:%M}",
    }
    if request.state is State.DISPLACED and request.person and request.confirm_before:
        data["choose_before"] = request.confirm_before.astimezone(service.zone).isoformat()
    return data


def _entry_data(request: Request, entry: Entry) -> dict[str, Any]:
    """Return an entry in the draws as a program reads it."""
    zone, place = request.service.zone, publication.place_of(request.service.id, entry.receipt)
    until = request.confirm_before.astimezone(zone).isoformat(timespec="seconds") if request.confirm_before else None
    return {
        "reference": request.reference,
        "state": str(request.shown_state),
        "confirm_before": until if request.state is State.PENDING else None,
        "service": request.service.id,
        "date": None,
        "start": None,
        "end": None,
        "receipt": entry.receipt or None,
        "waited": place.waited,
        "preferences": list(entry.preferences),
        "rank": place.rank,
        "promise": place.promise,
        "until": until,
    }


def _page(template: str, request: Request, status: int = 200, **context: Any) -> Page:
    return Page(template, {"request": request, "office": request.service.office, **context}, status)


def request_page(request: Request, template: str = "request.html") -> Result:
    """Show a request to the applicant."""
    if template == "request.html" and request.is_entry:
        return Result(Json(request_data(request)), _entry_page(request))
    return Result(Json(request_data(request)), _page(template, request, step=FINISH, family=()))


def _entry_page(request: Request, **context: Any) -> Page:
    """Return the page of an entry in the draws."""
    receipt = request.carrier.receipt if isinstance(request.carrier, Entry) else ""
    place = publication.place_of(request.service.id, receipt)
    return _page("entered.html", request, **{"place": place, "window": None, "ends_soon": False, **context})


def cancellation_page(request: Request) -> Result:
    """Ask whether to cancel a request. Show one that has ended as it is."""
    return request_page(request, "cancel.html" if request.state in requests.LIVE else "request.html")


def show(request: Request, visit: Visit) -> Result:
    """Show a request, and the outcome of the button that was pressed on its page."""
    refusal = _refusal_shown(request.service, visit)
    if request.is_entry:
        window = draw_window.current_window(request.service, visit.now)
        soon = request.confirm_before is not None and request.confirm_before - visit.now <= ENDS_SOON
        page = _entry_page(request, window=window, ends_soon=soon, **problems.shown(refusal, visit.locale))
        return Result(Json(request_data(request)), page)
    family = families.members(request.person) if request.person and request.state in APPOINTMENT else ()
    page = _page("request.html", request, step=FINISH, family=family, **problems.shown(refusal, visit.locale))
    if (sent := visit.query.get("convocation")) in ("sent", "not-sent"):
        page = _page("sent.html", request, sent=sent == "sent")
    return Result(Json(request_data(request)), page)


def _refusal_shown(service: Service, visit: Visit) -> Refusal | None:
    """Return the refusal that a form of the page met."""
    code = visit.query.get("refused")
    if code == "moves-spent":
        return refusals.NoMovesLeft()
    if code == "appointment-begun":
        return refusals.AppointmentBegun()
    if code == "not-in-window" and service.draw:
        return refusals.NotInWindow(draw_window.next_window(service, visit.now).opens)
    return None


def request_step(request: Request) -> Result:
    """Answer a step of a request: a person goes on to its page."""
    return Result(Json(request_data(request)), Redirect(f"requests/{request.token}"))


def move_page(request: Request, starts: Sequence[datetime], visit: Visit) -> Result:
    """Show the slots to which a request can move."""
    choices = [{"date": f"{start:%Y-%m-%d}", "start": f"{start:%H:%M}"} for start in starts]
    data = {"request": request_data(request), "choices": choices}
    refusal: Refusal | None = None
    if visit.query.get("refused") == "slot-taken":
        refusal = refusals.SlotTaken()
    elif visit.query.get("refused") == "invalid-fields":
        refusal = refusals.InvalidFields({"slot": fields.BAD_SLOT})
    return Result(Json(data), _choices_page(request, starts, **problems.shown(refusal, visit.locale)))


def _choices_page(request: Request, starts: Sequence[datetime], **refusal: Any) -> Page:
    days = [(day, list(slots)) for day, slots in groupby(starts, key=lambda start: start.date())]
    return _page("move.html", request, days=days, **refusal)


def moved(request: Request) -> Result:
    """Answer a move. The request has a new link token."""
    data = {"request": request_data(request), "token": request.token}
    return Result(Json(data), Redirect(f"requests/{request.token}"))


def _convocation(request: Request) -> Convocation:
    """Return the convocation of an appointment, past ones included. Raise LinkExpired if it is none."""
    if request.person is None or request.state not in APPOINTMENT or request.is_entry:
        raise refusals.LinkExpired
    return convocation.convocation_of(request.service, request.person, families.members(request.person))


def convocation_page(request: Request, visit: Visit) -> Json | Page:
    """Show the convocation to print, with its PDF to save. Raise LinkExpired for a request that is not confirmed."""
    sheet = _convocation(request)
    if not visit.wants_json:
        from chalicelib.rendering import pdf  # noqa: PLC0415  # heavy, and no other page needs it

        uri = pdf.data_uri(sheet, visit.locale, now=visit.now)
        return _page("convocation.html", request, convocation=sheet, pdf=uri)
    data = {
        **request_data(request),
        "first_name": sheet.first_name,
        "last_name": sheet.last_name,
        "birth_date": sheet.birth_date.isoformat(),
        "place": sheet.postal_address,
        "documents": [locale_for(SOURCE).text(document) for document in sheet.documents],
    }
    return Json(data)


def calendar_event(request: Request, visit: Visit) -> File:
    """Return the appointment as a calendar file. Raise LinkExpired for a request that is not confirmed.

    It is the file of the letter: a calendar that has both shows one event.
    """
    event = convocation.calendar_file(_convocation(request), visit.locale, now=visit.now)
    return File(event.decode(), convocation.CALENDAR_TYPE.format(method="PUBLISH"), download=convocation.CALENDAR_NAME)


def convocation_sent(request: Request, sent: bool) -> Result:  # noqa: FBT001  # as the use case returns it
    """Answer whether the convocation is sent again: it is not after three times in 24 hours."""
    data = {**request_data(request), "sent": sent}
    page = Redirect(f"requests/{request.token}?convocation={'sent' if sent else 'not-sent'}")
    return Result(Json(data, status=202), page)


def correction(request: Request, visit: Visit) -> Result:
    """Show the form that corrects a name or the phone number. Raise LinkExpired if the details are erased."""

    def read(body: Mapping[str, str]) -> object:
        return personal_data.check_correction(request, *forms.read_correction(body))

    values, typed = _correctable(request), {}
    if "refused" in visit.query:
        typed = drafts.typed_at(visit, _correction_path(request), forms.CORRECTION)
    refusal = _refusal_of(read, typed)
    page = _page("correct.html", request, values=typed or values, **problems.shown(refusal, visit.locale))
    return Result(Json(values), page)


def _correction_path(request: Request) -> str:
    return f"requests/{request.token}/correction"


def _refusal_of(read: Callable[[Mapping[str, str]], object], typed: Mapping[str, str]) -> Refusal | None:
    """Return what is wrong with the fields that a browser kept; None if it kept none."""
    if typed:
        try:
            read(typed)
        except refusals.InvalidFields as invalid:
            return invalid
    return None


def _correctable(request: Request) -> dict[str, str]:
    if request.person is None:
        raise refusals.LinkExpired
    return {name: getattr(request.person.details, name) for name in forms.CORRECTION}


def corrected(request: Request, visit: Visit) -> Result:
    """Answer a correction: a person goes on to the page of the request. The browser forgets what was typed."""
    return Result(Json(request_data(request)), Redirect(f"requests/{request.token}", drafts.drop_typed(visit)))


def own_data(document: Mapping[str, Any]) -> File:
    """Return everything that is stored about an applicant, as a file to save."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return File(text, "application/json", download="guichet.json")


def erased(request: Request) -> Result:
    """Answer an erasure."""
    return Result(Json(request_data(request)), Redirect(f"requests/{request.token}/erasure?done=true"))


def erasure(request: Request, visit: Visit) -> Result:
    """Ask whether to erase the applicant's data, or say that they are erased."""
    is_erased = "done" in visit.query and request.person is None and not request.carrier.person
    if request.state in RECORDED:
        return request_page(request)
    return request_page(request, "erased.html" if is_erased else "erase.html")


def manage(visit: Visit) -> Result:
    """Show the form that asks for the link of a request, or that the link was asked for."""
    typed = drafts.typed_at(visit, "manage", forms.MANAGE) if "refused" in visit.query else {}
    refusal = _refusal_of(forms.read_manage, typed)
    sent = visit.query.get("sent", "")
    return Result(
        Json({}), _manage_page(typed, sent if sent in ("now", "again") else "", **problems.shown(refusal, visit.locale))
    )


def link_sent(reference: str, email: str, visit: Visit) -> Result:
    """Answer who asked for a link. The answer is the same whether there is such a request or not.

    A browser that asked for the same link a moment ago is told so. It knows this from a cookie, which does not tell
    whether there is such a request either.
    """
    asked_at = keys().link_asked_at(visit.cookies.get(ASKED, ""), reference, email)
    again = asked_at is not None and visit.now - asked_at < requests.LINK_PAUSE
    cookies = drafts.drop_typed(visit)
    if visit.cookies and not again:
        cookies += (drafts.header(ASKED, keys().link_asked(reference, email, visit.now), LINK_PAUSE_SECONDS),)
    page = Redirect(f"manage?sent={'again' if again else 'now'}", cookies)
    return Result(Json({"status": "accepted"}, status=202), page)


def _manage_page(values: Mapping[str, str], sent: str = "", **refusal: Any) -> Page:
    return Page("manage.html", {"values": values, "sent": sent, **refusal})


# Pages on which a person reads a refusal


def move_after_refusal(visit: Visit, refusal: Refusal, token: str) -> RefusalPage:
    """Lead to the slots that are free now, after one that was taken or none that was chosen."""
    if isinstance(refusal, refusals.SlotTaken | refusals.InvalidFields):
        return Redirect(f"requests/{token}/move?refused={problems.code_of(refusal)}")
    if isinstance(refusal, refusals.NoMovesLeft):
        return Redirect(f"requests/{token}?refused={problems.code_of(refusal)}")
    return service_views.restart_page(visit, refusal, token=token)


def correction_after_refusal(visit: Visit, refusal: Refusal, token: str) -> RefusalPage:
    """Lead to the form of the correction with what was typed, after a mistake in it."""
    if not isinstance(refusal, refusals.InvalidFields):
        return service_views.restart_page(visit, refusal, token=token)
    request = personal_data.view_correctable(token, visit.now)
    if cookies := drafts.keep_typed(visit, _correction_path(request), forms.CORRECTION):
        return Redirect(f"{_correction_path(request)}?refused={problems.code_of(refusal)}", cookies)
    values = forms.typed(visit.body(), forms.CORRECTION) or _correctable(request)
    return _page("correct.html", request, values=values)


def manage_after_refusal(visit: Visit, refusal: Refusal) -> RefusalPage:
    """Lead to the form that asks for a link with what was typed, after a mistake in it."""
    if not isinstance(refusal, refusals.InvalidFields):
        return None
    if cookies := drafts.keep_typed(visit, "manage", forms.MANAGE):
        return Redirect(f"manage?refused={problems.code_of(refusal)}", cookies)
    return _manage_page(forms.typed(visit.body(), forms.MANAGE))
