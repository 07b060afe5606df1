"""API Gateway in and out: what a visitor sent, a page or JSON from one result, one table from refusal to status."""

import functools
import time
from collections.abc import Callable
from dataclasses import replace

from chalice.app import Chalice, Request, Response

from chalicelib import log
from chalicelib.domain import refusals
from chalicelib.domain.refusals import Refusal
from chalicelib.web import clock, incoming, problems, reply, visit
from chalicelib.web.problems import FAILED
from chalicelib.web.reply import Reply
from chalicelib.web.visit import Visit

ANY_CONTENT_TYPE = ["*/*"]
"""Every route takes any content type and reads its body itself: a wrong one is refused in the person's words."""
GET_OR_HEAD = ["GET", "HEAD"]
"""Every GET route answers HEAD too: link checkers and monitors use it."""
OK = 200
METRICS = {
    ("POST", "/services/{service}/holds"): "Holds",
    ("POST", "/holds/{hold}/captcha/answer"): "CaptchaPasses",
    ("POST", "/holds/{hold}/details"): "Requests",
    ("POST", "/requests/{token}/confirmation"): "Confirmations",
    ("POST", "/requests/{token}/cancellation"): "Cancellations",
    ("POST", "/requests/{token}/move"): "Moves",
}
"""What each step that a visitor has done is called among the metrics."""


def failure(request: Request) -> Response:
    """The answer to a failure that is ours: as for a service that is away, but with its own status."""
    who = visit.read_visit(request, clock.now())
    response = problems.refusal_response(
        replace(problems.problem_of(refusals.Unavailable(), who.locale), status=FAILED), who
    )
    if request.method == "HEAD":
        response.body = ""
    return response


def answers(
    app: Chalice, again: Callable[..., Reply | None] = lambda _visit, _refusal, **_ids: None
) -> Callable[[Callable[..., Reply]], Callable[..., Response]]:
    """Turn a handler's reply, or its refusal, into a response; `again` builds the page to go on from."""

    def decorate(handler: Callable[..., Reply]) -> Callable[..., Response]:
        @functools.wraps(handler)
        def view(**ids: str) -> Response:
            began = time.perf_counter()
            request = app.current_request
            if request is None:
                raise RuntimeError("a route was called without a request")
            who, ids = visit.read_visit(request, clock.now()), {name: value.strip() for name, value in ids.items()}
            act, go_on = functools.partial(handler, who, **ids), functools.partial(again, who, **ids)
            response, code = _refused(request, who) or _respond(act, go_on, who)
            if request.method == "HEAD":
                response.body = ""
            log.event(
                "request",
                {"Refusals": 1} if code else _metric(request, response, who),
                {"Code": code} if code else None,
                route=request.path,
                method=request.method,
                status=response.status_code,
                refusal=code,
                ms=round((time.perf_counter() - began) * 1000),
            )
            return response

        return view

    return decorate


def run_id(event: object) -> str:
    """The id of a run: of the request at API Gateway, where there is one, or of the call of the function."""
    if isinstance(event, Request):
        return str(event.context.get("requestId", ""))
    return str(getattr(getattr(event, "context", None), "aws_request_id", ""))


def _metric(request: Request, response: Response, who: Visit) -> dict[str, int] | None:
    """The step that a request has done, as a metric; a page that only shows a form has done none."""
    step = METRICS.get((request.method, request.path))
    done = response.status_code in {201, 202, 303} or (response.status_code == OK and who.wants_json)
    return {step: 1} if step and done else None


def _refused(request: Request, who: Visit) -> tuple[Response, str] | None:
    """Refuse a POST of another site, or with a bad body, before its handler runs and anything is written."""
    if request.method != "POST":
        return None
    try:
        incoming.check_site(request)
        who.body()
    except Refusal as refusal:
        shown = problems.problem_of(refusal, who.locale)
        return problems.refusal_response(shown, replace(who, sets_language=False)), shown.code
    return None


def _respond(
    handle: Callable[[], Reply], again: Callable[[Refusal], Reply | None], who: Visit
) -> tuple[Response, str | None]:
    try:
        return reply.to_response(handle(), who), None
    except Refusal as refusal:
        told = refusal
    try:
        page = None if who.wants_json else again(told)
    except Refusal as deeper:  # the page to go on from is gone as well
        told, page = deeper, None
    shown = problems.problem_of(told, who.locale)
    return problems.refusal_response(shown, who, page), shown.code
