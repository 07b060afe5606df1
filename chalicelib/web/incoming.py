"""What is checked of a POST request before its handler runs: the site that sent it, and its body."""

import json
from typing import Any
from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib.domain.refusals import CrossSite, InvalidFields
from chalicelib.web import fields


def check_site(request: Request) -> None:
    """Raise CrossSite for a form on a page of another site. Programs send no header that names a site: they pass."""
    headers = request.headers
    if site := headers.get("sec-fetch-site", ""):
        if site not in {"same-origin", "none"}:  # `same-site` may be another subdomain, which is not ours
            raise CrossSite
        return
    origin = headers.get("origin", "null").lower()
    if origin == "null":  # our own pages send this as well: their Referrer-Policy hides the origin
        return
    # A proxy replaces Host and writes the public host into X-Forwarded-Host. A form can set neither.
    hosts = f"{headers.get('host', '')},{headers.get('x-forwarded-host', '')}".lower().split(",")
    if origin.partition("://")[2] not in {host.strip() for host in hosts if host.strip()}:
        raise CrossSite


def body(request: Request) -> dict[str, Any]:
    """Read a form or a JSON object. Raise InvalidFields for anything else, and for text that is not valid Unicode."""
    try:
        raw = request.raw_body
        raw = raw.encode() if isinstance(raw, str) else raw
        if len(raw) > fields.MOST_BYTES:
            raise InvalidFields({"body": fields.TOO_MUCH})
        if request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return fields.Form(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=400, errors="strict"))
        document = json.loads(raw.decode("utf-8-sig")) if raw else {}  # `loads` would read bytes as UTF-16 as well
        json.dumps(document, ensure_ascii=False).encode()  # fails for half of a surrogate pair in a key or a value
    except (ValueError, RecursionError) as error:
        raise InvalidFields({"body": fields.BAD_BODY}) from error
    if not isinstance(document, dict):
        raise InvalidFields({"body": fields.BAD_BODY})
    return document
