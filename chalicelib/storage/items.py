"""The table's items as PynamoDB models, and every key of the table."""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from botocore.config import Config
from pynamodb.attributes import Attribute, BooleanAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import TableConnection
from pynamodb.constants import NUMBER
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from chalicelib.domain.refusals import Unavailable
from chalicelib.domain.seat import EntryKey, Key, SeatKey, monday_of, require_aware, week_of
from chalicelib.storage import entry_keys, errors

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = 7


class TimestampAttribute(Attribute[datetime]):
    """An aware datetime, stored as milliseconds since 1970 so that conditions can compare it."""

    attr_type = NUMBER

    def __set__(self, instance: Any, value: datetime | None) -> None:
        super().__set__(instance, value and require_aware(value))

    def serialize(self, value: datetime) -> str:
        return str((require_aware(value) - EPOCH) // timedelta(milliseconds=1))

    def deserialize(self, value: str) -> datetime:
        return timestamp(value)


def timestamp(milliseconds: str) -> datetime:
    """Return the moment that the table stores as milliseconds since 1970."""
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


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


class CounterItem(Item):
    """A counter with an expiry, or the item of a waiting hold, which counts its answers.

    Once the captcha of a waiting hold is passed, `seat` is the seat that it takes and `passed_at` when it was passed.
    """

    number = NumberAttribute()
    challenge = NumberAttribute(null=True)
    seat = UnicodeAttribute(null=True)
    passed_at = TimestampAttribute(null=True)
    erase_at = NumberAttribute()


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


class ServiceItem(Item):
    """A service, as the document of its YAML file."""

    document = JSONAttribute()
    paused = JSONAttribute(null=True)
    """What visitors are told while the service is paused, by language."""
    by_day_from = UnicodeAttribute(null=True)
    """The first week whose seats have a partition for each day. `services put` writes it before the week has a seat."""


# Keys. Only this module and `entry_keys` build and take apart keys of the table.

SERVICES, WITHDRAWN = "SERVICES", "WITHDRAWN"
"""The partitions of all services, and of those that were withdrawn."""
_SEATS, _PERSON, _EMAIL = "SEATS#", "PERSON#", "EMAIL#"
_SERVICE, _REPLACED = "SERVICE#", "REPLACED#"
Image = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB's stream carries it."""


# Services


def service_item(service_id: str, **attributes: Any) -> ServiceItem:
    """Return the item of a service; all services share one partition."""
    return ServiceItem(SERVICES, service_id, **attributes)


# Seats


_first_weeks: dict[str, str | None] = {}
"""What this process has read of `ServiceItem.by_day_from`, by service. Empty for one that cannot be read."""


def record_layout(service_id: str, by_day_from: str | None) -> None:
    """Remember from which week on the seats of a service have a partition for each day; None for no week."""
    try:
        _first_weeks[service_id] = by_day_from if by_day_from is None else week_of(monday_of(by_day_from))
    except ValueError:
        _first_weeks[service_id] = ""


def forget_layouts() -> None:
    """Forget what `record_layout` has remembered, as in a process that just started."""
    _first_weeks.clear()


def is_by_day(service_id: str, week: str) -> bool:
    """Tell whether the seats of a week have a partition for each day: a partition takes 1,000 writes a second.

    It never changes once the week has seats, so no seat has two keys. A process that has not read the services reads
    them. Raise Unavailable if it cannot be known: a guess could assign a seat twice.
    """
    if service_id not in _first_weeks:
        with errors.translated_errors():
            for row in ServiceItem.query(SERVICES, attributes_to_get=["sk", "by_day_from"]):
                record_layout(row.sk, row.by_day_from)
        _first_weeks.setdefault(service_id, None)
    first = _first_weeks[service_id]
    if first == "":
        raise Unavailable(f"by_day_from of the service {service_id} names no week. Restore this item from a backup.")
    return first is not None and first <= week


def all_seats_prefix(service_id: str) -> str:
    """Return how the partitions of all seats of a service begin."""
    return f"{_SEATS}{service_id}#"


def week_partition(service_id: str, week: str) -> str:
    """Return the partition of a whole week, which it has unless each of its days has one."""
    return all_seats_prefix(service_id) + week


def seat_partitions(service_id: str, week: str) -> list[str]:
    """Return the partitions of the seats of a week, in order: one, or one for each of its seven days."""
    if not is_by_day(service_id, week):
        return [week_partition(service_id, week)]
    monday = monday_of(week)
    return [seat_partition(service_id, monday + timedelta(days=number)) for number in range(DAYS)]


def seat_partition(service_id: str, day: date) -> str:
    """Return the partition of the seats of a day."""
    if is_by_day(service_id, week := week_of(day)):
        return all_seats_prefix(service_id) + day.isoformat()
    return week_partition(service_id, week)


def snapshot_partition(service_id: str, week: str) -> str:
    """Return the partition of the snapshot of a week. Policies name it."""
    return f"CALENDAR#{service_id}#{week}"


def is_seat_of(service_id: str) -> Condition:
    """Return the condition that an item is a seat of this service, for a Scan."""
    return SeatItem.pk.startswith(all_seats_prefix(service_id))


def is_on(day: date) -> Condition:
    """Return the condition that a seat of a partition is on this day, for a Query."""
    return SeatItem.sk.startswith(f"{day.isoformat()}T")


def seat_primary_key(key: Key) -> tuple[str, str]:
    """Return the partition key and the sort key of a seat or an entry."""
    if isinstance(key, EntryKey):
        return entry_keys.primary_key(key)
    return seat_partition(key.service, key.day), f"{key.day.isoformat()}T{key.start:%H%M}#{key.unit:03}"


def seat_item(key: Key) -> SeatItem:
    """Return the item of a seat or an entry, with its key only."""
    return SeatItem(*seat_primary_key(key))


@lru_cache(maxsize=10_000)
def seat_key(service_id: str, sort_key: str) -> SeatKey:
    """Return the key of the seat with this sort key. Cached: each process reads the same seats every second."""
    slot, unit = sort_key.split("#")
    start = datetime.fromisoformat(f"{slot[:13]}:{slot[13:]}")
    return SeatKey(start.date(), start.time(), int(unit), service_id)


def is_seat_image(image: Image) -> bool:
    return bool(image["pk"]["S"].startswith(_SEATS))


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


# Visitors, their holds, and counters


def visitor_item(token_digest: str, **attributes: Any) -> LockItem:
    """Return the item that names the one live hold of a visitor token."""
    return LockItem(f"VISIT#{token_digest}", "HOLD", **attributes)


def waiting_item(hold: str) -> CounterItem:
    """Return the item of a waiting hold that has answered a captcha."""
    return CounterItem(f"LATE#{hold}", "TRIES")


def hold_counter(client_network: str) -> CounterItem:
    """Return the counter of the holds of a client network in an hour."""
    return CounterItem(f"ORIGIN#{client_network}", "HOLDS")


def already_requested_counter(client_network: str) -> CounterItem:
    """Return the counter of the answers "already requested" to a client network in an hour."""
    return CounterItem(f"ORIGIN#{client_network}", "ALREADY")


def domain_counter(email_domain: str) -> CounterItem:
    """Return the counter of the requests from an e-mail domain in a day."""
    return CounterItem(f"DOMAIN#{email_domain}", "REQUESTS")


def prefix_counter(ipv6_prefix: str) -> CounterItem:
    """Return the counter of the requests from an IPv6 prefix in an hour."""
    return CounterItem(f"PREFIX#{ipv6_prefix}", "REQUESTS")


# The operator program


def audit_partition(month: str) -> str:
    """Return the partition of what operators did in a month, such as `2026-11`."""
    return f"AUDIT#{month}"
