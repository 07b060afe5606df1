"""Sessions of agents: at most 30 minutes without a request, and 8 hours in all.

The cookie has 256 random bits; the table has its digest only. Roles are in the account, which each request reads.
"""

import re
from datetime import datetime, timedelta

from chalicelib.domain import tokens
from chalicelib.domain.agent import Account
from chalicelib.storage import desk_store

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=8)
_COOKIE = re.compile("[a-z2-7]{52}")
TOUCH_AFTER = timedelta(minutes=1)
"""How old the moment of the last request may get before it is written again."""


def begin(account: Account, now: datetime) -> str:
    """Begin a session. Return the value of its cookie."""
    cookie = tokens.new_secret()
    desk_store.write_session(tokens.digest(cookie), account, now, now + LONGEST)
    return cookie


def read(cookie: str, now: datetime, *, prolong: bool = True) -> Account | None:
    """Return the account of a live session, as the table has it now; None if the session has ended."""
    if not _COOKIE.fullmatch(cookie):
        return None
    digest = tokens.digest(cookie)
    session = desk_store.read_session(digest)
    if session is None or now >= session.until or now >= session.seen_at + IDLE:
        return None
    account = desk_store.read_account(session.agent)
    if account is None or account.generation != int(session.generation) or not account.roles:
        return None
    if prolong and now >= session.seen_at + TOUCH_AFTER:
        desk_store.touch_session(digest, now)
    return account


def end(cookie: str) -> None:
    """End a session. Idempotent."""
    if _COOKIE.fullmatch(cookie):
        desk_store.delete_session(tokens.digest(cookie))


def end_all(account: Account) -> None:
    """End all sessions of an account, on every computer."""
    desk_store.end_generation(account.id)
