"""Words in the person's language: gettext catalogues, dates and times. French is the source of every message."""

import gettext
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path

from chalicelib.domain.messages import N_
from chalicelib.domain.service import LANGUAGES, Text, text_in

LOCALE = Path(__file__).parent.parent / "locale"
DIRECTIONS = {"fr": "ltr", "en": "ltr", "ar": "rtl"}
OWN_NAMES = {"fr": "Français", "en": "English", "ar": "العربية"}
_WEIGHT = re.compile(r"[0-9]*\.?[0-9]+|[0-9]+\.")
_BEFORE = re.compile("(?<=«) | (?=[?!:;»])")
"""Where French wants a space that does not break."""


class NoTranslations(SystemExit):
    """A catalogue is missing; the message is the one line that operators read."""


def check(locale: Path = LOCALE) -> None:
    """Stop the program, rather than show French to everybody, when a catalogue was not compiled."""
    missing = [name for name in LANGUAGES if name != "fr" and not gettext.find("guichet", locale, [name])]
    if missing:
        raise NoTranslations(f"guichet: the translations are missing ({', '.join(missing)}): run `make setup`")


check()


WEEKDAYS = (
    N_("lundi"),
    N_("mardi"),
    N_("mercredi"),
    N_("jeudi"),
    N_("vendredi"),
    N_("samedi"),
    N_("dimanche"),
)
MONTHS = (
    N_("janvier"),
    N_("février"),
    N_("mars"),
    N_("avril"),
    N_("mai"),
    N_("juin"),
    N_("juillet"),
    N_("août"),
    N_("septembre"),
    N_("octobre"),
    N_("novembre"),
    N_("décembre"),
)


@dataclass(frozen=True, slots=True)
class Locale:
    """One language: its messages, its dates, and which of a service's texts to show."""

    language: str
    _: Callable[[str], str]
    ngettext: Callable[[str, str, int], str]

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return DIRECTIONS[self.language]

    def of(self, service_text: Text) -> str:
        """A service's text in this language."""
        return text_in(service_text, self.language)

    def day(self, day: date) -> str:
        """`jeudi 3 décembre 2026`, `Thursday 3 December 2026`."""
        return f"{self._(WEEKDAYS[day.weekday()])} {self.date(day)}"

    def date(self, day: date) -> str:
        """`3 décembre 2026`, `3 December 2026`."""
        number = "1er" if day.day == 1 and self.language == "fr" else str(day.day)
        return f"{number} {self._(MONTHS[day.month - 1])} {day.year}"

    def typeset(self, sentence: str) -> str:
        """A sentence with the spaces that do not break where its language wants them."""
        return _BEFORE.sub("\u00a0", sentence) if self.language == "fr" else sentence

    def number(self, number: int) -> str:
        """`2 880` in French (with a space that does not break), `2,880` elsewhere."""
        return f"{number:,}".replace(",", "\u00a0" if self.language == "fr" else ",")

    def clock(self, moment: datetime) -> str:
        """`10 h 15` in French (with spaces that do not break), `10:15` elsewhere."""
        if self.language == "fr":
            return f"{moment.hour}\u00a0h\u00a0{moment.minute:02}"
        return f"{moment:%H:%M}"


@cache
def locale_for(language: str) -> Locale:
    """The words of one of `model.LANGUAGES`; French for any other."""
    language = language if language in LANGUAGES else "fr"
    catalogue = gettext.NullTranslations() if language == "fr" else gettext.translation("guichet", LOCALE, [language])
    return Locale(language, catalogue.gettext, catalogue.ngettext)


def preferred_language(accept_language: str) -> str:
    """The first of our languages in an Accept-Language header, by its weights; French without one."""
    best, best_weight = "fr", 0.0
    for part in accept_language[:200].split(","):
        tag, _, rest = part.strip().partition(";")
        language = tag.split("-")[0].lower()
        weight = rest.strip().removeprefix("q=") or "1"
        value = float(weight) if _WEIGHT.fullmatch(weight) else 0.0
        if language in LANGUAGES and value > best_weight:
            best, best_weight = language, value
    return best
