"""The service in this process, behind a gateway that WSGI programs can call: each call runs the real `app`.

What API Gateway refuses by itself (no such path, no such method) is answered as `infra/deploy/templates/app.yaml` says.
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
    """One call: status, headers (a list where one is there twice), body."""
    try:
        known = method in app.app.routes[_ROUTES.match_route(path.partition("?")[0]).route]
    except ValueError:
        known = False
    if not known:
        return 404, {"Content-Type": "application/problem+json"}, json.dumps(_NOT_FOUND).encode()
    answer = CLIENT.http.request(method, path, headers=headers or {}, body=body)
    return answer.status_code, answer.headers, answer.body


def wsgi(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
    """The same for a program that speaks WSGI."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").title(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/.:@!$&'()*+,;=-_~")
    if environ.get("QUERY_STRING"):
        path += "?" + environ["QUERY_STRING"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    status, told, content = call(environ["REQUEST_METHOD"], path, headers, body)
    listed = [
        (name, str(one)) for name, value in told.items() for one in (value if isinstance(value, list) else [value])
    ]
    start_response(f"{status} -", listed)
    return [content]
