"""Calls to DynamoDB, and its errors translated into refusals."""

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
"""Why a transaction was cancelled: the condition of one of its writes."""
REASON_CONFLICT = "TransactionConflict"
REASONS_BUSY = {"ThrottlingError", "ProvisionedThroughputExceeded"}


def connection() -> TableConnection:
    """The table as PynamoDB's rows call it, without a row to fill."""
    return Item._get_connection()  # noqa: SLF001  # there is no public way to it


def error_code(error: PynamoDBException) -> str | None:
    """The code in the table's answer; None without an answer (after a timeout PynamoDB's own property fails)."""
    response: Mapping[str, Any] = getattr(error.cause, "response", None) or {}
    said: str | None = response.get("Error", {}).get("Code")
    return said


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate what the table says into what a visitor can be told."""
    try:
        yield
    except PynamoDBException as error:
        said = error_code(error)
        if said in THROTTLED:
            raise TooManyRequests from error
        if said is None or said in {"InternalServerError", "InternalFailure", "ServiceUnavailable"}:
            raise Unavailable from error
        raise


def try_write(write: Callable[[], Any]) -> bool:
    """Do a conditional write; False when its condition fails."""
    with translated_errors():
        try:
            write()
        except (DeleteError, PutError, UpdateError) as error:
            if error_code(error) == CONDITION_FAILED:
                return False
            raise
        return True


class TransactionConflict(Exception):
    """Raised when another write holds an item of a transaction at this moment. Nothing was written."""


def transact(fill: Callable[[TransactWrite], None]) -> list[bool]:
    """Commit several writes together or not at all, at two write units for each item.

    Return an empty list when they are committed. Otherwise return for each write whether its condition failed, in
    DynamoDB's order: deletes, puts, updates. Raise Conflict when another write is in the way.
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
