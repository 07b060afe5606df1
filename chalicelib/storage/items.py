"""The table's items as PynamoDB models, and every key of the table."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.config import Config
from pynamodb.attributes import Attribute, BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import TableConnection
from pynamodb.constants import NUMBER
from pynamodb.models import Model

from chalicelib.domain.seat import SeatKey, require_aware

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TimestampAttribute(Attribute[datetime]):
    """An aware datetime as milliseconds since 1970, so that a condition can compare it; refuses a naive one."""

    attr_type = NUMBER

    def __set__(self, instance: Any, value: datetime | None) -> None:
        super().__set__(instance, value and require_aware(value))

    def serialize(self, value: datetime) -> str:
        return str((require_aware(value) - EPOCH) // timedelta(milliseconds=1))

    def deserialize(self, value: str) -> datetime:
        return timestamp(value)


def timestamp(milliseconds: str) -> datetime:
    """A moment as the table keeps it."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


class Item(Model):
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
        if cls is not Item:
            return Item._get_connection()
        first = cls._connection is None
        made = super()._get_connection()
        if first:
            made.connection.session.set_default_client_config(Config(user_agent="guichet"))
        return made


class SeatItem(Item):
    """One seat of one slot. No personal data: `person` is a keyed digest, and goes with the seat at `erase_at`."""

    opens_at = TimestampAttribute()
    state = UnicodeAttribute()
    hold = UnicodeAttribute(null=True)
    until = TimestampAttribute(null=True)
    captcha_passed = BooleanAttribute(null=True, attr_name="proven")
    reminded = BooleanAttribute(null=True)
    extensions = NumberAttribute(null=True)
    challenge = NumberAttribute(null=True)
    tries = NumberAttribute(null=True)
    person = UnicodeAttribute(null=True)
    filed_at = TimestampAttribute(null=True)
    past = UnicodeAttribute(null=True)
    past_state = UnicodeAttribute(null=True)
    closed = UnicodeAttribute(null=True)
    extra = BooleanAttribute(null=True)
    reserve = UnicodeAttribute(null=True)
    holds_had = NumberAttribute(null=True)
    freed = NumberAttribute(null=True)
    expired = NumberAttribute(null=True)
    first_at = TimestampAttribute(null=True)
    generation = NumberAttribute(null=True)
    emails_refused = NumberAttribute(null=True)
    brief = BooleanAttribute(null=True)
    captchas_due = NumberAttribute(null=True)
    checked_for = UnicodeAttribute(null=True)
    answers = NumberAttribute(null=True)
    wished = TimestampAttribute(null=True)
    erase_at = NumberAttribute(null=True)


class LockItem(Item):
    """A lock: the seat and hold of one live request. `person` is set unless the lock is the person item itself.

    There is one per e-mail address, and one for each further name under which a person corrected a request. The lock
    of an e-mail address also records when its owner asked for a link.
    `asked_at`, `asked_2` and `asked_3` are the last three times, newest first.
    """

    seat = UnicodeAttribute()
    hold = UnicodeAttribute()
    person = UnicodeAttribute(null=True)
    reference = UnicodeAttribute(null=True)
    asked_at = TimestampAttribute(null=True)
    asked_2 = TimestampAttribute(null=True)
    asked_3 = TimestampAttribute(null=True)
    generation = NumberAttribute(null=True)
    erase_at = NumberAttribute()


class CounterItem(Item):
    """A counter that is kept for a while: holds of a client network in an hour, answers of a waiting hold.

    After the right answer of a waiting hold, `seat` is the seat that the hold takes, and `passed_at` is when it passed.
    """

    number = NumberAttribute()
    challenge = NumberAttribute(null=True)
    seat = UnicodeAttribute(null=True)
    passed_at = TimestampAttribute(null=True)
    erase_at = NumberAttribute()


class PersonItem(LockItem):
    """One live request per person, with the details: the only item with personal data.

    `names` are the keys of the person's other name locks, `generation` counts the corrections of the e-mail address.
    `wanted_at`, `wanted_2` and `wanted_3` are the last three times that the convocation was sent on demand.
    """

    filed_at = TimestampAttribute()
    details = JSONAttribute()
    names = UnicodeAttribute(null=True)
    moves = NumberAttribute(null=True)
    sequence = NumberAttribute(null=True)
    as_filed = JSONAttribute(null=True)
    corrected = NumberAttribute(null=True)
    wanted_at = TimestampAttribute(null=True)
    attempt_at = TimestampAttribute(null=True)
    wanted_2 = TimestampAttribute(null=True)
    wanted_3 = TimestampAttribute(null=True)
    sent = UnicodeAttribute(null=True)
    stopped = UnicodeAttribute(null=True)


class ServiceItem(Item):
    """A service as its file says it."""

    document = JSONAttribute()


# Keys

SERVICES = "SERVICES"
"""The partition of all services."""
REPLACED = "REPLACED#"
"""Sort key of a copy: the person item of a request that ended, kept until its last letters have left."""


def person_item(key: str, service_id: str) -> PersonItem:
    """The key of a person item."""
    return PersonItem(f"PERSON#{key}", f"SERVICE#{service_id}")


def email_lock(key: str, service_id: str) -> LockItem:
    """The key of an address item."""
    return LockItem(f"EMAIL#{key}", f"SERVICE#{service_id}")


def replaced_person_item(key: str, service_id: str, hold: str) -> PersonItem:
    """Return the key of the copy of a person item that a newer request replaced."""
    return PersonItem(f"PERSON#{key}", f"{REPLACED}{service_id}#{hold}")


def week_partition(service_id: str, week: str) -> str:
    return f"SEATS#{service_id}#{week}"


def seat_place(key: SeatKey) -> tuple[str, str]:
    return week_partition(key.service, key.week), f"{key.day.isoformat()}T{key.start:%H%M}#{key.unit:03}"


def seat_item(key: SeatKey) -> SeatItem:
    """The key of a seat's item."""
    return SeatItem(*seat_place(key))


def service_item(service_id: str, **attributes: Any) -> ServiceItem:
    """Return the item of a service; all services share one partition."""
    return ServiceItem(SERVICES, service_id, **attributes)


def visitor_item(token_digest: str, **attributes: Any) -> LockItem:
    """Return the item that names the one live hold of a visitor token."""
    return LockItem(f"VISIT#{token_digest}", "HOLD", **attributes)


def name_lock(key: str, service_id: str) -> LockItem:
    """Return the lock of a further name under which a person corrected a request."""
    return LockItem(f"PERSON#{key}", f"SERVICE#{service_id}")


def waiting_item(hold: str) -> CounterItem:
    """Return the item of a waiting hold that has answered a captcha."""
    return CounterItem(f"LATE#{hold}", "TRIES")
