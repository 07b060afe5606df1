"""Handlers of routes: a visit in, a reply or a refusal out, one line in the log for each request."""

import functools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chalice.app import Blueprint, Chalice, Request, Response

from chalicelib import log, settings
from chalicelib.domain.refusals import Refusal
from chalicelib.web import clock, incoming, problems
from chalicelib.web.reply import Problem, Redirect, RefusalPage, Reply
from chalicelib.web.response import to_response
from chalicelib.web.visit import Visit, read_visit

ANY_CONTENT_TYPE = ["*/*"]
"""Every route accepts any content type: a body that cannot be read is refused in the visitor's language."""
GET_OR_HEAD = ["GET", "HEAD"]
"""Every GET route also answers HEAD, for link checkers and monitoring."""
ANY_METHOD = [*GET_OR_HEAD, "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
OK = 200
METRICS = {
    ("POST", "/services/{service}/attempts"): "Attestations",
    ("POST", "/services/{service}/holds"): "Holds",
    ("POST", "/services/{service}/entries"): "Entries",
    ("POST", "/holds/{hold}/captcha/answer"): "CaptchaPasses",
    ("POST", "/holds/{hold}/seat"): "Turns",
    ("POST", "/holds/{hold}/details"): "Requests",
    ("POST", "/requests/{token}/confirmation"): "Confirmations",
    ("POST", "/requests/{token}/cancellation"): "Cancellations",
    ("POST", "/requests/{token}/move"): "Moves",
    ("GET", "/desk/callback"): "SignIns",
    ("POST", "/desk/{service}/book"): "DeskBookings",
}
"""The metric that counts each step of a booking."""


def _no_page(_visit: Visit, _refusal: Refusal, **_ids: str) -> None:
    """Let a refusal have a page of its own."""


def route(
    app: Chalice | Blueprint, methods: list[str], *paths: str, refusal_page: Callable[..., RefusalPage] = _no_page
) -> Callable[[Callable[..., Reply]], Callable[..., Response]]:
    """Decorate the handler of paths: it takes a visit and the ids of the path, and returns a reply or raises a Refusal.

    `refusal_page` takes the visit, the refusal and the ids. It returns the page on which a person reads the refusal,
    such as the form with what they typed, a redirect to it, or None.
    """

    def decorate(handler: Callable[..., Reply]) -> Callable[..., Response]:
        @functools.wraps(handler)
        def respond(**path_ids: str) -> Response:
            started = time.perf_counter()
            request = app.current_request
            if request is None:
                raise RuntimeError("a route was called without a request")
            visit = read_visit(request, clock.now())
            ids = {name: value.strip() for name, value in path_ids.items()}
            try:
                _check(request, visit)
            except Refusal as refusal:
                visit = replace(visit, sets_language=False)
                reply: Reply = problems.problem_of(refusal, visit.locale)
            else:
                reply = _reply(
                    functools.partial(handler, visit, **ids), functools.partial(refusal_page, visit, **ids), visit
                )
            response = to_response(reply, visit)
            _log(request, visit, response, reply, started)
            return response

        for path in paths:
            app.route(path, methods=methods, content_types=ANY_CONTENT_TYPE)(respond)
        return respond

    return decorate


def unless_plain(register: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator of Chalice, or one that does nothing: a plain deployment lacks what calls the function."""
    return (lambda function: function) if settings.is_plain_chalice() else register


def failure_response(request: Request) -> Response:
    """Return the response to a request whose handler failed with an unforeseen error."""
    visit = read_visit(request, clock.now())
    return to_response(problems.failure(visit.locale), visit)


def run_id(event: object) -> str:
    """Return the id of a run: of the API Gateway request, or of the function's invocation if there is none."""
    if isinstance(event, Request):
        return str(event.context.get("requestId", ""))
    return str(getattr(getattr(event, "context", None), "aws_request_id", ""))


def _check(request: Request, visit: Visit) -> None:
    """Refuse a POST from another site, or with a body that cannot be read, before its handler runs."""
    if request.method == "POST":
        incoming.check_site(request)
        visit.body()


def _reply(handle: Callable[[], Reply], refusal_page: Callable[[Refusal], RefusalPage], visit: Visit) -> Reply:
    try:
        return handle()
    except Refusal as error:
        refusal = error
    try:
        page = None if visit.wants_json else refusal_page(refusal)
    except Refusal as error:  # what the page would show is gone as well
        refusal, page = error, None
    return replace(problems.problem_of(refusal, visit.locale), page=page)


def _log(request: Request, visit: Visit, response: Response, reply: Reply, started: float) -> None:
    code = reply.code if isinstance(reply, Problem) else None
    log.event(
        "request",
        {"Refusals": 1} if code else _metric(request, visit, response, reply),
        {"Code": code} if code else None,
        route=request.path,
        method=request.method,
        status=response.status_code,
        refusal=code,
        ms=round((time.perf_counter() - started) * 1000),
    )


def _metric(request: Request, visit: Visit, response: Response, reply: Reply) -> dict[str, int] | None:
    """Return the metric of the step that a request completed. A page that only shows a form completes none."""
    metric = METRICS.get((request.method, request.path))
    completed = response.status_code in {201, 202, 303} or (response.status_code == OK and visit.wants_json)
    if isinstance(reply, Redirect) and not reply.completes:
        completed = False
    return {metric: 1} if metric and completed else None
