"""The service in this process, behind a WSGI gateway. Each call runs the real `app`.

A path or method that API Gateway itself refuses gets the response of `infra/deploy/templates/app.yaml`.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chalice.local import RouteMatcher
from chalice.test import Client

import app

CLIENT = Client(app.app, stage_name="unit", project_dir=str(Path(app.__file__).parent))
_ROUTES = RouteMatcher(list(app.app.routes))
_NOT_FOUND = {"type": "urn:guichet:problem:not-found", "title": "Cette page n’existe pas.", "status": 404}


def call(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, dict[str, Any], bytes]:
    """Make one call. Return status, headers and body; a header that occurs twice has a list as its value."""
    try:
        known = method in app.app.routes[_ROUTES.match_route(path.partition("?")[0]).route]
    except ValueError:
        known = False
    if not known:
        return 404, {"Content-Type": "application/problem+json"}, json.dumps(_NOT_FOUND).encode()
    answer = CLIENT.http.request(method, path, headers=headers or {}, body=body)
    return answer.status_code, answer.headers, answer.body


def wsgi(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
    """Make one call for a WSGI client."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/.:@!$&'()*+,;=-_~")
    if environ.get("QUERY_STRING"):
        path += "?" + environ["QUERY_STRING"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    status, answer_headers, content = call(environ["REQUEST_METHOD"], path, headers, body)
    pairs = [
        (name, str(value))
        for name, values in answer_headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    start_response(f"{status} -", pairs)
    return [content]
