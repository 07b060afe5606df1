"""Replies about entering the draws: the form that ranks half-days, for a new entry and for one that is changed.

A form with a mistake leads to its page, whose query has what was chosen and the code of the refusal. Half-days are no
personal data, so this needs no cookie.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from chalicelib.allocation import entries
from chalicelib.booking import availability, requests
from chalicelib.booking.requests import Request
from chalicelib.domain import draw_window, refusals
from chalicelib.domain.entry import Entry, check_preferences
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.service import Service
from chalicelib.storage import service_store
from chalicelib.web import fields, forms, hold_views, problems, request_views, service_views
from chalicelib.web.reply import Json, Page, Redirect, RefusalPage, Reply, Result
from chalicelib.web.steps import SLOTS
from chalicelib.web.visit import Visit


def entry_form(service: Service, visit: Visit) -> Result:
    """Show the form that ranks half-days. A link back to it has those that were chosen in its query."""
    availability.refuse_if_paused(service)
    accepted = fields.yes(visit.query, "conditions_accepted")
    refusal = _refusal(service, visit, accepted=accepted)
    page = _form_page(service, visit, forms.ranked(visit.query), conditions_accepted=accepted, refusal=refusal)
    return Result(Json(_choices_data(service, visit)), page)


def _choices_data(service: Service, visit: Visit) -> dict[str, Any]:
    choices = _choices(service, visit)
    return {"service": service.id, **service_views.window_data(service, choices.window), "most": choices.most}


def _choices(service: Service, visit: Visit) -> entries.Choices:
    return entries.choices(service, visit.now)


def _refusal(service: Service, visit: Visit, *, accepted: bool) -> Refusal | None:
    """Return what is wrong with the form whose refusal led to this page; None once it is right."""
    code = visit.query.get("refused")
    if code == "conditions-not-accepted" and not accepted:
        return refusals.ConditionsNotAccepted()
    if code == "invalid-fields":
        choices = _choices(service, visit)
        try:
            check_preferences(forms.ranked(visit.query), choices.half_days, choices.most)
        except refusals.InvalidFields as invalid:
            return invalid
    return None


def _form_page(
    service: Service,
    visit: Visit,
    chosen: Sequence[str],
    *,
    conditions_accepted: bool,
    refusal: Refusal | None = None,
) -> Page:
    context = {
        "service": service,
        "choices": _choices(service, visit),
        "chosen": chosen,
        "conditions_accepted": conditions_accepted,
        "request": None,
        "step": SLOTS,
        **problems.shown(refusal, visit.locale),
    }
    return Page("entry.html", context)


def enter(service: Service, visit: Visit) -> Reply:
    """Begin an entry: a person goes on to its captcha. A change of language shows the form again."""
    body = visit.body()
    if "lang" in body and not visit.wants_json:
        accepted = fields.yes(body, "conditions_accepted")
        return _form_page(service, visit, forms.ranked(body), conditions_accepted=accepted)
    return hold_views.held(entries.place(service.id, forms.read_application(body), now=visit.now))


def entry_after_refusal(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Lead to the form with what was chosen, or to the page that says when the window opens."""
    page = f"services/{service}/entries"
    if isinstance(refusal, refusals.NotInWindow | refusals.WrongAllocation):
        return Redirect(page) if visit.method == "POST" else _closed_page(service_store.read(service, visit.now), visit)
    if not isinstance(refusal, refusals.InvalidFields | refusals.ConditionsNotAccepted):
        return service_views.paused_page(visit, refusal, service)
    body = visit.body()
    if _is_of_a_page(refusal):
        return _to_form(page, refusal, body)
    accepted = fields.yes(body, "conditions_accepted")
    stored = service_store.read(service, visit.now)
    return _form_page(stored, visit, forms.ranked(body), conditions_accepted=accepted)


def _is_of_a_page(refusal: Refusal) -> bool:
    """Tell whether a form of ours can be refused like this. Other errors than of half-days come from elsewhere."""
    return not isinstance(refusal, refusals.InvalidFields) or refusal.errors.keys() == {"preferences"}


def _to_form(path: str, refusal: Refusal, body: Mapping[str, Any]) -> Redirect:
    """Return the redirect to a form with what was chosen. A value that no form of ours sends is cut."""
    typed = forms.typed(body, forms.PREFERENCES)
    chosen = {name: value[: forms.PREFERENCE_LENGTH] for name, value in typed.items() if value}
    box = {"conditions_accepted": "true"} if fields.yes(body, "conditions_accepted") else {}
    return Redirect(f"{path}?{urlencode({'refused': problems.code_of(refusal), **box, **chosen})}")


def _closed_page(service: Service, visit: Visit) -> Page:
    window = draw_window.next_window(service, visit.now) if service.draw else None
    opens_at = window and window.opens.astimezone(service.zone)
    return Page("problem.html", {"retry": None, "service": service, "opens_at": opens_at})


# The preferences of an entry


def preferences_form(request: Request, visit: Visit) -> Result:
    """Show the form that changes the half-days of an entry."""
    preferences = request.carrier.preferences if isinstance(request.carrier, Entry) else ()
    data = {"preferences": list(preferences), **_choices_data(request.service, visit)}
    refusal = _refusal(request.service, visit, accepted=True)
    chosen = forms.ranked(visit.query) if "refused" in visit.query else preferences
    return Result(Json(data), _change_page(request, visit, chosen, refusal))


def _change_page(request: Request, visit: Visit, chosen: Sequence[str], refusal: Refusal | None = None) -> Page:
    context = {
        "service": request.service,
        "request": request,
        "choices": _choices(request.service, visit),
        "chosen": chosen,
        "conditions_accepted": True,
        **problems.shown(refusal, visit.locale),
    }
    return Page("entry.html", context)


def change_preferences(token: str, visit: Visit) -> Reply:
    """Change the half-days of an entry. A change of language shows the form again."""
    body = visit.body()
    if "lang" in body and not visit.wants_json:
        return _change_page(requests.view(token, visit.now), visit, forms.ranked(body))
    request = entries.change_preferences(token, forms.read_preferences(body), visit.now)
    return Result(Json(request_views.request_data(request)), Redirect(f"requests/{request.token}"))


def preferences_after_refusal(visit: Visit, refusal: Refusal, token: str) -> RefusalPage:
    """Lead to the form with what was chosen, or back to the entry when the window has closed."""
    if isinstance(refusal, refusals.NotInWindow | refusals.WrongAllocation):
        return Redirect(f"requests/{token}?refused={problems.code_of(refusal)}")
    if not isinstance(refusal, refusals.InvalidFields):
        return service_views.restart_page(visit, refusal, token=token)
    if _is_of_a_page(refusal):
        return _to_form(f"requests/{token}/preferences", refusal, visit.body())
    return _change_page(entries.view(token, visit.now), visit, forms.ranked(visit.body()))
