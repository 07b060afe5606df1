"""The names of half-days, such as `tue-am`, in the language of a page or letter."""

from chalicelib.domain.draw_window import DAYS
from chalicelib.domain.messages import N_
from chalicelib.rendering.i18n import WEEKDAYS, Locale

_HALVES = {"am": N_("{weekday} matin"), "pm": N_("{weekday} après-midi")}
_ANY = N_("N’importe quelle demi-journée")


def name(half_day: str, locale: Locale) -> str:
    """Return the name of a half-day, such as `mardi matin`, or of any of them."""
    day, _, half = half_day.partition("-")
    if not half:
        return locale._(_ANY)
    return locale._(_HALVES[half]).format(weekday=locale._(WEEKDAYS[DAYS.index(day)]))
