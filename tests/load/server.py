"""Our app behind any WSGI server: Chalice's own converter makes each request the event that API Gateway sends."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from chalice.local import LambdaEventConverter, RouteMatcher

from app import app

Start = Callable[[str, list[tuple[str, str]]], object]

_events = LambdaEventConverter(RouteMatcher(list(app.routes)), app.api.binary_types)


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Answer one request."""
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
    answer = app(_events.create_lambda_event(environ["REQUEST_METHOD"], path, headers, body), None)
    lines = [(name, value) for name, values in answer["multiValueHeaders"].items() for value in values]
    lines += answer["headers"].items()
    start_response(f"{answer['statusCode']} {HTTPStatus(answer['statusCode']).phrase}", lines)
    return [answer["body"].encode()]
