"""Translations: gettext catalogues, dates and times in each language. French is the source of every message."""

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
_FRENCH_SPACE = re.compile("(?<=«) | (?=[?!:;»])")
"""The spaces of a French sentence at which a line must not break."""


class NoTranslations(SystemExit):
    """A compiled catalogue is missing. The message is the one line that operators read."""


def check(folder: Path = LOCALE) -> None:
    """Raise NoTranslations if the catalogue of a language was not compiled: its readers would see French."""
    missing = [name for name in LANGUAGES if name != "fr" and not gettext.find("guichet", folder, [name])]
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
    """A language: its messages, and how it writes dates, times and numbers."""

    language: str
    _: Callable[[str], str]
    """Translate a message. It has gettext's usual name, by which catalogues find their messages."""
    ngettext: Callable[[str, str, int], str]

    @property
    def direction(self) -> str:
        """The direction of its script: `ltr` or `rtl`."""
        return DIRECTIONS[self.language]

    def text(self, service_text: Text) -> str:
        """Return a text of a service in this language."""
        return text_in(service_text, self.language)

    def full_date(self, day: date) -> str:
        """Write a date with its weekday: `jeudi 3 décembre 2026`, `Thursday 3 December 2026`."""
        return f"{self._(WEEKDAYS[day.weekday()])} {self.long_date(day)}"

    def long_date(self, day: date) -> str:
        """Write a date: `3 décembre 2026`, `3 December 2026`."""
        number = "1er" if day.day == 1 and self.language == "fr" else str(day.day)
        return f"{number} {self._(MONTHS[day.month - 1])} {day.year}"

    def time_of_day(self, moment: datetime) -> str:
        """Write hours and minutes: `10 h 15` in French (with non-breaking spaces), `10:15` elsewhere."""
        if self.language == "fr":
            return f"{moment.hour}\u00a0h\u00a0{moment.minute:02}"
        return f"{moment:%H:%M}"

    def number(self, number: int) -> str:
        """Write a number: `2 880` in French (with a non-breaking space), `2,880` elsewhere."""
        return f"{number:,}".replace(",", "\u00a0" if self.language == "fr" else ",")

    def typeset(self, sentence: str) -> str:
        """Put the non-breaking spaces of the language's typography into a sentence."""
        return _FRENCH_SPACE.sub("\u00a0", sentence) if self.language == "fr" else sentence


@cache
def locale_for(language: str) -> Locale:
    """Return the locale of one of `LANGUAGES`; the French one for any other language."""
    language = language if language in LANGUAGES else "fr"
    catalogue = gettext.NullTranslations() if language == "fr" else gettext.translation("guichet", LOCALE, [language])
    return Locale(language, catalogue.gettext, catalogue.ngettext)


def preferred_language(accept_language: str) -> str:
    """Return the language of `LANGUAGES` with the highest weight in an Accept-Language header; else French."""
    best, best_weight = "fr", 0.0
    for part in accept_language[:200].split(","):
        tag, _, rest = part.strip().partition(";")
        language = tag.split("-")[0].lower()
        weight = rest.strip().removeprefix("q=") or "1"
        value = float(weight) if _WEIGHT.fullmatch(weight) else 0.0
        if language in LANGUAGES and value > best_weight:
            best, best_weight = language, value
    return best
