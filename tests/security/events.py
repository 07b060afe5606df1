"""API Gateway events that Chalice's test client cannot create."""

from typing import Any


def event(method: str, resource: str, path: str, *, ids: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return an event as API Gateway passes it to Lambda. `ids` are the path parameters, already decoded."""
    identity = {"sourceIp": "192.0.2.7"}
    return {
        "requestContext": {"httpMethod": method, "resourcePath": resource, "path": path, "identity": identity},
        "multiValueQueryStringParameters": None,
        "headers": {"accept": "application/json", **more.pop("headers", {})},
        "pathParameters": ids or {},
        "stageVariables": {},
        "body": more.pop("body", None),
        "isBase64Encoded": False,
        **more,
    }
