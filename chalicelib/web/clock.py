"""The clock of the HTTP layer, read once for each request."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime

clock: Callable[[], datetime] = functools.partial(datetime.now, UTC)
"""What `now` reads. A test sets its own clock here."""


def now() -> datetime:
    """The clock, read once a request, in whole milliseconds as the table keeps them."""
    moment = clock()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
