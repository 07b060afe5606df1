"""A reply, and how it becomes an HTTP response."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalice.app import Response

from chalicelib.rendering import templates
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
NO_STORE = "no-store"
ONE_SECOND = "public, max-age=0, s-maxage=1"
ONE_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Reply:
    """One result for both: `data` for a program; a page, or where to go next from the root, for a person; or a file."""

    data: Mapping[str, Any]
    template: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    location: str = ""
    cache: str = NO_STORE
    text: str = ""
    kind: str = ""
    download: str = ""
    ticket: str = ""


def to_response(reply: Reply, who: Visit) -> Response:
    """A page or JSON from one reply."""
    headers: dict[str, str | list[str]] = {**SECURITY_HEADERS, "Cache-Control": reply.cache}
    headers["Content-Language"] = who.locale.language
    cookies = [f"lang={who.locale.language}; Path=/; Max-Age=31536000; SameSite=Lax; Secure"] * who.sets_language
    if reply.ticket:
        cookies.append(f"visit={reply.ticket}; Path=/; Max-Age=14400; SameSite=Lax; Secure; HttpOnly")
    if cookies:
        headers["Set-Cookie"] = cookies
        headers["Cache-Control"] = NO_STORE
    if reply.download:
        headers["Content-Disposition"] = f'attachment; filename="{reply.download}"'
    if reply.text:
        return Response(reply.text, {**headers, "Content-Type": reply.kind}, reply.status)
    if who.wants_json or not (reply.template or reply.location):
        kind = "application/problem+json" if reply.data.get("status") == reply.status else "application/json"
        return Response(json.dumps(reply.data, ensure_ascii=False), {**headers, "Content-Type": kind}, reply.status)
    if reply.location:
        return Response("", {**headers, "Location": who.root + reply.location}, 303)
    text = templates.render(reply.template, who.locale, who.root, path=who.path, **reply.context)
    return Response(text, {**headers, "Content-Type": "text/html; charset=utf-8"}, reply.status)
