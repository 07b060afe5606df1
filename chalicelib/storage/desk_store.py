"""Accounts, sessions and the audit of the desk in the table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.agent import Account, Role
from chalicelib.storage import desk_items, dynamodb
from chalicelib.storage.desk_items import (
    AdministratorsItem,
    AgentItem,
    DeskAuditItem,
    PointerItem,
    SessionItem,
    StateItem,
)
from chalicelib.storage.items import Item

T = TypeVar("T", bound=Item)


class Conflict(Exception):
    """The account, or that of the agent who acts, has changed since it was read. Nothing was written."""


class NoAdministratorLeft(Exception):
    """The change would leave a service without an administrator. Nothing was written."""


def _read(row: T) -> T | None:
    """Read an item consistently; None if there is none."""
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return row


# Accounts


def read_account(account_id: str) -> Account | None:
    """Read an account consistently; None if there is none."""
    row = _read(desk_items.agent_item(account_id))
    return _account(row) if row else None


def read_all_accounts() -> list[Account]:
    """Read all accounts consistently, the closed ones included."""
    with dynamodb.translated_errors():
        return [_account(row) for row in AgentItem.query(desk_items.AGENTS, consistent_read=True)]


def find_by_email(email_digest: str) -> Account | None:
    """Return the account that an e-mail address was invited to."""
    return _find(desk_items.email_pointer(email_digest))


def find_by_subject(subject_digest: str) -> Account | None:
    """Return the account that is bound to an identity at the provider."""
    return _find(desk_items.subject_pointer(subject_digest))


def _find(row: PointerItem) -> Account | None:
    pointer = _read(row)
    return read_account(pointer.agent) if pointer else None


def create_account(
    account: Account, email_digest: str, actor: Account | None, now: datetime, records: Sequence[DeskAuditItem]
) -> None:
    """Store a new account, and the audit of it.

    Raise Conflict if the e-mail address has one, or if the roles of the actor have changed.
    """
    row = desk_items.agent_item(
        account.id,
        email=account.email,
        name=account.name,
        roles={service_id: str(role) for service_id, role in account.roles.items()},
        version=account.version,
        generation=account.generation,
        invited_by=account.invited_by,
        invited_at=account.invited_at,
    )
    pointer = desk_items.email_pointer(email_digest, agent=account.id)

    def fill(writes: TransactWrite) -> None:
        writes.save(row, condition=AgentItem.pk.does_not_exist())
        writes.save(pointer, condition=PointerItem.pk.does_not_exist())
        _save_all(writes, records)
        _count_administrators(writes, {}, account.roles)
        _check_actor(writes, actor, now)

    if _transact(fill):
        raise Conflict


def change_roles(
    account: Account,
    roles: Mapping[str, Role],
    email_digest: str,
    *,
    actor: Account | None,
    now: datetime,
    erase_at: datetime,
    records: Sequence[DeskAuditItem],
) -> None:
    """Replace the roles of an account, and store the audit of it. Without roles it is closed, and erased at `erase_at`.

    Raise Conflict if the account or the roles of the actor have changed, NoAdministratorLeft if a service would have
    no administrator. One transaction.
    """
    actions: list[Action] = [
        AgentItem.roles.set({service_id: str(role) for service_id, role in roles.items()}),
        AgentItem.version.add(1),
    ]
    if not roles:
        actions.append(AgentItem.erase_at.set(int(erase_at.timestamp())))
    row = desk_items.agent_item(account.id)

    def fill(writes: TransactWrite) -> None:
        if not roles:
            writes.delete(desk_items.email_pointer(email_digest))
            if account.subject:
                writes.delete(desk_items.subject_pointer(account.subject))
        _save_all(writes, records)
        writes.update(row, actions, condition=_unchanged(account))
        _check_actor(writes, None if actor and actor.id == account.id else actor, now)
        _count_administrators(writes, account.roles, roles)

    failed = _transact(fill)
    if not failed:
        return
    losses = len(_administered(account.roles) - _administered(roles))
    if any(failed[: len(failed) - losses]):
        raise Conflict
    raise NoAdministratorLeft


def bind_subject(account: Account, subject_digest: str) -> bool:
    """Bind an account to an identity at the provider. Return False if one of them is bound, or the account changed."""
    row, pointer = desk_items.agent_item(account.id), desk_items.subject_pointer(subject_digest, agent=account.id)

    def fill(writes: TransactWrite) -> None:
        writes.save(pointer, condition=PointerItem.pk.does_not_exist())
        condition = _unchanged(account) & AgentItem.subject.does_not_exist()
        writes.update(row, [AgentItem.subject.set(subject_digest)], condition=condition)

    return not _transact(fill)


def note_sign_in(account_id: str, now: datetime) -> None:
    """Store when an agent signed in."""
    row = desk_items.agent_item(account_id)
    dynamodb.try_write(lambda: row.update([AgentItem.signed_in_at.set(now)], AgentItem.pk.exists()))


def end_generation(account_id: str) -> None:
    """End all sessions of an account."""
    row = desk_items.agent_item(account_id)
    dynamodb.try_write(lambda: row.update([AgentItem.generation.add(1)], AgentItem.pk.exists()))


def _account(row: AgentItem) -> Account:
    return Account(
        id=row.sk,
        email=row.email,
        name=row.name,
        roles={service_id: Role(role) for service_id, role in row.roles.items()},
        version=int(row.version),
        generation=int(row.generation),
        invited_by=row.invited_by,
        invited_at=row.invited_at,
        signed_in_at=row.signed_in_at,
        subject=row.subject or "",
    )


def _unchanged(account: Account) -> Condition:
    return AgentItem.version == account.version


def _check_actor(writes: TransactWrite, actor: Account | None, now: datetime) -> None:
    """Let the transaction fail unless the agent who acts still has the roles that were read. None is an operator."""
    if actor:
        writes.update(desk_items.agent_item(actor.id), [AgentItem.acted_at.set(now)], condition=_unchanged(actor))


def _save_all(writes: TransactWrite, rows: Sequence[DeskAuditItem]) -> None:
    for row in rows:
        writes.save(row)


def _administered(roles: Mapping[str, Role]) -> set[str]:
    return {service_id for service_id, role in roles.items() if role is Role.ADMINISTRATOR}


def _count_administrators(writes: TransactWrite, before: Mapping[str, Role], after: Mapping[str, Role]) -> None:
    """Count the administrators of each service that gains or loses one. Those that lose one come last."""
    old, new = _administered(before), _administered(after)
    for service_id in sorted(new - old):
        writes.update(desk_items.administrators_item(service_id), [AdministratorsItem.number.add(1)])
    for service_id in sorted(old - new):
        row = desk_items.administrators_item(service_id)
        writes.update(row, [AdministratorsItem.number.add(-1)], condition=AdministratorsItem.number > 1)


def _transact(fill: Callable[[TransactWrite], None]) -> list[bool]:
    """Commit a transaction as `dynamodb.transact` does. A write at the same moment raises Conflict."""
    try:
        return dynamodb.transact(fill)
    except dynamodb.TransactionConflict as error:
        raise Conflict from error


# Sessions


def write_session(cookie_digest: str, account: Account, now: datetime, until: datetime) -> None:
    """Store a new session."""
    row = desk_items.session_item(
        cookie_digest,
        agent=account.id,
        generation=account.generation,
        seen_at=now,
        until=until,
        erase_at=int(until.timestamp()),
    )
    with dynamodb.translated_errors():
        row.save()


def read_session(cookie_digest: str) -> SessionItem | None:
    """Read a session consistently; None if there is none."""
    return _read(desk_items.session_item(cookie_digest))


def touch_session(cookie_digest: str, now: datetime) -> None:
    """Store when a session was used last. A session that was ended meanwhile stays ended."""
    row = desk_items.session_item(cookie_digest)
    dynamodb.try_write(lambda: row.update([SessionItem.seen_at.set(now)], SessionItem.pk.exists()))


def delete_session(cookie_digest: str) -> None:
    """End a session."""
    with dynamodb.translated_errors():
        desk_items.session_item(cookie_digest).delete()


def use_state(state_digest: str, erase_at: datetime) -> bool:
    """Use the state of a sign-in. Return False if it was used before."""
    row = desk_items.state_item(state_digest, erase_at=int(erase_at.timestamp()))
    return dynamodb.try_write(lambda: row.save(StateItem.pk.does_not_exist()))


# The audit


def write_audit(row: DeskAuditItem) -> None:
    """Store an audit item, unless there is one with its key."""
    dynamodb.try_write(lambda: row.save(DeskAuditItem.pk.does_not_exist()))


def read_audit(service_id: str, day: date) -> Iterator[DeskAuditItem]:
    """Return the audit items of a service and a day, in the order of their keys. For operators only."""
    with dynamodb.translated_errors():
        yield from DeskAuditItem.query(desk_items.audit_partition(service_id, day))
