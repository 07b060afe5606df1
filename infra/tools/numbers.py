"""Numbers as the locale writes them."""

from gettext import gettext as _


def number(value: int) -> str:
    """Write a whole number: `2,880` in English, with a space instead of the comma in French."""
    return f"{value:,}".replace(",", _(","))
