"""The base of all items, the items that carry a hold or a request, and the keys of people and locks."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.config import Config
from pynamodb.attributes import Attribute, BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import TableConnection
from pynamodb.constants import NUMBER
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from chalicelib.domain.seat import require_aware

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TimestampAttribute(Attribute[datetime]):
    """An aware datetime, stored as milliseconds since 1970 so that conditions can compare it."""

    attr_type = NUMBER

    def __set__(self, instance: Any, value: datetime | None) -> None:
        super().__set__(instance, value and require_aware(value))

    def serialize(self, value: datetime) -> str:
        return str((require_aware(value) - EPOCH) // timedelta(milliseconds=1))

    def deserialize(self, value: str) -> datetime:
        return timestamp(value)


def timestamp(milliseconds: str | int) -> datetime:
    """Return the moment that the table stores as milliseconds since 1970. Raise ValueError if there is none."""
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (OSError, OverflowError) as error:
        raise ValueError("not a moment") from error


class Item(Model):
    """The base of all items: the table and its keys. Nothing is retried: a throttle is reported to the visitor."""

    class Meta:
        """The table of the stage."""

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
        """Return one connection for all models. PynamoDB would make one for each, at 30 ms of a cold start.

        Its user agent is short: botocore rebuilds its long default twice per call, which is a tenth of the call.
        """
        if cls is not Item:
            return Item._get_connection()
        is_new = cls._connection is None
        connection = super()._get_connection()
        if is_new:
            connection.connection.session.set_default_client_config(Config(user_agent="guichet"))
        return connection


class SeatItem(Item):
    """A seat or an entry; `Seat` and `Entry` in `chalicelib.domain` describe the attributes.

    `person` is a keyed digest, no personal data.
    """

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
    by_draw = UnicodeAttribute(null=True)
    arrived_at = TimestampAttribute(null=True)
    arrived_by = UnicodeAttribute(null=True)
    called_at = TimestampAttribute(null=True)
    called_by = UnicodeAttribute(null=True)
    called_to = NumberAttribute(null=True)
    calls = NumberAttribute(null=True)
    parked = BooleanAttribute(null=True)
    outcome_at = TimestampAttribute(null=True)
    outcome_by = UnicodeAttribute(null=True)
    preferences = UnicodeAttribute(null=True)
    receipt = UnicodeAttribute(null=True)
    proved_at = TimestampAttribute(null=True)
    moved_to = UnicodeAttribute(null=True)
    erase_at = NumberAttribute(null=True)


class LockItem(Item):
    """A lock: the seat (or entry) and hold of one live request.

    There is one for each e-mail address, one for each further name under which a person corrected a request, and the
    person item itself, which has no `person`. The lock of an e-mail address also records the last three times at which
    a link was asked for: `asked_at` (the newest), `asked_2` and `asked_3`. The item of an e-mail address that an agent
    typed has the reference in its key, so that it locks nothing. The one live hold of a visitor token is a lock too.
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

    @property
    def key(self) -> str:
        """The key that the item is stored under: of a person, or of an e-mail address."""
        return str(self.pk).partition("#")[2]

    @property
    def service_id(self) -> str:
        return str(self.sk).split("#")[1]


class PersonItem(LockItem):
    """A person with one live request. This item and its copy are the only ones with personal data.

    `chalicelib.domain.person` describes the fields.

    `wanted_at` (the newest), `wanted_2` and `wanted_3` are the last three times that the convocation was asked for.
    `attempt_at` is when somebody last tried to make another request for the person or the e-mail address.
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
    booked_by = UnicodeAttribute(null=True)
    family = UnicodeAttribute(null=True)
    unlocked_email = BooleanAttribute(null=True)


# Keys

_PERSON, _EMAIL = "PERSON#", "EMAIL#"
_SERVICE, _REPLACED = "SERVICE#", "REPLACED#"
Image = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB's stream carries it."""


# People and their locks


