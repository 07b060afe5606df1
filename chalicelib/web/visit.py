"""A visit: what an API Gateway request says about its visitor and about the page that was asked for."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalice.app import Request

from chalicelib import settings
from chalicelib.domain import languages
from chalicelib.domain.refusals import InvalidFields
from chalicelib.keys import keys
from chalicelib.rendering.i18n import Locale, locale_for, preferred_language
from chalicelib.web import fields, incoming

UNKNOWN_PATH = "/{proxy+}"
"""The route that API Gateway takes for a path or a method that has no other."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a visitor.

    `root` is the relative URL of the service's root, seen from the page. `path` is the page, seen from the root: links
    to other languages lead to it. `sets_language` tells whether the visitor chose the language in this request.
    """

    now: datetime
    method: str
    body: Callable[[], dict[str, Any]]
    """Return the fields of the body. Raises InvalidFields if they cannot be read."""
    locale: Locale
    wants_json: bool
    root: str
    path: str
    query: Mapping[str, str]
    sets_language: bool
    visitor_token: str = ""
    ip_address: str = ""
    site: str = ""
    """The public URL of the service's root, without a slash at its end."""
    wants_html: bool = False
    """Whether the request names HTML, as every browser does."""
    cookies: Mapping[str, str] = field(default_factory=dict)
    """All cookies. Empty for a browser that keeps none, which then gets pages instead of redirects to them."""


def read_visit(request: Request, now: datetime) -> Visit:
    """Read a request. Its body is read on the first call of `body`."""
    query = fields.Form(request.query_params or {})
    body = functools.cache(functools.partial(incoming.body, request))
    cookies = dict(part.strip().partition("=")[::2] for part in request.headers.get("cookie", "").split(";"))
    chosen = query.get("lang", "") or (_language_button(body) if request.method == "POST" else "")
    language = next(
        (code for code in (chosen, cookies.get("lang", "")) if code in languages.TABLE),
        preferred_language(request.headers.get("accept-language", "")),
    )
    root, path = _root_and_path(request)
    is_desk = path.partition("/")[0] in {"desk", "display"}  # in French only
    return Visit(
        now=now,
        method=request.method,
        body=body,
        locale=locale_for(languages.SOURCE if is_desk else language),
        wants_json=_wants_json(request),
        wants_html="text/html" in request.headers.get("accept", "").lower(),
        root=root,
        path=path,
        query=query,
        sets_language=chosen in languages.TABLE and not is_desk,
        visitor_token=cookies.get("visit", ""),
        ip_address=_client_ip(request),
        site=_site(request),
        cookies={name: value for name, value in cookies.items() if name},
    )


def _wants_json(request: Request) -> bool:
    """Tell a program from a person, by the Accept header; in a POST also by the content type of its body.

    The answer to a GET is cached by the headers in Vary, and Content-Type is not one of them.
    """
    accept = request.headers.get("accept", "").lower()
    content_type = request.headers.get("content-type", "").lower() if request.method == "POST" else ""
    return "text/html" not in accept and ("json" in accept or "json" in content_type)


def _language_button(body: Callable[[], dict[str, Any]]) -> str:
    """Return the language of the button that sent the form; empty if it was another button."""
    try:
        return str(body().get("lang", ""))
    except InvalidFields:
        return ""


def _root_and_path(request: Request) -> tuple[str, str]:
    """Return the relative URL of the root, and the path of the page below it.

    Only the full path of the request contains the stage, such as `/api`. It may end with a slash, which API Gateway
    ignores and a browser does not.
    """
    unknown = request.path == UNKNOWN_PATH
    segments = (request.uri_params or {})["proxy"] if unknown else request.path.removeprefix("/")
    depth = segments.strip("/").count("/")
    full_path = str(request.context.get("path", "/")).encode(errors="replace").decode()  # pages link to it
    if request.path == "/":
        return ("" if full_path.endswith("/") else full_path.rpartition("/")[2] + "/"), ""
    root = "../" * (depth + full_path.endswith("/"))
    parts = full_path.rstrip("/").split("/")[-depth - 1 :]
    if request.method == "POST" and not unknown and parts[0] != "desk":  # link to the page that the form was on
        parts = [*parts[:2], "slots"] if parts[0] == "services" else parts[:2]
    return root, "/".join(parts)


def _site(request: Request) -> str:
    """Return the public URL of the root: that of the settings, else that of API Gateway, which no visitor can forge."""
    if public_url := settings.current().public_url:
        return public_url
    depth = request.path.rstrip("/").count("/")
    stage = str(request.context.get("path", "")).encode(errors="replace").decode().rstrip("/").split("/")[1:]
    return "/".join([f"https://{request.context.get('domainName', '')}", *stage[: len(stage) - depth]])


def _client_ip(request: Request) -> str:
    """Return the IP address of the visitor: the one that API Gateway saw, unless that is our own CloudFront.

    CloudFront proves itself by a secret header. It and API Gateway each append the address that called them to
    X-Forwarded-For, so the visitor is the last but one.
    """
    hops = request.headers.get("x-forwarded-for", "").split(",")
    secret = request.headers.get("x-guichet-edge", "")
    if secret and keys().is_cdn(secret) and len(hops) > 1:
        return str(hops[-2]).strip()
    return str(request.context.get("identity", {}).get("sourceIp", ""))
