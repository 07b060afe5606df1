"""Checks of a POST request before any handler runs: which site sent it, and whether its body can be read."""

import json
from typing import Any
from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib.domain.refusals import CrossSite, InvalidFields
from chalicelib.web import forms


def check_site(request: Request) -> None:
    """Refuse a form that a page of another site sent; programs name no site and pass. Raise CrossSite."""
    headers = request.headers
    if site := headers.get("sec-fetch-site", ""):
        if site not in {"same-origin", "none"}:  # a sibling subdomain (`same-site`) is not ours either
            raise CrossSite
        return
    origin = headers.get("origin", "null").lower()
    if origin == "null":  # our own pages send this too: their Referrer-Policy hides the origin
        return
    # A proxy replaces Host and names the public host in X-Forwarded-Host. A form can set neither.
    hosts = f"{headers.get('host', '')},{headers.get('x-forwarded-host', '')}".lower().split(",")
    if origin.partition("://")[2] not in {host.strip() for host in hosts if host.strip()}:
        raise CrossSite


def body(request: Request) -> dict[str, Any]:
    """Read a form or a JSON object. Raise InvalidFields for anything else, and for text that is not valid Unicode."""
    try:
        sent = request.raw_body
        raw = sent.encode() if isinstance(sent, str) else sent
        if len(raw) > forms.MOST_BYTES:
            raise InvalidFields({"body": forms.TOO_MUCH})
        if request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return forms.Form(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=40, errors="strict"))
        read = json.loads(raw.decode("utf-8-sig")) if raw else {}  # bytes would be read as UTF-16 as well
        json.dumps(read, ensure_ascii=False).encode()  # fails on half of a surrogate pair, in a key or in a value
    except (ValueError, RecursionError) as error:
        raise InvalidFields({"body": forms.BAD_BODY}) from error
    if not isinstance(read, dict):
        raise InvalidFields({"body": forms.BAD_BODY})
    return read
