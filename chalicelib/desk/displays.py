"""The screens of the waiting room: who may show the calls of a service, by links that planners make and revoke.

The operator program and the page of the planners both call this.
"""

from datetime import datetime

from chalicelib.desk import audit
from chalicelib.domain import display, tokens
from chalicelib.domain.display import Display
from chalicelib.domain.refusals import NotFound, TooManyRequests
from chalicelib.storage import display_store


def of_service(service_id: str, now: datetime) -> list[Display]:
    """Return the links of a service that are valid, the oldest first."""
    return sorted(
        (each for each in display_store.read_all(service_id) if now < each.until), key=lambda each: each.made_at
    )


def add(service_id: str, place: str, secret: str, agent_id: str, now: datetime) -> Display:
    """Make a link with a new secret, for a screen at this place. Repeated with the same secret it makes no second one.

    Raise TooManyRequests if the same link is made or revoked at this moment.
    """
    new = Display(service_id, tokens.digest(secret), place, agent_id, now, now + display.LIFETIME)
    if display_store.add(new, audit.item(service_id, agent_id, "display add", now, display=new.id)):
        return new
    known = display_store.read(service_id, new.digest)
    if known is None:
        raise TooManyRequests
    return known


def revoke(service_id: str, display_id: str, agent_id: str, now: datetime) -> bool:
    """Revoke a link: its screens stop at their next request. Return False if there is none with this id."""
    for known in display_store.read_all(service_id):
        if known.id == display_id:
            record = audit.item(service_id, agent_id, "display revoke", now, display=display_id)
            return display_store.delete(known, record)
    return False


def find(token: str, now: datetime) -> Display:
    """Return the link that a URL names. Raise NotFound if it is malformed, over or revoked."""
    named = display.read_token(token)
    known = display_store.read(*named) if named else None
    if known is None or now >= known.until:
        raise NotFound
    return known