def person_item(key: str, service_id: str) -> PersonItem:
    """Return the item of a person, with its key only."""
    return PersonItem(person_partition(key), f"{_SERVICE}{service_id}")


def person_partition(key: str) -> str:
    """Return the partition of a person: their live requests and the copies of replaced ones."""
    return f"{_PERSON}{key}"


def name_lock(key: str, service_id: str) -> LockItem:
    """Return the lock of a further name under which a person corrected a request."""
    return LockItem(person_partition(key), f"{_SERVICE}{service_id}")


def email_lock(key: str, service_id: str, reference: str = "") -> LockItem:
    """Return the lock of an e-mail address, with its key only.

    With a reference it locks nothing: several requests can have such an item of the same e-mail address.
    """
    return LockItem(f"{_EMAIL}{key}", f"{_SERVICE}{service_id}{'#' if reference else ''}{reference}")


def email_partition(key: str) -> str:
    """Return the partition of an e-mail address: its lock for each service, and its items with a reference."""
    return f"{_EMAIL}{key}"


def is_of_service(service_id: str) -> Condition:
    """Return the condition that an item of an e-mail address may be of this service, for a Query.

    It is also true for a service whose id only begins the same: `LockItem.service_id` decides.
    """
    return LockItem.sk.startswith(f"{_SERVICE}{service_id}")


def replaced_person_item(key: str, service_id: str, hold: str) -> PersonItem:
    """Return the copy of a person item that a newer request replaced. It is kept until its last letters have left."""
    return PersonItem(person_partition(key), f"{_REPLACED}{service_id}#{hold}")


def is_replaced_item(service_id: str) -> Condition:
    """Return the condition that an item of a person's partition is a copy for this service, for a Query."""
    return PersonItem.sk.startswith(f"{_REPLACED}{service_id}#")


def is_person_item(service_id: str = "") -> Condition:
    """Return the condition that an item is a person with details, of any service or of this one, for a Scan."""
    condition: Condition = is_person_or_name_lock(service_id) & PersonItem.details.exists()
    return condition


def is_person_or_name_lock(service_id: str = "") -> Condition:
    """Return the same condition, also true for the locks of names. It does not touch the details of a person."""
    of_service = PersonItem.sk == f"{_SERVICE}{service_id}" if service_id else PersonItem.sk.startswith(_SERVICE)
    condition: Condition = PersonItem.pk.startswith(_PERSON) & of_service
    return condition


def is_email_lock_of(hold: str) -> Condition:
    """Return the condition that an item is the lock of an e-mail address for the request of this hold, for a Scan."""
    condition: Condition = LockItem.pk.startswith(_EMAIL) & (LockItem.hold == hold)
    return condition


def is_lock_key(partition_key: str) -> bool:
    """Tell whether an item with this key is a lock, a person item included."""
    return partition_key.startswith((_PERSON, _EMAIL))


def key_in_person_image(image: Image) -> tuple[str, str] | None:
    """Return the person key and the service id of a person item; None for an item of another kind, copies included."""
    return _key_and_service(image, _PERSON)


def key_in_email_image(image: Image) -> tuple[str, str] | None:
    """Return the key and the service id of the lock of an e-mail address; None for an item of another kind."""
    return _key_and_service(image, _EMAIL)


def _key_and_service(image: Image, kind: str) -> tuple[str, str] | None:
    pk, sk = image["pk"]["S"], image["sk"]["S"]
    if not pk.startswith(kind) or not sk.startswith(_SERVICE):
        return None
    return pk.removeprefix(kind), sk.split("#")[1]


# Visitors


def visitor_item(token_digest: str, **attributes: Any) -> LockItem:
    """Return the item that names the one live hold of a visitor token."""
    return LockItem(f"VISIT#{token_digest}", "HOLD", **attributes)


# The operator program


def audit_partition(month: str) -> str:
    """Return the partition of what operators did in a month, such as `2026-11`."""
    return f"AUDIT#{month}"
