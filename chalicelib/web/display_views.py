"""The display of a waiting room: whom the desks call. Public for whoever has its link; without a name or a cookie."""

from typing import Any

from chalicelib.booking import availability
from chalicelib.desk import displays
from chalicelib.domain.refusals import Refusal
from chalicelib.rendering import templates
from chalicelib.storage import call_store
from chalicelib.web.reply import Json, Page, Result
from chalicelib.web.visit import Visit

MOST = 8
"""How many calls a screen shows. `display.js` shows as many."""


def show(token: str, visit: Visit) -> Result:
    """Show whom the desks have called and not finished with, the latest call first. Raise NotFound without a link."""
    display = displays.find(token, visit.now)
    service = availability.service(display.service, visit.now)
    now = visit.now.astimezone(service.zone)
    calls: list[dict[str, Any]] = [
        {
            "number": call.number,
            "desk": call.desk,
            "at": call.at.astimezone(service.zone).isoformat(timespec="milliseconds"),
            "calls": call.calls,
        }
        for call in call_store.read_calls(service.id, now.date())
    ]
    data = {
        "day": now.date().isoformat(),
        "now": now.isoformat(timespec="seconds"),
        "version": version(),
        "calls": calls,
    }
    values = {"service": service, "now": now, "version": version(), "calls": calls[:MOST]}
    return Result(Json(data), Page("display.html", values))


def version() -> str:
    """Return what changes with each version of the page that a screen must load again to see."""
    return " ".join(templates.asset(name) for name in ("display.js", "display.css"))


def page_after_refusal(_visit: Visit, _refusal: Refusal, **_ids: str) -> Page:
    """Say that the link is no longer valid. After any other refusal the page loads itself again."""
    return Page("display_refused.html", {})
