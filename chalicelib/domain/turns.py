"""Turns: in the first seconds after a release, seats are given in a secret order instead of to the quickest.

A captcha that is passed in these seconds, the *batch*, gives a turn after their end instead of a seat. The order comes
from the rank of the client network, a random-looking number from 0 up to 1.
"""

from datetime import datetime, timedelta
from math import log

from chalicelib.domain import timetable
from chalicelib.domain.service import Service

SPREAD = timedelta(seconds=45)
"""The last turn of a batch comes so long after its end."""
AT_ONCE = 1 / 256
"""The share of the turns that come right at the end of the batch."""
KEPT = timedelta(minutes=15)
"""How long a turn can be used after it came."""


def turn(service: Service, release: datetime, rank: float) -> datetime:
    """Return the turn of a rank, in whole milliseconds.

    The share of the turns that have come grows by the same factor in each second, up to 1 at the end of the spread. So
    whoever is a second late loses the same small part of their chance, however many people there are for each seat. If
    turns came at a constant rate, all seats of a large crowd would go within the first second of the spread.
    """
    delay = SPREAD * (1 - log(max(rank, AT_ONCE)) / log(AT_ONCE))
    return release + service.release.batch + timedelta(milliseconds=round(delay / timedelta(milliseconds=1)))


def batched_release(service: Service, now: datetime) -> datetime | None:
    """Return the release whose turns may still come, in UTC; None without one, or if the service has no batch."""
    release = timetable.last_release(service, now) if service.release.batch else None
    return release if release and now < turn(service, release, 1) else None
