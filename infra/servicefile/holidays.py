"""The public holidays of a French department, as PyPI's `holidays` knows them."""

from collections.abc import Iterable
from datetime import date

from holidays import country_holidays

YEARS = 6
"""How many calendar years of public holidays a service is stored with, this one included."""

_METROPOLE = {f"{number:02}" for number in range(1, 96)} - {"20"} | {"2A", "2B"}
_OWN = {
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
"""Departments and territories with public holidays of their own, as the library names them."""

DEPARTMENTS = frozenset(_METROPOLE | _OWN.keys())


def holidays_of(department: str, years: Iterable[int]) -> list[date]:
    """The public holidays of these years, in order; KeyError for what is no department."""
    return sorted(names_of(department, years))


def names_of(department: str, years: Iterable[int]) -> dict[date, str]:
    """The public holidays of these years with their names in English; KeyError for what is no department."""
    if department not in DEPARTMENTS:
        raise KeyError(department)
    return dict(country_holidays("FR", subdiv=_OWN.get(department), years=years, language="en_US"))


def horizon(today: date) -> range:
    """The years that a service put in place today is stored with."""
    return range(today.year, today.year + YEARS)
