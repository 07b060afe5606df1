"""Calls to DynamoDB, and the translation of its errors into refusals."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pynamodb.connection import TableConnection
from pynamodb.exceptions import DeleteError, PutError, PynamoDBException, TransactWriteError, UpdateError
from pynamodb.transactions import TransactWrite

from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.storage.items import Item

CONDITION_FAILED = "ConditionalCheckFailedException"
THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionInProgressException",
}
REASON_FAILED = "ConditionalCheckFailed"
"""The reason of a cancelled transaction: the condition of one of its writes failed."""
REASON_CONFLICT = "TransactionConflict"
REASONS_BUSY = {"ThrottlingError", "ProvisionedThroughputExceeded"}


def connection() -> TableConnection:
    """Return PynamoDB's connection to the table, for calls that need no model."""
    return Item._get_connection()  # noqa: SLF001  # there is no public way to it


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


def try_write(write: Callable[[], Any]) -> bool:
    """Make a conditional write. Return False when its condition fails."""
    with translated_errors():
        try:
            write()
        except (DeleteError, PutError, UpdateError) as error:
            if error_code(error) == CONDITION_FAILED:
                return False
            raise
        return True


class TransactionConflict(Exception):
    """Another write changes an item of the transaction at this moment. Nothing was written."""


def transact(fill: Callable[[TransactWrite], None]) -> list[bool]:
    """Commit several writes together or not at all, at two write units for each item.

    Return an empty list when they are committed. Otherwise return for each write whether its condition failed, in
    PynamoDB's order: checks, deletes, puts, updates. Raise TransactionConflict when another write changes one of the
    items.
    """
    try:
        with translated_errors(), TransactWrite(connection=connection().connection) as writes:
            fill(writes)
    except TransactWriteError as error:
        codes = [reason and reason.code for reason in error.cancellation_reasons]
        if REASON_FAILED in codes:
            return [code == REASON_FAILED for code in codes]
        if REASON_CONFLICT in codes:
            raise TransactionConflict from error
        if REASONS_BUSY & set(codes):
            raise TooManyRequests from error
        raise
    return []
