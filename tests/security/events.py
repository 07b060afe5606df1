"""API Gateway events that no browser would send."""

from typing import Any


def event(method: str, resource: str, path: str, *, ids: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """What API Gateway hands over, for what its twin in Chalice cannot play: ids are decoded once."""
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
