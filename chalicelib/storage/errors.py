"""The translation of DynamoDB's errors into refusals."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pynamodb.exceptions import PynamoDBException

from chalicelib.domain.refusals import TooManyRequests, Unavailable

THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionInProgressException",
}


def error_code(error: PynamoDBException) -> str | None:
    """Return the error code of DynamoDB; None without an answer. After a timeout PynamoDB's own property fails."""
    response: Mapping[str, Any] = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise TooManyRequests when DynamoDB throttles, Unavailable when it is away. Other errors pass unchanged."""
    try:
        yield
    except PynamoDBException as error:
        code = error_code(error)
        if code in THROTTLED:
            raise TooManyRequests from error
        if code is None or code in {"InternalServerError", "InternalFailure", "ServiceUnavailable"}:
            raise Unavailable from error
        raise
