"""The table's items as PynamoDB rows, and what the table says translated where it enters."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.config import Config
from pynamodb.attributes import Attribute, BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import TableConnection
from pynamodb.constants import NUMBER
from pynamodb.exceptions import DeleteError, PutError, PynamoDBException, TransactWriteError, UpdateError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.errors import TooManyRequests, TryAgain
from chalicelib.model import aware

FAILED = "ConditionalCheckFailedException"
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
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(Attribute[datetime]):
    """An aware datetime as milliseconds since 1970, so that a condition can compare it; refuses a naive one."""

    attr_type = NUMBER

    def __set__(self, instance: Any, value: datetime | None) -> None:
        super().__set__(instance, value and aware(value))

    def serialize(self, value: datetime) -> str:
        return str((aware(value) - EPOCH) // timedelta(milliseconds=1))

    def deserialize(self, value: str) -> datetime:
        return moment(value)


def moment(milliseconds: str) -> datetime:
    """A moment as the table keeps it."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


class Row(Model):
    """What all items share: the table, its keys, and no retries (a throttle is told to the visitor at once)."""

    class Meta:
        """The table, by the name that the stage gives it."""

        table_name = os.environ.get("GUICHET_TABLE", "guichet")
        region = os.environ.get("AWS_DEFAULT_REGION", "eu-west-3")
        max_retry_attempts = 0
        connect_timeout_seconds = 2
        read_timeout_seconds = 4
        max_pool_connections = 10

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """One for all rows: PynamoDB would make a client for each, at 30 ms of a cold start.

        It has a name of its own: botocore spells out a long one, twice a call, which is a tenth of the call.
        """
        if cls is not Row:
            return Row._get_connection()
        first = cls._connection is None
        made = super()._get_connection()
        if first:
            made.connection.session.set_default_client_config(Config(user_agent="guichet"))
        return made


def connection() -> TableConnection:
    """The table as PynamoDB's rows call it, without a row to fill."""
    return Row._get_connection()  # noqa: SLF001  # there is no public way to it


class SeatRow(Row):
    """One seat of one slot. No personal data: `person` is a keyed digest, and goes with the seat at `erase_at`."""

    opens_at = Moment()
    state = UnicodeAttribute()
    hold = UnicodeAttribute(null=True)
    until = Moment(null=True)
    proven = BooleanAttribute(null=True)
    reminded = BooleanAttribute(null=True)
    extensions = NumberAttribute(null=True)
    challenge = NumberAttribute(null=True)
    tries = NumberAttribute(null=True)
    person = UnicodeAttribute(null=True)
    filed_at = Moment(null=True)
    past = UnicodeAttribute(null=True)
    past_state = UnicodeAttribute(null=True)
    closed = UnicodeAttribute(null=True)
    extra = BooleanAttribute(null=True)
    reserve = UnicodeAttribute(null=True)
    holds_had = NumberAttribute(null=True)
    freed = NumberAttribute(null=True)
    expired = NumberAttribute(null=True)
    first_at = Moment(null=True)
    generation = NumberAttribute(null=True)
    emails_refused = NumberAttribute(null=True)
    brief = BooleanAttribute(null=True)
    captchas_due = NumberAttribute(null=True)
    checked_for = UnicodeAttribute(null=True)
    answers = NumberAttribute(null=True)
    wished = Moment(null=True)
    erase_at = NumberAttribute(null=True)


class LockRow(Row):
    """A lock: the seat and hold of one live request. `person` is set unless the lock is the person item itself.

    There is one per e-mail address, and one for each further name under which a person corrected a request. The lock
    of an e-mail address also records when its owner asked for a link.
    `asked_at`, `asked_2` and `asked_3` are the last three times, newest first.
    """

    seat = UnicodeAttribute()
    hold = UnicodeAttribute()
    person = UnicodeAttribute(null=True)
    reference = UnicodeAttribute(null=True)
    asked_at = Moment(null=True)
    asked_2 = Moment(null=True)
    asked_3 = Moment(null=True)
    generation = NumberAttribute(null=True)
    erase_at = NumberAttribute()


class CountRow(Row):
    """A counter that is kept for a while: holds of a client network in an hour, answers of a waiting hold.

    After the right answer of a waiting hold, `seat` is the seat that the hold takes, and `passed_at` is when it passed.
    """

    number = NumberAttribute()
    challenge = NumberAttribute(null=True)
    seat = UnicodeAttribute(null=True)
    passed_at = Moment(null=True)
    erase_at = NumberAttribute()


class PersonRow(LockRow):
    """One live request per person, with the details: the only item with personal data.

    `names` are the keys of the person's other name locks, `generation` counts the corrections of the e-mail address.
    `wanted_at`, `wanted_2` and `wanted_3` are the last three times that the convocation was sent on demand.
    """

    filed_at = Moment()
    details = JSONAttribute()
    names = UnicodeAttribute(null=True)
    moves = NumberAttribute(null=True)
    sequence = NumberAttribute(null=True)
    as_filed = JSONAttribute(null=True)
    corrected = NumberAttribute(null=True)
    wanted_at = Moment(null=True)
    attempt_at = Moment(null=True)
    wanted_2 = Moment(null=True)
    wanted_3 = Moment(null=True)
    sent = UnicodeAttribute(null=True)
    stopped = UnicodeAttribute(null=True)


class ServiceRow(Row):
    """A service as its file says it."""

    document = JSONAttribute()


def code(error: PynamoDBException) -> str | None:
    """The code in the table's answer; None without an answer (after a timeout PynamoDB's own property fails)."""
    response: Mapping[str, Any] = getattr(error.cause, "response", None) or {}
    said: str | None = response.get("Error", {}).get("Code")
    return said


@contextmanager
def table() -> Iterator[None]:
    """Translate what the table says into what a visitor can be told."""
    try:
        yield
    except PynamoDBException as error:
        said = code(error)
        if said in THROTTLED:
            raise TooManyRequests from error
        if said is None or said in {"InternalServerError", "InternalFailure", "ServiceUnavailable"}:
            raise TryAgain from error
        raise


def written(write: Callable[[], Any]) -> bool:
    """Do a conditional write; False when its condition fails."""
    with table():
        try:
            write()
        except (DeleteError, PutError, UpdateError) as error:
            if code(error) == FAILED:
                return False
            raise
        return True


class Conflict(Exception):
    """Raised when another write holds an item of a transaction at this moment. Nothing was written."""


def transacted(fill: Callable[[TransactWrite], None]) -> list[bool]:
    """Commit several writes together or not at all, at two write units for each item.

    Return an empty list when they are committed. Otherwise return for each write whether its condition failed, in
    DynamoDB's order: deletes, puts, updates. Raise Conflict when another write is in the way.
    """
    try:
        with table(), TransactWrite(connection=connection().connection) as writes:
            fill(writes)
    except TransactWriteError as error:
        codes = [reason and reason.code for reason in error.cancellation_reasons]
        if REASON_FAILED in codes:
            return [code == REASON_FAILED for code in codes]
        if REASON_CONFLICT in codes:
            raise Conflict from error
        if REASONS_BUSY & set(codes):
            raise TooManyRequests from error
        raise
    return []
