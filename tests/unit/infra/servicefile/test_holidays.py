"""The public holidays of the departments."""

from datetime import date

import pytest

from infra.servicefile.holidays import DEPARTMENTS, holidays_of


@pytest.mark.parametrize(
    ("department", "day", "is_holiday"),
    [
        ("42", date(2027, 3, 26), False),  # Good Friday
        ("42", date(2027, 3, 29), True),  # Easter Monday
        ("42", date(2026, 12, 26), False),
        ("42", date(2026, 7, 14), True),
        ("2A", date(2027, 5, 6), True),  # Ascension
        ("57", date(2027, 3, 26), True),
        ("57", date(2026, 12, 26), True),
        ("67", date(2027, 3, 26), True),
        ("68", date(2026, 12, 26), True),
        ("54", date(2026, 12, 26), False),
        ("974", date(2026, 12, 20), True),
        ("974", date(2027, 3, 26), False),
        ("971", date(2026, 5, 27), True),
        ("972", date(2026, 5, 22), True),
        ("973", date(2026, 6, 10), True),
        ("976", date(2026, 4, 27), True),
        ("977", date(2026, 10, 9), True),
        ("978", date(2026, 5, 28), True),
        ("986", date(2026, 7, 29), True),
        ("987", date(2027, 3, 26), True),
        ("988", date(2026, 9, 24), True),
        ("975", date(2026, 7, 14), True),
    ],
)
def test_a_department_has_its_own_public_holidays(department: str, day: date, is_holiday: bool) -> None:  # noqa: FBT001
    assert (day in holidays_of(department, [day.year])) is is_holiday


def test_every_department_has_the_eleven_public_holidays_of_france() -> None:
    common = set(holidays_of("42", [2027]))
    assert len(common) == 11
    assert [number for number in DEPARTMENTS if not common <= set(holidays_of(number, [2027]))] == []
    assert len(DEPARTMENTS) == 96 + 11


@pytest.mark.parametrize("number", ["", "0", "00", "20", "96", "970", "989", "Loire", "2a"])
def test_an_unknown_department_has_no_public_holidays(number: str) -> None:
    with pytest.raises(KeyError):
        holidays_of(number, [2027])
