"""Compare the service with the model of a seat."""

import random

from tests.conftest import document

SMALL = document(
    plannings=[{"desks": [1], "openings": [{"days": ["tuesday", "thursday"], "from": "09:15", "to": "09:30"}]}],
    release={"weeks_ahead": 1, "moments": [{"day": "monday", "at": "09:00"}]},
)


def alike() -> random.Random:
    """Return the same chance in every run."""
    return random.Random(1)  # noqa: S311 - nothing secret is drawn
