"""The public holidays of a French department, from the `holidays` package."""

from collections.abc import Iterable
from datetime import date

YEARS = 6
"""For how many calendar years public holidays are stored with a service, the current one included."""

_METROPOLE = {f"{number:02}" for number in range(1, 96)} - {"20"} | {"2A", "2B"}
_SUBDIVISIONS = {
    "57": "57",
    "67": "6AE",
    "68": "6AE",
    "971": "971",
    "972": "972",
    "973": "973",
    "974": "974",
    "975": "PM",
    "976": "976",
    "977": "BL",
    "978": "MF",
    "986": "WF",
    "987": "PF",
    "988": "NC",
}
"""The package's names of the departments and territories whose public holidays differ."""

DEPARTMENTS = frozenset(_METROPOLE | _SUBDIVISIONS.keys())


def holidays_of(department: str, years: Iterable[int]) -> list[date]:
    """Return the public holidays of these years in order. Raise KeyError if there is no such department."""
    return sorted(names_of(department, years))


def names_of(department: str, years: Iterable[int]) -> dict[date, str]:
    """Return the public holidays of these years with their English names. Raise KeyError as `holidays_of` does."""
    from holidays import country_holidays  # noqa: PLC0415  # loads a module for each calendar of the world

    if department not in DEPARTMENTS:
        raise KeyError(department)
    return dict(country_holidays("FR", subdiv=_SUBDIVISIONS.get(department), years=years, language="en_US"))


def horizon(today: date) -> range:
    """Return the years whose public holidays are stored with a service that is put in place today."""
    return range(today.year, today.year + YEARS)
