"""The items of the desk, and their keys. All partitions begin with DESK: the roles of the other functions deny them."""

from datetime import date
from typing import Any

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.storage.counter_items import CounterItem
from chalicelib.storage.items import Item, TimestampAttribute


class AgentItem(Item):
    """The account of an agent; `chalicelib.domain.agent.Account` describes the attributes."""

    email = UnicodeAttribute()
    name = UnicodeAttribute()
    roles = JSONAttribute()
    version = NumberAttribute()
    generation = NumberAttribute()
    invited_by = UnicodeAttribute()
    invited_at = TimestampAttribute()
    signed_in_at = TimestampAttribute(null=True)
    acted_at = TimestampAttribute(null=True)
    subject = UnicodeAttribute(null=True)
    erase_at = NumberAttribute(null=True)


class PointerItem(Item):
    """The account that an e-mail address was invited to, or that an identity at the provider is bound to."""

    agent = UnicodeAttribute()


class AdministratorsItem(Item):
    """How many administrators a service has."""

    number = NumberAttribute()


class SessionItem(Item):
    """A session. Its key is the digest of the cookie, which is stored nowhere."""

    agent = UnicodeAttribute()
    generation = NumberAttribute()
    seen_at = TimestampAttribute()
    until = TimestampAttribute()
    erase_at = NumberAttribute()


class StateItem(Item):
    """The state of a sign-in that has come back from the provider: it counts once."""

    erase_at = NumberAttribute()


class DeskAuditItem(Item):
    """What an agent did or looked at. Never a name, an e-mail address or the words of a search."""

    agent = UnicodeAttribute()
    act = UnicodeAttribute()
    facts = JSONAttribute(null=True)
    erase_at = NumberAttribute()


class DeskCallItem(Item):
    """Whom a desk has called and not finished with. While it is there, the desk calls nobody else."""

    seat = UnicodeAttribute()
    number = UnicodeAttribute()
    agent = UnicodeAttribute()
    at = TimestampAttribute()
    calls = NumberAttribute()
    erase_at = NumberAttribute()


class DisplayItem(Item):
    """The link of a screen in the waiting room; `chalicelib.domain.display.Display` describes the attributes."""

    place = UnicodeAttribute()
    made_by = UnicodeAttribute()
    made_at = TimestampAttribute()
    until = TimestampAttribute()
    erase_at = NumberAttribute()


class HistoryItem(Item):
    """A change of the opening hours of a service; `chalicelib.desk.history.Change` describes the attributes."""

    who = UnicodeAttribute()
    act = UnicodeAttribute()
    facts = JSONAttribute()
    counts = JSONAttribute(null=True)
    erase_at = NumberAttribute()


AGENTS = "DESKAGENTS"
"""The partition of all accounts."""


def agent_item(account_id: str, **attributes: Any) -> AgentItem:
    return AgentItem(AGENTS, account_id, **attributes)


def email_pointer(email_digest: str, **attributes: Any) -> PointerItem:
    """Return the item that leads from the digest of an e-mail address to its account."""
    return PointerItem(f"DESKMAIL#{email_digest}", "AGENT", **attributes)


def subject_pointer(subject_digest: str, **attributes: Any) -> PointerItem:
    """Return the item that leads from the digest of issuer and subject to the account."""
    return PointerItem(f"DESKSUBJECT#{subject_digest}", "AGENT", **attributes)


def administrators_item(service_id: str) -> AdministratorsItem:
    return AdministratorsItem("DESKADMINISTRATORS", service_id)


def session_item(cookie_digest: str, **attributes: Any) -> SessionItem:
    return SessionItem(f"DESKSESSION#{cookie_digest}", "SESSION", **attributes)


def state_item(state_digest: str, **attributes: Any) -> StateItem:
    return StateItem(f"DESKSTATE#{state_digest}", "USED", **attributes)


def audit_item(service_id: str, day: date, key: str, **attributes: Any) -> DeskAuditItem:
    """Return an audit item. Policies name its partition."""
    return DeskAuditItem(audit_partition(service_id, day), key, **attributes)


def audit_partition(service_id: str, day: date) -> str:
    return f"DESKAUDIT#{service_id}#{day.isoformat()}"


def call_item(service_id: str, day: date, desk: int, **attributes: Any) -> DeskCallItem:
    return DeskCallItem(calls_partition(service_id, day), f"{desk:03}", **attributes)


def calls_partition(service_id: str, day: date) -> str:
    """Return the partition of the calls of a service on a day. Policies name it."""
    return f"DESKCALLS#{service_id}#{day.isoformat()}"


def ceiling_item(service_id: str, week: str, account_id: str) -> CounterItem:
    """Return the counter of the people for whom an association has booked in a week."""
    return CounterItem(f"DESKCEILING#{service_id}#{week}", account_id)


def display_item(service_id: str, digest: str, **attributes: Any) -> DisplayItem:
    return DisplayItem(displays_partition(service_id), digest, **attributes)


def displays_partition(service_id: str) -> str:
    return f"DESKDISPLAYS#{service_id}"


def history_item(service_id: str, key: str, **attributes: Any) -> HistoryItem:
    """Return an item of the history. Policies name its partition."""
    return HistoryItem(history_partition(service_id), key, **attributes)


def history_partition(service_id: str) -> str:
    return f"DESKHISTORY#{service_id}"
