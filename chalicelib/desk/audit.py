"""The audit of the desk: who did or looked at what, and when. Kept for a year; its function can only add to it.

It has ids of holds, seats and accounts. It never has a name, an e-mail address or the words of a search.
"""

from datetime import UTC, datetime, timedelta

from chalicelib.domain import tokens
from chalicelib.storage import desk_items, desk_store
from chalicelib.storage.desk_items import DeskAuditItem

RETENTION = timedelta(days=365)
VIEW_WINDOW = timedelta(minutes=15)
NO_SERVICE = "-"
"""Stands for the service in what concerns none, such as signing in."""


def record(service_id: str, agent: str, act: str, now: datetime, **facts: str) -> None:
    """Record what an agent did."""
    desk_store.write_audit(item(service_id, agent, act, now, **facts))


def item(service_id: str, agent: str, act: str, now: datetime, **facts: str) -> DeskAuditItem:
    """Return the item that records what an agent did, for the transaction that does it."""
    moment = now.astimezone(UTC)
    return _item(
        service_id,
        f"{_text(moment)}#{agent}#{act}#{tokens.digest(repr(sorted(facts.items())))[:8]}",
        moment,
        agent=agent,
        act=act,
        facts=facts,
    )


def record_view(service_id: str, agent: str, view: str, now: datetime, **facts: str) -> None:
    """Record that an agent looked at a page: once in 15 minutes for each agent and view."""
    moment = now.astimezone(UTC)
    begin = moment - (moment - datetime.min.replace(tzinfo=UTC)) % VIEW_WINDOW
    act = f"view {view}"
    desk_store.write_audit(
        _item(service_id, f"{_text(begin)}#{agent}#{act}", moment, agent=agent, act=act, facts=facts)
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _item(service_id: str, key: str, moment: datetime, *, agent: str, act: str, facts: dict[str, str]) -> DeskAuditItem:
    erase_at = int((moment + RETENTION).timestamp())
    return desk_items.audit_item(
        service_id, moment.date(), key, agent=agent, act=act, facts=facts or None, erase_at=erase_at
    )
