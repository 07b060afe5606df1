"""Calls of the office function, which the operator program invokes: no personal data is in a URL or a log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib import log
from chalicelib.allocation import office
from chalicelib.allocation.office import PaperForm
from chalicelib.booking.requests import Request
from chalicelib.domain.entry import Entry
from chalicelib.domain.languages import SOURCE
from chalicelib.domain.refusals import Refusal
from chalicelib.rendering.i18n import locale_for
from chalicelib.web import forms, problems

_OF_ENTRY = ("preferences",)


def enter(call: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Enter somebody in the draws of `service`: `form` has their details and `preferences`, `secret` names the call.

    The answer has the reference, or the code and the title of a refusal, and its fields.
    """
    service_id, outcome = str(call["service"]), "entered"
    try:
        request = office.enter(service_id, _paper_form(call["form"], now), secret=str(call["secret"]), now=now)
        answer = _data(request)
    except Refusal as refusal:
        problem = problems.problem_of(refusal, locale_for(SOURCE))
        outcome = problem.code
        answer = {"refused": problem.code, "title": problem.title, "errors": dict(problem.errors), **problem.facts}
    log.event("office", service=service_id, outcome=outcome)
    return answer


def _paper_form(body: Mapping[str, Any], now: datetime) -> PaperForm:
    """Read a form: the fields of the page with the details, and `preferences`. The e-mail address may be missing."""
    details = {name: value for name, value in body.items() if name not in _OF_ENTRY}
    if details.get("email"):
        details["email_confirmation"] = details["email"]
    preferences = forms.read_preferences({name: body[name] for name in _OF_ENTRY if name in body})
    return PaperForm(forms.read_details(details, today=now.date(), language=SOURCE, email_required=False), preferences)


def _data(request: Request) -> dict[str, Any]:
    receipt = request.carrier.receipt if isinstance(request.carrier, Entry) else ""
    return {"reference": request.reference, "state": str(request.shown_state), "receipt": receipt or None}
