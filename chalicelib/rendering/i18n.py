"""Translations: gettext catalogues, dates and times in each language. French is the source of every message."""

import gettext
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from chalicelib.domain import languages
from chalicelib.domain.languages import SOURCE, Language
from chalicelib.domain.messages import N_
from chalicelib.domain.service import Text, text_in

_MINUTE, _DAY = 60, 86_400
"""Seconds."""
_FEWEST_DAYS = 3
"""Fewer full days are written in hours."""
LOCALE = Path(__file__).parent.parent / "locale"
_WEIGHT = re.compile(r"[0-9]*\.?[0-9]+|[0-9]+\.")
_FRENCH_SPACE = re.compile("(?<=«) | (?=[?!:;»])")
"""The spaces of a French sentence at which a line must not break."""


class NoTranslations(SystemExit):
    """A compiled catalogue is missing. The message is the one line that operators read."""


def check(folder: Path = LOCALE) -> None:
    """Raise NoTranslations if the catalogue of a language was not compiled: its readers would see French."""
    translated = [language for language in languages.TABLE.values() if language.code != SOURCE]
    missing = [language.code for language in translated if not gettext.find("guichet", folder, [language.catalogue])]
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

SHORT_MONTHS = (
    N_("janv."),
    N_("févr."),
    N_("mars"),
    N_("avr."),
    N_("mai"),
    N_("juin"),
    N_("juil."),
    N_("août"),
    N_("sept."),
    N_("oct."),
    N_("nov."),
    N_("déc."),
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
        return self._row.direction

    @property
    def own_name(self) -> str:
        """Its name in itself."""
        return self._row.name

    @property
    def is_french(self) -> bool:
        """Whether it is French or easy French: texts of the prefecture need no `lang`, dates and times are French."""
        return self._row.is_french

    @property
    def is_source(self) -> bool:
        """Whether it is French itself, which is authentic."""
        return self.language == SOURCE

    @property
    def _row(self) -> Language:
        return languages.TABLE[self.language]

    def text(self, service_text: Text) -> str:
        """Return a text of a service in this language."""
        return text_in(service_text, self.language)

    def full_date(self, day: date) -> str:
        """Write a date with its weekday: `jeudi 3 décembre 2026`, `Thursday 3 December 2026`."""
        return self.with_weekday(day, self.long_date(day))

    def with_weekday(self, day: date, written: str) -> str:
        """Put the weekday of a day on the side of the written date where the language has it."""
        weekday = self._(WEEKDAYS[day.weekday()])
        return f"{written} {weekday}" if self._row.weekday_last else f"{weekday} {written}"

    def long_date(self, day: date) -> str:
        """Write a date: `3 décembre 2026`, `3 December 2026`."""
        return f"{self.day_and_month(day)} {day.year}"

    def day_and_month(self, day: date) -> str:
        """Write a date without its year: `3 décembre`, `3 December`."""
        return f"{self._day_number(day)} {self._(MONTHS[day.month - 1])}"

    def short_date(self, day: date) -> str:
        """Write a date in little room: `3 déc.`, `3 Dec`."""
        return f"{self._day_number(day)} {self._(SHORT_MONTHS[day.month - 1])}"

    def _day_number(self, day: date) -> str:
        return "1er" if day.day == 1 and self.is_french else str(day.day)

    def time_of_day(self, moment: datetime) -> str:
        """Write hours and minutes: `10 h 15` in French (with non-breaking spaces), `10:15` elsewhere."""
        if self.is_french:
            return f"{moment.hour}\u00a0h\u00a0{moment.minute:02}"
        return f"{moment:%H:%M}"

    def time_with_seconds(self, moment: datetime) -> str:
        """Write a time to the second: `9 h 02 min 14 s` in French (with non-breaking spaces), `09:02:14` elsewhere."""
        if self.is_french:
            return f"{self.time_of_day(moment)}\u00a0min\u00a0{moment.second:02}\u00a0s"
        return f"{moment:%H:%M:%S}"

    def number(self, number: int) -> str:
        """Write a number: `2 880` in French (with a non-breaking space), `2,880` in English, `2.880` in Turkish."""
        return f"{number:,}".replace(",", self._row.thousands)

    def duration(self, time: timedelta | int) -> str:
        """Write a duration, or a number of seconds, as people say it: `48 heures`, `3 jours`, `1 heure et 30 minutes`.

        It is in full minutes, or in seconds if it is less than one.
        """
        seconds = round(time.total_seconds()) if isinstance(time, timedelta) else time
        if seconds < _MINUTE:
            return self.ngettext("%(num)s seconde", "%(num)s secondes", seconds) % {"num": seconds}
        days, rest = divmod(seconds, _DAY)
        if days >= _FEWEST_DAYS and not rest:
            return self.ngettext("%(num)s jour", "%(num)s jours", days) % {"num": days}
        hours, minutes = divmod(seconds // _MINUTE, 60)
        in_hours = self.ngettext("%(num)s heure", "%(num)s heures", hours) % {"num": hours}
        in_minutes = self.ngettext("%(num)s minute", "%(num)s minutes", minutes) % {"num": minutes}
        if hours and minutes:
            return self._("{hours} et {minutes}").format(hours=in_hours, minutes=in_minutes)
        return in_hours if hours else in_minutes

    def typeset(self, sentence: str) -> str:
        """Put the non-breaking spaces of the language's typography into a sentence."""
        return _FRENCH_SPACE.sub("\u00a0", sentence) if self.is_french else sentence


@cache
def locale_for(language: str) -> Locale:
    """Return the locale of one of our languages; the French one for any other language."""
    row = languages.TABLE.get(language, languages.TABLE[SOURCE])
    if row.code == SOURCE:
        catalogue = gettext.NullTranslations()
    else:
        catalogue = gettext.translation("guichet", LOCALE, [row.catalogue])
    return Locale(row.code, catalogue.gettext, catalogue.ngettext)


def french_and(locale: Locale) -> list[Locale]:
    """Return the locales of a printed text: French, which is authentic, then this one if it is another."""
    return [locale] if locale.is_source else [locale_for(SOURCE), locale]


def preferred_language(accept_language: str) -> str:
    """Return our language with the highest weight in an Accept-Language header; else French.

    A tag chooses by its first subtag only: `fr-FR` is French, and no header chooses easy French (`fr-x-facile`).
    """
    negotiable = {code for code, language in languages.TABLE.items() if language.is_negotiable}
    best, best_weight = SOURCE, 0.0
    for part in accept_language[:200].split(","):
        tag, _, rest = part.strip().partition(";")
        language = tag.split("-")[0].lower()
        weight = rest.strip().removeprefix("q=") or "1"
        value = float(weight) if _WEIGHT.fullmatch(weight) else 0.0
        if language in negotiable and value > best_weight:
            best, best_weight = language, value
    return best
