"""What a visitor sent, read from an API Gateway request."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalice.app import Request

from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.service import LANGUAGES
from chalicelib.keys import keys
from chalicelib.rendering.i18n import Locale, locale_for, preferred_language
from chalicelib.web import forms, incoming


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: when, in which language, for a page or for JSON, and how far the root is from its address."""

    now: datetime
    body: Callable[[], dict[str, Any]]
    locale: Locale
    wants_json: bool
    root: str
    path: str
    query: Mapping[str, str]
    sets_language: bool
    visitor_token: str = ""
    ip_address: str = ""


def read_visit(request: Request, now: datetime) -> Visit:
    """Read a request; what is wrong with its body is told when it is asked for."""
    query = forms.Form(request.query_params or {})
    accept = request.headers.get("accept", "").lower()
    typed = request.headers.get("content-type", "").lower() if request.method == "POST" else ""
    wants_json = "text/html" not in accept and ("json" in accept or "json" in typed)  # of a GET, Vary must name all
    cookies = dict(part.strip().partition("=")[::2] for part in request.headers.get("cookie", "").split(";"))
    read = functools.cache(functools.partial(incoming.body, request))
    chosen = query.get("lang", "") or (_asked_by_button(read) if request.method == "POST" else "")
    language = next(
        (one for one in (chosen, cookies.get("lang", "")) if one in LANGUAGES),
        preferred_language(request.headers.get("accept-language", "")),
    )
    depth = request.path.count("/") - 1
    full = str(request.context.get("path", "/")).encode(errors="replace").decode()  # pages link to it
    root = "../" * depth
    if request.path == "/" and not full.endswith("/"):
        root = full.rpartition("/")[2] + "/"
    elif request.path != "/" and full.endswith("/"):  # API Gateway takes the address with a slash at its end too
        root = "../" + root
    parts = full.rstrip("/").split("/")[-depth - 1 :] if request.path != "/" else []
    if request.method == "POST":  # the page to be seen in another language is the one that the form was on
        parts = [*parts[:2], "slots"] if parts[0] == "services" else parts[:2]
    path = "/".join(parts)
    return Visit(
        now=now,
        body=read,
        locale=locale_for(language),
        wants_json=wants_json,
        root=root,
        path=path,
        query=query,
        sets_language=chosen in LANGUAGES,
        visitor_token=cookies.get("visit", ""),
        ip_address=_client_ip(request),
    )


def _client_ip(request: Request) -> str:
    """Where a visitor comes from: API Gateway's word, or that of our own CloudFront, which shows that it is ours.

    Each of the two adds to X-Forwarded-For who spoke to it: the visitor is the last but one.
    """
    hops = request.headers.get("x-forwarded-for", "").split(",")
    if (shown := request.headers.get("x-guichet-edge", "")) and keys().is_cdn(shown) and len(hops) > 1:
        return str(hops[-2]).strip()
    return str(request.context.get("identity", {}).get("sourceIp", ""))


def _asked_by_button(read: Callable[[], dict[str, Any]]) -> str:
    """The language that a button of a form asks for."""
    try:
        return str(read().get("lang", ""))
    except InvalidFields:
        return ""
