"""Accounts of agents: invited by an operator or an administrator, bound to an identity at the first sign-in.

The operator program and the page of the administrators both call this. Nobody becomes an agent by signing in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.desk import audit
from chalicelib.domain import emails, tokens
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.refusals import AccessChanged, InvalidFields, LastAdministrator, NotFound
from chalicelib.domain.rng import RNG
from chalicelib.storage import desk_store
from chalicelib.storage.desk_items import DeskAuditItem

HAS_ACCESS = "Cette personne a déjà accès à ce service."
OPERATOR = "operator"
_ID = re.compile("[0-9a-f]{16}")


def of_service(service_id: str) -> list[Account]:
    """Return the accounts with a role in a service, by name."""
    accounts = [account for account in desk_store.read_all_accounts() if service_id in account.roles]
    return sorted(accounts, key=lambda account: (account.name.casefold(), account.email))


def all_open() -> list[Account]:
    """Return all accounts with a role, by e-mail address."""
    return sorted(
        (account for account in desk_store.read_all_accounts() if account.roles), key=lambda account: account.email
    )


def name_of(account_id: str) -> str:
    """Return the name of an agent; empty if there is no such account any more."""
    account = desk_store.read_account(account_id) if _ID.fullmatch(account_id) else None
    return account.name if account else ""


def find(email: str) -> Account | None:
    """Return the account that an e-mail address was invited to."""
    return desk_store.find_by_email(_email_digest(email))


def invite(
    email: str, name: str, service_ids: Sequence[str], role: Role, *, by: Account | None, now: datetime
) -> Account:
    """Give an e-mail address a role in services: on its account, or on a new one. `by` is None for an operator.

    Raise InvalidFields if it has access to one of them, AccessChanged if something changed at the same moment.
    """
    known = find(email)
    added = dict.fromkeys(service_ids, role)
    if known:
        if known.roles.keys() & added.keys():
            raise InvalidFields({"email": HAS_ACCESS})
        return _change(known, {**known.roles, **added}, by=by, now=now)
    invited_by = by.id if by else OPERATOR
    account = Account(RNG.token_hex(8), email, name, added, 1, 1, invited_by, now)
    try:
        desk_store.create_account(account, _email_digest(email), by, now, _records(account, {}, by, now))
    except desk_store.Conflict as error:
        raise AccessChanged from error
    return account


def change_role(account_id: str, service_id: str, role: Role | None, *, by: Account | None, now: datetime) -> Account:
    """Change the role of an account in a service, or take it away. The account closes with its last role.

    Raise NotFound if it has no role there, LastAdministrator if the service would have none, and AccessChanged if the
    account, or the roles of who acts, changed at the same moment.
    """
    account = desk_store.read_account(account_id) if _ID.fullmatch(account_id) else None
    if account is None or service_id not in account.roles:
        raise NotFound
    others = {service: held for service, held in account.roles.items() if service != service_id}
    return _change(account, {**others, service_id: role} if role else others, by=by, now=now)


def bind(issuer: str, subject: str, email: str) -> Account | None:
    """Return the account of an identity at the provider.

    The first sign-in binds it to the account that the e-mail address was invited to. Later the address never decides.
    Return None if there is none, or if that account is bound to another identity.
    """
    digest = tokens.digest(f"{issuer}\n{subject}")
    account = desk_store.find_by_subject(digest)
    if account is None:
        account = find(email)
        if account is None or account.subject or not desk_store.bind_subject(account, digest):
            return None
    return account if account.roles else None


def _change(account: Account, roles: Mapping[str, Role], *, by: Account | None, now: datetime) -> Account:
    if roles == account.roles:
        return account
    changed = replace(account, roles=roles, version=account.version + 1)
    try:
        desk_store.change_roles(
            account,
            roles,
            _email_digest(account.email),
            actor=by,
            now=now,
            erase_at=now + audit.RETENTION,
            records=_records(changed, account.roles, by, now),
        )
    except desk_store.Conflict as error:
        raise AccessChanged from error
    except desk_store.NoAdministratorLeft as error:
        raise LastAdministrator from error
    return changed


def _records(account: Account, before: Mapping[str, Role], by: Account | None, now: datetime) -> list[DeskAuditItem]:
    """Return the audit of each role that changes, for its service."""
    return [
        audit.item(
            service_id,
            by.id if by else OPERATOR,
            "role",
            now,
            account=account.id,
            before=str(before.get(service_id, "none")),
            after=str(account.roles.get(service_id, "none")),
        )
        for service_id in sorted(before.keys() | account.roles.keys())
        if before.get(service_id) != account.roles.get(service_id)
    ]


def _email_digest(email: str) -> str:
    return tokens.digest(emails.mailbox_key(email))
