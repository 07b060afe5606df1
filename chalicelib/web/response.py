"""The HTTP response of a reply: status, headers, cookies and body."""

import json
from collections.abc import Mapping
from typing import Any, assert_never

from chalice.app import Response

from chalicelib.rendering import templates
from chalicelib.web.problems import retry_after
from chalicelib.web.reply import NO_STORE, File, Json, Page, Problem, Redirect, Reply, Result
from chalicelib.web.visit import Visit

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "media-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept, Accept-Language, Cookie",
}


def to_response(reply: Reply, visit: Visit) -> Response:
    """Turn a reply into the response to a visit. It has no body if the request was a HEAD."""
    if isinstance(reply, Result):
        reply = reply.json if visit.wants_json else reply.html
    response = _response(reply, visit)
    if visit.method == "HEAD":
        response.body = ""
    return response


def _response(reply: Page | Redirect | Json | File | Problem, visit: Visit) -> Response:
    match reply:
        case Page():
            headers = _headers(visit, "text/html; charset=utf-8", reply.cache, reply.visitor_token, reply.cookies)
            if reply.is_shared:
                html = templates.render_shared(reply.template, visit.locale, visit.root, visit.path, reply.context)
            else:
                html = templates.render(reply.template, visit.locale, visit.root, path=visit.path, **reply.context)
            return Response(html, headers, reply.status)
        case Redirect():
            headers = _headers(visit, cookies=reply.cookies)
            location = reply.location if reply.leaves else visit.root + reply.location
            return Response("", {**headers, "Location": location}, 303)
        case Json():
            headers = _headers(visit, "application/json", reply.cache, reply.visitor_token)
            return Response(_json(reply.data), headers, reply.status)
        case File():
            headers = _headers(visit, reply.content_type, reply.cache)
            if reply.download:
                headers["Content-Disposition"] = f'attachment; filename="{reply.download}"'
            if reply.parts:
                headers["X-Parts"] = str(reply.parts)
            return Response(reply.text, headers)
        case Problem():
            return _problem_response(reply, visit)
    assert_never(reply)


def _problem_response(problem: Problem, visit: Visit) -> Response:
    if isinstance(problem.page, Redirect):  # never for a program
        return _response(problem.page, visit)
    seconds = retry_after(problem)
    if visit.wants_json:
        headers = _headers(visit, "application/problem+json")
        response = Response(_json(problem.document()), headers, problem.status)
    else:
        retry = (visit.root + visit.path or "./") if seconds else None
        page = (
            problem.page if isinstance(problem.page, Page) else Page("problem.html", {"retry": retry, "service": None})
        )
        context = {**page.context, "problem": problem, "errors": problem.errors}
        response = _response(Page(page.template, context, problem.status, cookies=page.cookies), visit)
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    if "allowed" in problem.facts:
        response.headers["Allow"] = ", ".join(problem.facts["allowed"])
    return response


def _headers(
    visit: Visit,
    content_type: str = "",
    cache: str = NO_STORE,
    visitor_token: str = "",
    cookies: tuple[str, ...] = (),
) -> dict[str, str | list[str]]:
    headers: dict[str, str | list[str]] = {
        **SECURITY_HEADERS,
        "Cache-Control": cache,
        "Content-Language": visit.locale.language,
    }
    if content_type:
        headers["Content-Type"] = content_type
    set_cookies = list(cookies)
    if visit.sets_language:
        set_cookies.append(f"lang={visit.locale.language}; Path=/; Max-Age=31536000; SameSite=Lax; Secure")
    if visitor_token:
        set_cookies.append(f"visit={visitor_token}; Path=/; Max-Age=14400; SameSite=Lax; Secure; HttpOnly")
    if set_cookies:  # no cache may hand the cookie of one visitor to another
        headers["Set-Cookie"] = set_cookies
        headers["Cache-Control"] = NO_STORE
    return headers


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False)
