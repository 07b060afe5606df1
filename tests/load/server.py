"""A WSGI application for our app. Chalice's own converter turns each request into an API Gateway event."""

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
    response = app(_events.create_lambda_event(environ["REQUEST_METHOD"], path, headers, body), None)
    response_headers = [(name, value) for name, values in response["multiValueHeaders"].items() for value in values]
    response_headers += response["headers"].items()
    start_response(f"{response['statusCode']} {HTTPStatus(response['statusCode']).phrase}", response_headers)
    return [response["body"].encode()]
