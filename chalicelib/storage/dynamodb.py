"""Calls to DynamoDB, whose errors become refusals."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pynamodb.connection import TableConnection
from pynamodb.exceptions import DeleteError, PutError, PynamoDBException, TransactWriteError, UpdateError
from pynamodb.transactions import TransactWrite

from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.storage.items import Item

CONDITION_FAILED = "ConditionalCheckFailedException"
REASON_FAILED = "ConditionalCheckFailed"
"""The reason of a cancelled transaction: the condition of one of its writes failed."""
REASON_CONFLICT = "TransactionConflict"
AT_ONCE = 100
"""How many items one BatchGet can read."""
Document = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB sends it."""
REASONS_BUSY = {"ThrottlingError", "ProvisionedThroughputExceeded"}
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


def connection() -> TableConnection:
    """Return PynamoDB's connection to the table, for calls that need no model."""
    return Item._get_connection()  # noqa: SLF001  # there is no public way to it


def read(pk: str, sk: str) -> Document | None:
    """Read an item consistently, as DynamoDB sends it; None if there is none."""
    with translated_errors():
        document: Document | None = connection().get_item(pk, sk, consistent_read=True).get("Item")
    return document


def read_many(keys: Iterable[tuple[str, str]]) -> Iterator[Document]:
    """Yield the items with these keys, in any order, with one BatchGet for each 100 of them.

    What DynamoDB leaves out it is asked for again. Raise TooManyRequests if it leaves out a whole BatchGet.
    """
    waiting = [{"pk": pk, "sk": sk} for pk, sk in dict.fromkeys(keys)]
    while waiting:
        batch, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        with translated_errors():
            answer = connection().batch_get_item(batch)  # type: ignore[arg-type]  # PynamoDB says that a key is a str
        yield from next(iter(answer["Responses"].values()), ())
        left = next(iter(answer.get("UnprocessedKeys", {}).values()), {"Keys": ()})["Keys"]
        if len(left) == len(batch):
            raise TooManyRequests
        waiting += [{name: value["S"] for name, value in key.items()} for key in left]


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
