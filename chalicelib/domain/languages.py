"""The languages of the pages and letters: one row for each. `docs/architecture.md` says how to add one."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Language:
    """A language that a visitor can choose.

    `code` is its BCP 47 tag, which may have subtags, such as `fr-x-facile`. It is in `lang` attributes, cookies, the
    query and headers. `name` is its name in itself. `is_french` tells whether it is French or a form of it, whose
    typography, dates and times are the same.
    """

    code: str
    name: str
    direction: Literal["ltr", "rtl"] = "ltr"
    is_french: bool = False
    thousands: str = ","
    """What stands between the thousands of a number."""
    weekday_last: bool = False
    """Whether a date ends with its weekday, as in `3 Aralık 2026 Perşembe`."""

    @property
    def catalogue(self) -> str:
        """The folder of its gettext catalogue, as Babel spells it: `fr_x_facile`."""
        return self.code.replace("-", "_")

    @property
    def is_negotiable(self) -> bool:
        """Whether an Accept-Language header can choose it. Browsers do not ask for private subtags."""
        return "-" not in self.code


SOURCE = "fr"
"""The language in which messages are written, which has no catalogue."""
TABLE: Mapping[str, Language] = MappingProxyType(
    {
        language.code: language
        for language in (
            Language(SOURCE, "Français", is_french=True, thousands="\u00a0"),
            Language("fr-x-facile", "Français facile", is_french=True, thousands="\u00a0"),
            Language("en", "English"),
            Language("ar", "العربية", direction="rtl"),
            Language("tr", "Türkçe", thousands=".", weekday_last=True),
        )
    }
)
"""Every language by its code, in the order of the menu."""
