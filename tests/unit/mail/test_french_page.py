"""docs/lettres.md, for those who answer people, has every letter and the times of the code."""

import re

from chalicelib.booking.filing import EMAIL_CHANGES
from chalicelib.domain import entry
from chalicelib.domain.service import Limits
from chalicelib.mail import letters, witnesses
from chalicelib.mail.letter_kinds import LetterKind
from infra.deploy.package import ROOT

PAGE = (ROOT / "docs" / "lettres.md").read_text("utf-8")
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE))


def test_the_page_has_every_letter_by_its_subject() -> None:
    assert sorted({*ROWS} - {"sujet", "---"}) == sorted([*letters.SUBJECTS.values(), witnesses.SUBJECT])


def test_the_page_has_the_times_of_the_code() -> None:
    reminder = ROWS[letters.SUBJECTS[LetterKind.REMINDER]]
    assert reminder.startswith(f"{Limits().remind.total_seconds() / 3600:.0f} heures avant")
    assert (Limits().remind.days + 1, EMAIL_CHANGES, entry.ENDS_SOON.days // 7) == (3, 2, 3)
    assert "moins de trois jours" in reminder
    assert f"avant la fin de ses {entry.LIFE.days // 7} semaines" in PAGE
