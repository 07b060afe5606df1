"""Store the entry of a hold whose captcha is passed."""

from datetime import datetime, timedelta

from chalicelib.booking import hold_limits
from chalicelib.booking.hold import CAPTCHA_TRIES, Held, Waiting
from chalicelib.booking.hold_limits import Visitor
from chalicelib.domain.entry import Entry
from chalicelib.domain.refusals import WrongAllocation
from chalicelib.domain.seat import State
from chalicelib.domain.tokens import entry_key
from chalicelib.keys import keys
from chalicelib.storage import entry_store, waiting_store

UNFILED = timedelta(days=1)
"""How long an entry without details is stored after its time for the form."""


def store(hold: Waiting, made_at: int, visitor: Visitor, *, now: datetime) -> Held | None:
    """Store the entry of a hold whose challenge of `made_at` was answered right. None if the challenge is spent.

    Also None if another answer has stored the entry. Nobody else can have it, so an answer that was interrupted after
    it spent the challenge may be sent again. Raises WrongAllocation when the service has no draws any more.
    """
    service, key = hold.service, entry_key(hold.service.id, hold.digest)
    if not service.draw:
        raise WrongAllocation
    keep = service.limits.longest_hold
    is_first = waiting_store.pass_captcha(hold.digest, made_at, key, now, most=CAPTCHA_TRIES, lifetime=keep)
    if not is_first and waiting_store.assigned_seat(hold.digest) is None:
        return None
    until = now + service.limits.form
    if not entry_store.create(key, hold.digest, hold.preferences, until, now + keep + UNFILED):
        return None
    entry = Entry(key, State.HELD, hold.digest, until, captcha_passed=True, preferences=hold.preferences)
    limited = hold_limits.apply_limits(visitor, entry, hold_limits.count_hold(visitor, now), now)
    given_back = hold_limits.end_other_hold(visitor, limited, now)
    return Held(keys().seated_token(hold.token, key), service, until, now, limited, given_back)
